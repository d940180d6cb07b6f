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
