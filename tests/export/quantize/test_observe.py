"""What is said of a network whose answers are no numbers."""

import numpy as np
import pytest

from tests.support.naive import random_weights
from tinyedge.darknet.cfg import parse_cfg
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
        return hessian

    # All windows of all images are taken: the order in which they come is all that differs.
    np.testing.assert_allclose(observed(2), observed(5), rtol=1e-9)
