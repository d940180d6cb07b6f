"""TFLite Metadata: what MediaPipe, Netron and Android Studio read of a .tflite.

It is a FlatBuffer of its own (metadata_schema.fbs of tflite-support, version 1.0) in a buffer of
the model that is named TFLITE_METADATA; the files it names are the members of a zip behind the
model, stored and not compressed, as MediaPipe takes them.
"""

import struct
from collections.abc import Sequence

import flatbuffers
from flatbuffers.table import Table

from tinyedge.modelcard import ModelCard, labels_file
from tinyedge.text import counted
from tinyedge.tflite.head import Head, output_head
from tinyedge.tflite.metadata import FIELD, IDENTIFIER, LABELS_FILE
from tinyedge.tflite.model import SCHEMA_VERSION, parse_tflite

__all__ = ["add_metadata"]

# The version of the schema that has all that is written here.
_PARSER_VERSION = "1.0.0"
# Numbers of the schema's enumerations and unions.
_AXIS_LABELS = 2
_RGB, _GRAYSCALE = 1, 2
_FEATURE, _IMAGE = 1, 2
_NORMALIZATION = 1
# TFLite's schema aligns constants to 16 bytes (force_align).
_ALIGNMENT = 16
_FITS = {
    "crop": "the largest centred rectangle of this aspect is taken of a photo",
    "letterbox": "the whole photo stands between grey bars",
    "stretch": "the whole photo is stretched to this size",
}


def add_metadata(content: bytes, card: ModelCard, *, author: str = "", license: str = "") -> bytes:  # noqa: A002  # the schema's word
    """The .tflite with its metadata; the bytes of the model stay as they are, behind others.

    Args:
        content: a .tflite that has none yet.
        card: what it says of itself.
        author: of the network; nothing is said where it is empty.
        license: of the network, likewise.
    """
    head = output_head(parse_tflite(content).subgraphs[0])
    metadata = _model_metadata(card, head or "scores", author, license)
    return _with_buffer(content, FIELD, metadata)


class _Tables:
    """A builder of FlatBuffers by the numbers of the schema's fields."""

    def __init__(self) -> None:
        self._builder = flatbuffers.Builder(1024)

    def table(self, fields: dict[int, int], *, small: dict[int, int] | None = None) -> int:
        """A table of references by field, and of numbers of a byte (enumerations, unions)."""
        builder = self._builder
        builder.StartObject(max((*fields, *(small or {})), default=-1) + 1)
        for field, offset in fields.items():
            builder.PrependUOffsetTRelativeSlot(field, offset, 0)
        for field, number in (small or {}).items():
            builder.PrependInt8Slot(field, number, 0)
        return int(builder.EndObject())

    def text(self, text: str) -> int:
        return int(self._builder.CreateString(text))

    def texts(self, fields: dict[int, str]) -> dict[int, int]:
        """Of each field whose text is not empty."""
        return {field: self.text(text) for field, text in fields.items() if text}

    def floats(self, numbers: Sequence[float]) -> int:
        self._builder.StartVector(4, len(numbers), 4)
        for number in reversed(numbers):
            self._builder.PrependFloat32(number)
        return int(self._builder.EndVector())

    def tables(self, offsets: Sequence[int]) -> int:
        self._builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self._builder.PrependUOffsetTRelative(offset)
        return int(self._builder.EndVector())

    def finish(self, root: int, identifier: bytes) -> bytes:
        self._builder.Finish(root, identifier)
        return bytes(self._builder.Output())


def _model_metadata(card: ModelCard, head: Head, author: str, license_: str) -> bytes:
    tables = _Tables()
    graph = tables.table(
        {
            2: tables.tables([_input(tables, card)]),
            3: tables.tables([_output(tables, card, head)]),
        }
    )
    texts = {0: card.name, 1: _description(card, head), 4: author, 5: license_, 7: _PARSER_VERSION}
    fields = {3: tables.tables([graph]), **tables.texts(texts)}
    return tables.finish(tables.table(fields), IDENTIFIER)


def _input(tables: _Tables, card: ModelCard) -> int:
    colours = tables.table({}, small={0: _RGB if card.channels == 3 else _GRAYSCALE})
    fields = tables.texts({0: "image", 1: _input_description(card)})
    fields[3] = _content(tables, _IMAGE, colours)
    if card.normalization is not None:
        mean, std = (_short(each) for each in (card.normalization.mean, card.normalization.std))
        options = tables.table({0: tables.floats(mean), 1: tables.floats(std)})
        unit = tables.table({1: options}, small={0: _NORMALIZATION})
        fields[4] = tables.tables([unit])
    return tables.table(fields)


def _output(tables: _Tables, card: ModelCard, head: Head) -> int:
    name = "features" if card.features else "scores" if head == "scores" else "probabilities"
    fields = tables.texts({0: name, 1: _output_description(card, head)})
    fields[3] = _content(tables, _FEATURE, tables.table({}))
    if labels_file(card) is not None:
        texts = {0: LABELS_FILE, 1: "The name of each number of the output, in their order."}
        labels = tables.table(tables.texts(texts), small={2: _AXIS_LABELS})
        fields[6] = tables.tables([labels])
    return tables.table(fields)


def _content(tables: _Tables, kind: int, properties: int) -> int:
    return tables.table({1: properties}, small={0: kind})


