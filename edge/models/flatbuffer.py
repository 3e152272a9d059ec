"""Just enough of a flatbuffer reader to look into a TFLite file and to change its numbers where they stand.

The layout is FlatBuffers' own (flatbuffers.dev, "Internals"): a table points back to a vtable, which holds
for each field its place in the table, or 0 where the field was left out. Nothing is copied: what `numbers`
gives is a view, so that writing into it changes the file and no offset of it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Table:
    """A table at a place of a file. Fields are named by their number, from 0, in order of declaration.

    Whatever is asked of it raises ValueError where an offset leads out of the file.
    """

    def __init__(self, content: bytearray, position: int) -> None:
        self._content = content
        self._position = position
        self._vtable = position - self._read("<i", position)
        self._vtable_size = self._read("<H", self._vtable)

    @classmethod
    def root(cls, content: bytearray) -> Table:
        """Return the table that a file begins with."""
        (position,) = struct.unpack_from("<I", content) if len(content) >= 4 else (len(content),)
        return cls(content, position)

    def number(self, field: int, kind: str, default: int = 0) -> int:
        """Return an integer. kind: its format as `struct` writes it, `b`, `B`, `i` or `I`."""
        position = self._field(field)
        return default if position is None else self._read(f"<{kind}", position)

    def table(self, field: int) -> Table | None:
        """Return the table that a field points to, or None where the field was left out."""
        position = self._field(field)
        return None if position is None else Table(self._content, self._target(position))

    def tables(self, field: int) -> list[Table]:
        """Return the tables of a vector of them."""
        entries, length = self._vector(field)
        return [Table(self._content, self._target(entries + 4 * index)) for index in range(length)]

    def numbers(self, field: int, dtype: str) -> NDArray[Any]:
        """Return a vector of numbers as a writable view of the file, (0,) where the field was left out.

        dtype: little-endian, as `<f4`.
        """
        entries, length = self._vector(field)
        if not length:
            return np.empty(0, dtype)
        return np.frombuffer(self._content, dtype, length, entries)

    def text(self, field: int) -> str:
        """Return a string, empty where the field was left out."""
        return self.numbers(field, "u1").tobytes().decode(errors="replace")

    def _vector(self, field: int) -> tuple[int, int]:
        position = self._field(field)
        if position is None:
            return 0, 0
        start = self._target(position)
        length = self._read("<I", start)
        if start + 4 + length > len(self._content):  # an entry has a byte at least
            raise ValueError("a vector leads out of the file")
        return start + 4, length

    def _field(self, field: int) -> int | None:
        entry = 4 + 2 * field
        if entry + 2 > self._vtable_size:
            return None
        offset = self._read("<H", self._vtable + entry)
        return self._position + offset if offset else None

    def _target(self, position: int) -> int:
        return position + self._read("<I", position)

    def _read(self, layout: str, position: int) -> int:
        if not 0 <= position <= len(self._content) - struct.calcsize(layout):
            raise ValueError("an offset leads out of the file")
        value: int = struct.unpack_from(layout, self._content, position)[0]
        return value
