"""A camera as another process, under which a drawn slide is pushed; `slide_server.py PORT` streams MJPEG.

`/show/glass` moves it to clear glass in poor light, `/show/dark` and `/show/bright` turn the lamp there, and
`/show/slide` goes back.
"""

from __future__ import annotations

import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import cv2

from edge.cameras.simulation.camera import SimulatedCamera
from edge.config import SimulatedConfig

if TYPE_CHECKING:
    from edge.cameras import Frame

PERIOD_S = 0.25
"""Between two views: a hand that goes on quickly."""

GLASS = {
    "glass": {"vignetting": 0.4, "warmth": 0.3},
    "dark": {"illumination": 0.2},
    "bright": {"illumination": 1.8},
}
"""What is seen beside the smear, by its name."""

_picture = b""
_shown = "slide"


def push() -> None:
    """Show view after view, slide after slide, for as long as the process lives."""
    seed = 1
    while True:
        shown = _shown
        lit = GLASS.get(shown)
        drawn = {"cells": 400} if lit is None else {"empty": True, **lit}
        camera = SimulatedCamera(SimulatedConfig(seed=seed, **drawn))
        seed += 1
        while shown == _shown and (frame := camera.read()) is not None:
            show(frame)
            time.sleep(PERIOD_S)


def show(frame: Frame) -> None:
    global _picture  # noqa: PLW0603 (the one camera of this process)
    pixels = cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2BGR)
    _picture = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


class Camera(BaseHTTPRequestHandler):
    """Streams to each who asks, until they go."""

    def do_GET(self) -> None:
        global _shown  # noqa: PLW0603 (as above)
        if self.path.startswith("/show/"):
            _shown = self.path.removeprefix("/show/")
            self.send_response(204)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=x")
        self.end_headers()
        try:
            while True:
                head = b"--x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(_picture)
                self.wfile.write(head + _picture + b"\r\n")
                time.sleep(PERIOD_S / 2)
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    cv2.setNumThreads(1)
    threading.Thread(target=push, daemon=True).start()
    while not _picture:
        time.sleep(0.01)
    ThreadingHTTPServer.daemon_threads = True
    print("ready", flush=True)  # noqa: T201
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Camera).serve_forever()
