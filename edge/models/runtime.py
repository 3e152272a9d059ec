"""One TFLite interpreter, whichever runtime is installed.

ai-edge-litert is the maintained one; tflite-runtime 2.14 is its predecessor, for Python 3.11 and NumPy 1.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.errors import BundleError, NoRuntimeError
from edge.models.quiet import without_chatter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

RUNTIMES = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
}
"""Distribution -> module that has `Interpreter`, the preferred one first."""


def installed(*, in_new_process: bool = False) -> dict[str, str]:
    """Return the runtimes that can be used, with their versions, the preferred one first.

    in_new_process: in one that has not loaded TensorFlow, whatever this one has.
    """
    found = {}
    for distribution in RUNTIMES:
        try:
            version = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
        # It imports with NumPy 2 or beside TensorFlow, then fails when an interpreter is made.
        numpy_is_newer = int(np.__version__.split(".")[0]) >= 2
        beside_tensorflow = "tensorflow" in sys.modules and not in_new_process
        if distribution == "tflite-runtime" and (numpy_is_newer or beside_tensorflow):
            continue
        found[distribution] = version
    return found


def quarter_turns(image: NDArray[np.uint8], turns: int) -> list[NDArray[np.uint8]]:
    """Return an image, uint8 (h, w, 3), turned by no quarter, by one, and so on: so many in all."""
    return [np.ascontiguousarray(np.rot90(image, turn)) for turn in range(turns)]


@dataclass(frozen=True, slots=True)
class _Output:
    index: int
    scale: float
    zero_point: int


class Runtime:
    """An interpreter made ready for one image at a time. Not thread-safe.

    model: the flatbuffer. outputs: our name -> the tensor's name in the file. choice: a distribution's name,
    or "auto". any_size: the network takes pictures of any height and width, and is made ready again when
    they change. turns: in how many quarter turns each image is looked at.
    Raises NoRuntimeError where the choice is not installed, BundleError where the file has not
    the input and outputs that the device needs.
    """

    def __init__(
        self,
        model: bytes,
        outputs: Mapping[str, str],
        *,
        threads: int = 1,
        choice: str = "auto",
        any_size: bool = False,
        turns: int = 1,
    ) -> None:
        available = installed()
        if choice != "auto":
            available = {choice: available[choice]} if choice in available else {}
        if not available:
            wanted = "neither ai-edge-litert nor tflite-runtime" if choice == "auto" else f"{choice} not"
            raise NoRuntimeError(f"{wanted} is usable here; install one with: pip install ai-edge-litert")
        for name, version in available.items():
            try:
                module = importlib.import_module(RUNTIMES[name])
            except ImportError as error:
                broken = f"{name} {version} is installed but cannot be imported: {error}"
            else:
                self.name, self.version = name, version
                break
        else:
            raise NoRuntimeError(broken)
        try:
            with without_chatter():
                self._interpreter: Any = module.Interpreter(model_content=model, num_threads=threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BundleError(f"{self.name} {self.version} cannot run this network: {error}") from None
        self._size: tuple[int, ...] | None = None if any_size else (120, 120, 3)
        self._turns = turns
        self._input = self._checked_input()
        self._outputs = self._found_outputs(outputs)

    def run(self, image: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Classify one crop, uint8 RGB (120, 120, 3); give each output as float32 without the batch axis.

        Where any size is taken: a picture, uint8 RGB (h, w, 3). With several turns each output is their mean,
        `maps` turned back: a cell has no upright, so what changes with the turn is chance, and the mean has
        less of it. Features, maps and logits stay linear in each other: a map explains its logit as before.
        """
        if self._turns == 1:
            return self._passed(image)
        total: dict[str, NDArray[np.float32]] = {}
        for turn, look in enumerate(quarter_turns(image, self._turns)):
            for name, values in self._passed(look).items():
                one = np.rot90(values, -turn) if name == "maps" else values
                total[name] = total[name] + one if name in total else one
        return {
            name: np.ascontiguousarray(values) / np.float32(self._turns) for name, values in total.items()
        }

    def _passed(self, image: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        if image.shape != self._size:
            self._interpreter.resize_tensor_input(self._input, (1, *image.shape), strict=False)
            self._interpreter.allocate_tensors()
            self._size = image.shape
        self._interpreter.set_tensor(self._input, image[None])
        self._interpreter.invoke()
        result = {}
        for name, output in self._outputs.items():
            raw = self._interpreter.get_tensor(output.index)[0]
            if output.scale:
                raw = (raw.astype(np.float32) - output.zero_point) * np.float32(output.scale)
            result[name] = raw
        return result

    def _checked_input(self) -> int:
        detail = self._interpreter.get_input_details()[0]
        shape, dtype = tuple(detail["shape"].tolist()), detail["dtype"]
        wanted = (1, 120, 120, 3) if self._size else (1, *shape[1:3], 3)
        if shape != wanted or dtype is not np.uint8:
            raise BundleError(
                f"the network takes {np.dtype(dtype).name} {shape}; the device gives uint8 {wanted}"
            )
        return int(detail["index"])

    def _found_outputs(self, outputs: Mapping[str, str]) -> dict[str, _Output]:
        details = {detail["name"]: detail for detail in self._interpreter.get_output_details()}
        found = {}
        for name, tensor in outputs.items():
            if tensor not in details:
                raise BundleError(f"the network has no output {tensor}, which its description calls {name}")
            scale, zero_point = details[tensor]["quantization"]
            found[name] = _Output(int(details[tensor]["index"]), float(scale), int(zero_point))
        return found
