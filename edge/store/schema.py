"""The tables of a result store: as the first version had them, and what each later one changed."""

from __future__ import annotations

FIRST = """
CREATE TABLE specimens (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'final', 'corrected')),
    started_at TEXT NOT NULL,
    finished_at TEXT
) STRICT;
-- AUTOINCREMENT: a sequence is never given twice, not even after its row is gone.
CREATE TABLE fields (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    field_id TEXT NOT NULL UNIQUE,
    specimen_id TEXT NOT NULL REFERENCES specimens (id),
    source_id TEXT,
    run_id TEXT NOT NULL,
    committed_s REAL NOT NULL,
    tally BLOB NOT NULL,
    payload BLOB,
    delivered_at TEXT,
    error TEXT,
    UNIQUE (specimen_id, source_id)
) STRICT;
CREATE INDEX fields_of_specimen ON fields (specimen_id);
CREATE INDEX fields_waiting ON fields (sequence) WHERE delivered_at IS NULL;
"""
"""The tables of version 1."""

MIGRATIONS = (
    # 1 to 2: specimens by command, and what was said of each by whom.
    """
CREATE TABLE specimens_2 (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'stopped', 'final', 'corrected', 'discarded')),
    started_at TEXT NOT NULL,
    finished_at TEXT,
    target INTEGER,
    total_count REAL,
    by_command INTEGER NOT NULL DEFAULT 0,
    said INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO specimens_2 (id, state, started_at, finished_at)
    SELECT id, state, started_at, finished_at FROM specimens ORDER BY rowid;
DROP TABLE specimens;
ALTER TABLE specimens_2 RENAME TO specimens;
-- Cells can only ever be counted into one.
CREATE UNIQUE INDEX open_by_command ON specimens (by_command) WHERE state = 'open' AND by_command = 1;
CREATE TABLE specimen_events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    specimen_id TEXT NOT NULL REFERENCES specimens (id),
    kind TEXT NOT NULL,
    at TEXT NOT NULL,
    operator TEXT,
    what TEXT,
    why TEXT
) STRICT;
CREATE INDEX events_of_specimen ON specimen_events (specimen_id);
""",
    # Clock minus monotonic clock at the commit, where the clock was not set: its times wait to be corrected.
    # Without an index: it would be a page more to write for each field, for what is asked once a start.
    "ALTER TABLE fields ADD COLUMN clock_offset_s REAL;\n",
    # Answers to orders, until the broker has them. at_s: the monotonic clock of that boot.
    """
CREATE TABLE answers (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    correlation_id TEXT NOT NULL UNIQUE,
    command TEXT NOT NULL,
    asked BLOB NOT NULL,
    payload BLOB NOT NULL,
    boot_id TEXT NOT NULL,
    at_s REAL NOT NULL,
    sent INTEGER NOT NULL DEFAULT 0
) STRICT;
""",
    # The small pictures by which a slide is known again. Apart from the fields: those are written again when
    # they are delivered, and their pictures should not be.
    """
CREATE TABLE keyframes (
    sequence INTEGER PRIMARY KEY REFERENCES fields (sequence),
    picture BLOB NOT NULL
) STRICT;
""",
    # When a clock that was set first met the specimen stopped: finished_at may be of one that was not.
    "ALTER TABLE specimens ADD COLUMN met_stopped_at TEXT;\n",
    # 6 to 7: `final` means signed; which source counts a specimen, and from which field on; drawn slides.
    """
CREATE TABLE specimens_7 (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'stopped', 'complete', 'final', 'corrected', 'discarded')),
    started_at TEXT NOT NULL,
    finished_at TEXT,
    target INTEGER,
    total_count REAL,
    by_command INTEGER NOT NULL DEFAULT 0,
    said INTEGER NOT NULL DEFAULT 0,
    met_stopped_at TEXT,
    source TEXT,
    source_from INTEGER NOT NULL DEFAULT 0,
    simulated INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO specimens_7 (id, state, started_at, finished_at, target, total_count, by_command, said,
        met_stopped_at, simulated)
    SELECT id,
        CASE WHEN state IN ('final', 'corrected') AND NOT EXISTS
                (SELECT 1 FROM specimen_events WHERE specimen_id = specimens.id AND kind = 'signed')
            THEN 'complete' ELSE state END,
        started_at, finished_at, target, total_count, by_command, said, met_stopped_at,
        EXISTS (SELECT 1 FROM fields WHERE specimen_id = specimens.id AND source_id LIKE 'simulated:%')
    FROM specimens ORDER BY rowid;
DROP TABLE specimens;
ALTER TABLE specimens_7 RENAME TO specimens;
CREATE UNIQUE INDEX open_by_command ON specimens (by_command) WHERE state = 'open' AND by_command = 1;
UPDATE fields SET payload = CAST(json_set(CAST(payload AS TEXT), '$.simulated', json('true')) AS BLOB)
    WHERE source_id LIKE 'simulated:%' AND json_valid(CAST(payload AS TEXT));
""",
    # 7 to 8: cells by their ids, their pictures, and what people say of them; a specimen's uuid and revision.
    """
CREATE TABLE specimens_8 (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'stopped', 'complete', 'final', 'corrected', 'discarded')),
    started_at TEXT NOT NULL,
    finished_at TEXT,
    target INTEGER,
    total_count REAL,
    by_command INTEGER NOT NULL DEFAULT 0,
    said INTEGER NOT NULL DEFAULT 0,
    met_stopped_at TEXT,
    source TEXT,
    source_from INTEGER NOT NULL DEFAULT 0,
    simulated INTEGER NOT NULL DEFAULT 0,
    -- Never another's, where the typed id may be given again on another device; a random UUID (RFC 9562).
    uuid TEXT NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4'
        || substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1)
        || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))),
    -- Rises with all that is noted of it: who has seen an earlier one has not seen what changed since.
    revision INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO specimens_8 (id, state, started_at, finished_at, target, total_count, by_command, said,
        met_stopped_at, source, source_from, simulated, revision)
    SELECT id, state, started_at, finished_at, target, total_count, by_command, said, met_stopped_at,
        source, source_from, simulated,
        (SELECT count(*) FROM specimen_events WHERE specimen_id = specimens.id)
    FROM specimens ORDER BY rowid;
DROP TABLE specimens;
ALTER TABLE specimens_8 RENAME TO specimens;
CREATE UNIQUE INDEX open_by_command ON specimens (by_command) WHERE state = 'open' AND by_command = 1;
-- Where each cell is, and what it counts as by the model. same_as: another sighting of the same cell on the
-- slide, which counts in its place, or leads to the one that does. aside: why it is not counted.
CREATE TABLE cells (
    cell_id TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL REFERENCES fields (sequence) DEFERRABLE INITIALLY DEFERRED,
    label TEXT NOT NULL,
    aside TEXT,
    doubtful INTEGER NOT NULL DEFAULT 0,
    same_as TEXT
) STRICT;
CREATE INDEX cells_of_field ON cells (sequence);
-- kept_at: when it was kept, by a clock that was set; until then it has no age.
CREATE TABLE cell_pictures (
    cell_id TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL REFERENCES fields (sequence) DEFERRABLE INITIALLY DEFERRED,
    kept_at TEXT,
    jpeg BLOB NOT NULL
) STRICT;
CREATE INDEX pictures_of_field ON cell_pictures (sequence);
-- What people say of cells, each word a row that stays. undone_by: the review that took it back.
CREATE TABLE reviews (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    specimen_id TEXT NOT NULL REFERENCES specimens (id) ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED,
    cell_id TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('confirm', 'relabel', 'exclude', 'undo')),
    label TEXT,
    model_label TEXT NOT NULL,
    operator TEXT NOT NULL,
    at TEXT NOT NULL,
    reason TEXT,
    undone_by INTEGER
) STRICT;
CREATE INDEX reviews_of_specimen ON reviews (specimen_id);
CREATE INDEX reviews_of_cell ON reviews (cell_id);
""",
    # 8 to 9: how large a pixel of a camera is, which its next specimen begins with.
    """
CREATE TABLE rulers (
    camera TEXT PRIMARY KEY,
    micrometres_per_pixel REAL NOT NULL CHECK (micrometres_per_pixel > 0)
) STRICT;
""",
    # 9 to 10: how far a model's logits have moved on a microscope, which the next specimen begins with.
    """
CREATE TABLE alignments (
    camera TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    logits TEXT NOT NULL
) STRICT;
""",
    # 10 to 11: of a field whose cells were dropped, how many a person should have looked at.
    "ALTER TABLE fields ADD COLUMN doubts_dropped INTEGER NOT NULL DEFAULT 0;\n",
    # 11 to 12: what each model that called cells says of its errors: its count stays as it was. They are few.
    """
CREATE TABLE models (
    sha256 TEXT NOT NULL,
    description BLOB NOT NULL
) STRICT;
""",
    # 12 to 13: of what is noted while the clock is not set, the boot and clock minus monotonic clock; and the
    # right time, once it is known. `at` stays what the clock showed.
    """
ALTER TABLE specimen_events ADD COLUMN boot_id TEXT;
ALTER TABLE specimen_events ADD COLUMN clock_offset_s REAL;
ALTER TABLE specimen_events ADD COLUMN right_at TEXT;
ALTER TABLE reviews ADD COLUMN boot_id TEXT;
ALTER TABLE reviews ADD COLUMN clock_offset_s REAL;
ALTER TABLE reviews ADD COLUMN right_at TEXT;
""",
)
"""How a store of each version becomes one of the next; the first is from version 1 to 2."""
