"""What stops an export: int8 that calls otherwise than float, operators too new, ranges read wrongly.

The fourth gate, golden inputs on every installed runtime, stands in `trainer.export.bundle_writer.write`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edge.models.flatbuffer import Table
from trainer.quantization.int8 import ExportError
from trainer.quantization.ranges import calibrated_ranges

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.quantization.int8 import Quantized

NEWEST_RUNTIME = (2, 14)
"""tflite-runtime, the older of the two that must run the file."""

MAX_CLIPPED = 0.001
MAX_WIDTH = 4.0
"""On 20 of the calibration's crops and the trained networks at hand: those that int8 serves well have
nothing cut off, and ranges up to 2.3 times too wide, where an ADD in place was misread, which costs a bit
of the tensor before it. The study's network without its fold, which loses tens of points, has them 12 and
32 times too wide."""

_COARSE = 200  # images: with fewer, one is more than 0.5 points
_MATCHED = 0.9

# Fields of the TFLite schema by their number in it.
_BUFFERS, _METADATA = 4, 6
_METADATA_NAME, _METADATA_BUFFER = 0, 1
_BUFFER_DATA = 0


def check_calls(
    name: str,
    float_logits: NDArray[np.float32],
    int8_logits: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    max_drop: float,
    min_agreement: float,
) -> dict[str, Any]:
    """Compare int8 with float on the held-out cells of a set; give the figures, shares of 0 to 1.

    name: of the set. logits: (n, classes) each. labels: (n,), n at least 1. max_drop: of the accuracy.
    min_agreement: the least share of cells that both call the same. With fewer than 200 images one may be
    lost, and one called otherwise, whatever share of them it is; the figures then say so.
    Raises ExportError.
    """
    count = len(labels)
    # The likeliest of no numbers is the first class, in int8 as well: they would agree.
    if not np.isfinite(float_logits).all():
        raise ExportError(
            f"gate agreement: on {name} the float network gives what is no number: its training diverged"
        )
    floats, int8 = float_logits.argmax(axis=1), int8_logits.argmax(axis=1)
    float_right, int8_right = int((floats == labels).sum()), int((int8 == labels).sum())
    otherwise = int((floats != int8).sum())
    figures: dict[str, Any] = {
        "images": count,
        "float_accuracy": round(float_right / count, 4),
        "int8_accuracy": round(int8_right / count, 4),
        "agreement": round(1 - otherwise / count, 4),
    }
    one = 1 if count < _COARSE else 0
    if one:
        figures["allowed"] = f"one image, of {count}: too few to tell {100 * max_drop:g} points"
    bound = f"one image of {count}" if one > max_drop * count else f"{100 * max_drop:g} points"
    lost = float_right - int8_right
    if lost > max(one, max_drop * count + 1e-9):
        raise ExportError(
            f"gate accuracy: on {name} int8 loses {100 * lost / count:.2f} points, from "
            f"{100 * float_right / count:.2f} % to {100 * int8_right / count:.2f} % of {count} images; "
            f"at most {bound} is allowed"
        )
    if otherwise > max(one, (1 - min_agreement) * count + 1e-9):
        raise ExportError(
            f"gate agreement: on {name} int8 and float agree on {100 * (1 - otherwise / count):.2f} % "
            f"of {count} images; at least {100 * min_agreement:g} % is needed"
        )
    return figures


def check_operators(model: bytes) -> str:
    """Return the oldest runtime that knows all operators of a flatbuffer, as the converter wrote it there.

    Raises ExportError where it is later than `NEWEST_RUNTIME`, or is not said.
    """
    newest = ".".join(map(str, NEWEST_RUNTIME))
    try:
        said = min_runtime_version(model)
        version = tuple(int(part) for part in said.split("."))
    except ValueError as error:
        raise ExportError(
            f"gate operators: the file does not say which runtime knows them ({error}); {newest} must"
        ) from None
    if version[:2] > NEWEST_RUNTIME:
        raise ExportError(
            f"gate operators: the file has some that no runtime before {said} knows; {newest} must know all"
        )
    return said


def min_runtime_version(model: bytes) -> str:
    """Return the metadata `min_runtime_version` of a flatbuffer, as 2.3.0. Raises ValueError without one."""
    root = Table.root(bytearray(model))
    buffers = root.tables(_BUFFERS)
    for entry in root.tables(_METADATA):
        if entry.text(_METADATA_NAME) == "min_runtime_version":
            number = entry.number(_METADATA_BUFFER, "I")
            if number < len(buffers):
                said = buffers[number].text(_BUFFER_DATA).rstrip("\0")
                if said:
                    return said
    raise ValueError("it has no metadata min_runtime_version")


def check_ranges(quantized: Quantized, crops: NDArray[np.uint8]) -> dict[str, Any]:
    """Compare every activation's int8 range with the float network's values; give the worst figures.

    crops: uint8 (n, 120, 120, 3) of the calibration's, some 20. Raises ExportError naming the tensor whose
    range is wrong.
    """
    ranges, strange = calibrated_ranges(quantized, crops)
    if len(ranges) < _MATCHED * (len(ranges) + len(strange)):
        raise ExportError(
            f"gate ranges: {len(strange)} of {len(ranges) + len(strange)} int8 tensors, {strange[0]} first, "
            f"have no float twin to compare with; at most {100 * (1 - _MATCHED):.0f} % may lack one"
        )
    for one in ranges:
        tensor = one.tensor.split(";")[0]  # the converter joins the names of all that it fused
        told = (
            f"gate ranges: on {len(crops)} training crops the tensor {tensor} ({one.operator}), "
            f"int8 {one.low:.3g} to {one.high:.3g}, float {one.lowest:.3g} to {one.highest:.3g},"
        )
        if one.clipped > MAX_CLIPPED:
            raise ExportError(
                f"{told} has {100 * one.clipped:.2f} % of its values cut off; "
                f"at most {100 * MAX_CLIPPED:g} % is allowed"
            )
        if one.width() > MAX_WIDTH:
            raise ExportError(
                f"{told} has a range {one.width():.1f} times too wide; at most {MAX_WIDTH:g} times is allowed"
            )
    return {
        "tensors_compared": len(ranges),
        "most_clipped": round(max(one.clipped for one in ranges), 6),
        "widest_range": round(max(one.width() for one in ranges), 2),
    }
