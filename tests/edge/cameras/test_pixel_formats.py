"""Whatever a pipeline hands over, the picture that comes of it is the same."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.cameras.live import SHORT
from edge.cameras.pixel_formats import FORMATS, Layout, to_rgb
from edge.errors import CameraError, UnreadableFrameError

WIDTH, HEIGHT = 60, 44
PADDINGS = (0, 4, 36)
ORDER = {"RGB888": [2, 1, 0], "BGR888": [0, 1, 2], "XRGB8888": [2, 1, 0, 0], "XBGR8888": [0, 1, 2, 0]}


def picture() -> np.ndarray:
    """Return a smooth picture, uint8 RGB, whose corners are of different colours."""
    corners = np.array([[[190, 90, 110], [120, 180, 130]], [[100, 130, 190], [180, 170, 110]]], np.uint8)
    return np.asarray(cv2.resize(corners, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR), np.uint8)


def padded(rows: np.ndarray, stride: int) -> np.ndarray:
    """Return rows as they lie in memory, with rubbish where nothing is to be read."""
    rows = rows.reshape(len(rows), -1)
    buffer = np.full((len(rows), stride), 199, np.uint8)
    buffer[:, : rows.shape[1]] = rows
    return buffer.ravel()


def planes(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return brightness, blue and red difference of BT.601 in limited range, as OpenCV makes them."""
    whole = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420).ravel()
    size, quarter = WIDTH * HEIGHT, WIDTH * HEIGHT // 4
    small = (HEIGHT // 2, WIDTH // 2)
    return (
        whole[:size].reshape(HEIGHT, WIDTH),
        whole[size : size + quarter].reshape(small),
        whole[size + quarter :].reshape(small),
    )


def laid_out(rgb: np.ndarray, name: str, padding: int) -> tuple[np.ndarray, Layout]:
    """Return a picture as a pipeline of this format hands it over."""
    if name in ORDER:
        stride = WIDTH * len(ORDER[name]) + padding
        return padded(rgb[:, :, ORDER[name]], stride), Layout(name, WIDTH, HEIGHT, stride)
    stride = WIDTH + padding
    light, blue, red = planes(rgb)
    first, second = (red, blue) if name in {"NV21", "YVU420"} else (blue, red)
    if name.startswith("NV"):
        rest = [padded(np.stack([first, second], axis=2), stride)]
    else:
        rest = [padded(first, stride // 2), padded(second, stride // 2)]
    return np.concatenate([padded(light, stride), *rest]), Layout(name, WIDTH, HEIGHT, stride)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_picture_whatever_the_padding(name: str, padding: int) -> None:
    rgb = picture()
    buffer, layout = laid_out(rgb, name, padding)
    before = buffer.copy()
    got = to_rgb(buffer, layout)
    assert got.shape == rgb.shape
    assert got.dtype == np.uint8
    assert got.flags.c_contiguous
    off = np.abs(got.astype(int) - rgb)
    assert off.max() <= (0 if name in ORDER else 5)  # half the colours are not in the buffer
    assert off.mean() <= (0 if name in ORDER else 1.5)
    got[:] = 0
    assert np.array_equal(buffer, before), "the buffer is the camera's, the picture the caller's"


def test_a_buffer_may_end_with_its_last_pixel() -> None:
    buffer, layout = laid_out(picture(), "RGB888", 36)
    assert np.array_equal(to_rgb(buffer[:-36], layout), picture())


def test_colours_are_those_of_the_colour_space() -> None:
    # Pure red, by the equations of the standards: BT.709 in limited range, BT.601 in full range.
    spaces = {
        "Rec709": (16 + 219 * 0.2126, 128 - 224 * 0.2126 / (2 * (1 - 0.0722)), 240),
        "sYCC": (255 * 0.299, 128 - 255 * 0.299 / (2 * (1 - 0.114)), 255),
        "SMPTE170M": (16 + 219 * 0.299, 128 - 224 * 0.299 / (2 * (1 - 0.114)), 240),
    }
    for space, levels in spaces.items():
        light, blue, red = (np.uint8(round(level)) for level in levels)
        buffer = np.concatenate([np.full(64, light), np.tile(np.array([blue, red]), 16)])
        got = to_rgb(buffer, Layout("NV12", 8, 8, 8, f"<libcamera.ColorSpace '{space}'>"))
        assert np.abs(got.astype(int) - (255, 0, 0)).max() <= 3, space


@pytest.mark.parametrize("name", FORMATS)
def test_a_short_buffer_is_a_short_frame_and_no_crash(name: str) -> None:
    buffer, layout = laid_out(picture(), name, 0)
    for length in (0, 1, len(buffer) // 2, len(buffer) - 1):
        with pytest.raises(UnreadableFrameError) as caught:
            to_rgb(buffer[:length], layout)
        assert caught.value.reason == SHORT


def test_a_format_that_nobody_knows_is_refused_by_name() -> None:
    granted = {"format": "SRGGB10_CSI2P", "size": (640, 480), "stride": 800}
    with pytest.raises(CameraError, match=r"gives SRGGB10_CSI2P, .*known: RGB888, .*NV12"):
        Layout.of(granted)
    assert Layout.of({**granted, "format": "NV12"}) == Layout("NV12", 640, 480, 800)
