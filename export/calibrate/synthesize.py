"""Images to calibrate with, made of nothing but the statistics in a network's batch norms.

ZeroQ (Cai et al. 2020, arXiv:2001.00281): begin with noise, and change its pixels until every
batch-normalized layer's output has the means and variances that it had in training. Each image
also is to be of a class drawn at random, as in DeepInversion (Yin et al. 2020, arXiv:1912.08795):
noise leaves the network in doubt, with smaller logits than photos give. No photo is needed, but
photos calibrate better.
"""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinyedge.darknet.layers import Shape
from tinyedge.darknet.network import Network
from tinyedge.errors import ExportError
from tinyedge.export.calibrate.batch_norm import BatchNormStatistics, gaussian_divergence
from tinyedge.export.calibrate.images import check_can_synthesize
from tinyedge.export.stages import Stage
from tinyedge.export.tensorflow import differentiable
from tinyedge.progress import Progress

__all__ = ["smooth_noise", "synthesize_images"]

Floats = NDArray[np.float32]

_PIXELS = 16 * 224 * 224  # of all images together
_FEWEST, _MOST = 4, 200  # images
_ITERATIONS = 30
_RATE = 0.2  # of Adam, for the logits of pixels; falls linearly to 0
_COLOUR = 0.4  # of the noise's amplitude: photos vary less in colour than in brightness
_CLASS_WEIGHT = 0.1  # of the cross-entropy, beside the sum of the layers' distances
_COARSEST = 4  # cells of the noise along each side
_FALL = 0.6  # amplitude over wavelength: about a photograph's 1 / f


def synthesize_images(
    network: Network,
    model: keras.Model,
    statistics: Sequence[BatchNormStatistics],
    *,
    seed: int,
    progress: Progress,
) -> Floats:
    """Images made of the statistics in a network's batch norms; equal seeds give equal images.

    Args:
        network: in Darknet's order.
        model: the network's.
        statistics: those in its weights.
        seed: of the noise and of the classes.
        progress: is told of every iteration.

    Returns:
        float32 (n, height, width, channels) in [0, 1].

    Raises:
        ExportError: the network has no batch-normalized convolution, or each of them scales all
            its channels to nothing.
    """
    check_can_synthesize(network)
    statistics = [each for each in statistics if each.channels.size]
    if not statistics:
        raise ExportError(
            f"{network.source}: no image can be made of these weights: all scales of their batch"
            " norms are 0; are these its weights?"
        )
    # The same bytes for the same seed, whatever the threads do.
    tf.config.experimental.enable_op_determinism()
    rng = np.random.default_rng(seed)
    height, width, _ = network.input
    count = int(np.clip(_PIXELS // (height * width), _FEWEST, _MOST))
    pixels = tf.Variable(_noise(rng, network.input, count))
    classes = None
    if network.features is None:
        classes = tf.constant(rng.integers(network.output.elements, size=pixels.shape[0]))
    gradient = _gradient(model, statistics, classes)
    adam = keras.optimizers.Adam(_RATE)
    advance = Stage.SYNTHESIZE_IMAGES.begin(progress, _ITERATIONS)
    for iteration in range(_ITERATIONS):
        adam.learning_rate = _RATE * (1 - iteration / _ITERATIONS)
        adam.apply([gradient(pixels)], [pixels])
        advance()
    return np.asarray(tf.sigmoid(pixels).numpy(), np.float32)


def smooth_noise(size: Shape, count: int, *, seed: int) -> Floats:
    """Images that are no photos and need no network: noise as smooth as photos are.

    Args:
        size: the network's input.
        count: how many.
        seed: of the noise; equal seeds give equal images.

    Returns:
        float32 (count, height, width, channels) in [0, 1].
    """
    noise = _noise(np.random.default_rng(seed), size, count)
    return np.asarray(tf.sigmoid(noise).numpy(), np.float32)


def _gradient(
    model: keras.Model, statistics: Sequence[BatchNormStatistics], classes: tf.Tensor | None
) -> Callable[[tf.Variable], tf.Tensor]:
    """A function from the pixels' logits to the gradient of the loss by them."""
    network = differentiable(
        keras.Model(model.inputs, [*(each.output_of(model) for each in statistics), model.output])
    )

    @tf.function  # type: ignore[untyped-decorator]
    def gradient(pixels: tf.Variable) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(pixels)
            *outputs, answers = network(tf.sigmoid(pixels), training=False)
            distances = [
                gaussian_divergence(*tf.nn.moments(each.standardize(output), axes=[0, 1, 2]))
                for each, output in zip(statistics, outputs, strict=True)
            ]
            total = tf.add_n(distances)
            if classes is not None:
                logits = tf.reshape(answers, [classes.shape[0], -1])
                surprise = tf.nn.sparse_softmax_cross_entropy_with_logits(classes, logits)
                total += _CLASS_WEIGHT * tf.reduce_mean(surprise)
        return tape.gradient(total, pixels)

    return gradient  # type: ignore[no-any-return]


def _noise(rng: np.random.Generator, size: Shape, count: int) -> Floats:
    """Smooth noise to begin with, the sum of octaves, as logits of pixels."""
    height, width, channels = size
    noise = np.zeros((count, height, width, channels), np.float32)
    cells = _COARSEST
    while cells <= 2 * max(height, width):
        rows, columns = min(cells, _finest(height)), min(cells, _finest(width))
        grey = rng.standard_normal((count, rows, columns, 1))
        colour = rng.standard_normal((count, rows, columns, channels))
        coarse = tf.constant(grey + _COLOUR * colour, tf.float32)
        noise += tf.image.resize(coarse, (height, width)).numpy() * (_COARSEST / cells) ** _FALL
        cells *= 2
    return noise


def _finest(side: int) -> int:
    """The most cells along a side: as many along both would take the square of a long one."""
    return max(_COARSEST, 1 << (2 * side).bit_length() - 1)
