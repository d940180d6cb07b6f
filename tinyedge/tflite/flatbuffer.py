"""A reader of FlatBuffers for untrusted bytes: it returns or raises in bounded time.

The format: a table begins with the distance back to its vtable, whose entries say where each
field lies inside the table, or 0 where the field is left out and has its default. Strings,
vectors and tables inside a table are reached by an offset, forward, of 32 bits. The public
description is "FlatBuffers internals".
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_BYTES", "FlatbufferError", "Table", "Verifier", "root_table"]

MOST_BYTES = 2**31 - 1
"""Of a FlatBuffer: its offsets are 32 bits with a sign."""


_Number = TypeVar("_Number", bound=np.generic)

_MOST_FIELDS = 64
"""Of a table that are looked for: none of the schemas read here has half as many."""
_MOST_VTABLES = 1024
"""That are remembered: hundreds of tables share a few dozen, but a hostile file's share none."""


# Of struct's kinds: looked up, for a model has thousands of numbers.
_NUMBERS = {kind: struct.Struct(f"<{kind}") for kind in "?bBHiIqQfd"}


class FlatbufferError(ValueError):
    """Bytes that are no FlatBuffer of the kind expected.

    Attributes:
        operator: the position in its graph of the operator at fault, where one is.
    """

    def __init__(self, message: str, *, operator: int | None = None) -> None:
        """Tell `message`, which names the operator too."""
        super().__init__(message)
        self.operator = operator


