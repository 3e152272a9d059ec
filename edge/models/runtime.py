"""One TFLite interpreter, whichever runtime is installed.

ai-edge-litert is the maintained one; tflite-runtime 2.14 is its predecessor, for Python 3.11 and NumPy 1.
"""

from __future__ import annotations

import importlib
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
    # It takes longer to load than a runtime, for it can read mail: only who asks waits for it.
    import importlib.metadata  # noqa: PLC0415

    found = {}
    for distribution in RUNTIMES:
        try:
            version = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
        if _can_run(distribution, in_new_process=in_new_process):
            found[distribution] = version
    return found


def _can_run(distribution: str, *, in_new_process: bool = False) -> bool:
    """Whether a runtime, if it is installed, would run here."""
    # tflite-runtime imports with NumPy 2 or beside TensorFlow, then fails when an interpreter is made.
    numpy_is_newer = int(np.__version__.split(".")[0]) >= 2
    beside_tensorflow = "tensorflow" in sys.modules and not in_new_process
    return distribution != "tflite-runtime" or not (numpy_is_newer or beside_tensorflow)


def _loaded(choice: str) -> tuple[Any, str, str]:
    """Return the module of the first runtime that can be used, its name and its version.

    choice: as `Runtime` has it. Raises NoRuntimeError.
    """
    broken: dict[str, ImportError] = {}
    for name, module in RUNTIMES.items():
        if choice in {"auto", name} and _can_run(name):
            try:
                loaded = importlib.import_module(module)
            except ImportError as error:
                broken[name] = error
            else:
                return loaded, name, str(sys.modules[module.partition(".")[0]].__version__)
    for name, version in installed().items():
        if name in broken:
            raise NoRuntimeError(f"{name} {version} is installed but cannot be imported: {broken[name]}")
    wanted = "neither ai-edge-litert nor tflite-runtime" if choice == "auto" else f"{choice} not"
    raise NoRuntimeError(f"{wanted} is usable here; install one with: pip install ai-edge-litert")


def quarter_turns(image: NDArray[np.uint8], turns: int) -> list[NDArray[np.uint8]]:
    """Return an image, uint8 (h, w, 3), turned by no quarter, by one, and so on: so many in all."""
    # NumPy would copy the three bytes of a pixel one by one. Who asks for the runtimes only needs no OpenCV.
    import cv2  # noqa: PLC0415

    quarters = cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE
    turned = [np.asarray(cv2.rotate(image, quarter), np.uint8) for quarter in quarters[: turns - 1]]
    return [np.ascontiguousarray(image), *turned]


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
        module, self.name, self.version = _loaded(choice)
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
