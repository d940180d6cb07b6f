"""The reader of metadata, on what others write and on what strangers may send."""

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.support.commands import run_in_process
from tests.support.foreign import SIGNED, float_model, integer_model, with_metadata
from tests.support.tflite_writer import packed
from tinyedge.errors import TinyedgeWarning
from tinyedge.files import reproducible_zip
from tinyedge.tflite.flatbuffer import FlatbufferError
from tinyedge.tflite.metadata import (
    PIXELS,
    LabelFile,
    Metadata,
    Normalization,
    metadata_told,
    read_label_file,
    read_metadata,
    sound_metadata,
)

MODEL = float_model(SIGNED)


class Writer:
    """Tables by their fields' numbers: what is an int is of a byte, a list a vector."""

    def __init__(self) -> None:
        self.builder = flatbuffers.Builder(256)

    def put(self, value: Any) -> int:
        if isinstance(value, str):
            return int(self.builder.CreateString(value))
        if isinstance(value, list):
            if value and isinstance(value[0], float):
                return int(self.builder.CreateNumpyVector(np.array(value, np.float32)))
            offsets = [self.put(each) for each in value]
            self.builder.StartVector(4, len(offsets), 4)
            for offset in reversed(offsets):
                self.builder.PrependUOffsetTRelative(offset)
            return int(self.builder.EndVector())
        offsets = {n: self.put(each) for n, each in value.items() if not isinstance(each, int)}
        self.builder.StartObject(max(value, default=-1) + 1)
        for number, each in value.items():
            if isinstance(each, int):
                self.builder.PrependInt8Slot(number, each, 0)
            else:
                self.builder.PrependUOffsetTRelativeSlot(number, offsets[number], 0)
        return int(self.builder.EndObject())


def described(root: dict[int, Any], identifier: bytes = b"M001", model: bytes = MODEL) -> bytes:
    """A model with these metadata, put in by the schema's own classes."""
    writer = Writer()
    writer.builder.Finish(writer.put(root), identifier)
    unpacked = schema.ModelT.InitFromPackedBuf(model, 0)
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(bytes(writer.builder.Output()), np.uint8)
    entry.name, entry.buffer = "TFLITE_METADATA", len(unpacked.buffers)
    unpacked.buffers.append(buffer)
    unpacked.metadata = [entry]
    return packed(unpacked)


def normalizing(mean: list[float], std: list[float]) -> dict[int, Any]:
    return {3: [{2: [{4: [{0: 3, 1: {}}, {0: 1, 1: {0: mean, 1: std}}]}]}]}


def test_what_others_write_is_read() -> None:
    labels = [
        {0: "readme.txt", 2: 1},
        {0: "labels.txt", 2: 2},
        {0: "labels_de.txt", 2: 2, 3: "de"},
    ]
    content = described(
        {
            0: "net",
            1: "What it does.",
            2: "v1",
            3: [{2: normalizing([1.0, 2.0, 3.0], [4.0])[3][0][2], 3: [{6: labels}]}],
            4: "A. Uthor",
            5: "Apache",
        }
    )
    assert read_metadata(content) == Metadata(
        *("net", "What it does.", "v1", "A. Uthor", "Apache"),
        Normalization((1.0, 2.0, 3.0), (4.0,)),
        (LabelFile("labels.txt"), LabelFile("labels_de.txt", "de")),
    )


def test_what_is_left_out_is_empty() -> None:
    assert read_metadata(MODEL) is None
    for root in ({}, {3: []}, {3: [{}]}, {3: [{2: [], 3: []}]}, {3: [{2: [{}], 3: [{}]}]}):
        assert read_metadata(described(root)) == Metadata()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (described({}, b"M002"), "does not bear M001"),
        (described(normalizing([], [1.0])), "a mean, or a std above 0, is missing"),
        (described(normalizing([1.0], [0.0])), "a mean, or a std above 0, is missing"),
        (described(normalizing([1.0], [-1.0])), "a mean, or a std above 0, is missing"),
        (described(normalizing([float("nan")], [1.0])), "is no number"),
        (described(normalizing([0.0], [float("inf")])), "is no number"),
        (described(normalizing([0.0] * 20_000, [1.0])), "more channels than an image has"),
        (described({0: "a" * 70_000}), "a text has more than 65,536 bytes"),
        (described({3: [{3: [{6: [{2: 2}] * 300}]}]}), "more than 256 files"),
        (described({0: "a"}).replace(b"M001", b"M00"), "."),
    ],
)
def test_damaged_metadata_are_an_error_and_a_note_for_users(content: bytes, why: str) -> None:
    with pytest.raises(FlatbufferError, match=why):
        read_metadata(content)
    with pytest.warns(TinyedgeWarning, match="its metadata are passed over, for they are damaged"):
        assert sound_metadata(content, Path("a.tflite")) is None


def test_a_list_of_labels_is_read_within_limits() -> None:
    file = LabelFile("labels.txt")
    good = reproducible_zip({"labels.txt": "Käfer\nb\n".encode()}, behind=MODEL, compress=False)
    assert read_label_file(good, file) == "Käfer\nb\n"
    for members, why in (
        ({"labels.txt": b"a\xff"}, "is no UTF-8 text"),
        ({"labels.txt": b" " * (2**24 + 1)}, "it has more than 16,777,216 bytes"),
        ({"other.txt": b"a"}, "is not in the zip behind the model"),
    ):
        with pytest.raises(FlatbufferError, match=why):
            read_label_file(reproducible_zip(members, behind=MODEL), file)
    with pytest.raises(FlatbufferError, match="cannot be read"):
        read_label_file(good.replace("Käfer".encode(), b"......"), file)


def test_what_is_told_fits_a_terminal() -> None:
    evil = Metadata("\x1b[2J" + "x" * 500, normalization=PIXELS["-1..1"])
    told = metadata_told(evil)
    assert "\x1b" not in told
    assert len(told) < 120
    assert told.endswith("...; pixels become -1 to 1")
    assert metadata_told(Metadata()) == "they say nothing that is read here"


def test_check_tells_them(tmp_path: Path) -> None:
    path = tmp_path / "a.tflite"
    path.write_bytes(with_metadata(integer_model(SIGNED), SIGNED))
    text = run_in_process("check", path).stdout
    assert "\nmetadata    strange; pixels become -1 to 1; labels in labels.txt\n" in text
    path.write_bytes(integer_model(SIGNED))
    assert "\nmetadata " not in run_in_process("check", path).stdout
