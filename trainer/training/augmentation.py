"""What a microscope, a stain and a hand on the slide can do to a crop, as one Keras layer."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from edge.finding.light import WHITE_LEVEL
from edge.masking import CROP_SIZE
from edge.masking.crops import CROP_DIAMETERS

_BARE = WHITE_LEVEL / 255
_QUARTERS = 4
_BEYOND = 0.15  # of its radius, a circle may reach further than the cell
_SEAM = 1.5  # pixels, how soft the circle's edge is


class Augmentation(keras.layers.Layer):  # type: ignore[misc]
    """Turn, shift and scale, then stain, light, focus and noise; uint8 (n, s, s, 3) to float32 in 0 to 1.

    Colour is changed in optical density (Beer-Lambert), where a dye's amount is a factor: `stain` scales
    all channels together, `hue` each on its own, `cast` multiplies the light, and `mix` adds so much of each
    channel to the others, as another dye or another sensor would. `vary` makes these widths differ from
    picture to picture, by up to this share: some keep their colours, some hardly. `fade` is how much of its
    colour every second picture may lose, up to all of it: then form alone decides. `gamma` is the spread of
    a camera's curve, `haze` the largest share of white light that lies over the picture, `uneven` how much
    the light may fall from one side or the middle to the other, in each channel on its own. `jpeg` is the
    share of the pictures that go through a JPEG of quality 40 to 95. `surround` is the share that gets
    what lies around their cell from another picture of the batch, for it tells nothing of the cell. `scale`,
    `shift` are shares of the crop, `blur` a standard deviation in pixels, `sharpen` how much of what a blur
    takes is added instead, `noise` a standard deviation in grey levels: widths of what is drawn.
    Turns are by multiples of `turn` degrees, or by any angle where it is 0. `fill` is the grey, 0 to 1, that
    is brought in from outside: bare slide, or the black of the study's masks. `side` is that of what comes
    out, in pixels; with `moves` False pictures stay as they lie, and come out as large as they were.
    """

    def __init__(
        self,
        *,
        scale: float = 0.15,
        shift: float = 0.06,
        stain: float = 0.25,
        hue: float = 0.12,
        cast: float = 0.05,
        mix: float = 0.0,
        jpeg: float = 0.0,
        blur: float = 1.2,
        sharpen: float = 0.0,
        noise: float = 6.0,
        turn: float = 0.0,
        vary: float = 0.0,
        fade: float = 0.0,
        gamma: float = 0.0,
        haze: float = 0.0,
        uneven: float = 0.0,
        surround: float = 0.0,
        fill: float = _BARE,
        side: int = CROP_SIZE,
        moves: bool = True,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.scale, self.shift, self.stain, self.hue = scale, shift, stain, hue
        self.cast, self.mix, self.blur, self.noise, self.jpeg = cast, mix, blur, noise, jpeg
        self.sharpen = sharpen
        self.turn, self.fill = turn, fill
        self.vary, self.fade, self.gamma, self.haze, self.uneven = vary, fade, gamma, haze, uneven
        self.surround = surround
        self.side, self.moves = side, moves
        self._seed = seed

    def call(self, inputs: Any, key: Any) -> Any:
        """Augment a batch. `key` (int64) names the draw: the same key gives the same pictures."""
        seeds = tf.random.split(tf.stack([tf.cast(key, tf.int64), tf.constant(self._seed, tf.int64)]), 15)
        count = tf.shape(inputs)[0]
        image = tf.cast(inputs, tf.float32) / 255.0
        if self.surround:
            image = self._surrounded(image, count, seeds[14])
        if self.moves:
            image = self._moved(image, count, seeds)
        if self.stain or self.hue or self.cast or self.mix:
            image = self._stained(image, count, seeds)
        image = self._lit(image, count, seeds[10:])
        image = self._blurred(image, count, seeds[6])
        if self.noise:
            strength = tf.random.stateless_uniform((count, 1, 1, 1), seeds[7], 0, self.noise / 255)
            image += strength * tf.random.stateless_normal(tf.shape(image), seeds[7])
        image = tf.clip_by_value(image, 0.0, 1.0)
        return self._compressed(image, seeds[9]) if self.jpeg else image

    def _compressed(self, image: Any, seed: Any) -> Any:
        """Put the first pictures of the batch through a JPEG: a batch is in no order."""
        # Where every image is shown once the last batch is smaller, so that the graph knows no number.
        count = tf.cast(tf.round(self.jpeg * tf.cast(tf.shape(image)[0], tf.float32)), tf.int32)
        quality = tf.random.stateless_uniform((count,), seed, 40, 96, tf.int32)

        def through(one: tuple[Any, Any]) -> Any:
            return tf.ensure_shape(tf.image.adjust_jpeg_quality(one[0], one[1]), image.shape[1:])

        coded = tf.map_fn(through, (image[:count], quality), fn_output_signature=tf.float32)
        return tf.concat([tf.reshape(coded, tf.shape(image[:count])), image[count:]], axis=0)

    def _surrounded(self, image: Any, count: Any, seed: Any) -> Any:
        """Exchange what lies outside a circle around the cell: a crop is `CROP_DIAMETERS` of it wide."""
        drawn = tf.random.stateless_uniform((2, count, 1, 1), seed)
        radius = (1 + _BEYOND * drawn[0]) * self.side / CROP_DIAMETERS / 2
        rows = tf.range(image.shape[1], dtype=tf.float32) - (image.shape[1] - 1) / 2
        distance = tf.sqrt(rows[:, None] ** 2 + rows[None, :] ** 2)[None]
        outside = tf.sigmoid((distance - radius) / _SEAM) * tf.cast(drawn[1] < self.surround, tf.float32)
        return image + outside[..., None] * (tf.roll(image, 1, axis=0) - image)

    def _lit(self, image: Any, count: Any, seeds: Any) -> Any:
        """Change what camera and lamp do: colour lost, curve, haze, light that is not even."""
        one = (count, 1, 1, 1)
        if self.fade:
            lost = tf.random.stateless_uniform(one, seeds[0], -self.fade, self.fade)  # below 0: none
            grey = tf.reduce_mean(image, axis=3, keepdims=True)
            image += tf.maximum(lost, 0.0) * (grey - image)
        if self.gamma:
            curve = tf.exp(tf.random.stateless_normal(one, seeds[1]) * self.gamma)
            image = tf.pow(tf.clip_by_value(image, 1e-3, 1.2), curve)
        if self.uneven:
            rows = tf.linspace(-1.0, 1.0, image.shape[1])[None, :, None, None]
            columns = tf.linspace(-1.0, 1.0, image.shape[2])[None, None, :, None]
            by = tf.random.stateless_uniform((3, count, 1, 1, 3), seeds[2], -self.uneven, self.uneven)
            # The same of all channels is the rule; a condenser off its axis tints one side besides.
            by = 0.7 * by[..., :1] + 0.3 * by
            image *= 1 + by[0] * rows + by[1] * columns - tf.abs(by[2]) * (rows**2 + columns**2) / 2
        if self.haze:
            share = tf.maximum(tf.random.stateless_uniform(one, seeds[3], -self.haze, self.haze), 0.0)
            image += share * (0.9 - image)
        return image

    def _stained(self, image: Any, count: Any, seeds: Any) -> Any:
        density = -tf.math.log(tf.clip_by_value(image / _BARE, 0.02, 1.2))
        width = 1 + tf.random.stateless_uniform((count, 1, 1, 1), seeds[9], -self.vary, self.vary)
        amount = tf.exp(tf.random.stateless_normal((count, 1, 1, 1), seeds[3]) * self.stain * width)
        tint = tf.exp(tf.random.stateless_normal((count, 1, 1, 3), seeds[4]) * self.hue * width)
        light = tf.exp(tf.random.stateless_normal((count, 1, 1, 3), seeds[5]) * self.cast)
        if self.mix:
            other = tf.random.stateless_normal((count, 3, 3), seeds[8]) * self.mix * width[..., 0]
            mixing = tf.linalg.set_diag(other, tf.ones((count, 3)))
            shape = tf.shape(density)
            density = tf.reshape(tf.reshape(density, (count, -1, 3)) @ mixing, shape)
        return tf.exp(-density * amount * tint) * _BARE * light

    def _moved(self, image: Any, count: Any, seeds: Any) -> Any:
        before = float(image.shape[1])
        angle = tf.random.stateless_uniform((count,), seeds[0], 0, 2 * math.pi)
        if self.turn:
            step = math.radians(self.turn)
            angle = step * tf.floor(angle / step)
        mirror = tf.sign(tf.random.stateless_uniform((count,), seeds[1], -1, 1))
        zoom = tf.exp(
            tf.random.stateless_normal((count, 2), seeds[1]) * tf.constant([self.scale, self.scale / 3])
        )
        move = tf.random.stateless_normal((count, 2), seeds[2]) * self.shift * self.side
        across, along = zoom[:, 0] * zoom[:, 1], zoom[:, 0] / zoom[:, 1]
        cos, sin = tf.cos(angle), tf.sin(angle)
        a, b = cos * across * mirror, -sin * along
        d, e = sin * across * mirror, cos * along
        half_in, half_out = (before - 1) / 2, (self.side - 1) / 2
        c = half_in - a * half_out - b * half_out + move[:, 0]
        f = half_in - d * half_out - e * half_out + move[:, 1]
        zero = tf.zeros_like(a)
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=image,
            transforms=tf.stack([a, b, c, d, e, f, zero, zero], axis=1),
            output_shape=tf.constant([self.side, self.side]),
            interpolation="BILINEAR",
            fill_mode="CONSTANT",
            fill_value=self.fill,
        )

    def _blurred(self, image: Any, count: Any, seed: Any) -> Any:
        """Blur or sharpen: out of focus, a coarser sensor, or a finer one. Each quarter has its own width."""
        if self.blur <= 0:
            return image
        widths = tf.random.stateless_uniform((_QUARTERS,), seed, 0.3, max(0.3, self.blur))
        reach = math.ceil(2 * self.blur)
        offsets = tf.range(-float(reach), reach + 1.0)
        kernels = tf.exp(-0.5 * (offsets / widths[:, None]) ** 2)
        kernels /= tf.reduce_sum(kernels, axis=1, keepdims=True)
        padded = tf.pad(image, [[0, 0], [reach, reach], [reach, reach], [0, 0]], "SYMMETRIC")

        def blur(part: Any, number: int) -> Any:
            rows = tf.tile(kernels[number][:, None, None, None], [1, 1, 3, 1])
            columns = tf.transpose(rows, (1, 0, 2, 3))
            part = tf.nn.depthwise_conv2d(part, rows, [1, 1, 1, 1], "VALID")
            return tf.nn.depthwise_conv2d(part, columns, [1, 1, 1, 1], "VALID")

        def quarters() -> Any:
            bounds = [number * count // _QUARTERS for number in range(_QUARTERS + 1)]
            parts = [blur(padded[bounds[i] : bounds[i + 1]], i) for i in range(_QUARTERS)]
            return tf.concat(parts, axis=0)

        # Of fewer pictures a quarter would be empty, and oneDNN gives the wrong shape for an empty one.
        soft = tf.cond(count >= _QUARTERS, quarters, lambda: blur(padded, 0))
        share = tf.random.stateless_uniform((count, 1, 1, 1), seed, -self.sharpen, 1)
        return image + share * (soft - image)

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is rebuilt from."""
        own = (
            "scale",
            "shift",
            "stain",
            "hue",
            "cast",
            "mix",
            "jpeg",
            "blur",
            "sharpen",
            "noise",
            "turn",
            "vary",
            "fade",
            "gamma",
            "haze",
            "uneven",
            "surround",
            "fill",
            "side",
            "moves",
        )
        return {**super().get_config(), **{name: getattr(self, name) for name in own}, "seed": self._seed}
