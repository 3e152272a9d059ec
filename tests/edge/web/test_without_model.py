"""Where the model cannot be read, what was counted is still shown, named and signed."""

from __future__ import annotations

import re

import pytest
from served import PEOPLE, PIN, Served
from stored import count_into


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    served = Served(tmp_path_factory.mktemp("page"), PEOPLE, more='[model]\npath = "nowhere.tflite"\n')
    count_into(served.store, "S-1", 24, target=20)
    yield served
    served.close()


def test_every_screen_of_a_specimen_is_there(alone):
    cookie = alone.sign_in("REV")
    ids = [
        each["cell_id"]
        for each in alone.ask("GET", "/api/v1/specimens/S-1/cells", cookie=cookie).json["cells"]
    ]
    order = {"cell_ids": ids[:1], "action": "relabel", "label": "basophil"}
    assert alone.ask("POST", "/api/v1/specimens/S-1/review", order, cookie=cookie).status == 200
    for path in ("", "/review", "/report"):
        answer = alone.ask("GET", f"/specimens/S-1{path}", cookie=cookie)
        assert answer.status == 200, path
        assert "nowhere.tflite" not in answer.body.decode()
    found = alone.ask("GET", "/api/v1/specimens/S-1", cookie=cookie).json
    assert sum(each["count"] for each in found["classes"]) == found["counted"] == 24
    assert {each["label"]: each["count"] for each in found["classes"]}["basophil"] == 1
    signed = alone.ask("POST", "/api/v1/specimens/S-1/sign", {"pin": PIN}, cookie=cookie)
    assert (signed.status, signed.json["state"]) == (200, "final")
    report = alone.ask("GET", "/specimens/S-1/report", cookie=cookie).body.decode()
    assert re.search(r"<dt>Signed</dt><dd[^>]*>By REV", report)


def test_the_microscope_says_that_its_model_cannot_be_read(alone):
    answer = alone.ask("GET", "/microscope", cookie=alone.sign_in("REV"))
    assert answer.status == 200
    assert "The model cannot be read." in answer.body.decode()
