"""What is said of a network whose answers are no numbers."""

import numpy as np
import pytest

from tests.support.naive import random_weights
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.layers import Convolutional
from tinyedge.darknet.network import build_network
from tinyedge.errors import ExportError
from tinyedge.export.build.fold import fold
from tinyedge.export.tensorflow import require_tensorflow
from tinyedge.progress import no_progress

# The engine takes from a sum of squares what it never added: the power is of a negative number.
NORMALIZATION = "[normalization]\nsize=1\nalpha=1000\n"


@pytest.mark.parametrize("behind", ["", "[convolutional]\nfilters=2\nactivation=linear\n"])
def test_the_first_layer_that_makes_no_number_is_named(behind: str) -> None:
    require_tensorflow()
    from tinyedge.export.quantize.quantizer import Quantizer

    text = f"[net]\nheight=4\nwidth=4\nchannels=3\n{NORMALIZATION}{behind}"
    network = build_network(parse_cfg(text, "n.cfg"))
    images = np.random.default_rng(1).random((4, 4, 4, 3), np.float32)
    images[0] = 0
    with pytest.raises(
        ExportError, match=r"n\.cfg:5: of 3 of the calibration images layer 0 \[normalization\]"
    ):
        Quantizer(
            network,
            fold(network, random_weights(network, seed=1)),
            images,
            rewrites=(),
            input_type="int8",
            seed=0,
            progress=no_progress,
        )


@pytest.mark.parametrize(
    "end", ["", "[avgpool]\n", "[avgpool]\n[softmax]\n", "[avgpool]\n[softmax]\ngroups=2\n"]
)
def test_batches_of_unequal_sizes_are_observed_as_one(end: str) -> None:
    require_tensorflow()
    from tinyedge.export.build.model import build_keras_network
    from tinyedge.export.quantize.blocks import find_blocks
    from tinyedge.export.quantize.config import QuantizerConfig
    from tinyedge.export.quantize.observe import collect_statistics

    layer = "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=leaky\n"
    network = build_network(parse_cfg(f"[net]\nheight=4\nwidth=4\nchannels=3\n{layer}{end}", "n"))
    images = np.random.default_rng(1).random((5, 4, 4, 3), np.float32)
    built = build_keras_network(network, fold(network, random_weights(network, seed=1)))

    def observed(batch: int) -> np.ndarray:
        values = batch * sum(layer.output.elements for layer in network.layers)
        found = collect_statistics(
            network,
            built,
            find_blocks(network),
            images,
            seed=0,
            config=QuantizerConfig(batch_values=values),
            progress=no_progress,
        )
        hessian = found.blocks[0].hessian
        assert hessian is not None
        return hessian.matrix()

    # All windows of all images are taken: the order in which they come is all that differs.
    np.testing.assert_allclose(observed(2), observed(5), rtol=1e-9)


@pytest.mark.parametrize("options", ["pad=1\n", "padding=2\nstride=2\n", "pad=1\ndilation=2\n"])
def test_a_hessian_is_the_mean_product_of_the_windows_inputs(options: str) -> None:
    require_tensorflow()
    from tinyedge.export.build.model import build_keras_network
    from tinyedge.export.quantize.blocks import find_blocks
    from tinyedge.export.quantize.config import QuantizerConfig
    from tinyedge.export.quantize.observe import collect_statistics

    layer = f"[convolutional]\nfilters=2\nsize=3\n{options}activation=leaky\n"
    network = build_network(parse_cfg(f"[net]\nheight=7\nwidth=6\nchannels=2\n{layer}", "n"))
    (convolution,) = network.layers
    assert isinstance(convolution, Convolutional)
    images = np.random.default_rng(1).random((3, 7, 6, 2), np.float32)
    found = collect_statistics(
        network,
        build_keras_network(network, fold(network, random_weights(network, seed=1))),
        find_blocks(network),
        images,
        seed=0,
        config=QuantizerConfig(),
        progress=no_progress,
    )
    pad, stride, apart = convolution.padding, convolution.stride, convolution.dilation
    padded = np.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0))).astype(np.float64)
    reach = 2 * apart + 1
    windows = [
        image[y : y + reach : apart, x : x + reach : apart].reshape(-1)
        for image in padded
        for y in range(0, padded.shape[1] - reach + 1, stride)
        for x in range(0, padded.shape[2] - reach + 1, stride)
    ]
    expected = np.mean([np.outer(window, window) for window in windows], axis=0)
    hessian = found.blocks[0].hessian
    assert hessian is not None
    np.testing.assert_allclose(hessian.matrix(), expected, rtol=1e-9)
