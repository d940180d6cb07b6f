"""The statistics of its training that a network carries in its batch norms.

Of every batch-normalized convolution's output Darknet keeps each channel's mean and variance
over the images it was trained on, as rolling averages (batchnorm_layer.c).
"""

from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinyedge.darknet.layer_names import layer_name
from tinyedge.darknet.layers import Convolutional
from tinyedge.darknet.network import Network
from tinyedge.darknet.weights import ConvolutionalWeights, Weights
from tinyedge.export.build.activations import input_factor
from tinyedge.export.build.model import build_tensors

__all__ = ["NormalizedLayer", "distance", "normalized_outputs"]

_NEGLIGIBLE = 1e-4  # a channel's scale beside the layer's largest: what it was cannot be told
_SMALLEST_VARIANCE = 1e-6


@dataclass(frozen=True, eq=False)
class NormalizedLayer:
    """What turns a batch-normalized convolution's output back into training's units.

    Attributes:
        layer: the convolution.
        channels: those of its channels that can be turned back.
        offset, scale: (channels,), what stands for the rolling mean and deviation there.
    """

    layer: Convolutional
    channels: NDArray[np.intp]
    offset: NDArray[np.float32]
    scale: NDArray[np.float32]

    def standardized(self, output: Any) -> Any:
        """The tensor `output` (n, h, w, c), of mean 0 and variance 1 on training's images."""
        return (tf.gather(output, self.channels, axis=-1) - self.offset) / self.scale


def normalized_outputs(
    network: Network, weights: Weights, *, first: int | None = None
) -> tuple[keras.Model | None, list[NormalizedLayer]]:
    """A model of images (n, h, w, c) that gives the outputs of the batch-normalized convolutions.

    They are outputs before the activation, of the `first` such layers or of all; behind them it
    gives what comes out of the last layer it has. There is no model where there is no such layer.
    """
    layers = [
        _normalized(layer, weights.layers[layer.index])
        for layer in network.layers
        if isinstance(layer, Convolutional) and layer.batch_normalize
    ][:first]
    if not layers:
        return None, []
    if first is not None:
        last = network.layers.index(layers[-1].layer)
        network = replace(network, layers=network.layers[: last + 1])
    image, built = build_tensors(network, weights, batch=None)
    whole = keras.Model(image, built[-1])
    outputs = [whole.get_layer(layer_name(each.layer)).output for each in layers]
    return keras.Model(image, [*outputs, built[-1]]), layers


def distance(mean: Any, variance: Any) -> Any:
    """KL divergence, nats, of normal distributions from the standard one, mean over channels.

    Args:
        mean: (channels,), a tensor.
        variance: (channels,), a tensor; one next to 0 counts as 1e-6.
    """
    variance = tf.maximum(variance, _SMALLEST_VARIANCE)
    return tf.reduce_mean(variance + tf.square(mean) - 1 - tf.math.log(variance)) / 2


def _normalized(layer: Convolutional, learned: Any) -> NormalizedLayer:
    assert isinstance(learned, ConvolutionalWeights)
    assert learned.batch_norm is not None
    scales = learned.batch_norm.scales
    channels = np.flatnonzero(np.abs(scales) > _NEGLIGIBLE * np.abs(scales).max())
    factor = np.float32(input_factor(layer.activation))
    return NormalizedLayer(
        layer, channels, factor * learned.biases[channels], factor * scales[channels]
    )
