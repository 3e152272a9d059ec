"""A bundle is whole or refused with one sentence, and proves itself on its golden inputs."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import zipfile
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from bundles import members, rewritten
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.cli.listing import show_model
from edge.config import SHIPPED_MODEL
from edge.errors import BundleError, LeukoscopeError, NoRuntimeError
from edge.labels import OTHER
from edge.models.bundle import Parent, read_bundle, write_bundle
from edge.models.reject import Familiarity, Reject
from edge.models.runtime import RUNTIMES, installed
from edge.naming.classifier import Call, Classifier, map_off

MODEL = SHIPPED_MODEL.read_bytes()


def golden_crops():
    for png in read_bundle(SHIPPED_MODEL).golden_images:
        yield cv2.cvtColor(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def test_the_shipped_bundle_is_small_and_says_what_it_is():
    bundle = read_bundle(SHIPPED_MODEL)
    # Beside the hashes of the cells it has seen, which only `measure` reads. A namer begun from published
    # weights is of their size.
    assert len(MODEL) - len(bundle.seen) < 1_150_000
    assert bundle.finder is not None
    assert len(bundle.finder) <= 150_000
    four = ("eosinophil", "lymphocyte", "monocyte", "neutrophil")
    assert bundle.description.labels == (*four, "basophil", "other")
    assert "medical device" in bundle.description.intended_use
    assert bundle.sha256 == hashlib.sha256(MODEL).hexdigest()
    training = bundle.description.training
    assert {"bccd", "pbc", "raabin", "chula", "munich"} <= set(training["data"])
    assert not {"zheng1", "olympus"} & set(training["data"])
    assert training["photographs"] > 3 * training["photographs_held_out"] > 0


def test_the_page_on_mqtt_shows_a_message_of_the_model_that_ships():
    page = Path(__file__).parents[3].joinpath("docs", "mqtt.md").read_text(encoding="utf-8")
    assert read_bundle(SHIPPED_MODEL).sha256 in page


def test_any_zip_tool_opens_what_stands_behind_the_network():
    with zipfile.ZipFile(SHIPPED_MODEL) as archive:
        assert archive.testzip() is None
        assert archive.read("labels.txt").decode().split() == list(
            read_bundle(SHIPPED_MODEL).description.labels
        )


@pytest.mark.parametrize("runtime", sorted(RUNTIMES))
def test_golden_inputs_pass_on_each_runtime(runtime):
    if runtime not in installed():
        pytest.skip(f"{runtime} is not usable in this process")
    classifier = Classifier.load(SHIPPED_MODEL, runtime=runtime)
    assert classifier.runtime_name.startswith(runtime)
    for crop in golden_crops():
        call = classifier.classify(crop)
        assert call.probabilities.sum() == pytest.approx(1, abs=1e-5)
        assert call.label == classifier.labels[int(call.probabilities.argmax())]
        assert call.heatmap().shape == (8, 8)
        assert max(call.heatmap().data) == 255


def test_crops_called_together_are_called_as_each_alone():
    classifier = Classifier.load(SHIPPED_MODEL)
    crops = [*golden_crops(), np.full((120, 120, 3), 235, np.uint8)]  # the last one is bare glass
    together = classifier.classify_all(iter(crops))
    assert len({call.label for call in together}) > 1
    for call, alone in zip(together, map(classifier.classify, crops), strict=True):
        assert (call.label, call.confidence, call.rejected) == (alone.label, alone.confidence, alone.rejected)
        assert call.probabilities.tobytes() == alone.probabilities.tobytes()
        assert call.heatmap() == alone.heatmap()
    assert classifier.classify_all([]) == ()


def test_both_runtimes_give_the_same_calls_and_maps():
    if len(installed()) < 2:
        pytest.skip(f"only one runtime is usable in this process: {', '.join(installed())}")
    one, other = (Classifier.load(SHIPPED_MODEL, runtime=name) for name in installed())
    for crop in golden_crops():
        a, b = one.raw_outputs(crop), other.raw_outputs(crop)
        assert np.abs(a["logits"] - b["logits"]).max() < 0.5
        assert np.corrcoef(a["maps"].ravel(), b["maps"].ravel())[0, 1] > 0.98


def test_the_mean_of_a_map_is_its_logit_up_to_the_bias():
    # What makes the class activation map an exact account of the score, on the int8 file itself.
    classifier = Classifier.load(SHIPPED_MODEL)
    rng = np.random.default_rng(1)
    offsets = []
    for crop in [*golden_crops(), *rng.integers(0, 256, (5, 120, 120, 3), np.uint8)]:
        outputs = classifier.raw_outputs(crop)
        offsets.append(outputs["logits"] - outputs["maps"].mean(axis=(0, 1)))
    assert np.std(offsets, axis=0).max() < 0.35


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(MODEL) - 1), st.integers(1, 255))
def test_a_flipped_byte_is_refused_or_changes_nothing_that_is_used(tmp_path, position, flip):
    damaged = bytearray(MODEL)
    damaged[position] ^= flip
    path = tmp_path / "damaged.tflite"
    path.write_bytes(damaged)
    whole = read_bundle(SHIPPED_MODEL)
    complaint = ""
    try:
        bundle = read_bundle(path)
    except BundleError as error:
        complaint = str(error)
    if complaint:
        assert complaint.startswith(str(path))
        assert "\n" not in complaint
    else:
        # Bytes that no one reads (a time stamp, a comment) may differ; the network and its goldens may not.
        assert bundle.model == whole.model
        assert bundle.description == whole.description
        assert bundle.golden_images == whole.golden_images
        assert bundle.seen == whole.seen


def test_a_pipe_or_a_device_is_no_model_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(BundleError) as refused:
            read_bundle(path)
        assert str(refused.value) == f"{path}: is not a file, so it is no model"


def test_one_flipped_bit_of_the_directory_loses_no_hashes_of_training_cells_unnoticed(tmp_path):
    path = tmp_path / "damaged.tflite"
    shipped = read_bundle(SHIPPED_MODEL)
    plain = msgspec.structs.replace(
        shipped.description,
        goldens=shipped.description.goldens[:1],
        reject=Reject(0.5),
        training={},
        finder=None,
        confusion=None,
        known=None,
        model_sha256=hashlib.sha256(b"TFL3").hexdigest(),
    )
    seen = b"hash" * 8
    write_bundle(path, b"TFL3", plain, {plain.goldens[0].image: b"", "seen.bin": seen, "card.md": b"."})
    whole = path.read_bytes()
    assert read_bundle(path).seen == seen
    refused = []
    for bit in range(8 * whole.index(b"PK\x01\x02"), 8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            assert read_bundle(path).seen == seen, f"byte {bit // 8} of {len(whole)}, bit {bit % 8}"
        except BundleError as error:
            refused.append(str(error))
    assert len(refused) > 1000
    assert all(each.startswith(f"{path}: is damaged") for each in refused)


def test_an_entry_marked_as_encrypted_and_a_description_without_end_are_refused(tmp_path):
    marked = bytearray(MODEL)
    # Of the last entry that is read: behind it comes the model card, for people.
    directory = MODEL.rindex(b"PK\x01\x02", 0, MODEL.rindex(b"golden/2.png"))
    marked[directory + 8] |= 1  # general purpose flag: encrypted
    (tmp_path / "marked.tflite").write_bytes(marked)
    deep = tmp_path / "deep.tflite"
    deep.write_bytes(b"TFL3")
    with zipfile.ZipFile(deep, "a") as archive:
        archive.writestr("leukoscope.json", '{"x":' + "[" * 100_000 + "]" * 100_000 + "}")
    for path in (tmp_path / "marked.tflite", deep):
        with pytest.raises(BundleError, match="is damaged or is no Leukoscope model bundle"):
            read_bundle(path)


def test_golden_inputs_that_take_much_room_together_are_refused(tmp_path):
    first = read_bundle(SHIPPED_MODEL).description.goldens[0]
    path = tmp_path / "many.tflite"
    rewritten(path, goldens=(first,) * 10_000)
    with pytest.raises(BundleError, match="golden inputs unpack to more than 64 MiB"):
        read_bundle(path)


def test_a_description_that_does_not_fit_its_network_is_refused(tmp_path):
    outputs = read_bundle(SHIPPED_MODEL).description.outputs
    without = rewritten(tmp_path / "without.tflite", outputs={"logits": outputs["logits"]})
    with pytest.raises(BundleError, match="no output for logits or for maps"):
        Classifier.load(without)
    with pytest.raises(BundleError, match="has 2 labels, its network 6 classes"):
        Classifier.load(rewritten(tmp_path / "two.tflite", labels=("a", "b"), confusion=None))


def test_a_label_that_stands_twice_is_refused_by_its_name(tmp_path):
    labels = ("eosinophil", "lymphocyte", "monocyte", "monocyte", "basophil", "other")
    path = rewritten(tmp_path / "twice.tflite", labels=labels, confusion=None)
    with pytest.raises(BundleError, match=r"twice\.tflite: names the label monocyte twice; each class needs"):
        read_bundle(path)


def test_a_bundle_that_cannot_be_written_leaves_nothing_behind_and_the_former_one(tmp_path, monkeypatch):
    path = rewritten(tmp_path / "m.tflite")
    former = path.read_bytes()
    bundle = read_bundle(path)
    write = Path.write_bytes

    def full(to, content):
        write(to, content[:1000])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_bundle(path, bundle.model, bundle.description, members(bundle))
    assert [each.name for each in tmp_path.iterdir()] == ["m.tflite"]
    assert path.read_bytes() == former


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda known: {"centres": known.centres[:3], "logits": ()}, "knows cells of 3 classes by 112"),
        (
            lambda known: {"centres": [c[:9] for c in known.centres], "spread": known.spread[:9]},
            "knows cells of 6 classes by 9",
        ),
        (lambda known: {"spread": known.spread[:-1]}, "is damaged: .* other features"),
        (
            lambda known: {"centres": (known.centres[0][1:], *known.centres[1:])},
            "is damaged: .* other features",
        ),
        (lambda known: {"logits": known.logits[:3]}, "is damaged: .* other classes"),
        (lambda known: {"logits": [row[1:] for row in known.logits]}, "is damaged: .* other classes"),
        (lambda known: {"spread": (0.0, *known.spread[1:])}, "is damaged"),
        (lambda _: {"usual_distance": 0.0}, "is damaged"),
    ],
)
def test_known_cells_that_do_not_fit_the_network_are_told_before_the_first_cell(tmp_path, change, problem):
    rule = read_bundle(SHIPPED_MODEL).description.reject
    known = msgspec.structs.replace(rule.familiarity, **change(rule.familiarity))
    path = rewritten(tmp_path / "other.tflite", reject=msgspec.structs.replace(rule, familiarity=known))
    with pytest.raises(BundleError, match=rf"other\.tflite: {problem}"):
        Classifier.load(path)


def test_a_runtime_that_is_installed_but_broken_gives_way_to_the_other(monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    if "tflite-runtime" in installed():
        assert Classifier.load(SHIPPED_MODEL).runtime_name.startswith("tflite-runtime")
    with pytest.raises(NoRuntimeError, match=r"ai-edge-litert .* cannot be imported"):
        Classifier.load(SHIPPED_MODEL, runtime="ai-edge-litert")


@pytest.mark.parametrize("length", [0, 1, 1000, len(MODEL) // 2, len(MODEL) - 1])
def test_a_cut_off_copy_is_refused(tmp_path, length):
    path = tmp_path / "short.tflite"
    path.write_bytes(MODEL[:length])
    with pytest.raises(BundleError, match=r"short\.tflite: is damaged"):
        read_bundle(path)


def spoilt(path, change):
    """The shipped bundle's parts with one of them changed, or left out where it comes to None."""
    with zipfile.ZipFile(SHIPPED_MODEL) as whole, zipfile.ZipFile(path, "w") as archive:
        for name in whole.namelist():
            content = change(name, whole.read(name))
            if content is not None:
                archive.writestr(name, content)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda name, content: None if name == "labels.txt" else content, "it has no 'labels.txt'"),
        (lambda name, content: b"\xff\xfe" if name == "labels.txt" else content, "a part of it is no text"),
        (
            lambda name, content: b"{" if name == "leukoscope.json" else content,
            "leukoscope.json in it is damaged",
        ),
        (
            lambda name, content: (
                content.replace(b'"temperature"', b'"x"') if name == "leukoscope.json" else content
            ),
            "leukoscope.json in it lacks temperature",
        ),
        (
            lambda name, content: (
                content.replace(b'"tolerance": ', b'"tolerance": -') if name == "leukoscope.json" else content
            ),
            "leukoscope.json in it has a wrong value for tolerance",
        ),
    ],
)
def test_what_is_damaged_in_a_bundle_is_said_in_its_readers_words(tmp_path, change, reason):
    path = tmp_path / "spoilt.tflite"
    spoilt(path, change)
    with pytest.raises(BundleError) as refused:
        read_bundle(path)
    assert str(refused.value) == f"{path}: is damaged or is no Leukoscope model bundle: {reason}"


