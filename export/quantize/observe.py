"""Statistics of the float network's values on the calibration images, for the quantizer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinyedge.darknet.layer_names import layer_name
from tinyedge.darknet.layers import Connected, Softmax
from tinyedge.darknet.network import Network
from tinyedge.errors import ExportError
from tinyedge.export.build.model import KerasNetwork
from tinyedge.export.quantize.blocks import Block
from tinyedge.export.quantize.config import QuantizerConfig
from tinyedge.export.stages import Stage
from tinyedge.export.tensorflow import differentiable
from tinyedge.progress import Progress

__all__ = ["BlockStatistics", "NetworkStatistics", "collect_statistics"]

Floats = NDArray[np.float32]
# From images (n, h, w, c) and noise (n, logits) to the logits, and of each block its layer's input,
# its pre-activation and the sum of the squared gradients of its output, (channels,).
Probe = Callable[
    [tf.Tensor, tf.Tensor], tuple[tf.Tensor, list[tf.Tensor], list[tf.Tensor], list[tf.Tensor]]
]


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
        hessian: (window, window), of the squared error of the layer's output by its weights:
            mean product of any two inputs of its windows, in the kernel's order (row, column,
            channel); None of windows too large for it, or with groups.
    """

    pre_activation: Floats
    sensitivity: NDArray[np.float64]
    hessian: NDArray[np.float64] | None

    def of_images(self, chosen: NDArray[np.bool_]) -> "BlockStatistics":
        """With the values of some images alone: (images,), whether it is one of them."""
        values = self.pre_activation
        rows = values.reshape(len(chosen), -1, *values.shape[1:])[chosen]
        return replace(self, pre_activation=rows.reshape(-1, *values.shape[1:]))


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
    probe = _probe(network, built, blocks)
    values_an_image = sum(layer.output.elements for layer in network.layers)
    batch = max(1, config.batch_values // values_an_image)
    batches = [images[start : start + batch] for start in range(0, len(images), batch)]
    advance = Stage.OBSERVE.begin(progress, len(batches))
    observers = [_BlockObserver(block, len(images), config) for block in blocks]
    logits = []
    for pixels in batches:
        noise = rng.gumbel(size=(len(pixels), network.output.elements)).astype(np.float32)
        answers, inputs, values, squares = probe(tf.constant(pixels), tf.constant(noise))
        _check_finite(network, built, pixels, answers.numpy())
        if network.features is None:
            logits.append(answers.numpy())
        for observer, *tensors in zip(observers, inputs, values, squares, strict=True):
            read, value, square = (tensor.numpy() for tensor in tensors)
            observer.update(read, value, square, rng)
        advance()
    found = {observer.block.layer.index: observer.statistics() for observer in observers}
    for block in blocks:
        layer = block.layer
        if not np.isfinite(found[layer.index].sensitivity).all():
            raise ExportError(
                f"{network.source}:{layer.line}: how much layer {layer.index} [{layer.kind}] counts"
                " in the answers is beyond a float32: the weights are damaged, or the softmax's"
                " temperature is next to 0; try --quantizer default"
            )
    return NetworkStatistics(
        blocks=found,
        logits=np.concatenate(logits) if logits else None,
    )


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


def _probe(network: Network, built: KerasNetwork, blocks: Sequence[Block]) -> Probe:
    inputs, pre_activations, outputs = [], [], []
    for block in blocks:
        keras_layer = built.model.get_layer(layer_name(block.layer))
        inputs.append(keras_layer.input)
        pre_activations.append(
            keras_layer.output
            if block.pre_activation == network.layers.index(block.layer)
            else built.outputs[block.pre_activation]
        )
        outputs.append(built.outputs[block.output + 1 if block.averaged else block.output])
    softmax = network.softmax if network.features is None else None
    model = differentiable(
        keras.Model(built.model.inputs, [built.model.output, inputs, pre_activations, outputs])
    )

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def probe(
        pixels: tf.Tensor, noise: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor], list[tf.Tensor], list[tf.Tensor]]:
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
        return logits, read, values, squares

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


class _BlockObserver:
    """The sums and samples of one block as batches come in."""

    def __init__(self, block: Block, images: int, config: QuantizerConfig) -> None:
        self.block = block
        self._images = images
        self._config = config
        self._seen = 0
        # Filled as images come: pieces to be joined at the end would take twice the memory.
        self._pre_activation: Floats | None = None
        self._sensitivity: NDArray[np.float64] = np.zeros(1)
        self._hessian: NDArray[np.float64] | None = None
        self._windows = 0

    def update(
        self, read: Floats, values: Floats, squares: Floats, rng: np.random.Generator
    ) -> None:
        """Add a batch: the layer's input, its pre-activation, its output's squared gradients."""
        maps = values.reshape(len(values), -1, values.shape[-1])
        if not self.block.averaged:
            rows = min(maps.shape[1], max(1, self._config.sampled_pixels // self._images))
            maps = maps[:, rng.choice(maps.shape[1], rows, replace=False)]
        if self._pre_activation is None:
            self._pre_activation = np.empty((self._images, *maps.shape[1:]), np.float32)
        self._pre_activation[self._seen : self._seen + len(maps)] = maps
        self._seen += len(maps)
        self._sensitivity = self._sensitivity + squares
        windows = self._sampled_windows(read, rng)
        if windows is not None:
            product = windows.T @ windows
            self._hessian = product if self._hessian is None else self._hessian + product
            self._windows += len(windows)

    def statistics(self) -> BlockStatistics:
        """The statistics of all batches."""
        hessian = None if self._hessian is None else self._hessian / self._windows
        values = self._pre_activation
        assert values is not None
        if not self.block.averaged:
            values = values.reshape(-1, values.shape[-1])
        return BlockStatistics(values, self._sensitivity / self._images, hessian)

    def _sampled_windows(
        self, read: Floats, rng: np.random.Generator
    ) -> NDArray[np.float64] | None:
        """Windows of the layer's input, (rows, window), float64; None where not wanted."""
        layer, largest = self.block.layer, self._config.largest_window
        if isinstance(layer, Connected):
            flat = read.reshape(len(read), -1)
            return flat.astype(np.float64) if flat.shape[1] <= largest else None
        if layer.groups > 1 or layer.size**2 * layer.input.channels > largest:
            return None
        reach = layer.dilation * (layer.size - 1) + 1
        # The Keras layer may have been fed with its padding on already.
        pad = layer.padding if read.shape[1] == layer.input.height else 0
        padded = np.pad(read, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
        views = np.lib.stride_tricks.sliding_window_view(padded, (reach, reach), axis=(1, 2))
        views = views[:, :: layer.stride, :: layer.stride, :, :: layer.dilation, :: layer.dilation]
        rows, columns = views.shape[1:3]
        count = min(rows * columns, max(1, self._config.sampled_windows // self._images))
        places = rng.choice(rows * columns, count, replace=False)
        windows = views[:, places // columns, places % columns].transpose(0, 1, 3, 4, 2)
        flat = windows.reshape(len(read) * count, -1)
        return np.asarray(flat, np.float64)
