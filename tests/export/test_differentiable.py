"""The gradient of every activation, against differences of its definition."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.naive import activate, random_weights
from tinyedge.darknet.activations import ACTIVATIONS
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import build_network
from tinyedge.darknet.weights import ConvolutionalWeights
from tinyedge.export.tensorflow import differentiable, require_tensorflow, tensorflow_hushed

# Between whole numbers, where some have corners, and as far as layers with large weights go.
VALUES = np.array(
    [sign * (whole + 0.37) for sign in (-1, 1) for whole in (0, 1, 2, 5, 17, 80, 95, 120, 9000)]
)
CFG = (
    f"[net]\nheight=1\nwidth={len(VALUES)}\nchannels=1\n"
    "[convolutional]\nfilters=1\nsize=1\nactivation={}\n"
)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gradients_are_those_of_the_definition(name: str) -> None:
    require_tensorflow()
    import tensorflow as tf

    from tinyedge.export.build.fold import fold
    from tinyedge.export.build.model import build_keras_model

    network = build_network(parse_cfg(CFG.format(name), "a.cfg"))
    one = ConvolutionalWeights(np.zeros(1, np.float32), np.ones((1, 1, 1, 1), np.float32))
    weights = replace(random_weights(network, seed=0), layers={0: one})
    with tensorflow_hushed():
        model = build_keras_model(network, fold(network, weights))
        pixels = tf.constant(VALUES.reshape(1, 1, -1, 1), tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(pixels)
            total = tf.reduce_sum(differentiable(model)(pixels, training=False))
        found = tape.gradient(total, pixels).numpy().reshape(-1)
        same = differentiable(model)(pixels).numpy()
        np.testing.assert_array_equal(same, model(pixels).numpy())
    step = 1e-3
    with np.errstate(over="ignore"):  # of exp(9000)
        above, below = (
            np.asarray(activate(network.layers[0], (VALUES + each).reshape(1, 1, -1)), np.float64)
            for each in (step, -step)
        )
    expected = ((above - below) / (2 * step)).reshape(-1)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)
