"""Statistics of the float network's values on the calibration images, for the quantizer."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinyedge.darknet.layer_names import layer_name
from tinyedge.darknet.layers import Connected, Convolutional, Softmax
from tinyedge.darknet.network import Network
from tinyedge.errors import ExportError
from tinyedge.export.build.model import KerasNetwork
from tinyedge.export.quantize.blocks import Block
from tinyedge.export.quantize.config import QuantizerConfig
from tinyedge.export.stages import Stage
from tinyedge.export.tensorflow import differentiable
from tinyedge.memory import give_back_memory
from tinyedge.progress import Progress

__all__ = ["BlockStatistics", "Hessian", "NetworkStatistics", "collect_statistics"]

Floats = NDArray[np.float32]
# From images (n, h, w, c), noise (n, logits) and what each block's `_Sampler` drew to the logits,
# and of each block windows, pre-activations and the sum of the squared gradients of its output,
# (channels,).
Probe = Callable[
    [tf.Tensor, tf.Tensor, list["_Places"]],
    tuple[tf.Tensor, list[tf.Tensor | None], list[tf.Tensor], list[tf.Tensor]],
]


class Hessian:
    """Mean products of any two inputs of a layer's windows, in the kernel's order (row, column,
    channel).

    It is symmetric, and one half is kept: VGG-16's take more than a gigabyte whole.
    """

    def __init__(self, matrix: NDArray[np.float64]) -> None:
        """Of (window, window)."""
        self._size = len(matrix)
        self._rows = np.concatenate([row[number:] for number, row in enumerate(matrix)])

    def matrix(self) -> NDArray[np.float64]:
        """A copy of the whole, (window, window)."""
        found = np.empty((self._size, self._size))
        start = 0
        for number in range(self._size):
            stop = start + self._size - number
            found[number, number:] = found[number:, number] = self._rows[start:stop]
            start = stop
        return found


@dataclass(frozen=True, eq=False)
class BlockStatistics:
    """A block's values on the calibration images.

    Attributes:
        pre_activation: float32 (rows, channels), what goes into the activation at sampled pixels,
            as many of each image; of an averaged block (images, pixels, channels), every pixel.
        sensitivity: (channels,), mean square of the gradient of the network's answer by what
            comes out of the activation; of an averaged block, by the average. Where a softmax is
            the end, the diagonal of the Fisher information, by which an error there counts in the
            answer's KL divergence; else how much it counts in the squared error of all answers.
        hessian: of the squared error of the layer's output by its weights; None of windows too
            large for it, or with groups.
        inputs: float32 (images, window), what a connected layer reads whose window is too large for
            a Hessian; None of others.
        chosen: indices of the rows, or images, of `pre_activation` that count; None of all.
    """

    pre_activation: Floats
    sensitivity: NDArray[np.float64]
    hessian: Hessian | None
    inputs: Floats | None = None
    chosen: NDArray[np.intp] | None = None

    def of_images(self, chosen: NDArray[np.bool_]) -> "BlockStatistics":
        """With the values of some images alone: (images,), whether it is one of them."""
        rows = np.repeat(chosen, len(self.pre_activation) // len(chosen))
        return replace(self, chosen=np.flatnonzero(rows))

    def __len__(self) -> int:
        """How many rows, or images, count."""
        return len(self.pre_activation) if self.chosen is None else len(self.chosen)

    def values(self, places: NDArray[np.integer]) -> Floats:
        """A copy of `pre_activation` at places, from 0, among those that count."""
        places = places if self.chosen is None else self.chosen[places]
        return np.asarray(self.pre_activation.take(places, axis=0), np.float32)

    def sampled_rows(self, most: int) -> Floats:
        """At most so many rows (rows, channels), evenly spaced; of an averaged block, pixels."""
        pixels = self.pre_activation.shape[1] if self.pre_activation.ndim > 2 else 1
        count = len(self) * pixels
        rows = np.arange(0, count, -(-count // most))
        places = rows // pixels
        places = places if self.chosen is None else self.chosen[places]
        flat = self.pre_activation.reshape(-1, self.pre_activation.shape[-1])
        return np.asarray(flat[places * pixels + rows % pixels], np.float32)


@dataclass(frozen=True, eq=False)
class NetworkStatistics:
    """The statistics of all blocks, and the logits.

    Attributes:
        blocks: the blocks' statistics by layer number.
        logits: the answers (images, classes); None of a network that classifies nothing.
    """

    blocks: dict[int, BlockStatistics]
    logits: Floats | None


def collect_statistics(
    network: Network,
    built: KerasNetwork,
    blocks: Sequence[Block],
    images: Floats,
    *,
    seed: int,
    config: QuantizerConfig,
    progress: Progress,
) -> NetworkStatistics:
    """Run the float network on the calibration images and keep what the quantizer needs.

    Args:
        network: in the order the int8 file will have.
        built: the same in Keras, with its folded weights.
        blocks: of the network.
        images: (n, height, width, channels) in [0, 1].
        seed: of the pixels, windows and answers that are drawn.
        config: how many of them.
        progress: is told of every batch.

    Raises:
        ExportError: an answer is no number, or its gradient by what a layer makes.
    """
    rng = np.random.default_rng(seed)
    samplers = [_Sampler(network, built, block, len(images), config) for block in blocks]
    probe = _probe(network, built, blocks, samplers)
    values_an_image = sum(layer.output.elements for layer in network.layers)
    batch = max(1, config.batch_values // values_an_image)
    batches = [images[start : start + batch] for start in range(0, len(images), batch)]
    advance = Stage.OBSERVE.begin(progress, len(batches))
    observers = [_BlockObserver(block, len(images), config) for block in blocks]
    logits = []
    for pixels in batches:
        noise = rng.gumbel(size=(len(pixels), network.output.elements)).astype(np.float32)
        places = [sampler.draw(rng) for sampler in samplers]
        answers, *found = probe(tf.constant(pixels), tf.constant(noise), places)
        _check_finite(network, built, pixels, answers.numpy())
        if network.features is None:
            logits.append(answers.numpy())
        _update(observers, *found)
        # Before the next batch's are made.
        del answers, found
        advance()
    give_back_memory()
    statistics = {each.block.layer.index: each.statistics() for each in observers}
    for block in blocks:
        layer = block.layer
        if not np.isfinite(statistics[layer.index].sensitivity).all():
            raise ExportError(
                f"{network.source}:{layer.line}: how much layer {layer.index} [{layer.kind}] counts"
                " in the answers is beyond a float32: the weights are damaged, or the softmax's"
                " temperature is next to 0; try --quantizer default"
            )
    return NetworkStatistics(
        blocks=statistics,
        logits=np.concatenate(logits) if logits else None,
    )


def _update(
    observers: Sequence["_BlockObserver"],
    windows: Sequence[tf.Tensor | None],
    values: Sequence[tf.Tensor],
    squares: Sequence[tf.Tensor],
) -> None:
    for observer, *found in zip(observers, windows, values, squares, strict=True):
        observer.update(*found)


def _check_finite(network: Network, built: KerasNetwork, images: Floats, answers: Floats) -> None:
    wrong = ~np.isfinite(answers.reshape(len(answers), -1)).all(axis=1)
    if not wrong.any():
        return
    image = tf.constant(images[wrong.argmax()][np.newaxis])
    # By name: a Keras model of a list of one output returns the output, not a list.
    named = {str(position): output for position, output in enumerate(built.outputs)}
    outputs = keras.Model(built.model.inputs, named)(image, training=False)
    first = next(
        layer
        for position, layer in enumerate(network.layers)
        if not np.isfinite(np.asarray(outputs[str(position)])).all()
    )
    raise ExportError(
        f"{network.source}:{first.line}: of {np.count_nonzero(wrong)} of the calibration images"
        f" layer {first.index} [{first.kind}] makes what is no number (nan or infinity), and so"
        " does Darknet: the weights are damaged, or the images are none for this network"
    )


def _probe(
    network: Network, built: KerasNetwork, blocks: Sequence[Block], samplers: Sequence["_Sampler"]
) -> Probe:
    inputs = [sampler.read for sampler in samplers]
    pre_activations = [sampler.pre_activation for sampler in samplers]
    outputs = [built.outputs[each.output + 1 if each.averaged else each.output] for each in blocks]
    softmax = network.softmax if network.features is None else None
    model = differentiable(
        keras.Model(built.model.inputs, [built.model.output, inputs, pre_activations, outputs])
    )

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def probe(
        pixels: tf.Tensor, noise: tf.Tensor, places: list[_Places]
    ) -> tuple[tf.Tensor, list[tf.Tensor | None], list[tf.Tensor], list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            tape.watch(pixels)
            logits, read, values, given = model(pixels, training=False)
            if softmax is None:
                loss = _random_sum(logits, noise)
            else:
                loss = _fisher_loss(logits, noise, softmax)
        gradients = tape.gradient(loss, given)
        squares = [
            tf.reduce_sum(tf.square(gradient), axis=list(range(gradient.shape.rank - 1)))
            for gradient in gradients
        ]
        # Here, so that no more than the samples leaves TensorFlow: it takes most of the memory.
        windows = [s.windows(each, at) for s, each, at in zip(samplers, read, places, strict=True)]
        sampled = [s.values(each, at) for s, each, at in zip(samplers, values, places, strict=True)]
        return logits, windows, sampled, squares

    return probe  # type: ignore[no-any-return]


def _fisher_loss(logits: tf.Tensor, noise: tf.Tensor, softmax: Softmax) -> tf.Tensor:
    """The surprise at an answer drawn from the network's own probabilities, by the Gumbel trick.

    The mean square of its gradient is the diagonal of the Fisher information.
    """
    if softmax.groups > 1:
        runs = (-1, noise.shape[1] // softmax.groups)
        logits, noise = tf.reshape(logits, runs), tf.reshape(noise, runs)
    if softmax.temperature != 1:
        logits = logits / softmax.temperature
    drawn = tf.argmax(logits + noise, axis=1)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(drawn, logits)


def _random_sum(answers: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """Answers with random signs: the mean square of its gradient counts each squared error."""
    return tf.reduce_sum(tf.reshape(answers, tf.shape(noise)) * tf.sign(noise), axis=1)


class _Places(NamedTuple):
    """Where a block is looked at, the same in all images of a batch.

    Attributes:
        pixels: int32 (rows,), of its pre-activation; None of all.
        windows: int32 (windows * size * size,), pixels of what its layer reads, padded, a window
            behind the other; None where they are not sampled.
    """

    pixels: tf.Tensor | None
    windows: tf.Tensor | None


class _Sampler:
    """What is kept of one block's values in a batch.

    Attributes:
        read: what its layer reads, a Keras tensor (1, h, w, c), or (1, inputs).
        pre_activation: likewise, (1, h, w, c) or (1, outputs).
    """

    def __init__(
        self,
        network: Network,
        built: KerasNetwork,
        block: Block,
        images: int,
        config: QuantizerConfig,
    ) -> None:
        layer, self._averaged = block.layer, block.averaged
        keras_layer = built.model.get_layer(layer_name(layer))
        self.read = keras_layer.input
        self.pre_activation = (
            keras_layer.output
            if block.pre_activation == network.layers.index(layer)
            else built.outputs[block.pre_activation]
        )
        self._pixels = math.prod(self.pre_activation.shape[1:-1])
        self._rows = min(self._pixels, max(1, config.sampled_pixels // images))
        self._layer = layer
        # Of a connected layer there is one for each image, however large.
        self._wants_windows = isinstance(layer, Connected) or (
            layer.groups == 1 and _window(layer) <= config.largest_window
        )
        self._most_windows = max(1, config.sampled_windows // images)

    def draw(self, rng: np.random.Generator) -> _Places:
        """Draw where to look."""
        pixels = windows = None
        if not self._averaged:
            pixels = tf.constant(rng.choice(self._pixels, self._rows, replace=False), tf.int32)
        if self._wants_windows and isinstance(self._layer, Convolutional):
            windows = tf.constant(self._drawn_windows(self._layer, rng), tf.int32)
        return _Places(pixels, windows)

    def values(self, pre_activation: tf.Tensor, places: _Places) -> tf.Tensor:
        """(images, rows, channels), of the pre-activations of a batch."""
        maps = tf.reshape(pre_activation, (-1, self._pixels, pre_activation.shape[-1]))
        return maps if places.pixels is None else tf.gather(maps, places.pixels, axis=1)

    def windows(self, read: tf.Tensor, places: _Places) -> tf.Tensor | None:
        """(rows, window), of what the layer reads of a batch; None where none are wanted."""
        if not self._wants_windows:
            return None
        if isinstance(self._layer, Convolutional):
            pad, channels = self._padding(self._layer), read.shape[-1]
            padded = tf.pad(read, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
            pixels = tf.reshape(padded, (-1, padded.shape[1] * padded.shape[2], channels))
            read = tf.gather(pixels, places.windows, axis=1)
        return tf.reshape(read, (-1, _window(self._layer)))

    def _padding(self, layer: Convolutional) -> int:
        # The Keras layer may have been fed with its padding on already.
        return layer.padding if self.read.shape[1] == layer.input.height else 0

    def _drawn_windows(self, layer: Convolutional, rng: np.random.Generator) -> NDArray[np.integer]:
        reach, pad = layer.dilation * (layer.size - 1) + 1, self._padding(layer)
        height, width = (side + 2 * pad for side in self.read.shape[1:3])
        rows, columns = ((side - reach) // layer.stride + 1 for side in (height, width))
        count = min(rows * columns, self._most_windows)
        places = rng.choice(rows * columns, count, replace=False)
        first = layer.stride * (places // columns * width + places % columns)
        taps = layer.dilation * np.arange(layer.size)
        window = (taps[:, np.newaxis] * width + taps).reshape(-1)
        return np.asarray((first[:, np.newaxis] + window).reshape(-1))


def _window(layer: Convolutional | Connected) -> int:
    """How many values of its input an output of the layer is the sum of."""
    if isinstance(layer, Connected):
        return layer.input.elements
    return layer.size**2 * layer.input.channels


class _BlockObserver:
    """The sums and samples of one block as batches come in."""

    def __init__(self, block: Block, images: int, config: QuantizerConfig) -> None:
        self.block = block
        self._images = images
        self._has_hessian = _window(block.layer) <= config.largest_window
        self._inputs: list[Floats] = []
        self._seen = 0
        # Filled as images come: pieces to be joined at the end would take twice the memory.
        self._pre_activation: Floats | None = None
        self._sensitivity: NDArray[np.float64] = np.zeros(1)
        self._hessian: NDArray[np.float64] | None = None
        self._windows = 0

    def update(self, windows: tf.Tensor | None, values: tf.Tensor, squares: tf.Tensor) -> None:
        """Add what the probe says of a batch."""
        if self._pre_activation is None:
            self._pre_activation = np.empty((self._images, *values.shape[1:]), np.float32)
        self._pre_activation[self._seen : self._seen + len(values)] = values
        self._seen += len(values)
        self._sensitivity = self._sensitivity + squares.numpy()
        if windows is None:
            return
        if not self._has_hessian:
            self._inputs.append(windows.numpy())
            return
        rows = windows.numpy().astype(np.float64)
        product = rows.T @ rows
        if self._hessian is None:
            self._hessian = product
        else:
            self._hessian += product
        self._windows += len(rows)

    def statistics(self) -> BlockStatistics:
        """The statistics of all batches, of which this then keeps no matrix."""
        hessian = None
        if self._hessian is not None:
            self._hessian /= self._windows
            hessian, self._hessian = Hessian(self._hessian), None
        values = self._pre_activation
        assert values is not None
        if not self.block.averaged:
            values = values.reshape(-1, values.shape[-1])
        sensitivity = self._sensitivity / self._images
        inputs = np.concatenate(self._inputs) if self._inputs else None
        return BlockStatistics(values, sensitivity, hessian, inputs)
