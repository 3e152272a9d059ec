"""Which frames of a specimen are refused, why, and how that comes through a daemon's restart."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import cv2
import jsonschema
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqtt_partners import PATIENCE_S, wait_for
from samples import LABELS, MODEL, Analyzed, cell

from edge.cameras.simulation.camera import SimulatedCamera
from edge.config import Config, MqttConfig, SimulatedConfig, SpecimenConfig, StoreConfig
from edge.daemon.model import Model
from edge.daemon.process import Daemon
from edge.messages import Quality, json_schema
from edge.quality.assessment import assess
from edge.quality.reference import QualityReference
from edge.store.fields import Store


def slide(**settings):
    """Return the frames of a simulated slide."""
    camera = SimulatedCamera(SimulatedConfig(cells=20, **settings))
    return [camera.read().pixels for _ in range(10)]


def seen(frames, reference=None) -> QualityReference:
    reference = reference or QualityReference()
    for frame in frames:
        reference.learn(assess(frame, reference), frame.shape[1], frame.shape[0])
    return reference


def reasons(frames, reference) -> set[str | None]:
    return {assess(frame, reference).reason for frame in frames}


@pytest.fixture(scope="module")
def drawn():
    return slide()


@pytest.fixture(scope="module")
def usual(drawn):
    return seen(drawn)


def test_what_is_usual_does_not_depend_on_when_it_was_asked(drawn):
    rng = np.random.default_rng(5)
    asked, silent = QualityReference(), QualityReference()
    shown = [assess(frame) for frame in drawn]
    for number in range(300):
        near = msgspec.structs.replace(
            shown[number % len(shown)],
            focus=float(rng.lognormal(0, 1)),
            stain=float(rng.lognormal(-2, 1)),
            coverage=float(rng.uniform(0, 1)),
        )
        asked.reason(near, 640, 480)
        for reference in (asked, silent):
            reference.learn(near, 640, 480)
    reasons_now = [
        [
            reference.reason(
                msgspec.structs.replace(shown[0], focus=focus, stain=stain, coverage=coverage), 640, 480
            )
            for focus in np.geomspace(0.1, 10, 30).tolist()
            for stain in np.geomspace(0.01, 5, 20).tolist()
            for coverage in (0.1, 0.95)
        ]
        for reference in (asked, silent)
    ]
    assert reasons_now[0] == reasons_now[1]
    assert {None, "out of focus", "stain changed"} <= set(reasons_now[0])


def test_a_drawn_slide_is_accepted_as_it_is(drawn, usual):
    assert reasons(drawn, usual) == {None}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"defocus": 7.0}, "out of focus"),
        ({"illumination": 0.5}, "too dark"),
        ({"illumination": 2.0}, "overexposed"),
        ({"stain": 2.0, "illumination": 0.9}, None),
    ],
)
def test_the_same_slide_under_worse_optics_is_refused(usual, settings, reason):
    assert reasons(slide(**settings), usual) == {reason}


def test_a_far_paler_or_deeper_stain_is_refused(drawn, usual):
    faint = [np.asarray(200 * (frame / 200) ** 0.2, np.uint8) for frame in drawn]
    assert reasons(faint, usual) <= {"stain changed", "blank"}
    deep = [np.asarray(200 * (frame / 200) ** 3.0, np.uint8) for frame in drawn]
    assert "stain changed" in reasons(deep, usual)


def test_without_a_specimen_only_what_nobody_could_use_is_refused():
    assert reasons(slide(defocus=2.0, illumination=0.6), None) == {None}
    picture = np.full((240, 320, 3), 200, np.uint8)
    assert assess(picture).reason == "blank"
    assert assess(np.full_like(picture, 255)).reason == "overexposed"
    assert assess(np.zeros_like(picture)).reason == "too dark"
    cv2.circle(picture, (160, 120), 40, (140, 50, 110), -1)
    assert assess(picture).accepted
    assert assess(cv2.GaussianBlur(picture, (0, 0), 25)).reason == "out of focus"


def test_cells_upon_cells_are_too_crowded(drawn, usual):
    piled = np.ones(drawn[0].shape)
    for frame in drawn[:8]:
        piled *= np.minimum(frame / np.quantile(frame, 0.9, axis=(0, 1)), 1)
    assert assess(np.asarray(200 * piled, np.uint8), usual).reason in {"too crowded", "too dark"}


def test_a_blurred_beginning_is_not_the_measure_once_there_are_sharp_fields(drawn):
    blurred = slide(defocus=7.0)
    reference = seen(blurred[:8])
    assert reasons(blurred, reference) == {None}
    assert reasons(blurred, seen(drawn, reference)) == {"out of focus"}


def test_a_beginning_in_the_wrong_light_is_outvoted(drawn):
    reference = seen(slide(illumination=0.5)[:6])
    assert reasons(drawn, reference) == {"overexposed"}
    assert reasons(drawn, seen(drawn[:8], reference)) == {None}


def test_refused_blur_does_not_become_the_measure_however_long_it_lasts(drawn):
    blurred = slide(defocus=7.0)
    reference = seen(blurred * 3, seen(drawn[:10]))
    assert reasons(blurred, reference) == {"out of focus"}


QUALITY = jsonschema.Draft202012Validator({"$ref": "#/$defs/Quality", "$defs": json_schema()["$defs"]})


@given(st.tuples(st.integers(1, 70), st.integers(1, 70)), st.integers(0, 2**32 - 1))
def test_any_frame_has_figures_that_the_schema_takes(size, seed):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, rng.integers(1, 257), (*size, 3), np.uint8)
    quality = json.loads(msgspec.json.encode(assess(pixels)))
    QUALITY.validate(quality)
    assert quality["accepted"] == (quality["reason"] is None)


class Judge:
    """A camera that is out of focus in some frames, and an analyzer that finds one cell in each accepted."""

    def __init__(self, config: Config, frames, at_end=lambda: None, *, resume=False) -> None:
        self._frames, self._at_end = list(frames), at_end
        model = Model(self, LABELS, MODEL, "x")
        self.daemon = Daemon(config, load=lambda _: model, camera=lambda _: self, resume=resume)
        self._camera = SimulatedCamera(config.camera)

    def read(self):
        if not self._frames:
            self._at_end()
            return None
        frame = self._camera.read()
        return replace(frame, pixels=self._frames.pop(0), captured_at=datetime.now(UTC), source_id=None)

    def analyze(self, pixels, reference) -> Analyzed:
        quality = assess(pixels, reference)
        cells = (cell(),) if quality.accepted else ()
        return Analyzed(pixels.shape[1], pixels.shape[0], quality, cells, {"total": 0.1})

    def learn(self, _logits: object) -> None:
        pass

    def restore(self, scales, remembered, logits) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_blurred_stretch_is_refused_and_counted_nowhere_also_after_a_restart(
    tmp_path, broker, listen, drawn
):
    config = Config(
        SimulatedConfig(cells=20),
        device_id="test-1",
        specimen=SpecimenConfig(id="S"),
        store=StoreConfig(str(tmp_path / "results.db")),
        mqtt=MqttConfig(host=broker.host, port=broker.port, health_interval_s=1, drain_s=PATIENCE_S),
    )
    listener = listen(broker)
    blurred = slide(defocus=7.0)[:4]

    def health_says_so() -> None:
        wait_for(
            lambda: any(each.fields_refused == {"out of focus": 4} for each in listener.of("health")),
            "the count of refusals",
        )

    assert Judge(config, [*drawn[:8], *blurred], health_says_so).daemon.run() == 0
    assert Judge(config, [*blurred, *drawn[8:10]], resume=True).daemon.run() == 0
    wait_for(lambda: len(listener.fields()) == 18, "the fields")
    said = Counter(field.quality.reason for field in listener.fields().values())
    assert said == {None: 10, "out of focus": 8}
    wait_for(lambda: listener.of("result/differential")[-1].counted == 10, "the count")
    assert listener.of("result/differential")[-1].fields_refused == 8


def test_fields_stored_before_there_were_these_figures_are_read_and_judge_nothing(tmp_path):
    old = Quality(accepted=True, reason=None, focus=0.077, brightness=189.1, clipped=0.0)
    reference = QualityReference()
    for _ in range(20):
        reference.learn(old, 640, 480)
    assert reasons(slide()[:3], reference) == {None}
    with Store.open(tmp_path / "results.db") as store:
        assert list(store.frame_summaries("S")) == []
