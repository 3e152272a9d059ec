"""A camera as another process, under which a drawn slide is pushed; `slide_server.py PORT` streams MJPEG."""

from __future__ import annotations

import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2

from edge.cameras.simulation.camera import SimulatedCamera
from edge.config import SimulatedConfig

PERIOD_S = 0.25
"""Between two views: a hand that goes on quickly."""

_picture = b""


def push() -> None:
    """Show view after view, slide after slide, for as long as the process lives."""
    global _picture  # noqa: PLW0603 (the one camera of this process)
    seed = 1
    while True:
        camera = SimulatedCamera(SimulatedConfig(seed=seed, cells=400))
        seed += 1
        while (frame := camera.read()) is not None:
            shown = cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2BGR)
            _picture = cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
            time.sleep(PERIOD_S)


class Camera(BaseHTTPRequestHandler):
    """Streams to each who asks, until they go."""

    def do_GET(self) -> None:
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
