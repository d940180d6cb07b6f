"""A reader of FlatBuffers for untrusted bytes: it returns or raises in bounded time.

The format: a table begins with the distance back to its vtable, whose entries say where each
field lies inside the table, or 0 where the field is left out and has its default. Strings,
vectors and tables inside a table are reached by an offset, forward, of 32 bits. The public
description is "FlatBuffers internals".
"""

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["FlatbufferError", "Table", "root_table"]


class FlatbufferError(ValueError):
    """Bytes that are no FlatBuffer of the kind expected."""


class _Buffer:
    """The bytes, and how much more of them may be visited.

    Offsets may share what they point to, so a small file can describe a huge tree. A file that
    some converter wrote visits each byte about once; the budget allows four times that.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._budget = 4 * len(content) + 4096

    def unpack(self, kind: str, position: int) -> float:
        """The number (an int, but of kinds ``f`` and ``d``) of struct's little-endian `kind`."""
        # struct counts negative positions from the end.
        if position < 0:
            raise FlatbufferError("an offset leads out of the file")
        try:
            number: float = struct.unpack_from("<" + kind, self.content, position)[0]
        except struct.error:
            raise FlatbufferError("an offset leads out of the file") from None
        return number

    def follow(self, position: int) -> int:
        """Where the offset at `position` leads."""
        return position + int(self.unpack("I", position))

    def length(self, position: int, size: int) -> int:
        """The length of the vector at `position`, of items of `size` bytes, which are all there."""
        count = int(self.unpack("I", position))
        if count * size > len(self.content) - position - 4:
            raise FlatbufferError("a vector is longer than the file")
        return count

    def spend(self, count: int) -> None:
        self._budget -= count
        if self._budget < 0:
            raise FlatbufferError("its offsets point to the same bytes over and over")


class Table:
    """A table of a FlatBuffer; fields go by their number in the schema, from 0.

    Every method raises FlatbufferError where the bytes do not hold what they say.
    """

    def __init__(self, buffer: _Buffer, position: int) -> None:
        buffer.spend(4)
        self._buffer = buffer
        self._position = position
        self._vtable = position - int(buffer.unpack("i", position))
        self._vtable_size = int(buffer.unpack("H", self._vtable))

    def number(self, field: int, kind: str, default: float = 0) -> float:
        """A number (or bool) of struct's `kind`, such as ``i`` for 32 bits with a sign."""
        position = self._field(field)
        return default if position is None else self._buffer.unpack(kind, position)

    def numbers(self, field: int, kind: str) -> NDArray[np.generic]:
        """A vector of numbers, a copy; empty where it is left out."""
        numbers = np.frombuffer(self.bytes(field, np.dtype(kind).itemsize), np.dtype("<" + kind))
        self._buffer.spend(numbers.nbytes)
        return numbers.copy()

    def bytes(self, field: int, size: int = 1) -> memoryview:
        """The bytes of a vector of items of `size` bytes, not copied."""
        position = self._reference(field)
        if position is None:
            return memoryview(b"")
        count = self._buffer.length(position, size)
        return memoryview(self._buffer.content)[position + 4 : position + 4 + count * size]

    def text(self, field: int) -> str:
        """A string; what is no UTF-8 in it is replaced."""
        encoded = self.bytes(field)
        self._buffer.spend(len(encoded))
        return str(encoded, "utf-8", "replace")

    def table(self, field: int) -> "Table | None":
        """A table inside this one, or None where it is left out."""
        position = self._reference(field)
        return None if position is None else Table(self._buffer, position)

    def tables(self, field: int) -> Iterator["Table"]:
        """The tables of a vector of them."""
        position = self._reference(field)
        if position is not None:
            for index in range(self._buffer.length(position, 4)):
                yield Table(self._buffer, self._buffer.follow(position + 4 + 4 * index))

    def _field(self, field: int) -> int | None:
        """Where a field lies, or None where it is left out."""
        entry = 4 + 2 * field
        if entry + 2 > self._vtable_size:
            return None
        inside = int(self._buffer.unpack("H", self._vtable + entry))
        return self._position + inside if inside else None

    def _reference(self, field: int) -> int | None:
        position = self._field(field)
        return None if position is None else self._buffer.follow(position)


def root_table(content: bytes, identifier: bytes) -> Table:
    """The outermost table of a file of four bytes' `identifier`.

    Raises:
        FlatbufferError: the file does not bear the identifier, or is cut off before the table.
    """
    if content[4:8] != identifier:
        raise FlatbufferError(f"it does not bear {identifier.decode()}, as such a file does")
    buffer = _Buffer(content)
    return Table(buffer, buffer.follow(0))
