"""A .tflite file of one operator, written where there is no converter.

The numbers of fields are those of TFLite's public schema, version 3
(tensorflow/compiler/mlir/lite/schema/schema.fbs).
"""

import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tinyedge.tflite.model import IDENTIFIER, SCHEMA_VERSION, TYPES, operator_names
from tinyedge.tflite.schema import OPERATORS

__all__ = ["IMAGE", "RESIZED", "resize_bilinear"]

IMAGE, RESIZED = 0, 2
"""The tensors of `resize_bilinear`: what it takes, and what it gives."""
_SIZE = 1

# Of every part's first byte: what a constant's bytes, the widest kind there is, are aligned to.
_ALIGNMENT = 16


class _Number(NamedTuple):
    """A number of struct's little-endian `kind`, at most 4 bytes."""

    kind: str
    value: int


class _Numbers(NamedTuple):
    """A vector of such numbers, of at most 8 bytes."""

    kind: str
    values: Sequence[float]


_Table = Mapping[int, "_Number | _Part"]
_Part = _Numbers | _Table | Sequence[_Table]


def resize_bilinear(source: tuple[int, int], target: tuple[int, int], channels: int) -> bytes:
    """A .tflite that resizes one image of uint8 from corner to corner: RESIZE_BILINEAR.

    Its tensors `IMAGE` and `RESIZED` are (1, height, width, channels).

    Args:
        source: height and width of the image, each at least 1.
        target: height and width of the result, likewise.
        channels: of both, at least 1.
    """
    name = "RESIZE_BILINEAR"
    options = OPERATORS[name].options
    assert options is not None
    # Without a scale XNNPACK takes no tensor of integers; which one does not matter.
    quantization: _Table = {2: _Numbers("f", [1.0]), 3: _Numbers("q", [0])}

    def images(size: tuple[int, int]) -> _Table:
        return {**_tensor("uint8", (1, *size, channels)), 4: quantization}

    operator: _Table = {
        1: _Numbers("i", [IMAGE, _SIZE]),
        2: _Numbers("i", [RESIZED]),
        3: _Number("B", options.union),
        4: {options.options["align_corners"].field: _Number("?", True)},
    }
    graph: _Table = {
        0: [images(source), {**_tensor("int32", (2,)), 2: _Number("I", 1)}, images(target)],
        1: _Numbers("i", [IMAGE]),
        2: _Numbers("i", [RESIZED]),
        3: [operator],
    }
    number = operator_names().index(name)
    return _flatbuffer(
        {
            0: _Number("I", SCHEMA_VERSION),
            1: [{0: _Number("b", number), 3: _Number("i", number)}],
            2: [graph],
            # The first one, which is empty, is that of tensors that are computed.
            4: [{}, {0: _Numbers("B", struct.pack("<2i", *target))}],
        }
    )


def _tensor(kind: str, shape: tuple[int, ...]) -> _Table:
    return {0: _Numbers("i", shape), 1: _Number("b", TYPES.index(kind))}


def _flatbuffer(root: _Table) -> bytes:
    content = bytearray(8)
    content[4:8] = IDENTIFIER
    struct.pack_into("<I", content, 0, _put(content, root))
    return bytes(content)


def _put(content: bytearray, part: _Part) -> int:
    """Put a part, and all that it refers to, behind what is there; where it begins."""
    if isinstance(part, _Numbers):
        return _put_numbers(content, part)
    if isinstance(part, Mapping):
        return _put_table(content, part)
    start = _put_numbers(content, _Numbers("I", [0] * len(part)))
    for place, table in enumerate(part, start=1):
        _refer(content, start + 4 * place, table)
    return start


def _put_numbers(content: bytearray, part: _Numbers) -> int:
    # Its length stands in the four bytes before the numbers.
    content += bytes(-(len(content) + 4) % _ALIGNMENT)
    start = len(content)
    content += struct.pack(f"<I{len(part.values)}{part.kind}", len(part.values), *part.values)
    return start


def _put_table(content: bytearray, fields: _Table) -> int:
    """Each field has four bytes, behind the four that lead back to the vtable."""
    places = dict(zip(fields, range(4, 4 + 4 * len(fields), 4), strict=True))
    vtable = [places.get(field, 0) for field in range(max(fields, default=-1) + 1)]
    content += bytes(-len(content) % _ALIGNMENT)
    start = len(content)
    size = 4 + 2 * len(vtable)
    content += struct.pack(f"<{2 + len(vtable)}H", size, 4 + 4 * len(fields), *vtable)
    content += bytes(-len(content) % 4)
    table = len(content)
    content += struct.pack("<i", table - start) + bytes(4 * len(fields))
    for field, value in fields.items():
        at = table + places[field]
        if isinstance(value, _Number):
            struct.pack_into(f"<{value.kind}", content, at, value.value)
        else:
            _refer(content, at, value)
    return table


def _refer(content: bytearray, at: int, part: _Part) -> None:
    struct.pack_into("<I", content, at, _put(content, part) - at)
