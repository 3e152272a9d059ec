"""What a picture is made of, wherever one is passed on."""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""A picture, uint8: (height, width, 3) RGB unless it is said to be grey or a mask, (height, width)."""

BoxTuple = tuple[int, int, int, int]
"""x, y, width, height, pixels of the frame."""
