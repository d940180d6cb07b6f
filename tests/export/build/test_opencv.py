"""AlexeyAB's layers and activations against OpenCV's DNN module, which reads his files itself."""

from pathlib import Path

import numpy as np
import pytest

from tests.support import opencv_dnn
from tests.support.float_answers import float_answers
from tests.support.naive import random_weights
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import build_network, read_network
from tinyedge.darknet.weights import write_weights

NET = "[net]\nheight=16\nwidth=16\nchannels=3\n"
FIRST = (
    "[convolutional]\nbatch_normalize=1\nfilters=8\nsize=3\npad=1\nactivation={0}\n"
    "[maxpool]\nsize=2\nstride=2\n"
)
LAST = "[convolutional]\nfilters=5\nsize=1\nactivation=linear\n[avgpool]\n[softmax]\n"
SQUEEZED = (
    "[avgpool]\n[convolutional]\nfilters=4\nsize=1\nactivation={0}\n"
    "[convolutional]\nfilters=8\nsize=1\nactivation=logistic\n[scale_channels]\nfrom=-4\n"
)
DEPTHWISE = "{1}batch_normalize=1\nsize=3\npad=1\nactivation={0}\n"
AS_GROUPS = "[convolutional]\ngroups=8\nfilters=8\n"

BODIES = {
    "convolution": FIRST + "[convolutional]\nfilters=8\nsize=3\npad=1\nactivation={0}\n",
    "shortcut": FIRST + "[convolutional]\nfilters=8\nsize=1\nactivation=leaky\n"
    "[shortcut]\nfrom=-2\nactivation={0}\n",
    "squeeze and excite": FIRST + SQUEEZED,
    "depthwise": FIRST.replace("{0}", "leaky") + DEPTHWISE + SQUEEZED,
}


@pytest.mark.parametrize("activation", ["mish", pytest.param("swish", marks=pytest.mark.long)])
@pytest.mark.parametrize("body", BODIES)
def test_the_float_files_are_opencvs_network(body: str, activation: str, tmp_path: Path) -> None:
    cfg, file = tmp_path / "net.cfg", tmp_path / "net.weights"
    # A fork's section, and what OpenCV reads in its place: the same weights in the same order.
    inner = "leaky" if body == "depthwise" else activation
    text = NET + BODIES[body].format(inner, "[depthwise_convolutional]\n") + LAST
    network = build_network(parse_cfg(text, "net.cfg"))
    cfg.write_text(NET + BODIES[body].format(inner, AS_GROUPS) + LAST)
    assert opencv_dnn.unknown(read_network(cfg)) == ""
    weights = random_weights(network, seed=5)
    write_weights(file, network, weights)
    pixels = np.random.default_rng(6).random(network.input, dtype=np.float32)
    expected = opencv_dnn.predict(cfg, file, pixels)
    largest = np.abs(expected).max()
    assert np.std(expected) > 0.1 * largest  # all alike would prove nothing
    found = float_answers(network, weights, pixels)
    assert np.abs(found.keras - expected).max() / largest < 1e-4
    assert np.abs(found.tflite - expected).max() / largest < 1e-4
