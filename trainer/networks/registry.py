"""The networks, by name. Each takes float32 (n, 120, 120, 3) in 0 to 1 and gives logits."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import keras
from keras import layers, ops

from edge.masking import CROP_SIZE
from trainer.networks import efficientnet_lite
from trainer.networks.baselines import BASELINES, DRAWN, baseline, weights_file, without_lone_scales
from trainer.networks.gradient import has_tanh_head, with_gradient
from trainer.networks.study import folded, study

if TYPE_CHECKING:
    from collections.abc import Callable


def build(name: str, classes: int, options: dict[str, Any]) -> keras.Model:
    """Make a network with its first weights: drawn, or from a file where `first_weights` says so.

    Raises KeyError for a name that is none, ConfigError for a file of weights that cannot be used.
    """
    return NETWORKS[name](classes, **options)


def first_weights(network: dict[str, Any]) -> str:
    """Say where the first weights of a recipe's `network` come from: the seed, or a file and its sha256.

    Raises ConfigError for a file that is not there.
    """
    if network["name"] == efficientnet_lite.NAME:
        return efficientnet_lite.weights_file(network.get("weights", "imagenet"))[1]
    if network["name"] not in BASELINES:
        return DRAWN
    return weights_file(network["name"], network.get("weights", "imagenet"))[1]


def _block(x: Any, filters: int, stride: int = 1) -> Any:
    """Separable convolution (Chollet 2017), then BN, then ReLU: the order that int8 folds without loss."""
    y = layers.SeparableConv2D(filters, 3, strides=stride, padding="same", use_bias=False)(x)
    y = layers.ReLU()(layers.BatchNormalization(momentum=0.95)(y))
    if stride == 1 and x.shape[-1] == filters:
        y = layers.Add()([x, y])
    return y


@keras.saving.register_keras_serializable("leukoscope")
class MixStyle(layers.Layer):  # type: ignore[misc]
    """In training, give a share of the pictures the channels' mean and spread of a mixture with another's.

    What a microscope and a stain do shows in these statistics of the first layers (Zhou et al. 2021, Domain
    Generalization with MixStyle); mixed, they tell the network nothing it can rely on. At inference it does
    nothing. chance: share of the pictures, 0 to 1.
    """

    def __init__(self, chance: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.chance = chance
        self.seed_generator = keras.random.SeedGenerator(0)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Mix, or at inference hand on, float32 (n, h, w, c)."""
        if not training:
            return inputs
        mean, variance = ops.moments(inputs, axes=(1, 2), keepdims=True)
        spread = ops.sqrt(variance + 1e-6)
        count = ops.shape(inputs)[0]
        shape = (count, 1, 1, 1)
        share = keras.random.beta(shape, 0.1, 0.1, seed=self.seed_generator)
        mixed = keras.random.uniform(shape, seed=self.seed_generator) < self.chance
        share = ops.where(mixed, share, 1.0)
        other = keras.random.shuffle(ops.arange(count), seed=self.seed_generator)
        mean_to = share * mean + (1 - share) * ops.take(mean, other, axis=0)
        spread_to = share * spread + (1 - share) * ops.take(spread, other, axis=0)
        return (inputs - mean) / spread * ops.stop_gradient(spread_to) + ops.stop_gradient(mean_to)

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is rebuilt from."""
        return {**super().get_config(), "chance": self.chance}


def compact(
    classes: int,
    *,
    widths: tuple[int, ...] = (16, 32, 64, 128),
    depth: int = 3,
    dropout: float = 0.3,
    mix_style: float = 0.0,
) -> keras.Model:
    """Separable CNN with global average pooling and one dense layer.

    With that head the class activation map (Zhou et al. 2016) is Grad-CAM (Selvaraju et al. 2017) up to a
    constant, so it needs no gradient on the device. mix_style: share of the pictures whose style is mixed
    after each of the first two stages, in training.
    """
    inputs = keras.Input((CROP_SIZE, CROP_SIZE, 3), name="image")
    x = layers.Conv2D(widths[0], 3, strides=2, padding="same", use_bias=False)(inputs)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.95)(x))
    x = _mixed(_block(x, widths[1]), mix_style)
    x = _mixed(_block(x, widths[2], stride=2), mix_style)
    for _ in range(depth - 2):
        x = _block(x, widths[2])
    x = _block(x, widths[3], stride=2)
    for _ in range(depth - 1):
        x = _block(x, widths[3])
    x = layers.Identity(name="activation")(x)
    features = layers.GlobalAveragePooling2D(name="features")(x)
    kept = layers.Dropout(dropout)(features)
    return keras.Model(inputs, layers.Dense(classes, name="logits", dtype="float32")(kept), name="compact")


def _mixed(x: Any, chance: float) -> Any:
    return MixStyle(chance)(x) if chance else x


def with_maps(model: keras.Model) -> keras.Model:
    """The network that is exported: scores, the class activation maps of all classes, and the features.

    The maps are the dense layer applied at every place, as a 1x1 convolution without bias; their mean over
    the grid, plus the bias, is the logit. A `CellWindow` goes into the kernel that pools, and over the maps:
    weighted before both, the places would be rounded once more in int8.
    """
    activation = model.get_layer("activation").output
    features = model.get_layer("features").output
    kernel, bias = model.get_layer("logits").get_weights()
    maps = layers.Conv2D(kernel.shape[1], 1, use_bias=False, name="maps")
    logits = layers.Dense(kernel.shape[1], name="scores")
    window = next((layer for layer in model.layers if isinstance(layer, efficientnet_lite.CellWindow)), None)
    if window is None:
        shown = maps(activation)
    else:
        shown = window(maps(window.input))
        features = _pooled(window)
    exported = keras.Model(model.inputs, [logits(features), shown, features])
    maps.set_weights([kernel[None, None]])
    logits.set_weights([kernel, bias])
    return exported


def _pooled(window: efficientnet_lite.CellWindow) -> Any:
    """Return the mean over what a window leaves of its input, (n, channels), by one kernel."""
    places, channels = window.input.shape[1], window.input.shape[3]
    weights = efficientnet_lite.cell_window(places, window.stride)[0, ..., None] / places**2
    pool = layers.DepthwiseConv2D(places, use_bias=False, name="pool")
    pooled = layers.Reshape((channels,), name="pooled")(pool(window.input))
    pool.set_weights([weights.repeat(channels, axis=2)])
    return pooled


def for_device(model: keras.Model) -> keras.Model:
    """What is converted to int8, with named outputs: logits; maps and features where the head has them.

    A flattened head other than the study's has no class activation map: such a network can be measured, but
    not shipped.
    """
    if _is_pooled(model):
        exported = with_maps(without_lone_scales(model))
        logits, maps, features = exported.outputs
        return keras.Model(exported.inputs, {"logits": logits, "maps": maps, "features": features})
    if has_tanh_head(model):
        return with_gradient(model)
    plain = folded(model)
    return keras.Model(plain.inputs, {"logits": plain.outputs[0]})


def has_maps(model: keras.Model) -> bool:
    """Tell whether what is made for the device explains its calls: a pooled head does, and the study's."""
    return _is_pooled(model) or has_tanh_head(model)


def _is_pooled(model: keras.Model) -> bool:
    return any(layer.name == "activation" for layer in model.layers)


NETWORKS: dict[str, Callable[..., keras.Model]] = {
    "compact": compact,
    "study": study,
    efficientnet_lite.NAME: efficientnet_lite.efficientnet_lite0,
    **{name: partial(baseline, name) for name in BASELINES},
}
