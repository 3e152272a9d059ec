"""That the model does not know a microscope is said in the list and before the count, with what to do."""

from __future__ import annotations

import msgspec
import pytest
from bundles import rewritten
from samples import cell, field

from edge.cli import main
from edge.models.known import KnownMicroscopes, Limits
from edge.naming.classifier import Classifier
from edge.store.fields import Store

KNOWN = KnownMicroscopes(
    on="held-out photographs",
    unlike=1.0,
    unsure=0.3,
    usual={"unlike": 0.1},
    limits={"unlike": Limits(0.15, 0.3)},
)


@pytest.fixture
def device(tmp_path):
    """Return a configuration with two specimens in its store: one of a known microscope, one of another."""
    bundle = rewritten(tmp_path / "model.tflite", known=KNOWN)
    model = Classifier.load(bundle).reference
    with Store.open(tmp_path / "results.db") as store:
        for specimen, distance in (("K", 0.6), ("U", 1.7)):
            store.start_specimen(specimen)
            one = msgspec.structs.replace(cell(), distance=distance)
            for _ in range(30):
                seen = field(store.next_sequence(), one, specimen_id=specimen)
                store.add(msgspec.structs.replace(seen, model=model))
    path = tmp_path / "device.toml"
    text = f'[camera]\nkind = "simulated"\n[model]\npath = "{bundle}"\n[store]\npath = "results.db"\n'
    path.write_text(text, encoding="utf-8")
    return path


def test_the_list_says_it_of_the_specimen_and_of_no_other(device, capsys):
    assert main(["specimen", "list", "--config", str(device)]) == 0
    rows = {line.split("\t")[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "UNFAMILIAR MICROSCOPE" in rows["U"]
    assert "MICROSCOPE" not in rows["K"]


def test_before_the_count_it_is_said_why_and_what_to_do(device, capsys):
    assert main(["specimen", "show", "U", "--config", str(device)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Unfamiliar microscope: do not rely on this count: 100 % of its cells are unlike" in told
    assert told.index("Unfamiliar microscope") < told.index("U: running")
    assert "leukoscope model adapt" in told
    assert "not corrected: the microscope is unfamiliar" in told
    assert main(["specimen", "show", "K", "--config", str(device)]) == 0
    assert "microscope" not in capsys.readouterr().out
