"""The table of activations, against the .tflite files that TensorFlow's converter makes of them."""

from functools import cache

import numpy as np
import pytest

from tests.support.naive import random_weights
from tinyedge.darknet.activations import ACTIVATIONS
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import build_network
from tinyedge.darknet.weights import ConvolutionalWeights
from tinyedge.export.tensorflow import require_tensorflow, tensorflow_hushed
from tinyedge.tflite.model import Subgraph, parse_tflite

CFG = (
    "[net]\nheight=5\nwidth=5\nchannels=3\n"
    "[convolutional]\nfilters=4\nsize=3\nactivation={}\n[maxpool]\nsize=2\nstride=1\npadding=0\n"
)
NETWORKS = {name: build_network(parse_cfg(CFG.format(name), "a.cfg")) for name in ACTIVATIONS}


@cache
def _graph(name: str, *, int8: bool) -> Subgraph:
    """Of a convolution, the activation and a max pool, which leaves 2 x 2 pixels."""
    require_tensorflow()
    from tinyedge.export.build.fold import fold
    from tinyedge.export.build.model import build_keras_model
    from tinyedge.export.tflite.convert import convert_float, convert_int8

    network = NETWORKS[name]
    with tensorflow_hushed():
        model = build_keras_model(network, fold(network, random_weights(network, seed=1)))
    if not int8:
        return parse_tflite(convert_float(model)).subgraphs[0]
    images = np.random.default_rng(2).random((4, *network.input), dtype=np.float32)
    return parse_tflite(convert_int8(model, images, input_type="int8")).subgraphs[0]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_operators_of_the_float_file(name: str) -> None:
    row, graph = ACTIVATIONS[name], _graph(name, int8=False)
    convolution, *activation, pool = (operator.name for operator in graph.operators)
    assert (convolution, pool) == ("CONV_2D", "MAX_POOL_2D")
    assert tuple(activation) == row.tflite
    assert row.fused == (len(graph.operators) == 2)
    if row.fused:
        fused = {"linear": "NONE", "relu": "RELU", "relu6": "RELU6"}[name]
        assert graph.operators[0].options["fused_activation"] == fused


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_convolution_has_the_input_factor_in_it(name: str) -> None:
    graph = _graph(name, int8=False)
    weights = random_weights(NETWORKS[name], seed=1).layers[0]
    assert isinstance(weights, ConvolutionalWeights)
    kernel = graph.tensors[graph.operators[0].inputs[1]].data()
    assert kernel is not None
    expected = ACTIVATIONS[name].input_factor * weights.weights.transpose(0, 2, 3, 1)
    np.testing.assert_allclose(kernel, expected, rtol=1e-6)


@pytest.mark.parametrize("name", [name for name, row in ACTIVATIONS.items() if row.leaky])
def test_the_slope_of_the_leaky_operator(name: str) -> None:
    (leaky,) = (
        operator for operator in _graph(name, int8=False).operators if operator.name == "LEAKY_RELU"
    )
    assert leaky.options["alpha"] == pytest.approx(ACTIVATIONS[name].slope, rel=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_operators_of_the_int8_file(name: str) -> None:
    row, graph = ACTIVATIONS[name], _graph(name, int8=True)
    in_float = [
        operator.name
        for operator in graph.operators
        if any(graph.tensors[output].type == "float32" for output in operator.outputs)
    ]
    # What TFLite has in float alone stands between a dequantization and a quantization.
    expected = [] if row.int8 else ["DEQUANTIZE", row.float_only]
    assert in_float == expected
    converted = {"DEQUANTIZE", "QUANTIZE"} if in_float else set()
    operators = [op.name for op in graph.operators if op.name not in converted]
    assert tuple(operators[1:-1]) == row.tflite