def _short(numbers: Sequence[float]) -> Sequence[float]:
    """One number where it serves all channels."""
    return numbers[:1] if len(set(numbers)) == 1 else numbers


def _description(card: ModelCard, head: Head) -> str:
    what = "network without a head" if card.features else "image classifier"
    kind = "float32" if card.quantization == "float32" else f"full-integer {card.quantization}"
    if card.is_mixed:
        kind = f"mixed precision ({card.quantization} input and weights, float32 output)"
    return (
        f"Darknet {what}, {kind}, exported by tinyedge. {_input_description(card)}"
        f" {_output_description(card, head)}"
    )


def _input_description(card: ModelCard) -> str:
    colours = "RGB" if card.channels == 3 else "grey"
    return f"Takes {colours} photos of {card.width}x{card.height} pixels: {_FITS[card.fit]}."


def _output_description(card: ModelCard, head: Head) -> str:
    if card.features is not None:
        height, width, channels = card.features
        return f"Gives features, {height}x{width} with {channels} channels."
    if head == "softmax":
        return f"Gives the probabilities of {card.classes} classes."
    if head == "sigmoid":
        return f"Gives {counted(card.classes, 'output')}, each a probability by itself."
    if card.softmax:
        return f"Gives {card.classes} logits, of which a softmax makes the probabilities."
    return f"Gives {counted(card.classes, 'score')}."


def _with_buffer(content: bytes, name: str, data: bytes) -> bytes:
    """The .tflite with one more buffer, which its metadata calls `name`.

    A FlatBuffer's references lead forward. So a new root with new lists of buffers and of metadata
    is put before the old file, and all that it has in common with the old one is found there,
    aligned as before. (To write the file anew would take the memory of a large network's weights
    twice more, and the builder of Python aligns constants to nothing.)
    """
    old = Table(content, struct.unpack_from("<I", content)[0])
    fields: dict[int, int] = {}
    for field in range(_MODEL_FIELDS):
        at = old.Offset(4 + 2 * field)
        if at and field != _VERSION:
            fields[field] = old.Indirect(old.Pos + at)
    buffers, metadata = (_elements(content, fields.get(n)) for n in (_BUFFERS, _METADATA))

    at = 8  # behind the root's offset and the identifier
    vtable, at = at, at + 4 + 2 * _MODEL_FIELDS
    table, at = at, at + 4 + 4 * _MODEL_FIELDS
    buffer_list, at = at, at + 4 * (len(buffers) + 2)
    metadata_list, at = at, at + 4 * (len(metadata) + 2)
    buffer_vtable, at = at, at + 8
    buffer, at = at, at + 8
    entry_vtable, at = at, at + 8
    entry, at = at, at + 12
    text, at = at, _aligned(at + 4 + len(name) + 1, 4)
    stored = _aligned(at + 4, _ALIGNMENT) - 4
    begin = _aligned(stored + 4 + len(data), _ALIGNMENT)

    new = bytearray(begin)
    put = struct.Struct("<I").pack_into
    put(new, 0, table)
    new[4:8] = content[4:8]
    places = {field: begin + position for field, position in fields.items()}
    places |= {_BUFFERS: buffer_list, _METADATA: metadata_list}
    there = [
        4 + 4 * field if field in places or field == _VERSION else 0
        for field in range(_MODEL_FIELDS)
    ]
    _put_vtable(new, vtable, 4 + 4 * _MODEL_FIELDS, there)
    struct.pack_into("<i", new, table, table - vtable)
    put(new, table + 4 + 4 * _VERSION, SCHEMA_VERSION)
    for field, position in places.items():
        at = table + 4 + 4 * field
        put(new, at, position - at)
    for vector, elements, last in (
        (buffer_list, buffers, buffer),
        (metadata_list, metadata, entry),
    ):
        put(new, vector, len(elements) + 1)
        for number, position in enumerate([*(begin + each for each in elements), last], start=1):
            put(new, vector + 4 * number, position - vector - 4 * number)
    _put_vtable(new, buffer_vtable, 8, [4])
    struct.pack_into("<iI", new, buffer, buffer - buffer_vtable, stored - buffer - 4)
    _put_vtable(new, entry_vtable, 12, [4, 8])
    struct.pack_into(*("<iII", new, entry, entry - entry_vtable, text - entry - 4, len(buffers)))
    struct.pack_into(f"<I{len(name)}s", new, text, len(name), name.encode())
    struct.pack_into(f"<I{len(data)}s", new, stored, len(data), data)
    return b"".join((new, content))


# Fields of the schema's Model.
_MODEL_FIELDS, _VERSION, _BUFFERS, _METADATA = 8, 0, 4, 6


def _put_vtable(new: bytearray, at: int, size: int, fields: Sequence[int]) -> None:
    struct.pack_into(f"<{2 + len(fields)}H", new, at, 4 + 2 * len(fields), size, *fields)


def _elements(content: bytes, vector: int | None) -> list[int]:
    """Where the tables of a vector lie."""
    if vector is None:
        return []
    (count,) = struct.unpack_from("<I", content, vector)
    starts = range(vector + 4, vector + 4 + 4 * count, 4)
    return [at + struct.unpack_from("<I", content, at)[0] for at in starts]


def _aligned(position: int, size: int) -> int:
    return -(-position // size) * size
