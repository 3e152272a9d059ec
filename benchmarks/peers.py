"""What else one could run on the same pictures, in the same run.

The bare loop is the limit: decode, one Otsu threshold, the largest thing's box, the network, and nothing of
what makes a result worth having: no stain, no scale, no further cells, no map, no trust.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from edge.errors import LeukoscopeError
from edge.models.runtime import RUNTIMES, installed
from edge.naming.classifier import Classifier

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

BARE = "bare loop, one cell"
_SIDE = 120


class BareLoop:
    """OpenCV and an interpreter, with the network as it is given."""

    def __init__(self, model: bytes, *, threads: int, runtime: str) -> None:
        module = importlib.import_module(RUNTIMES[runtime])
        self._interpreter: Any = module.Interpreter(model_content=model, num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._logits = self._interpreter.get_output_details()[0]["index"]

    def run(self, file: Path) -> int:
        """Return the class's number of the largest dark thing in a picture file."""
        return self.invoke(largest_dark(file))

    def invoke(self, crop: NDArray[np.uint8]) -> int:
        """Return the class's number for a crop, uint8 RGB (120, 120, 3): a bare interpreter call."""
        self._interpreter.set_tensor(self._input, crop[None])
        self._interpreter.invoke()
        return int(self._interpreter.get_tensor(self._logits)[0].argmax())


def largest_dark(file: Path) -> NDArray[np.uint8]:
    """Cut the largest dark thing out of a picture file, uint8 RGB (120, 120, 3). Raises LeukoscopeError."""
    picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if picture is None:
        raise LeukoscopeError(
            f"{file}: cannot be read by OpenCV alone, as the bare loop does; give JPEG, PNG or TIFF"
        )
    green = cv2.extractChannel(picture, 1)
    _, dark = cv2.threshold(green, 0, 255, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    contours, _ = cv2.findContours(dark, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    x, y, w, h = cv2.boundingRect(max(contours, key=cv2.contourArea)) if contours else (0, 0, 1, 1)
    crop = cv2.resize(picture[y : y + h, x : x + w], (_SIDE, _SIDE))
    return np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2RGB), np.uint8)


def other_runtimes(
    model: Path, used: str, threads: int
) -> tuple[dict[str, Callable[[NDArray[np.uint8]], object]], list[str]]:
    """Return a classifier for each runtime besides the used one, and the names of those left out."""
    usable = installed()
    peers: dict[str, Callable[[NDArray[np.uint8]], object]] = {}
    for name in RUNTIMES.keys() & usable.keys() - {used}:
        peers[name] = Classifier.load(model, threads=threads, runtime=name).classify
    return peers, sorted(RUNTIMES.keys() - usable.keys())


def float_network(model: bytes, *, threads: int, runtime: str) -> Callable[[NDArray[np.uint8]], object]:
    """Return a call of a network that takes float32 (1, 120, 120, 3), 0 to 1."""
    module = importlib.import_module(RUNTIMES[runtime])
    opened: Any = module.Interpreter(model_content=model, num_threads=threads)
    opened.allocate_tensors()
    place = opened.get_input_details()[0]["index"]
    outputs = [detail["index"] for detail in opened.get_output_details()]

    def call(crop: NDArray[np.uint8]) -> object:
        opened.set_tensor(place, crop[None].astype(np.float32) / np.float32(255))
        opened.invoke()
        return [opened.get_tensor(output) for output in outputs]

    return call
