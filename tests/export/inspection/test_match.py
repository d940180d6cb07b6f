"""The equalization scales of what tells little of them: dead channels, and borders."""

import numpy as np

from tests.support.random_weights import random_weights
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import Network, build_network
from tinyedge.darknet.weights import ConvolutionalWeights, Weights
from tinyedge.export.build.fold import FoldedWeights, fold
from tinyedge.export.inspection.graph import Graph
from tinyedge.export.inspection.match import FloatWeights
from tinyedge.export.quantize.config import QuantizerConfig
from tinyedge.export.tensorflow import require_tensorflow, tensorflow_hushed
from tinyedge.progress import no_progress

CFG = (
    "[net]\nheight=8\nwidth=8\nchannels=3\n[convolutional]\nfilters=6\nactivation=leaky\n"
    "[convolutional]\nfilters=4\nactivation=linear\n[avgpool]\n[softmax]\n"
)
LOCAL = (
    "[net]\nheight=8\nwidth=8\nchannels=3\n[convolutional]\nfilters=6\nactivation=leaky\n"
    "[local]\nfilters=4\nsize=3\nstride=2\npad=1\nactivation=linear\n"
    "[connected]\noutput=5\nactivation=linear\n[softmax]\n"
)


def matched(network: Network, weights: Weights) -> tuple[FoldedWeights, Graph, FloatWeights]:
    """The network's float and int8 files, held against one another."""
    require_tensorflow()
    from tinyedge.export.build.model import build_keras_model
    from tinyedge.export.inspection.graph import read_graph
    from tinyedge.export.inspection.match import match_float_weights
    from tinyedge.export.quantize.quantizer import Quantizer
    from tinyedge.export.tflite.convert import convert_float

    folded = fold(network, weights)
    images = np.random.default_rng(3).random((20, 8, 8, 3), np.float32)
    int8 = Quantizer(
        network,
        folded,
        images,
        rewrites=(),
        input_type="int8",
        seed=0,
        progress=no_progress,
        config=QuantizerConfig(iterations=20, leaky_iterations=20),
    ).integer_file(no_progress)
    with tensorflow_hushed():
        float_graph = read_graph(convert_float(build_keras_model(network, folded)), "float")
    int8_graph = read_graph(int8, "int8")
    return folded, int8_graph, match_float_weights(float_graph, int8_graph, ("float", "int8"))


def test_a_dead_channels_bias_tells_what_it_was_divided_by() -> None:
    network = build_network(parse_cfg(CFG, "n.cfg"))
    weights = random_weights(network, seed=2)
    first = weights.layers[0]
    assert isinstance(first, ConvolutionalWeights)
    first.weights[1:3] = 0
    first.biases[1:3] = 0.1, -7
    folded, int8_graph, found = matched(network, weights)
    position, operator = next(
        (position, operator)
        for position, operator in enumerate(int8_graph.operators)
        if operator.bias is not None
    )
    assert operator.bias is not None
    scales = found.equalization[operator.outputs[0]]
    stored = int8_graph.tensors[operator.bias].values()
    assert np.abs(scales[1:3] - 1).min() > 0.01  # they were divided by something
    assert np.allclose(stored * scales, folded[0].bias, rtol=1e-3)
    assert np.allclose(found.constants[position, 2], stored, rtol=1e-3)


def test_weights_that_read_nothing_but_a_border_count_too() -> None:
    """A local layer's, whose every pixel has a kernel of its own."""
    network = build_network(parse_cfg(LOCAL, "n.cfg"))
    _, graph, found = matched(network, random_weights(network, seed=2))
    kernels = {position for position, place in found.constants if place == 1}
    assert len(kernels) == 3
    for position in kernels:
        operator = graph.operators[position]
        wanted = found.constants[position, 1].astype(np.float64)
        error = graph.tensors[operator.inputs[1]].values() - wanted
        assert np.mean(error**2) < 1e-3 * np.mean(wanted**2), operator.name
