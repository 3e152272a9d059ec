"""Images from files, shown as if they came from a microscope."""

from __future__ import annotations

import glob
import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from edge.cameras import Frame
from edge.cameras.image_header import image_size
from edge.cameras.pacing import Pacer
from edge.config import expanded
from edge.errors import CameraError, UnreadableFrameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from edge.config import ReplayConfig

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"})
MAX_PIXELS = 64_000_000  # 192 MB as RGB: more would end a small device
MAX_BYTES = 512_000_000

_AS_RGB = hasattr(cv2, "IMREAD_COLOR_RGB")  # OpenCV 4.11 and later
# An orientation tag would turn the picture, and with it every box, away from what the file holds.
_FLAGS = (cv2.IMREAD_COLOR_RGB if _AS_RGB else cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION


class _Image(NamedTuple):
    path: Path
    name: str


class ReplayCamera:
    """Every image of the configured folders, files and globs, each once, in the order of their paths.

    Folders are searched through and through for the usual suffixes, in either case; a file that is named
    itself is taken whatever its suffix; a glob may hold `**`. What the file system has under a path's very
    name comes before reading it as a glob.

    A frame's name is the path from the given folder on (`TEST/EOSINOPHIL/_0_5239.jpeg`), its source_id that
    name and the SHA-256 of the file's bytes: copying or touching a file does not make it another picture.

    Raises CameraError where a path is not there or holds no image.
    """

    def __init__(self, config: ReplayConfig) -> None:
        found: dict[Path, _Image] = {}
        for given in config.paths:
            try:
                for image in _images(given):
                    found.setdefault(image.path.resolve(), image)
            except OSError as error:
                raise CameraError(f"{error.filename or given}: cannot be read: {error.strerror}") from error
        self._images = sorted(found.values(), key=lambda image: image.path.parts)
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
        """Give the next image, or None after the last one.

        Raises UnreadableFrameError for an image that cannot be read; the next call goes on behind it.
        """
        if self._next >= len(self._images) or not self._pacer.wait():
            return None
        image = self._images[self._next]
        self._next += 1
        data = _contents(image.path)
        pixels = _decoded(data, image.path)
        digest = hashlib.sha256(data).hexdigest()
        return Frame(pixels, image.name, datetime.now(UTC), f"{image.name}:{digest[:32]}")

    def close(self) -> None:
        """End the source: from here on `read` gives None."""
        self._pacer.stop()


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image file as uint8 RGB, (height, width, 3). Raises UnreadableFrameError naming it."""
    return _decoded(_contents(path), path)


def _images(given: str) -> Iterator[_Image]:
    path = expanded(given)
    if given and path.is_dir():
        matches: Iterable[Path] = [path]
        nothing = "the folder holds no image"
    elif path.is_file():
        yield _Image(path, _name(path, path.parent))
        return
    elif glob.has_magic(given):
        matches = (Path(match) for match in glob.iglob(str(path), recursive=True))  # noqa: PTH207
        nothing = "matches no image"
    else:
        raise CameraError(f"{given or repr(given)}: there is no such file or folder")
    root = _fixed_part(path)
    images = [file for match in matches for file in _files(match) if file.suffix.lower() in SUFFIXES]
    if not images:
        raise CameraError(f"{given}: {nothing} ({', '.join(sorted(SUFFIXES))})")
    yield from (_Image(file, _name(file, root)) for file in images)


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    if not path.is_dir():
        return
    for folder, _, names in os.walk(path, onerror=_refuse):
        yield from (file for name in names if (file := Path(folder, name)).is_file())


def _refuse(error: OSError) -> None:
    # os.walk would pass over a folder that cannot be opened, and its cells would be missed without a word.
    raise error


def _fixed_part(path: Path) -> Path:
    """Give the path itself where it is a folder, else its part before the first wildcard."""
    if path.is_dir():
        return path
    plain: list[str] = []
    for part in path.parts[:-1]:
        if glob.has_magic(part):
            break
        plain.append(part)
    return Path(*plain)


def _name(file: Path, root: Path) -> str:
    # The last folder's name stays in, so that one file has one name whether its folder, a glob or the file
    # itself was given. abspath and not resolve: a link keeps its own name.
    folder = os.path.abspath(root)  # noqa: PTH100
    name = Path(os.path.abspath(file)).relative_to(Path(folder).parent).as_posix()  # noqa: PTH100
    # Bytes that are no UTF-8 are legal in a file's name and in no message.
    return name.encode(errors="surrogateescape").decode(errors="replace")


def _contents(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UnreadableFrameError(f"{path}: is larger than {MAX_BYTES // 1_000_000} MB")
        return path.read_bytes()
    except OSError as error:
        raise UnreadableFrameError(f"{path}: cannot be read: {error.strerror}") from error


def _decoded(data: bytes, path: Path) -> NDArray[np.uint8]:
    size = image_size(data)
    if size is None:
        raise UnreadableFrameError(f"{path}: is not an image that can be read")
    if size[0] * size[1] > MAX_PIXELS:
        raise UnreadableFrameError(
            f"{path}: {size[0]}x{size[1]} is more than {MAX_PIXELS // 1_000_000} megapixels"
        )
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise UnreadableFrameError(f"{path}: is not an image that can be read")
    if not _AS_RGB:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return np.asarray(pixels, np.uint8)
