"""The study's baselines, of keras.applications, under the head of `compact`; from scratch or from a file."""

from __future__ import annotations

import hashlib
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import layers

from edge.errors import ConfigError
from edge.masking import CROP_SIZE
from trainer.networks.study import affine

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

DRAWN = "drawn by seed"
_MOMENTUM = 0.95  # as `compact` has it

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's red, green and blue


@dataclass(frozen=True)
class Baseline:
    """A network of keras.applications, the inputs that its ImageNet weights expect, and their file.

    Inputs are scale * x + offset of x in 0 to 1. file, md5: as Keras names and checks it, without the top.
    """

    body: Callable[..., keras.Model]
    scale: float | list[float]
    offset: float | list[float]
    file: str
    md5: str | None  # Keras checks none for MobileNetV2


BASELINES: dict[str, Baseline] = {
    "inception-v3": Baseline(  # Szegedy et al. 2016
        keras.applications.InceptionV3,
        2.0,
        -1.0,
        "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "bcbd6486424b2319ff4ef7d526e38f63",
    ),
    "mobilenet-v2": Baseline(  # Sandler et al. 2018
        keras.applications.MobileNetV2,
        2.0,
        -1.0,
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
        None,
    ),
    "densenet201": Baseline(  # Huang et al. 2017
        keras.applications.DenseNet201,
        [1 / d for d in _DEVIATION],
        [-m / d for m, d in zip(_MEAN, _DEVIATION, strict=True)],
        "densenet201_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "c13680b51ded0fb44dff2d8f86ac8bb1",
    ),
}


def baseline(name: str, classes: int, *, weights: str = "imagenet") -> keras.Model:
    """Return one of `BASELINES` with float32 logits (n, classes) by the head of `compact`.

    The study's head, going by its sizes, has a hidden dense layer of 256 besides; that would leave no class
    activation map. weights: see `weights_file`.
    Raises KeyError for a name that is no baseline's, ConfigError for a file that holds no weights of it.
    """
    chosen = BASELINES[name]
    inputs = keras.Input((CROP_SIZE, CROP_SIZE, 3), name="image")
    x = layers.Rescaling(chosen.scale, chosen.offset)(inputs)
    body = chosen.body(include_top=False, weights=None, input_tensor=x)
    path, _ = weights_file(name, weights)
    if path is not None:
        body.set_weights(_read(name, path))
    for layer in body.layers:
        if layer.name == "activation":  # as Keras calls the first of its own in Inception V3
            layer.name = "activation_0"
        if isinstance(layer, layers.BatchNormalization):
            # Keras' 0.99 and 0.999 are for ImageNet's many steps: after 800 the statistics still were the
            # first ones, and of a network that had 91 % of its training images right, 25 % were left.
            layer.momentum = _MOMENTUM
    activation = layers.Identity(name="activation")(body.output)
    features = layers.GlobalAveragePooling2D(name="features")(activation)
    return keras.Model(inputs, layers.Dense(classes, name="logits", dtype="float32")(features), name=name)


def weights_file(name: str, weights: str = "imagenet") -> tuple[Path | None, str]:
    """Find the file that a baseline's first weights come from, or None, and say where they come from.

    weights: "imagenet": Keras' own file without the top, where it lies in Keras' cache (KERAS_HOME/models, or
    .keras/models at home) as Keras published it; nothing is downloaded. "none": no file. Anything else: the
    path of a file of the network without its top, in Keras' .h5 or .weights.h5 format.
    Raises KeyError for a name that is no baseline's, ConfigError for a path where there is no file.
    """
    chosen = BASELINES[name]
    if weights == "none":
        return None, DRAWN
    if weights != "imagenet":
        path = Path(weights)
        return path, f"{path.name}, sha256 {file_digest(path, 'sha256')}"
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras").expanduser()
    path = home / "models" / chosen.file
    if not path.is_file():
        return None, f"{DRAWN}, for there are no ImageNet weights at {path}"
    if chosen.md5 and file_digest(path, "md5") != chosen.md5:
        return None, f"{DRAWN}, for {path} is not the file that Keras published: its md5 is another"
    return path, f"ImageNet, {path.name}, sha256 {file_digest(path, 'sha256')}"


def without_lone_scales(model: keras.Model) -> keras.Model:
    """Return the same function with 1x1 depthwise convolutions for its rescalings and lone BatchNorms.

    A BatchNorm right after a convolution is folded into it by the converter. One that follows anything else,
    as before DenseNet's activations, becomes a product and a sum in int8: the product, not yet centred, takes
    the range that the sum needs. A depthwise convolution adds its bias in int32.
    """
    lone = {layer.name for layer in model.layers if _is_lone(layer)}
    if not lone:
        return model

    def replace(layer: keras.layers.Layer) -> keras.layers.Layer:
        if layer.name in lone:
            return layers.DepthwiseConv2D(1, name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    def call(layer: keras.layers.Layer, *inputs: Any, **options: Any) -> Any:
        # A convolution does not take the mask that BatchNorm takes.
        return layer(*inputs) if layer.name in lone else layer(*inputs, **options)

    result = keras.models.clone_model(model, clone_function=replace, call_function=call)
    for layer in model.layers:
        if layer.name in lone:
            scale, offset = (
                affine(layer) if isinstance(layer, layers.BatchNormalization) else _channels(layer)
            )
            result.get_layer(layer.name).set_weights([scale[None, None, :, None], offset])
        elif layer.weights:
            result.get_layer(layer.name).set_weights(layer.get_weights())
    return result


def _channels(rescaling: keras.layers.Rescaling) -> tuple[Any, Any]:
    return np.broadcast_to(rescaling.scale, 3), np.broadcast_to(rescaling.offset, 3)


def _is_lone(layer: keras.layers.Layer) -> bool:
    if isinstance(layer, layers.Rescaling):
        return True
    if not isinstance(layer, layers.BatchNormalization):
        return False
    before = layer.input._keras_history.operation  # noqa: SLF001
    convolution = layers.Conv2D | layers.DepthwiseConv2D | layers.SeparableConv2D
    return not (isinstance(before, convolution) and before.activation is keras.activations.linear)


def _read(name: str, path: Path) -> list[NDArray[np.float32]]:
    """Read into a body of its own: beside our rescaling, Keras warns of layers that a file does not hold."""
    body = BASELINES[name].body(include_top=False, weights=None, input_shape=(CROP_SIZE, CROP_SIZE, 3))
    try:
        with warnings.catch_warnings(action="ignore"):  # a hundred of them, before Keras refuses a file
            body.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        raise ConfigError(
            f"{path}: holds no weights of {name} without its top, or is damaged ({reason})"
        ) from None
    weights: list[NDArray[np.float32]] = body.get_weights()
    return weights


def file_digest(path: Path, algorithm: str) -> str:
    """Return the hash of a file of weights. Raises ConfigError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()
    except OSError as error:
        raise ConfigError(f"{path}: weights cannot be read from it ({error.strerror})") from None
