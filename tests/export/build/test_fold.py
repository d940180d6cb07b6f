"""Folded weights by hand; that whole networks keep their function stands in test_model."""

import numpy as np
import pytest

from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import build_network
from tinyedge.darknet.weights import BatchNorm, ConvolutionalWeights, Header, Weights
from tinyedge.export.build.fold import FoldedLayer, fold

CFG = (
    "[net]\nheight=1\nwidth=1\nchannels=1\n"
    "[convolutional]\nbatch_normalize=1\nfilters=1\nactivation=ACTIVATION\n"
)


def folded(activation: str) -> FoldedLayer:
    """One channel, 3 x + 0.5 with a batch norm in between."""
    parameters = ConvolutionalWeights(
        biases=np.array([0.5], np.float32),
        weights=np.array([[[[3.0]]]], np.float32),
        batch_norm=BatchNorm(
            scales=np.array([2.0], np.float32),
            mean=np.array([0.25], np.float32),
            # Its root is 1e-6, as small as the epsilon.
            variance=np.array([1e-12], np.float32),
        ),
    )
    network = build_network(parse_cfg(CFG.replace("ACTIVATION", activation), "one.cfg"))
    return fold(network, Weights(Header(), {0: parameters}))[0]


def test_batch_norm_is_folded_with_the_epsilon_outside_the_root() -> None:
    """(x - mean) / (sqrt(variance) + 1e-6) * scale + bias."""
    layer = folded("leaky")
    assert layer.kernel == pytest.approx(3 * 2 / 2e-6, rel=1e-6)
    assert layer.bias == pytest.approx(0.5 - 0.25 * 2 / 2e-6, rel=1e-6)


def test_what_an_activation_multiplies_its_input_by_is_folded() -> None:
    """A ramp is x + x / 10 above 0: a leaky ReLU of 1.1 x."""
    assert folded("ramp").kernel == pytest.approx(1.1 * folded("leaky").kernel, rel=1e-6)
    assert folded("ramp").bias == pytest.approx(1.1 * folded("leaky").bias, rel=1e-6)
