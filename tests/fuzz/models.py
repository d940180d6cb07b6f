"""Targets: .tflite files, the model cards in them, and the runtime that gets them."""

import functools
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.fuzz.forked import DiedError, Forked
from tests.fuzz.mutators import mutate_json
from tests.fuzz.target import Target, check_message, scratch, written
from tests.fuzz.tflite_mutator import mutate
from tests.support.edgetpu_models import EVERY, PASSING, with_floats
from tests.support.tflite_writer import Op, T, constant, packed, write_model
from tinyedge.darknet.layer_names import operator_layer
from tinyedge.devices.edgetpu import report
from tinyedge.devices.edgetpu.partition import partition
from tinyedge.devices.edgetpu.rules import edgetpu_rules
from tinyedge.devices.profile import Profile, find_profile
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.devices.runtime.runtimes import find_runtime
from tinyedge.devices.tflm import report as tflm_report
from tinyedge.devices.tflm.kernels import find_kernels, tensor_arena_bytes
from tinyedge.devices.tflm.report import Findings
from tinyedge.devices.tflm.rules import tflm_rules
from tinyedge.errors import TinyedgeError
from tinyedge.export.inspection.graph import read_graph
from tinyedge.export.tflite.metadata import add_metadata
from tinyedge.images.labels import labels_in_metadata
from tinyedge.info import report as info
from tinyedge.info.describe import describe, label_lines
from tinyedge.json_values import as_object
from tinyedge.modelcard import ModelCard, append_card, read_card
from tinyedge.tflite.check import check_tflite
from tinyedge.tflite.flatbuffer import FlatbufferError
from tinyedge.tflite.macs import multiply_accumulates
from tinyedge.tflite.metadata import (
    FIELD,
    UNIT_PIXELS,
    metadata_told,
    sound_metadata,
)
from tinyedge.tflite.model import read_tflite

_MEMBER = "model_card.json"
_CARD = ModelCard(
    name="tiny",
    height=4,
    width=4,
    channels=3,
    classes=2,
    fit="letterbox",
    quantization="int8",
    softmax_groups=1,
    temperature=1.5,
    labels=("Käfer", 'a "quoted" name'),
    ids=("n01", "n02"),
    cfg_sha256="ab" * 32,
    weights_sha256="cd" * 32,
    quantizer="tuned",
    rewrites=("pool-before-leaky",),
    seed=0,
    calibration="photos",
    calibration_sha256=("ef" * 32,),
    versions={"tensorflow": "2.21.0"},
)


def _read_card(content: bytes) -> None:
    card = read_card(written("fuzzed.tflite", content))
    if card is None:
        return
    _ = card.softmax, card.output_shape
    card.label(0)
    json.dumps(as_object(card), allow_nan=False)
    # A card that can be read can be written, and is the same then.
    if read_card(written("again.tflite", append_card(b"TFL3", card))) != card:
        raise AssertionError("the card does not come back as it was read")