def test_what_python_says_of_a_damaged_file_is_not_said_to_a_reader(tmp_path):
    path = tmp_path / "short.tflite"
    flipped = bytearray(MODEL)
    flipped[MODEL.index(b"leukoscope.json") + 200] ^= 255
    cut = "its end is missing, so it was not copied whole, or it is a file of another kind"
    for content, reason in (
        (MODEL[:-1000], cut),
        (b"TFL3" * 9, cut),
        (bytes(flipped), "a part of it cannot be unpacked"),
    ):
        path.write_bytes(content)
        with pytest.raises(BundleError) as refused:
            read_bundle(path)
        assert str(refused.value) == f"{path}: is damaged or is no Leukoscope model bundle: {reason}"


def test_a_bundle_that_answers_its_goldens_wrongly_is_refused(tmp_path):
    bundle = read_bundle(SHIPPED_MODEL)
    first = bundle.description.goldens[0]
    wrong = msgspec.structs.replace(first, logits=tuple(v + 2 for v in first.logits))
    path = rewritten(tmp_path / "wrong.tflite", goldens=(wrong, *bundle.description.goldens[1:]))
    with pytest.raises(BundleError, match="golden input 1 wrongly"):
        Classifier.load(path)


def test_a_bundle_with_another_map_is_refused_but_not_for_what_is_next_to_nothing(tmp_path):
    bundle = read_bundle(SHIPPED_MODEL)
    first = bundle.description.goldens[0]
    halved = msgspec.structs.replace(first, map=tuple(0.45 * v for v in first.map))
    path = rewritten(tmp_path / "halved.tflite", goldens=(halved, *bundle.description.goldens[1:]))
    with pytest.raises(BundleError, match=r"golden input 1 wrongly \(logits off by 0\.0.*, map by 1\."):
        Classifier.load(path)
    logits = np.array([0.1, 4.5], np.float32)
    saturated = np.array([2e-5, 7e-5], np.float32)
    assert map_off(saturated / 2, saturated, logits) < 0.01
    assert map_off(saturated + 0.05, saturated, logits) > 1
    assert map_off(0.5 * logits, logits, logits) == pytest.approx(0.5)


