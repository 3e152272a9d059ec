"""A camera as another process: `stream_server.py PORT` gives MJPEG over HTTP.

It obeys one word a line on stdin: flow, stall (connected, and silent), short, corrupt, damaged, small (every
picture cut off, no picture at all, without its middle, of another size).
Every picture is red and numbered: see `numbered`.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np

WIDTH, HEIGHT = 192, 144
_BITS, _SIDE = 12, 16
_PERIOD_S = 0.003

_state = "flow"
_numbers = itertools.count(1)


def numbered(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Draw a red picture, uint8 RGB, whose first row of squares is the number's bits, low ones first."""
    picture = np.full((height, width, 3), (250, 0, 0), np.uint8)
    for bit in range(_BITS):
        picture[:_SIDE, bit * _SIDE : (bit + 1) * _SIDE] = 255 * (number >> bit & 1)
    return picture


def number_of(picture: np.ndarray) -> int:
    """Read the number, up to 4095, after which it begins anew."""
    middles = picture[_SIDE // 2, _SIDE // 2 : _BITS * _SIDE : _SIDE, 1]
    return sum(int(level > 127) << bit for bit, level in enumerate(middles))


def part() -> bytes | None:
    """Return the next picture as a part of the stream, or None while it stalls."""
    number = next(_numbers) % 4096
    if _state == "stall":
        return None
    size = (WIDTH // 2, HEIGHT // 2) if _state == "small" else (WIDTH, HEIGHT)
    picture = cv2.cvtColor(numbered(number, *size), cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".jpg", picture)[1].tobytes()
    if _state == "short":
        data = data[: len(data) // 2]
    if _state == "damaged":
        data = data[: -len(data) // 3] + b"\xff\xd9"
    if _state == "corrupt":
        data = b"\0" * len(data)
    return b"--x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(data), data)


class Camera(BaseHTTPRequestHandler):
    """Streams to each who asks, until he goes."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=x")
        self.end_headers()
        try:
            while True:
                piece = part()
                if piece is not None:
                    self.wfile.write(piece)
                time.sleep(_PERIOD_S)
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    cv2.setNumThreads(1)
    ThreadingHTTPServer.daemon_threads = True
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Camera)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)  # noqa: T201
    for line in sys.stdin:
        _state = line.strip()
        print(_state, flush=True)  # noqa: T201
