"""Where a graph is split for the Edge TPU, and the bytes that follow from it, by hand."""

import random

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.support.edgetpu_models import PASSING
from tests.support.tflite_writer import Op, T, constant, packed, write_model
from tinyedge.devices.edgetpu.partition import Partition, partition
from tinyedge.devices.edgetpu.rules import edgetpu_rules
from tinyedge.tflite.flatbuffer import FlatbufferError
from tinyedge.tflite.model import parse_tflite

_RULES = edgetpu_rules()
_V = T((1, 8))
_RELU = Op("RELU", [_V], [_V])
_LEAKY = Op("LEAKY_RELU", [0], [_V], "LeakyReluOptions", {"alpha": 0.1})


def _partitioned(content: bytes) -> Partition:
    return partition(parse_tflite(content), _RULES)


def test_everything_after_the_first_that_cannot_map_stays_on_the_cpu() -> None:
    found = _partitioned(write_model(_RELU, _LEAKY, Op("TANH", [1], [_V]), Op("SIN", [2], [_V])))
    assert [placed.on_tpu for placed in found.operators] == [True, False, False, False]
    assert [placed.maps for placed in found.operators] == [True, False, True, False]
    assert found.split == 1
    assert found.operators[2].reason == "it comes after the split"
    assert (found.on_tpu, found.on_cpu, found.whole) == (1, 3, False)


def test_turning_float_input_into_integers_does_not_split() -> None:
    floats = T((1, 8), "float32")
    quantize = Op("QUANTIZE", [floats], [_V])
    back = Op("DEQUANTIZE", [1], [floats])
    found = _partitioned(write_model(quantize, Op("RELU", [0], [_V]), back))
    assert [placed.on_tpu for placed in found.operators] == [False, True, False]
    assert found.split == 2
    assert (found.input_bytes, found.output_bytes) == (8, 8)
    in_the_middle = Op("QUANTIZE", [1], [_V])
    found = _partitioned(write_model(_RELU, Op("DEQUANTIZE", [0], [floats]), in_the_middle))
    assert (found.split, found.on_tpu) == (1, 1)


def test_bytes_that_cross_usb_are_those_of_tensors_that_cross_the_split() -> None:
    """Both branches read the input; the second's result is used on the CPU and is an output."""
    first = Op(
        "CONV_2D",
        [T((1, 4, 4, 3)), constant(np.ones((5, 1, 1, 3))), None],
        [T((1, 4, 4, 5))],
        "Conv2DOptions",
    )
    second = Op("RELU", [0], [T((1, 4, 4, 5))])
    third = Op("SIN", [1], [T((1, 4, 4, 5))])
    found = _partitioned(write_model(first, second, third, outputs=[1, 2]))
    assert found.on_tpu == 2
    assert (found.input_bytes, found.output_bytes) == (48, 80)
    assert found.parameter_bytes == 15


@pytest.mark.parametrize(
    ("mebibytes", "streamed"),
    [(6.5, (0, 0)), (7, (0, 2**19)), (9, (3 * 2**19, 5 * 2**19))],
)
def test_parameters_beyond_what_the_chip_holds_are_streamed(
    mebibytes: float, streamed: tuple[int, int]
) -> None:
    kernel = constant(np.ones((int(mebibytes * 2**20) // 1024, 1, 1, 1024)))
    image = T((1, 1, 1, 1024))
    op = Op("CONV_2D", [image, kernel, None], [T((1, 1, 1, kernel.shape[0]))], "Conv2DOptions")
    found = _partitioned(write_model(op))
    assert found.parameter_bytes == mebibytes * 2**20
    assert found.streamed_bytes == streamed


@pytest.mark.parametrize(
    ("name", "macs"),
    [
        ("CONV_2D", 4 * 4 * 2 * 3 * 3 * 8),
        ("DEPTHWISE_CONV_2D", 4 * 4 * 8 * 3 * 3),
        ("FULLY_CONNECTED", 3 * 8),
        ("TRANSPOSE_CONV", 4 * 4 * 8 * 2 * 2 * 2),
        ("ADD", 0),
    ],
)
def test_multiplications_of_the_edge_tpu_s_part_are_counted(name: str, macs: int) -> None:
    assert _partitioned(write_model(PASSING[name])).macs == macs


def test_a_constant_that_two_operators_share_counts_once() -> None:
    model = schema.ModelT.InitFromPackedBuf(write_model(PASSING["CONV_2D"], PASSING["CONV_2D"]), 0)
    graph = model.subgraphs[0]
    for mine, theirs in zip(
        graph.operators[0].inputs[1:], graph.operators[1].inputs[1:], strict=True
    ):
        graph.tensors[theirs].buffer = graph.tensors[mine].buffer
    assert _partitioned(packed(model)).parameter_bytes == 2 * 3 * 3 * 8 + 2 * 4


def test_a_file_of_several_graphs_is_placed_by_its_first() -> None:
    found = _partitioned(write_model(_RELU, copies=3))
    assert (found.graphs, len(found.operators), found.whole) == (3, 1, True)


def test_a_file_that_was_compiled_already_is_known() -> None:
    compiled = Op("edgetpu-custom-op", [_V], [_V])
    found = _partitioned(write_model(compiled))
    assert (found.compiled, found.whole) == (True, True)
    assert not _partitioned(write_model(_RELU)).compiled


def test_a_file_without_operators_is_not_whole() -> None:
    assert not _partitioned(write_model()).whole


def test_a_damaged_file_is_partitioned_or_an_error() -> None:
    """Every rule's model with random bytes in it: nothing but FlatbufferError comes out."""
    draw = random.Random(6)
    placed = 0
    for op in PASSING.values():
        content = write_model(op)
        for _ in range(150):
            damaged = bytearray(content)
            for _ in range(draw.randint(1, 6)):
                damaged[draw.randrange(8, len(damaged))] = draw.choice((0, 1, 2, 4, 9, 127, 255))
            try:
                placed += len(_partitioned(bytes(damaged)).operators)
            except FlatbufferError:
                continue
    assert placed > 500
