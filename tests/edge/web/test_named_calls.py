"""How right the model was on named cells: on the page, over HTTP and on the command line alike."""

from __future__ import annotations

import re

import msgspec
from samples import cell, field
from served import Served

from edge.cli import main
from edge.config import load_config
from edge.messages.commands import ReviewCells
from edge.specimens.reading import described
from edge.store.fields import Store

CELLS = (
    cell("neutrophil"),
    cell("neutrophil"),
    cell("lymphocyte"),
    cell("monocyte", rejected="uncertain"),
    cell("other", rejected="other"),
)
NAMES = ("neutrophil", "lymphocyte", "lymphocyte", "monocyte", None)


def test_command_line_page_and_api_say_the_same(tmp_path, capsys):
    page = Served(tmp_path)
    try:
        model = described(load_config(page.config)).reference
        assert "nobody has named a cell" in page.ask("GET", "/microscope").body.decode()
        with Store.open(page.store) as store:
            store.start_specimen("S")
            store.add(msgspec.structs.replace(field(1, *CELLS), model=model), "a.png")
            store.finish_specimen("S")
            for number, name in enumerate(NAMES):
                action = "exclude" if name is None else "relabel"
                ids = (CELLS[number].cell_id,)
                order = {"specimen_id": "S", "cell_ids": ids, "action": action, "label": name}
                store.ledger.review(ReviewCells(operator="mt.01", **order))
        calls = page.ask("GET", "/api/v1/measured-calls").json["calls"]
        assert (calls["cells"], calls["wrong_calls"]["count"]) == (5, 1)
        assert main(["measure", "--named", "--json", "--config", str(page.config)]) == 0
        assert msgspec.json.decode(capsys.readouterr().out) == calls
        assert main(["measure", "--named", "--config", str(page.config)]) == 0
        said = capsys.readouterr().out
        assert "wrong   1 of 3, 33.3 %" in said
        html = page.ask("GET", "/microscope").body.decode()
        assert "Wrong: 1 of the 3 cells that it counted, 33.3" in html
        assert re.search(r"Lymphocyte</th><td[^>]*>1 of 2</td><td[^>]*>0</td>", html)
    finally:
        page.close()


def test_only_calls_that_were_made_are_compared(capsys):
    assert main(["measure", "--named", "--model", "another.tflite"]) == 2
    assert "--model" in capsys.readouterr().err