def test_a_network_that_is_none_is_refused_with_a_sentence(tmp_path):
    path = rewritten(tmp_path / "rubbish.tflite", model=b"TFL3" * 1000)
    with pytest.raises(BundleError, match="cannot run this network"):
        Classifier.load(path)


def test_a_file_that_is_not_there_and_a_runtime_that_is_not_installed(tmp_path):
    with pytest.raises(BundleError, match="no such model file"):
        read_bundle(tmp_path / "none.tflite")
    with pytest.raises(NoRuntimeError, match="pip install"):
        Classifier.load(SHIPPED_MODEL, runtime="another")
    assert issubclass(NoRuntimeError, LeukoscopeError)


def test_below_the_bundles_threshold_a_call_is_rejected_with_its_reason(tmp_path):
    crop = next(golden_crops())
    strict = Classifier.load(rewritten(tmp_path / "strict.tflite", reject={"minimum_probability": 1.0}))
    lax = Classifier.load(rewritten(tmp_path / "lax.tflite", reject={"minimum_probability": 0.0}))
    assert strict.classify(crop).rejected == "uncertain"
    assert lax.classify(crop).rejected is None
    assert strict.classify(crop).label == lax.classify(crop).label


def test_temperature_flattens_probabilities_without_changing_the_call(tmp_path):
    hot = Classifier.load(rewritten(tmp_path / "hot.tflite", temperature=10.0))
    plain = Classifier.load(SHIPPED_MODEL)
    for crop in golden_crops():
        assert hot.classify(crop).probabilities.max() < plain.classify(crop).probabilities.max()
        assert hot.classify(crop).label == plain.classify(crop).label


