"""The batch norm statistics (BNS) in a network's weights: those of its outputs in training.

Of every batch-normalized convolution's output Darknet keeps each channel's mean and variance
over the images it was trained on, as rolling averages (batchnorm_layer.c). With the batch norm
folded into the convolution, its output has the mean `bias` and the deviation `scale` there, less
what the epsilon takes of it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.activations import ACTIVATIONS
from tinyedge.darknet.batch_norm import difference, standard_deviation
from tinyedge.darknet.layer_names import layer_name
from tinyedge.darknet.layers import Convolutional
from tinyedge.darknet.network import Network
from tinyedge.darknet.weights import BatchNorm, ConvolutionalWeights, LayerParameters, Weights
from tinyedge.modelcard import BatchNormFormula

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

__all__ = ["BatchNormStatistics", "batch_norm_statistics", "gaussian_divergence"]

_NEGLIGIBLE = 1e-4  # a channel's scale over the layer's largest: too small to divide by
_SMALLEST_VARIANCE = 1e-6


@dataclass(frozen=True, eq=False)
class BatchNormStatistics:
    """Statistics of a folded convolution's output in training, before its activation.

    Attributes:
        layer: the convolution.
        channels: indices of the channels whose scale is not negligible.
        mean: float32 (channels,).
        deviation: float32 (channels,), more than 0.
        difference: of Darknet's two batch norms there; see `batch_norm.difference`.
    """

    layer: Convolutional
    channels: NDArray[np.intp]
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    difference: float

    def output_of(self, model: "keras.Model") -> "keras.KerasTensor":
        """The convolution's output (n, h, w, c) in the network's Keras model."""
        return model.get_layer(layer_name(self.layer)).output

    def standardize(self, output: "tf.Tensor") -> "tf.Tensor":
        """The output (n, h, w, channels), of mean 0 and variance 1 on training's images."""
        import tensorflow as tf

        return (tf.gather(output, self.channels, axis=-1) - self.mean) / self.deviation


def batch_norm_statistics(network: Network, weights: Weights) -> tuple[BatchNormStatistics, ...]:
    """Those of every batch-normalized convolution, in the network's order."""
    return tuple(
        _statistics(layer, weights.layers[layer.index], weights.batch_norm)
        for layer in network.layers
        if isinstance(layer, Convolutional) and layer.batch_normalize
    )


def gaussian_divergence(mean: "tf.Tensor", variance: "tf.Tensor") -> "tf.Tensor":
    """Mean over channels of the KL divergence, nats, of normal distributions from the standard one.

    Args:
        mean: (channels,).
        variance: (channels,); one next to 0 counts as 1e-6.
    """
    import tensorflow as tf

    variance = tf.maximum(variance, _SMALLEST_VARIANCE)
    return tf.reduce_mean(variance + tf.square(mean) - 1 - tf.math.log(variance)) / 2


def _statistics(
    layer: Convolutional, parameters: LayerParameters, formula: BatchNormFormula
) -> BatchNormStatistics:
    assert isinstance(parameters, ConvolutionalWeights)
    norm = parameters.batch_norm
    assert norm is not None
    deviations = _deviations(norm, formula)
    channels = np.flatnonzero(deviations > _NEGLIGIBLE * deviations.max())
    factor = np.float32(ACTIVATIONS[layer.activation].input_factor)
    return BatchNormStatistics(
        layer,
        channels,
        mean=factor * parameters.biases[channels],
        deviation=np.abs(factor) * deviations[channels],
        difference=difference(norm.scales, norm.mean, norm.variance),
    )


def _deviations(norm: BatchNorm, formula: BatchNormFormula) -> NDArray[np.float32]:
    """Of the batch norm's output in training, (channels,)."""
    scales = np.abs(norm.scales)
    if formula == "outside":
        # 1e-6 beside the root is no number to reckon with unless the channel is constant.
        return scales
    kept = np.sqrt(np.maximum(norm.variance, 0)) / standard_deviation(norm.variance, formula)
    return np.asarray(scales * kept, np.float32)
