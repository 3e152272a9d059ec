"""`leukoscope camera focus`: a single number that rises as the picture gets sharper, to turn the knob by.

It is a field's `quality.focus`. Where a camera has a low-resolution stream, it is measured in that one, at a
tenth of the time: for its focus, a large picture is brought down to that size anyway.
"""

from __future__ import annotations

import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

from edge.cameras import open_camera
from edge.config import ReplayConfig, load_config
from edge.daemon.stopping import Stop
from edge.errors import CameraAwayError, CameraError, ConfigError, UnreadableFrameError
from edge.quality.assessment import measure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from edge.cameras import Camera
    from edge.config import CameraConfig

PATIENCE_S = 10.0
"""How long a camera that gives no picture is waited for."""

_BAR = 40  # characters, of the best so far


@runtime_checkable
class Previewing(Protocol):
    """A camera with a stream of small pictures beside the one that is analysed."""

    def preview(self) -> NDArray[np.uint8] | None:
        """Return the newest of them, uint8 RGB (height, width, 3); None where there is none."""
        ...


def show_focus(config: Path, camera: Callable[[CameraConfig], Camera] = open_camera) -> int:
    """Print the focus of picture after picture until the source ends or a signal comes; give the exit status.

    On a terminal it is one line with a bar that is full at the best so far, else a line a picture. camera:
    what opens the source. Raises ConfigError; CameraError, also where a camera gives no picture for
    PATIENCE_S.
    """
    chosen = load_config(config).camera
    if isinstance(chosen, ReplayConfig):
        raise ConfigError(f"{config}: camera.kind: replay shows images, and no camera to focus")
    stop, best, last = Stop(), 0.0, ""
    seen_at = time.monotonic()
    plain = msgspec.structs.replace(chosen, calibration="")  # focus is the same in any light
    with stop.on_signals(), closing(camera(plain)) as source, stop.interrupting(source):
        while not stop.asked:
            try:
                frame = source.read()
            except UnreadableFrameError as error:
                if isinstance(error, CameraAwayError) and time.monotonic() - seen_at >= PATIENCE_S:
                    raise CameraError(f"no picture for {PATIENCE_S:.0f} s: {error}") from None
                if str(error) != last and isinstance(error, CameraAwayError):
                    last = str(error)
                    print(f"leukoscope: {last}", file=sys.stderr)
                continue
            if frame is None:
                break
            seen_at = time.monotonic()
            small = source.preview() if isinstance(source, Previewing) else None
            focus = measure(frame.pixels if small is None else small).quality.focus
            best = max(best, focus)
            _show(focus, best)
    if sys.stdout.isatty():
        print()
    return 0


def _show(focus: float, best: float) -> None:
    if not sys.stdout.isatty():
        print(f"{focus:.2f}", flush=True)
        return
    full = round(_BAR * focus / best) if best else 0
    print(f"\rfocus {focus:6.2f}  best {best:6.2f}  {'#' * full:<{_BAR}}", end="", flush=True)