def told_of(path, capsys):
    assert show_model(path) == 0
    return " ".join(capsys.readouterr().out.split())


def test_model_info_says_when_there_is_no_answer_and_what_was_measured(tmp_path, capsys):
    familiar = Familiarity(((0.0,),) * 6, (1.0,), 2.0, 0.0, 1.0, 0.5, 0.58)
    percent = {"value": 0.951, "low": 0.934, "high": 0.968}
    measured = {
        "held-out photographs of pbc": {
            "images": 600,
            "photographs": 550,
            "agreement": 0.995,
            "photograph_accuracy": percent,
            "photograph_macro_recall": percent,
            "rejecting": {"called": 0.9, "wrong_calls": 0.01},
        },
        "elsewhere": {"accuracy": 0.5},
    }
    path = rewritten(tmp_path / "m.tflite", reject=Reject(0.5, familiar), measured=measured)
    told = told_of(path, capsys)
    assert "where other is likeliest; below a probability of 50 %; below a trust of 0.58" in told
    assert "further than 3.0 standard deviations" in told
    assert "pbc: 550 photographs, right 95.1 (93.4-96.8) %" in told
    assert "90.0 % of known cells called, 1.0 % of calls wrong" in told
    assert "elsewhere: accuracy:0.5" in told
    assert "adapted from" not in told


