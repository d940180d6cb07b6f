"""Files in mixed precision against their numbers worked out with NumPy."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from tests.support.int8_chain import (
    ACTIVATED,
    BEHIND,
    FIRST,
    KERNELS,
    LOGITS,
    OFFSETS,
    PIXELS,
    SECOND,
    SLOPE,
    STORED,
    convolution,
    integer_file,
    leaky,
    tensor,
)
from tests.support.tflite_writer import Op, T, constant, write_model
from tinyedge.devices.latency.instructions import operator_precision
from tinyedge.export.tflite.mixed import mixed_file
from tinyedge.modelcard import Precision
from tinyedge.tflite.check import check_tflite
from tinyedge.tflite.model import Subgraph, parse_tflite
from tinyedge.tflite.quantization import QuantParams

RNG = np.random.default_rng(6)


def answer(content: bytes, image: NDArray[np.int8], *, xnnpack: bool = True) -> NDArray[np.float64]:
    kernels = OpResolverType.AUTO if xnnpack else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(source["index"], image)
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(target["index"]), np.float64)


def layer(number: int, values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(values @ KERNELS[number].T + OFFSETS[number])


def activated(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(values > 0, values, SLOPE * values)


def rounded(values: NDArray[np.float64], qparams: QuantParams) -> NDArray[np.float64]:
    return qparams.dequantize(qparams.quantize(values))


def by_range(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rounded to int8, asymmetric, to the range of all values."""
    return rounded(values, QuantParams.from_range(float(values.min()), float(values.max())))


def by_pixel(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """To the range of each pixel's channels."""
    pixels = values.reshape(-1, values.shape[-1])
    return np.stack([by_range(pixel) for pixel in pixels]).reshape(values.shape)


IMAGE = RNG.integers(-128, 128, (1, 4, 4, 3)).astype(np.int8)
FED = PIXELS.dequantize(IMAGE)


def graph_of(content: bytes) -> Subgraph:
    check_tflite(content)
    (graph,) = parse_tflite(content).subgraphs
    return graph


def names(content: bytes) -> list[str]:
    return [operator.name for operator in graph_of(content).operators]


def test_all_in_float_is_the_function_of_the_int8_weights() -> None:
    content = mixed_file(integer_file(), {0: "float32", 1: "float32", 2: "float32"})
    wanted = layer(2, activated(layer(1, activated(layer(0, FED)))))
    assert np.abs(answer(content, IMAGE) - wanted).max() < 1e-5
    assert "QUANTIZE" not in names(content)


def test_float_is_rounded_once_for_an_int8_layer() -> None:
    """Behind its activation, to the integer file's parameters."""
    content = mixed_file(integer_file(), {0: "float32", 2: "float32"})
    read = rounded(activated(layer(0, FED)), ACTIVATED)
    wanted = layer(2, activated(rounded(layer(1, read), SECOND)))
    error = np.abs(answer(content, IMAGE) - wanted)
    # Where a value lies next to the middle of two integers, float32 decides otherwise.
    assert np.median(error) < 1e-5
    assert names(content).count("QUANTIZE") == 1


def test_an_activation_behind_an_int8_layer_that_float_reads_is_not_rounded_again() -> None:
    content = mixed_file(integer_file(), {1: "float32", 2: "float32"})
    wanted = layer(2, activated(layer(1, activated(rounded(layer(0, FED), FIRST)))))
    assert np.median(np.abs(answer(content, IMAGE) - wanted)) < 1e-5
    kinds = [(operator.name, kind) for operator, kind in precisions(content)]
    assert kinds[:3] == [("CONV_2D", "int8"), ("DEQUANTIZE", "float32"), ("LEAKY_RELU", "float32")]


@pytest.mark.parametrize("xnnpack", [True, False])
def test_a_hybrid_layer_rounds_its_input_to_its_own_range(*, xnnpack: bool) -> None:
    """XNNPACK takes a 1x1 convolution for a product of matrices, and rounds each of its rows."""
    content = mixed_file(integer_file(), {0: "float32", 1: "hybrid", 2: "float32"})
    read = activated(layer(0, FED))
    wanted = layer(2, activated(layer(1, by_pixel(read) if xnnpack else by_range(read))))
    assert np.abs(answer(content, IMAGE, xnnpack=xnnpack) - wanted).max() < 1e-5


def precisions(content: bytes) -> list[tuple[object, Precision]]:
    graph = graph_of(content)
    return [
        (operator, operator_precision(graph, operator))
        for operator in graph.operators
        if graph.computed_inputs(operator)
    ]


@pytest.mark.parametrize(
    "precision",
    [
        {},
        {0: "hybrid"},
        {0: "float32", 1: "hybrid"},
        {1: "float32", 2: "hybrid"},
        {0: "hybrid", 1: "hybrid", 2: "hybrid"},
    ],
)
def test_each_layer_is_in_the_precision_asked_for(precision: Mapping[int, Precision]) -> None:
    content = mixed_file(integer_file(), precision)
    graph = graph_of(content)
    found = [
        operator_precision(graph, operator)
        for operator in graph.operators
        if operator.name == "CONV_2D"
    ]
    assert found == [precision.get(number, "int8") for number in range(3)]
    assert graph.tensors[graph.outputs[0]].type == "float32"
    assert graph.tensors[graph.inputs[0]].type == "int8"
    # Weights stay integer by integer, each once.
    kernels = [t.data() for t in graph.tensors if t.type == "int8" and t.constant]
    assert [np.array_equal(k[:, 0, 0], s) for k, s in zip(kernels, STORED, strict=True)]


def test_what_is_rounded_to_be_measured() -> None:
    """In a file that rounds nothing else, layer 1's input as the integer file rounds it."""
    every: dict[int, Precision] = dict.fromkeys(range(3), "float32")
    content = mixed_file(integer_file(), every, rounded=(1,))
    read = rounded(activated(layer(0, FED)), ACTIVATED)
    wanted = layer(2, activated(layer(1, read)))
    assert np.median(np.abs(answer(content, IMAGE) - wanted)) < 1e-5


def test_the_head_is_in_float() -> None:
    mean = Op(
        "MEAN",
        [3, constant([1, 2], "int32")],
        [T((1, 1, 1, 8), scale=BEHIND.scale, zero_point=BEHIND.zero_point)],
        "ReducerOptions",
        {"keepDims": True},
    )
    logits = convolution(2, 4, LOGITS)
    logits = replace(logits, outputs=[replace(logits.outputs[0], shape=(1, 1, 1, 5))])
    content = mixed_file(
        write_model(
            convolution(0, tensor(3, PIXELS), FIRST),
            leaky(0, 6, ACTIVATED),
            convolution(1, 1, SECOND),
            leaky(2, 8, BEHIND),
            mean,
            logits,
        ),
        {},
    )
    # DEQUANTIZE stands before the last activation, which the average alone reads.
    assert names(content)[3:] == ["DEQUANTIZE", "LEAKY_RELU", "MEAN", "DEQUANTIZE", "CONV_2D"]


def test_no_such_layer() -> None:
    with pytest.raises(KeyError):
        mixed_file(integer_file(), {7: "float32"})
