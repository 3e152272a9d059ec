"""The finder in int8, and how far it answers as in float."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from trainer.finder.canvases import SIDE
from trainer.quantization.int8 import Quantized, to_int8_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def quantize_finder(model: keras.Model, representative: NDArray[np.uint8]) -> Quantized:
    """Return the int8 file: uint8 RGB in, one signature, output `maps`; the device resizes its input.

    representative: uint8 (n, 192, 192, 3), canvases of training fields. Raises ExportError where the file
    lacks its weights or takes another input than the camera's bytes.
    """
    image = keras.Input((SIDE, SIDE, 3), name="image")
    exported = keras.Model(image, {"maps": model(image)})
    return to_int8_file(exported, representative, model.count_params())
