"""From an adapted last layer to the bundle: int8 again, goldens answered again, written in one step."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import cv2
import msgspec
import numpy as np

from edge.adaptation.last_layer import LastLayer
from edge.errors import BundleError, NoRuntimeError, OutputError
from edge.models.bundle import FINDER, SEEN, Golden, write_bundle
from edge.models.runtime import Runtime, installed, quarter_turns
from edge.naming.classifier import Classifier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from edge.adaptation.refit import Dense, Floats
    from edge.imaging.pixels import Pixels
    from edge.models.bundle import Bundle, Description

_MARGIN = 1.25
"""By how much an output's range is wider than what the labelled cells gave: other cells go further."""

_WIDENINGS = 8


@dataclass(frozen=True)
class Int8Model:
    """A flatbuffer with a new last layer, and its logits of the labelled cells, float64 (cells, classes)."""

    model: bytes
    logits: Floats


def with_last_layer(bundle: Bundle, layer: Dense, features: Floats, crops: Sequence[Pixels]) -> Int8Model:
    """Write a layer into a copy of the bundle's flatbuffer and run the labelled cells through it.

    features: of all copies of the named cells, (..., n); what rounding the weights changes for them on
    average is taken back by the bias. crops: the cells, uint8 RGB (120, 120, 3). The outputs' ranges are the
    parent's, widened where these cells go beyond. How far the maps go, and the logits of each single turn,
    only the interpreter knows: it is asked, until nothing is cut off. Raises BundleError.
    """
    outputs, turns = bundle.description.outputs, bundle.description.turns
    model = bytearray(bundle.model)
    last = LastLayer(model, outputs)
    logits = layer.logits(features)
    mean = features.reshape(-1, features.shape[-1]).mean(axis=0)
    low, high = last.dense.output_range()
    logit_range = min(low, _MARGIN * float(logits.min())), max(high, _MARGIN * float(logits.max()))
    map_range = last.maps.output_range()
    last.write(layer.weights, layer.bias, logit_range, map_range)
    bias = layer.bias + (layer.weights - last.dense.kernel()) @ mean
    for _ in range(_WIDENINGS):
        last.write(layer.weights, bias, logit_range, map_range)
        runtime = Runtime(bytes(model), outputs)
        answers = [runtime.run(look) for crop in crops for look in quarter_turns(crop, turns)]
        maps, answered_logits = ([answer[name] for answer in answers] for name in ("maps", "logits"))
        wider_maps = _widened(last.maps.output_range(), maps, 2.0)
        wider_logits = _widened(last.dense.output_range(), answered_logits, _MARGIN)
        if wider_maps is None and wider_logits is None:
            break
        map_range, logit_range = wider_maps or map_range, wider_logits or logit_range
    looked = np.array(answered_logits, np.float64).reshape(len(crops), turns, -1)
    return Int8Model(bytes(model), looked.mean(axis=1))


def _widened(
    limits: tuple[float, float], answers: Sequence[NDArray[np.float32]], times: float
) -> tuple[float, float] | None:
    """Return a range so many times as wide where answers reach its end, or None where none does."""
    low, high = limits
    step = (high - low) / 255
    below = min(float(answer.min()) for answer in answers) < low + step / 2
    above = max(float(answer.max()) for answer in answers) > high - step / 2
    return (times * low if below else low, times * high if above else high) if below or above else None


def answered(bundle: Bundle, model: bytes) -> tuple[Golden, ...]:
    """Return the bundle's golden inputs with the answers of another network of the same outputs.

    One that the runtimes here answer as far apart as half of what is tolerated is left out: it would not tell
    a broken one from those that work. Where that is said of all, the one stays that they answer most alike.
    """
    runtime, *others = _opened(model, bundle.description.outputs, bundle.description.turns)
    apart: list[float] = []
    goldens: list[Golden] = []
    for golden, png in zip(bundle.description.goldens, bundle.golden_images, strict=True):
        pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
        crop = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
        outputs = runtime.run(crop)
        off = [float(np.abs(one.run(crop)["logits"] - outputs["logits"]).max()) for one in others]
        apart.append(max(off, default=0.0))
        shown = outputs["maps"][:, :, int(np.argmax(outputs["logits"]))].ravel()
        goldens.append(
            Golden(
                golden.image,
                tuple(round(float(value), 5) for value in outputs["logits"]),
                tuple(round(float(value), 4) for value in shown),
            )
        )
    good = [each for each, off in zip(goldens, apart, strict=True) if off <= bundle.description.tolerance / 2]
    return tuple(good or [goldens[int(np.argmin(apart))]])


def _opened(model: bytes, outputs: Mapping[str, str], turns: int) -> list[Runtime]:
    """Return the network on every runtime that works here, the preferred one first. Raises NoRuntimeError."""
    opened: list[Runtime] = []
    for name in installed():
        with suppress(NoRuntimeError):  # installed and broken: the one that works answers
            opened.append(Runtime(model, outputs, choice=name, turns=turns))
    return opened or [Runtime(model, outputs, turns=turns)]


def write_proved(out: Path, bundle: Bundle, model: bytes, description: Description, seen: bytes = b"") -> str:
    """Write a bundle with another bundle's golden images, after it has passed them on every runtime.

    seen: hashes of the cells that it was fitted to, and its parent trained on. What stands at `out` is
    replaced in one step at the end, or is left as it is. Gives the new file's sha256.
    Raises BundleError where a runtime answers otherwise, OutputError.
    """
    goldens = answered(bundle, model)
    description = msgspec.structs.replace(
        description, model_sha256=hashlib.sha256(model).hexdigest(), goldens=goldens
    )
    kept = {golden.image for golden in goldens}
    members = {
        golden.image: png
        for golden, png in zip(bundle.description.goldens, bundle.golden_images, strict=True)
        if golden.image in kept
    }
    if seen:
        members[SEEN] = seen
    if bundle.finder is not None and description.finder is not None:
        members[FINDER] = bundle.finder
        names = [golden.image for golden in description.finder.goldens]
        members |= dict(zip(names, bundle.finder_images, strict=True))
    try:
        with TemporaryDirectory(prefix=".adapt-", dir=out.parent) as folder:
            trial = Path(folder, "trial.tflite")
            write_bundle(trial, model, description, members)
            sha256 = _proved(trial)
            with trial.open("rb") as written:
                os.fsync(written.fileno())  # else a power cut could leave the new name with nothing behind it
            trial.replace(out)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written: {error.strerror}") from None
    return sha256


def _proved(path: Path) -> str:
    """Run the goldens on every runtime that works here; give the file's sha256. Raises BundleError."""
    sha256 = ""
    for runtime in installed():
        try:
            sha256 = Classifier.load(path, runtime=runtime).bundle.sha256
        except NoRuntimeError:  # installed and broken: the one that works has answered all along
            continue
        except BundleError as error:
            raise BundleError(str(error).removeprefix(f"{path}: ")) from None
    return sha256
