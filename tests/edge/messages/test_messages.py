"""Payloads: golden bytes, the schema they satisfy, the limit they keep."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import jsonschema
import msgspec
import pytest
from counts import message
from hypothesis import given
from hypothesis import strategies as st
from samples import LABELS, cell, field

from edge.cli import main
from edge.differential.count import SpecimenCount
from edge.messages import MAX_PAYLOAD, Status, decode, encode, json_schema, json_schemas
from edge.messages.differential import Change

validator = jsonschema.Draft202012Validator(json_schema())


def test_the_form_of_a_field_is_what_dashboards_were_written_for():
    fixed = msgspec.structs.replace(
        field(7, msgspec.structs.replace(cell(map_side=2), cell_id="c1")),
        field_id="f1",
        boot_id="b1",
        captured_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
    assert json.loads(encode(fixed)) == {
        "schema": "leukoscope.field/2",
        "field_id": "f1",
        "specimen_id": "S",
        "specimen_uuid": "",
        "device_id": "test-1",
        "boot_id": "b1",
        "sequence": 7,
        "captured_at": "2026-01-02T03:04:05Z",
        "clock_synced": False,
        "historical": False,
        "source": "picture 7",
        "simulated": False,
        "width": 640,
        "height": 480,
        "model": {"name": "scripted", "sha256": "0" * 64},
        "quality": {
            "accepted": True,
            "reason": None,
            "focus": 5.0,
            "motion": None,
            "brightness": 180.0,
            "clipped": 0.0,
            "background_rgb": None,
            "stain": None,
            "coverage": None,
        },
        "scale": None,
        "position": None,
        "calibration": None,
        "alignment": None,
        "timings_ms": {"total": 1.0},
        "cells": [
            {
                "cell_id": "c1",
                "box": [1, 2, 30, 40],
                "crop": [-3, 0, 44, 44],
                "glass_rgb": None,
                "label": "neutrophil",
                "probability": 0.9,
                "probabilities": {"neutrophil": 0.1, "lymphocyte": 0.1, "monocyte": 0.1, "eosinophil": 0.1},
                "logits": None,
                "confidence": None,
                "distance": None,
                "rejected": None,
                "cut_by_edge": False,
                "heatmap": {"shape": [2, 2], "data": "AAEAAQ==", "peak": 3.5},
                "evidence_in_cell": None,
                "evidence_in_nucleus": None,
                "flags": [],
            }
        ],
        "red_cells": None,
        "platelets": None,
        "heatmaps_omitted": 0,
    }


@given(st.integers(0, 140), st.integers(1, 32))
def test_however_crowded_a_field_its_message_is_valid_whole_and_below_the_limit(cells, side):
    crowded = field(1, *[cell(map_side=side) for _ in range(cells)])
    payload = encode(crowded)
    assert len(payload) <= MAX_PAYLOAD
    validator.validate(json.loads(payload))
    back = decode(payload)
    assert [c.cell_id for c in back.cells] == [c.cell_id for c in crowded.cells]
    without = [c.heatmap is None for c in back.cells]
    assert back.heatmaps_omitted == sum(without)
    assert without == sorted(without), "the largest cells, which come first, keep theirs longest"


def test_what_cannot_be_made_small_enough_is_refused_here_and_not_by_the_broker():
    with pytest.raises(ValueError, match="over the limit"):
        encode(field(1, *[cell() for _ in range(400)]))


@pytest.mark.parametrize(("changes", "length"), [(600, 80), (3, 200), (2000, 200), (331, 80)])
def test_a_specimen_that_was_changed_very_often_says_how_many_changes_its_message_leaves_out(changes, length):
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    made = tuple(Change(at, f"renamed {n}", "ü" * (length // 2), "op") for n in range(changes))
    full = msgspec.structs.replace(message(SpecimenCount("S", LABELS, 100)), changes=made)
    payload = encode(full)
    assert len(payload) <= MAX_PAYLOAD
    validator.validate(json.loads(payload))
    kept = decode(payload).changes
    if kept != made:
        omitted = changes - len(kept) + 1
        assert kept[1:] == made[omitted:], "the newest are kept"
        assert kept[0].what == f"{omitted} earlier changes are left out"
        assert (kept[0].operator, len(payload) > MAX_PAYLOAD - 1000) == (None, True)
    assert (kept == made) == (len(msgspec.json.encode(full)) <= MAX_PAYLOAD)


@given(st.binary(max_size=200))
def test_rubbish_is_an_error_that_can_be_caught(payload):
    try:
        decode(payload)
    except msgspec.MsgspecError:
        return
    assert validator.is_valid(json.loads(payload))


def test_the_schema_refuses_what_is_not_ours():
    good = json.loads(encode(Status(device_id="d", state="online", boot_id="b")))
    validator.validate(good)
    for bad in ({**good, "state": "asleep"}, {**good, "schema": "leukoscope.status/9"}, {}):
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(bad)


def test_the_command_line_prints_the_schema(capsys):
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json_schema()


def described(schema):
    """Every property of a schema, with the name of what it is a property of."""
    for name, of in [(schema.get("title", ""), schema), *schema.get("$defs", {}).items()]:
        for key, each in of.get("properties", {}).items():
            yield f"{name}.{key}", each


def holds_numbers(value):
    if isinstance(value, list):
        return any(map(holds_numbers, value))
    inner = ("anyOf", "items", "prefixItems", "additionalProperties")
    return isinstance(value, dict) and (
        value.get("type") in {"number", "integer"} or any(holds_numbers(value.get(key)) for key in inner)
    )


@pytest.mark.parametrize("name", [None, *json_schemas()])
def test_every_property_has_a_title_a_description_and_if_it_is_a_number_a_unit(name):
    schema = json_schema() if name is None else json_schemas()[name]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == "urn:leukoscope:schema:2" + (f":{name.replace('/', ':')}" if name else "")
    assert schema["title"]
    assert schema["description"]
    found = dict(described(schema))
    assert found
    assert [key for key, of in found.items() if not of.get("title")] == []
    assert [key for key, of in found.items() if len(of.get("description", "")) < 5] == []
    assert [key for key, of in found.items() if holds_numbers(of) != ("unit" in of)] == []


def test_the_schema_of_one_message_says_what_the_message_is(capsys):
    assert main(["schema", "field"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(schema).validate(json.loads(encode(field(1, cell()))))
    assert schema["properties"]["timings_ms"]["unit"] == "ms"
    assert schema["properties"]["specimen_id"]["title"] == "Specimen ID"
    assert main(["schema", "fields"]) == 2
    assert "fields is no message; there is: field, differential" in capsys.readouterr().err