def test_model_info_says_set_by_set_what_it_was_trained_on_and_whose_it_is(tmp_path, capsys):
    data = {
        "pbc": {
            "sha256": "ab" * 32,
            "source": "Acevedo et al. 2020",
            "licence": "CC BY 4.0",
            "photographs": {"monocyte": 496, "other": 625},
        },
        "mine": {"photographs": {"monocyte": 3}},
    }
    tools = {"tensorflow": "2.21.0", "commit": "0ff1ce"}
    told = told_of(rewritten(tmp_path / "m.tflite", training={"data": data}, tools=tools), capsys)
    asked = "496 monocyte, 625 other (photographs or slides). Acevedo et al. 2020. CC BY 4.0"
    assert f"trained on pbc: {asked} mine: 3 monocyte (photographs or slides). ?. ?" in told
    assert "made with tensorflow 2.21.0, commit 0ff1ce" in told
    assert "{" not in told_of(SHIPPED_MODEL, capsys)
    other = rewritten(tmp_path / "other.tflite", training={"data": {"pbc": 3}}, tools={})
    assert "trained on pbc:3 " in told_of(other, capsys)


def test_model_info_says_what_an_adapted_bundle_was_made_from(tmp_path, capsys):
    path = rewritten(
        tmp_path / "m.tflite", parent=Parent("ab" * 32, "clinic"), adaptation={"cells": {"monocyte": 7}}
    )
    told = told_of(path, capsys)
    assert f"adapted from clinic, {'ab' * 32}"[:60] in told
    assert "cells:{monocyte:7}" in told


def test_an_older_bundle_without_distances_loads_and_refuses_by_probability(tmp_path):
    path = rewritten(tmp_path / "older.tflite", reject=Reject(0.5))
    about = read_bundle(path).description
    assert about.reject.familiarity is None
    assert b"familiarity" not in zipfile.ZipFile(path).read("leukoscope.json")
    classifier = Classifier.load(path)
    for crop in golden_crops():
        call = classifier.classify(crop)
        counted = [p for p, label in zip(call.probabilities, about.labels, strict=True) if label != OTHER]
        assert call.confidence == pytest.approx(max(counted))
        if call.label == OTHER:
            assert call.rejected == "other"
        else:
            assert (call.rejected is None) == (max(counted) >= 0.5)


