"""Folded weights by hand; that whole networks keep their function stands in test_model."""

import struct
from pathlib import Path

import numpy as np
import pytest

from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import build_network
from tinyedge.darknet.weights import (
    BatchNorm,
    ConvolutionalWeights,
    Header,
    Weights,
    read_weights,
    write_weights,
)
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


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # Of the file's floats the input's come first, then the source's, channel by channel.
        ("weights_type=per_channel", [[1, 3], [2, -1]]),
        (
            "weights_type=per_channel\nweights_normalization=relu",
            [[1 / 4.0001, 3 / 4.0001], [2 / 2.0001, 0]],
        ),
        (
            "weights_type=per_channel\nweights_normalization=softmax",
            [
                [np.exp(-2) / (np.exp(-2) + 1.0001), 1 / (np.exp(-2) + 1.0001)],
                [1 / (np.exp(-3) + 1.0001), np.exp(-3) / (np.exp(-3) + 1.0001)],
            ],
        ),
        ("weights_type=per_feature", [[1, 2], [1, 2]]),
    ],
)
def test_the_weights_of_a_shortcut(
    options: str, expected: list[list[float]], tmp_path: Path
) -> None:
    text = f"[net]\nheight=1\nwidth=1\nchannels=2\n[avgpool]\n[shortcut]\nfrom=0\n{options}\n"
    network = build_network(parse_cfg(text, "a.cfg"))
    floats = [1, 2, 3, -1] if "channel" in options else [1, 2]
    file = tmp_path / "a.weights"
    file.write_bytes(struct.pack("<3iQ", 0, 2, 5, 0) + np.array(floats, "<f4").tobytes())
    folded = fold(network, read_weights(file, network))[1]
    np.testing.assert_allclose(folded.kernel[0, 0], expected, rtol=1e-6)
    write_weights(tmp_path / "again.weights", network, read_weights(file, network))
    assert (tmp_path / "again.weights").read_bytes() == file.read_bytes()
