"""Activations that are curves, by the tuned quantizer: better than the converter's own scales."""

import numpy as np
import pytest

from tests.random_nets.photos import random_photos
from tests.random_nets.weights import fitted_weights
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import build_network
from tinyedge.export.build.fold import fold
from tinyedge.export.quantize.config import QuantizerConfig
from tinyedge.export.tensorflow import require_tensorflow, tensorflow_hushed
from tinyedge.progress import no_progress
from tinyedge.tflite.model import Subgraph, parse_tflite

pytestmark = pytest.mark.long

CONV = "[convolutional]\nbatch_normalize=1\nfilters=16\nsize=3\nstride={}\npad=1\nactivation={}\n"
CFG = (
    "[net]\nheight=16\nwidth=16\nchannels=3\n{}{}{}"
    "[convolutional]\nfilters=6\nsize=1\nactivation=linear\n[avgpool]\n[softmax]\n"
)
FEWER = QuantizerConfig(iterations=100, leaky_iterations=200)


@pytest.mark.parametrize("activation", ["swish", "mish"])
def test_the_tuned_file_is_closer_to_the_float_file(activation: str) -> None:
    require_tensorflow()
    from tinyedge.export.build.model import build_keras_model
    from tinyedge.export.check import noise_db, run_file
    from tinyedge.export.quantize.quantizer import Quantizer
    from tinyedge.export.quantize.reorder import REWRITES
    from tinyedge.export.tflite.convert import convert_float, convert_int8

    network = build_network(
        parse_cfg(CFG.format(*(CONV.format(stride, activation) for stride in (1, 2, 1))), "a.cfg")
    )
    photos = random_photos(network.input, 64, seed=1).astype(np.float32) / 255
    weights = fold(network, fitted_weights(network, list(photos[:16]), seed=1))
    with tensorflow_hushed():
        model = build_keras_model(network, weights)
    default = convert_int8(model, photos[:32], input_type="int8")
    tuned = Quantizer(
        network,
        weights,
        photos[:32],
        rewrites=REWRITES,
        input_type="int8",
        seed=0,
        progress=no_progress,
        config=FEWER,
    ).integer_file(no_progress)
    right = run_file(convert_float(model), photos[32:], lambda: None).answers
    found = [
        noise_db(right, *run_file(content, photos[32:], lambda: None))
        for content in (default, tuned)
    ]
    assert None not in found
    assert found[1] > found[0] + 1
    if activation == "mish":
        assert min(_lowest(parse_tflite(default).subgraphs[0])) < -3.6
        assert min(_lowest(parse_tflite(tuned).subgraphs[0])) > -3.6


def _lowest(graph: Subgraph) -> list[float]:
    """The lowest number that each LOG's output can hold."""
    ends = [graph.tensors[op.outputs[0]].qparams for op in graph.operators if op.name == "LOG"]
    return [float(each.scale * (each.limits[0] - each.zero_point)) for each in ends if each]
