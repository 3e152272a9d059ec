"""Images from files, shown as if they came from a microscope."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from edge.cameras.frame import Frame
from edge.cameras.image_files import decode_image, read_file
from edge.cameras.image_folders import find_images
from edge.cameras.pacing import Pacer
from edge.errors import UnreadableFrameError

if TYPE_CHECKING:
    from pathlib import Path

    from edge.config import ReplayConfig


class ReplayCamera:
    """Every image of the configured folders, files and globs, each once, in the order of their paths.

    Which those are, `image_folders.find_images` says. A frame's name is the path from the given folder on
    (`TEST/EOSINOPHIL/_0_5239.jpeg`), its content the SHA-256 of the file's bytes, and its source_id both:
    copying or touching a file does not make it another picture.

    Raises CameraError if a path is not there or holds no image.
    """

    def __init__(self, config: ReplayConfig) -> None:
        self._images = find_images(config.paths)
        self._next = 0
        self._pacer = Pacer(config.frames_per_second)

    def __len__(self) -> int:
        """Count the images, those that will turn out unreadable included."""
        return len(self._images)

    @property
    def files(self) -> tuple[Path, ...]:
        """Every image's path, in the order in which they are shown."""
        return tuple(image.path for image in self._images)

    def read(self) -> Frame | None:
        """Return the next image, or None after the last one.

        Raises UnreadableFrameError for an image that cannot be read; the next call goes on behind it.
        """
        if self._next >= len(self._images) or not self._pacer.wait():
            return None
        image = self._images[self._next]
        self._next += 1
        if image.problem is not None:
            raise UnreadableFrameError(image.problem)
        data = read_file(image.path)
        pixels = decode_image(data, image.path)
        content = hashlib.sha256(data).hexdigest()[:32]
        return Frame(pixels, image.name, datetime.now(UTC), f"{image.name}:{content}", content=content)

    def close(self) -> None:
        """End the source: from here on `read` gives None."""
        self._pacer.stop()
