"""Adapting the model to named cells, as a process of its own: it takes memory and minutes, the page neither.

Started by the page; prints how far it has come, a line of JSON each time that it has got on.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

_LOOK_S = 0.5
_NICE = 10  # counting goes first


def main() -> int:
    """Adapt, and say how it stands until it is done or refused."""
    from edge.config import from_plain  # noqa: PLC0415
    from edge.specimens.adapting import AdaptationJob  # noqa: PLC0415

    given = msgspec.json.decode(sys.stdin.buffer.read())
    os.nice(_NICE)
    job = AdaptationJob(from_plain(given["config"], origin="the page", folder=Path.cwd()))
    thread = job.start(given["specimen_ids"])
    said = None
    while True:
        thread.join(_LOOK_S)
        ended = not thread.is_alive()  # before the last look
        if job.state != said:
            said = job.state
            sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
            sys.stdout.buffer.flush()
        if ended:
            return 0


if __name__ == "__main__":
    sys.exit(main())