def test_a_heatmap_shows_what_speaks_for_the_class_with_its_peak_at_255():
    maps = np.zeros((2, 3, 2), np.float32)
    maps[..., 1] = [[1.2345678, -4.0, 0.0], [0.6172839, 0.01, 0.002]]
    maps[..., 0] = 9.0
    call = Call("b", 1, np.array([0.1, 0.9], np.float32), maps, None, 0.9, None, np.zeros(2, np.float32))
    shown = call.heatmap()
    assert shown.shape == (2, 3)
    assert list(shown.data) == [255, 0, 0, 128, 2, 0]
    assert shown.peak == 1.23457
    maps[..., 1] = -1.0
    assert (bytes(6), 0.0) == (call.heatmap().data, call.heatmap().peak)


def test_probabilities_are_those_of_the_logits_at_the_bundles_temperature(tmp_path):
    classifier = Classifier.load(rewritten(tmp_path / "hot.tflite", temperature=2.5))
    for crop in golden_crops():
        logits = classifier.raw_outputs(crop)["logits"].astype(float)
        expected = np.exp(logits / 2.5) / np.exp(logits / 2.5).sum()
        assert classifier.classify(crop).probabilities == pytest.approx(expected, rel=1e-4)


def test_however_sharp_the_temperature_makes_them_probabilities_are_numbers(tmp_path):
    classifier = Classifier.load(rewritten(tmp_path / "cold.tflite", temperature=0.02))
    for crop in golden_crops():
        probabilities = classifier.classify(crop).probabilities
        assert np.isfinite(probabilities).all()
        assert probabilities.sum() == pytest.approx(1)


def test_what_is_assessed_is_every_label_but_other():
    classifier = Classifier.load(SHIPPED_MODEL)
    assert set(classifier.labels) - set(classifier.assessed) == {OTHER}
    assert classifier.assessed == classifier.labels[:-1]
    assert classifier.reference == (
        type(classifier.reference)(classifier.bundle.description.name, hashlib.sha256(MODEL).hexdigest())
    )


def test_a_golden_input_that_is_no_crop_or_is_answered_by_another_shape_is_refused(tmp_path):
    bundle = read_bundle(SHIPPED_MODEL)
    first, *others = bundle.description.goldens
    path = tmp_path / "changed.tflite"
    for pixels in (np.zeros((120, 100, 3), np.uint8), np.zeros((60, 120, 3), np.uint8)):
        png = cv2.imencode(".png", pixels)[1].tobytes()
        write_bundle(path, bundle.model, bundle.description, members(bundle) | {first.image: png})
        with pytest.raises(BundleError, match=r"changed\.tflite: golden input 1 is not a 120x120 image"):
            Classifier.load(path)
    write_bundle(path, bundle.model, bundle.description, members(bundle) | {first.image: b"no picture"})
    with pytest.raises(BundleError, match=r"golden input 1 is not a 120x120 image"):
        Classifier.load(path)
    for changes in (
        {"logits": first.logits[:-1]},
        {"logits": (*first.logits, 0.0)},
        {"map": first.map[:-1]},
        {"map": (*first.map, 0.0)},
    ):
        rewritten(path, goldens=(msgspec.structs.replace(first, **changes), *others))
        with pytest.raises(BundleError, match=r"golden input 1 has an answer of another shape"):
            Classifier.load(path)


def test_off_is_measured_by_the_farthest_place_and_at_least_by_a_hundredth_of_the_logits():
    expected = np.array([0.0, -2.0, 1.0], np.float32)
    logits = np.array([0.5, -10.0], np.float32)
    assert map_off(expected - np.float32([0.0, 0.0, 0.5]), expected, logits) == pytest.approx(0.25)
    assert map_off(expected, expected, logits) == 0
    assert map_off(expected / 100 + 0.05, expected / 100, logits) == pytest.approx(0.5)
    nothing = np.zeros(3, np.float32)
    assert map_off(nothing, nothing, nothing) == 0