class _Buffer:
    """The bytes, and how much more of them may be visited.

    Offsets may share what they point to, so a small file can describe a huge tree. A file that
    some converter wrote visits each byte about once; the budget allows four times that.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._budget = 4 * len(content) + 4096
        self._vtables: dict[int, tuple[int, ...]] = {}

    def unpack(self, kind: str, position: int) -> float:
        """The number (an int, but of kinds ``f`` and ``d``) of struct's little-endian `kind`."""
        # struct counts negative positions from the end.
        if position < 0:
            raise FlatbufferError("an offset leads out of the file")
        try:
            number: float = _NUMBERS[kind].unpack_from(self.content, position)[0]
        except struct.error:
            raise FlatbufferError("an offset leads out of the file") from None
        return number

    def several(self, kind: str, position: int, count: int) -> tuple[Any, ...]:
        """So many numbers of a `kind`, one behind the other."""
        if position < 0:
            raise FlatbufferError("an offset leads out of the file")
        try:
            return struct.unpack_from(f"<{count}{kind}", self.content, position)
        except struct.error:
            raise FlatbufferError("an offset leads out of the file") from None

    def vtable(self, position: int) -> tuple[int, ...]:
        """Where a table of the vtable at `position` has each of its fields; 0 of one left out."""
        known = self._vtables.get(position)
        if known is None:
            count = min((int(self.unpack("H", position)) - 4) // 2, _MOST_FIELDS)
            known = self.several("H", position + 4, count) if count > 0 else ()
            if len(self._vtables) < _MOST_VTABLES:
                self._vtables[position] = known
        return known

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
        self._inside = buffer.vtable(position - int(buffer.unpack("i", position)))

    def number(self, field: int, kind: str, default: float = 0) -> float:
        """A number (or bool) of struct's `kind`, such as ``i`` for 32 bits with a sign."""
        position = self._field(field)
        return default if position is None else self._buffer.unpack(kind, position)

    def numbers(self, field: int, kind: str) -> tuple[Any, ...]:
        """A vector of numbers of struct's `kind`; empty where it is left out."""
        position = self._reference(field)
        if position is None:
            return ()
        size = _NUMBERS[kind].size
        count = self._buffer.length(position, size)
        self._buffer.spend(size * count)
        return self._buffer.several(kind, position + 4, count)

    def array(self, field: int, dtype: np.dtype[_Number]) -> NDArray[_Number]:
        """`numbers` of a little-endian type as a read-only array: faster for long vectors."""
        found = np.frombuffer(self.bytes(field, dtype.itemsize), dtype)
        self._buffer.spend(found.nbytes)
        return found

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

    def count(self, field: int) -> int:
        """How many tables a vector of them has."""
        position = self._reference(field)
        return 0 if position is None else self._buffer.length(position, 4)

    def tables(self, field: int) -> Iterator["Table"]:
        """The tables of a vector of them."""
        position = self._reference(field)
        if position is not None:
            for index in range(self._buffer.length(position, 4)):
                yield Table(self._buffer, self._buffer.follow(position + 4 + 4 * index))

    def _field(self, field: int) -> int | None:
        """Where a field lies, or None where it is left out."""
        inside = self._inside[field] if field < len(self._inside) else 0
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


class Verifier:
    """Whether every byte that a reader of some schema's FlatBuffer can ask for is there.

    Those that C++ programs read do not look where an offset leads. What is verified is what
    FlatBuffers' own verifier does: tables, vtables, vectors and strings lie inside the file, each
    number at a position that its size divides; and text is UTF-8, for all but that verifier.

    Args:
        schema: the fields of each table in order: the bytes of a number, ``s`` for a string,
            ``[`` before either for a vector, a table's name, ``|`` and a union's name, whose
            number is the field before it, or ``-`` for what nobody reads. A union's row has its
            name behind ``|`` and its tables from number 1.
    """

    def __init__(self, schema: Mapping[str, Sequence[str]]) -> None:
        self._schema = schema

    def verify(self, content: bytes, root: str) -> None:
        """Verify a file whose outermost table is `root`.

        Raises:
            FlatbufferError: something leads out of the file, is out of line, or is no text.
        """
        self._content = content
        self._size = len(content)
        # Tables may be shared, and refer to each other.
        self._done: set[tuple[int, str]] = set()
        self._layouts: dict[tuple[int, str], list[tuple[int, int, str, int]]] = {}
        self._todo = [(self._u32(0), root)]
        while self._todo:
            found = self._todo.pop()
            if found not in self._done:
                self._done.add(found)
                self._table(*found)

    def _table(self, position: int, name: str) -> None:
        size = self._size
        if position % 4 or position + 4 > size:
            raise FlatbufferError("an offset leads out of the file")
        vtable = position - _I32(self._content, position)[0]
        if vtable < 0 or vtable % 2 or vtable + 4 > size:
            raise FlatbufferError("an offset leads out of the file")
        length, extent = _U16_PAIR(self._content, vtable)
        if length % 2 or length < 4 or vtable + length > size or position + extent > size:
            raise FlatbufferError("a table lies outside the file")
        layout = self._layouts.get((vtable, name))
        if layout is None:
            layout = self._layout(vtable, name)
            if len(self._layouts) < _MOST_VTABLES:
                self._layouts[vtable, name] = layout
        for inside, width, kind, union in layout:
            at = position + inside
            if at % width:
                raise FlatbufferError("a field lies outside its table")
            if kind:
                target = at + _U32(self._content, at)[0]
                self._reference(kind, target, position + union if union else 0)

    def _layout(self, vtable: int, name: str) -> list[tuple[int, int, str, int]]:
        """The fields that tables of a vtable have, by the schema's table of that `name`.

        Of each where it lies in them, its width, the kind of what it refers to, empty of a number,
        and where the number of its union is, 0 where it is none.
        """
        length, extent = _U16_PAIR(self._content, vtable)
        kinds = self._schema[name]
        count = min((length - 4) // 2, len(kinds))
        entries = struct.unpack_from(f"<{count}H", self._content, vtable + 4)
        found = []
        for number, (inside, kind) in enumerate(zip(entries, kinds, strict=False)):
            if not inside or kind == "-":
                continue
            width = _WIDTHS.get(kind, 4)
            if inside < 4 or inside + width > extent:
                raise FlatbufferError("a field lies outside its table")
            union = entries[number - 1] if kind[0] == "|" else 0
            found.append((inside, width, "" if kind in _WIDTHS else kind, union))
        return found

    def _reference(self, kind: str, target: int, union: int) -> None:
        if kind == "s":
            self._text(target)
        elif kind[0] == "|":
            number = self._content[union] if union else 0
            members = self._schema[kind]
            # Of a union's table that the schema does not have, no reader knows a field.
            if 0 < number <= len(members):
                self._todo.append((target, members[number - 1]))
        elif kind[0] == "[":
            self._vector(kind[1:], target)
        else:
            self._todo.append((target, kind))

    def _vector(self, kind: str, at: int) -> None:
        width = _WIDTHS.get(kind, 4)
        count = self._u32(at)
        if (at + 4) % width or at + 4 + count * width > self._size:
            raise FlatbufferError("a vector is longer than the file")
        if kind in _WIDTHS or (at, "[" + kind) in self._done:
            return
        self._done.add((at, "[" + kind))
        if len(self._done) + len(self._todo) + count > self._size // 4:
            raise FlatbufferError("its offsets point to the same bytes over and over")
        offsets = struct.unpack_from(f"<{count}I", self._content, at + 4)
        for place, offset in enumerate(offsets):
            target = at + 4 + 4 * place + offset
            if kind == "s":
                self._text(target)
            else:
                self._todo.append((target, kind))

    def _text(self, at: int) -> None:
        if (at, "s") in self._done:
            return
        self._done.add((at, "s"))
        end = at + 4 + self._u32(at)
        if end >= self._size or self._content[end]:
            raise FlatbufferError("a text has no end")
        try:
            self._content[at + 4 : end].decode()
        except UnicodeDecodeError as error:
            raise FlatbufferError("a name is no UTF-8 text") from error

    def _u32(self, at: int) -> int:
        if at % 4 or at + 4 > self._size:
            raise FlatbufferError("an offset leads out of the file")
        return int(_U32(self._content, at)[0])


# Bytes of what the schema's rows have of numbers.
_WIDTHS = {"1": 1, "2": 2, "4": 4, "8": 8}
_I32 = struct.Struct("<i").unpack_from
_U32 = struct.Struct("<I").unpack_from
_U16_PAIR = struct.Struct("<2H").unpack_from
