"""Multiply-accumulates of a file's operators beside those of the layers they were made of."""

import pytest

from tests.support.random_weights import random_weights
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import build_network
from tinyedge.export.tensorflow import require_tensorflow, tensorflow_hushed
from tinyedge.tflite.macs import multiply_accumulates
from tinyedge.tflite.model import parse_tflite

NET = "[net]\nheight=7\nwidth=9\nchannels=4\n"


@pytest.mark.parametrize(
    ("section", "macs"),
    [
        # 3 x 3 taps of 4 channels for 6 filters on 4 x 5 pixels.
        ("[convolutional]\nfilters=6\nsize=3\nstride=2\npad=1\n", 9 * 4 * 6 * 4 * 5),
        ("[convolutional]\nfilters=6\nsize=3\npad=1\ngroups=2\n", 9 * 2 * 6 * 7 * 9),
        ("[convolutional]\nfilters=8\nsize=3\npad=1\ngroups=4\n", 9 * 8 * 7 * 9),
        ("[connected]\noutput=11\n", 7 * 9 * 4 * 11),
        ("[local]\nfilters=3\nsize=2\nstride=2\n", 4 * 4 * 3 * 3 * 4),
        ("[maxpool]\nsize=2\nstride=2\n", 0),
    ],
)
def test_layers_and_operators_count_the_same(section: str, macs: int) -> None:
    network = build_network(parse_cfg(NET + section, "a.cfg"))
    assert network.layers[0].multiply_accumulates == macs
    require_tensorflow()
    from tinyedge.export.build.fold import fold
    from tinyedge.export.build.model import build_keras_model
    from tinyedge.export.tflite.convert import convert_float

    with tensorflow_hushed():
        model = build_keras_model(network, fold(network, random_weights(network, 1)))
    graph = parse_tflite(convert_float(model)).subgraphs[0]
    assert sum(multiply_accumulates(operator, graph) for operator in graph.operators) == macs