def _read_card_content(content: bytes) -> None:
    """The JSON alone, put into an archive that is sound."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo(_MEMBER), content)
    _read_card(stream.getvalue())


def _card_seeds() -> Iterator[bytes]:
    plain = _CARD._replace(quantizer=None, rewrites=(), labels=None, ids=None, seed=None)
    for card in (_CARD, plain, plain._replace(classes=0, features=(2, 2, 3))):
        yield append_card(b"TFL3" * 4, card)
    with io.BytesIO() as stream:
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("labels.txt", "a\nb\n")
        yield stream.getvalue()


def _card_content_seeds() -> Iterator[bytes]:
    for archive in (*_card_seeds(),):
        with zipfile.ZipFile(io.BytesIO(archive)) as members:
            if _MEMBER in members.namelist():
                yield members.read(_MEMBER)
    yield b"[" * 2000
    yield b'{"format": ' + b"9" * 5000 + b"}"
    yield b'{"format": NaN}'


def _read_tflite(content: bytes) -> None:
    path = written("fuzzed.tflite", content)
    rules = edgetpu_rules()
    model = read_tflite(path)
    found = partition(model, rules)
    report.as_text(path, found, rules, None)
    json.dumps(report.as_json(found, rules, None), allow_nan=False)
    for_firmware = Findings(
        operators=find_kernels(model, tflm_rules()),
        tensor_bytes=max(map(tensor_arena_bytes, model.subgraphs)),
        file_bytes=len(content),
        memory=2**20,
        trial=None,
    )
    tflm_report.as_text(path, for_firmware)
    json.dumps(tflm_report.as_json(for_firmware), allow_nan=False)
    _read_all_metadata(content)
    description = describe(path)
    info.as_text(description, width=80)
    json.dumps(info.as_json(description), allow_nan=False)
    if description.labels is not None:
        with suppress(TinyedgeError):
            label_lines(description)
    graph = read_graph(content, "fuzzed.tflite")
    for operator in graph.operators:
        operator_layer(graph, operator)
        graph.computed_inputs(operator)
        graph.has_weights(operator)
        multiply_accumulates(operator, graph)
    try:
        check_tflite(content)
    except FlatbufferError:
        return  # who asks for numbers has had it checked
    for tensor in graph.tensors:
        if tensor.data() is not None:
            tensor.values()


@functools.cache
def _host() -> Profile:
    return find_profile("host")._replace(threads=1)


def _run(path: Path) -> None:
    """All that `run` makes of a file, and the inference of what is no classifier."""
    try:
        classifier = Classifier(path, device=_host(), fit="stretch")
        classifier.classify(np.full((3, 5, classifier.spec.channels), 77, np.uint8))
    except TinyedgeError:
        _infer(path)


def _infer(path: Path) -> None:
    try:
        interpreter = find_runtime(_host().runtimes).load(path.read_bytes(), threads=1)
        interpreter.invoke()
        for tensor in interpreter.get_output_details():
            interpreter.get_tensor(tensor["index"])
    except Exception:  # the classifier has refused the file: here it must only not crash
        return


_forked = Forked(lambda content: _run(written("running.tflite", content)))


def _read_and_run(content: bytes) -> None:
    """What the check lets through is run in a process of its own, which must live."""
    try:
        model = check_tflite(content)
    except FlatbufferError as error:
        check_message(str(error))
        return
    find_runtime(_host().runtimes)
    # Made here, for a child that is killed removes nothing.
    scratch()
    try:
        _forked(content)
    except DiedError as error:
        operators = {op.name for graph in model.subgraphs for op in graph.operators}
        error.place += " " + " ".join(sorted(operators))[:80]
        raise


_MOST_METADATA = 1 << 16


@functools.cache
def _metadata_template() -> tuple[bytes, int]:
    """A model with room for metadata and a list of labels behind it; and where the room begins."""
    model = schema.ModelT.InitFromPackedBuf(next(_classifier_seeds()), 0)
    buffer, entry = schema.BufferT(), schema.MetadataT()
    room = b"\xa5" * _MOST_METADATA
    buffer.data = np.frombuffer(room, np.uint8)
    entry.name, entry.buffer = FIELD, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [entry]
    content = append_card(packed(model), _CARD)
    return content, content.index(room)


def _with_metadata(content: bytes) -> bytes:
    """A model with that content for metadata; packed once, which takes far longer than to read."""
    template, place = _metadata_template()
    content = content[:_MOST_METADATA]
    length = len(content).to_bytes(4, "little")
    return template[: place - 4] + length + content + template[place + len(content) :]


def _read_metadata(content: bytes) -> None:
    _read_all_metadata(_with_metadata(content))


def _read_all_metadata(model: bytes) -> None:
    """What a file says of itself, and the lists of labels it names."""
    found = sound_metadata(model, Path("fuzzed.tflite"))
    if found is None:
        return
    check_message(metadata_told(found))
    json.dumps(as_object(found), allow_nan=False)
    if found.normalization is not None:
        for channels in (1, 3):
            if found.normalization.fits(channels):
                found.normalization.for_channels(channels)(np.zeros((1, channels), np.float32))
    for file in found.label_files:
        alone = found._replace(label_files=(file,))
        labels = labels_in_metadata(model, alone, 2, Path("fuzzed.tflite"))
        if labels is not None and "" in labels:
            raise AssertionError("a class without a name")


def _metadata_seeds() -> Iterator[bytes]:
    for card in (_CARD, _CARD._replace(labels=None, normalization=UNIT_PIXELS.for_channels(3))):
        described = add_metadata(next(_classifier_seeds()), card, author="a", license="MIT")
        model = schema.ModelT.InitFromPackedBuf(described, 0)
        yield model.buffers[model.metadata[-1].buffer].data.tobytes()


def _tflite_seeds() -> Iterator[bytes]:
    yield from _classifier_seeds()
    for op in PASSING.values():
        yield write_model(op)
    for good, bad in EVERY.values():
        yield write_model(good)
        yield write_model(bad)


def _runtime_seeds() -> Iterator[bytes]:
    yield from _classifier_seeds()
    for op in PASSING.values():
        yield write_model(op)
        yield write_model(with_floats(op))


def _classifier_seeds() -> Iterator[bytes]:
    """A convolution, a mean, a dense layer, a softmax; as int8 and as float."""
    kernel = constant(np.arange(24).reshape(2, 2, 2, 3) % 5)
    ops = (
        Op(
            "CONV_2D",
            [T((1, 4, 4, 3)), kernel, T((2,), "int32", np.zeros(2, np.int32), 1 / 256)],
            [T((1, 3, 3, 2))],
            "Conv2DOptions",
            {"strideW": 1, "strideH": 1, "padding": 1, "fusedActivationFunction": 1},
            version=3,
        ),
        Op("MEAN", [0, constant([1, 2], "int32")], [T((1, 2))], "ReducerOptions", version=2),
        Op("FULLY_CONNECTED", [1, constant(np.eye(2)), None], [T((1, 2))],
           "FullyConnectedOptions", version=4),
        Op("SOFTMAX", [2], [T((1, 2), scale=1 / 256, zero_point=-128)], "SoftmaxOptions",
           {"beta": 1.0}, version=2),
    )  # fmt: skip
    yield write_model(*ops)
    yield write_model(*map(with_floats, ops))
    yield append_card(write_model(*ops), _CARD)
    yield append_card(write_model(*map(with_floats, ops)), _CARD._replace(quantization="float32"))


_CARD_WORDS = tuple(f'"{name}": ' for name in as_object(_CARD))
_JSON = ("null", "true", "NaN", "Infinity", "-1", "1e999", "[]", "{}", '""', '"\\u001b[2J"', "0.5")

TARGETS = (
    Target(name="card", read=_read_card, seeds=_card_seeds, words=("PK\x01\x02", "PK\x05\x06")),
    Target(
        name="card_content",
        read=_read_card_content,
        seeds=_card_content_seeds,
        words=(*_CARD_WORDS, *_JSON),
        mutate=mutate_json,
    ),
    Target(
        name="metadata",
        read=_read_metadata,
        seeds=_metadata_seeds,
        words=("M001", "labels.txt", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f"),
    ),
    Target(
        name="tflite",
        read=_read_tflite,
        seeds=_tflite_seeds,
        words=("TFL3", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f"),
        mutate=mutate,
    ),
    Target(
        name="runtime",
        read=_read_and_run,
        seeds=_runtime_seeds,
        words=("TFL3", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f"),
        runs=200_000,
        mutate=mutate,
        alone=True,
    ),
)
