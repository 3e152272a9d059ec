"""`leukoscope specimen cells|review|history`, as a person types them."""

from __future__ import annotations

import msgspec
import pytest
from daemons import toml
from samples import cell, field

from edge.cli import main, specimen_listing
from edge.config import Config, ReplayConfig, StoreConfig
from edge.messages.differential import Share
from edge.store.fields import Store

CELLS = (cell("neutrophil"), cell("lymphocyte"), cell("monocyte", rejected="uncertain"))


@pytest.fixture
def leukoscope(tmp_path, capsys):
    path = tmp_path / "results.db"
    with Store.open(path) as store:
        store.start_specimen("S-7")
        store.add(field(1, *CELLS, specimen_id="S-7"))
        store.finish_specimen("S-7")
    file = toml(
        Config(ReplayConfig((str(tmp_path),)), store=StoreConfig(str(path))), tmp_path / "device.toml"
    )

    def run(*words: str) -> tuple[int, str, str]:
        status = main(["specimen", *words, "--config", str(file)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_cells_are_listed_named_and_named_otherwise(leukoscope):
    _, out, _ = leukoscope("cells", "S-7", "--doubtful")
    header, row = out.splitlines()
    assert header.split("\t")[:3] == ["cell", "field", "class"]
    assert row.split("\t")[:3] == [CELLS[2].cell_id, "1", "monocyte"]
    assert row.endswith("uncertain; to be looked at")
    status, out, _ = leukoscope(
        "review", "S-7", "--cell", CELLS[2].cell_id[-8:], "--as", "Blasts", "--operator", "mt.1"
    )
    assert status == 0
    assert "3 cells count, 1 looked at by people, 1 of them renamed, 0 doubtful" in out
    _, out, _ = leukoscope("cells", "S-7")
    assert out.splitlines()[3].split("\t")[2:] == [
        "blast",
        "90",
        "neutrophil 10",
        "yes",
        "was monocyte by mt.1",
    ]
    _, out, _ = leukoscope("show", "S-7")
    assert "looked at by mt.1: 1 cell, 1 of them renamed" in out
    ids = [one.cell_id for one in CELLS[:2]]
    assert leukoscope("review", "S-7", "--cell", *ids, "--not-a-cell", "--operator", "mt.2")[0] == 0
    assert leukoscope("review", "S-7", "--cell", ids[0], "--undo", "--operator", "mt.2")[0] == 0
    _, out, _ = leukoscope("history", "S-7")
    assert [row.split("\t")[1:3] for row in out.splitlines()[3:]] == [
        ["mt.1", "1 renamed from monocyte to blast"],
        [
            "mt.2",
            "1 renamed from neutrophil to not a white cell, 1 renamed from lymphocyte to not a white cell",
        ],
        ["mt.2", "1 no longer named not a white cell"],
    ]


def test_what_was_signed_is_shown_as_it_was_signed_after_it_was_corrected(leukoscope):
    sign = ("sign", "S-7", "--reason", "few cells", "--operator")
    assert leukoscope(*sign, "dr.1")[0] == 0
    first = leukoscope("show", "S-7")[1]
    again = ("review", "S-7", "--cell", CELLS[0].cell_id, "--as", "blast", "--operator", "mt.1")
    assert leukoscope(*again, "--reason", "looked again")[0] == 0
    _, out, _ = leukoscope("history", "S-7")
    revisions = {row.split("\t")[2]: row.split("\t")[4] for row in out.splitlines()[1:]}
    number = revisions["signed"]
    head, rest = leukoscope("show", "S-7", "--revision", number)[1].split("\n", 1)
    assert head == f"revision {number}, as it was signed; changed since, and not signed again"
    assert rest == first
    assert leukoscope(*sign, "dr.2")[0] == 0
    head = " ".join(leukoscope("show", "--revision", number)[1].split())
    assert head.startswith(
        f"revision {number}, as it was signed; superseded by revision {int(number) + 2}, signed by dr.2, 20"
    )
    said = msgspec.json.decode(leukoscope("show", "S-7", "--revision", number, "--json")[1])
    assert (said["revision"], said["signature"]["operator"], said["state"]) == (int(number), "dr.1", "final")
    assert {row["label"]: row["count"] for row in said["classes"] if row["count"]} == {
        "neutrophil": 1,
        "lymphocyte": 1,
    }
    assert said["superseded"]["signature"]["operator"] == "dr.2"
    last = leukoscope("show", "S-7", "--revision", str(int(number) + 2))[1]
    assert last.startswith(f"revision {int(number) + 2}, as it was signed: that holds\n")
    assert leukoscope("discard", "S-7", "--reason", "mixed up")[0] == 0
    assert "UTC; discarded since: mixed up S-7: final" in " ".join(
        leukoscope("show", "S-7", "--revision", number)[1].split()
    )


@pytest.mark.parametrize("number", ["0", "1", "2", "999", "-1"])
def test_what_is_no_signed_revision_is_said_in_one_sentence(leukoscope, number):
    sentence = f"specimen S-7 has no signed revision {number}"
    status, out, err = leukoscope("show", "S-7", "--revision", number, "--json")
    assert (status, out, err) == (1, "", f"leukoscope: {sentence}: it was never signed\n")
    assert leukoscope("sign", "S-7", "--operator", "dr.1", "--reason", "few cells")[0] == 0
    signed = msgspec.json.decode(leukoscope("show", "S-7", "--json")[1])["revision"]
    if int(number) != signed:
        status, out, err = leukoscope("show", "S-7", "--revision", number)
        assert (status, out, err) == (1, "", f"leukoscope: {sentence}; signed revisions: {signed}\n")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--cell", "ffffffff", "--confirm"), "--cell ffffffff: there is no such cell here"),
        (("--cell", "f", "--confirm"), "--cell f: there is no such cell here"),
        (("--cell", CELLS[0].cell_id, "--as", "nutrophil"), "did you mean neutrophil?"),
        (("--cell", CELLS[0].cell_id, "--undo"), "there is nothing to undo"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(leukoscope, words, problem):
    status, out, err = leukoscope("review", "S-7", *words, "--operator", "mt.1")
    assert (status, out) == (1, "")
    assert problem in err
    assert err.count("\n") == 1


def test_a_count_fits_80_columns_and_has_no_column_of_what_is_not_known(leukoscope, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert "10^9/L" not in leukoscope("show", "S-7")[1]
    assert leukoscope("wbc-count", "S-7", "12.8")[0] == 0
    assert "10^9/L" in leukoscope("show", "S-7")[1]
    real = specimen_listing.differential_of

    def corrected(*given):
        said = real(*given)
        share = Share(percent=42.5, low=17.5, high=68.7)
        rows = tuple(msgspec.structs.replace(row, corrected=share) for row in said.classes)
        correction = msgspec.structs.replace(said.correction, method="as errors are known", reason=None)
        return msgspec.structs.replace(said, classes=rows, correction=correction)

    monkeypatch.setattr(specimen_listing, "differential_of", corrected)
    lines = leukoscope("show", "S-7")[1].splitlines()
    assert max(map(len, lines)) <= 80
    row = next(line for line in lines if "lymphocyte" in line)
    assert " ".join(row.split()) == "lymphocyte 1 50.0 1.3 to 98.7 42.5 (17.5-68.7) 6.40 (0.16-12.64)"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("start", "S-8", "--target", "0"), "--target: give a whole number from 1 to 10000"),
        (("start", "S 8"), "SPECIMEN: at most 64 characters, letters, digits and - _ . only"),
        (("rename", "S-7", "S 8"), "NEW: at most 64 characters"),
        (("sign", "S-7", "--operator", "Dr Who"), "--operator: at most 32 characters"),
        (
            ("sign", "S-7", "--operator", "K7", "--reason", ""),
            "--reason: give one of 1 to 200 characters, on one line",
        ),
        (("wbc-count", "S-7", "1" * 80), "--wbc-count: write it as 7.2 or 7,2 (10^9/L), or as 7200/uL"),
    ],
)
def test_an_order_that_cannot_be_names_the_option_and_what_to_give(leukoscope, words, said):
    status, out, err = leukoscope(*words)
    assert (status, out) == (1, "")
    assert err.startswith(f"leukoscope: {said}")
    assert "`" not in err


def test_all_that_was_renamed_between_two_signatures_is_shown_with_its_reason(leukoscope, tmp_path):
    sign = ("sign", "S-7", "--operator", "dr.2", "--reason", "few")
    assert leukoscope(*sign)[0] == 0
    named = ("review", "S-7", "--as", "blast", "--operator", "mt.1", "--cell")
    for each, reason in zip(CELLS, ("one", "two", "three"), strict=True):
        assert "S-7" in leukoscope(*named, each.cell_id)[2], "each asks for a reason"
        assert leukoscope(*named, each.cell_id, "--reason", reason)[0] == 0
    assert leukoscope(*sign)[0] == 0
    changes = [
        "1 renamed from neutrophil to blast, by mt.1: one",
        "1 renamed from lymphocyte to blast, by mt.1: two",
        "1 renamed from monocyte to blast, by mt.1: three",
    ]

    def shown() -> list[str]:
        lines = [line.strip() for line in leukoscope("show", "S-7")[1].splitlines()]
        return [line.partition(": ")[2] for line in lines if "renamed from" in line]

    assert shown() == changes
    with Store.open(tmp_path / "results.db") as store:
        store._db.execute(  # noqa: SLF001 (as an earlier release left it)
            "UPDATE specimen_events SET kind = 'reviewed', why = NULL WHERE why IN ('two', 'three')"
        )
    assert shown() == [changes[0], changes[1].removesuffix(": two"), changes[2].removesuffix(": three")]
