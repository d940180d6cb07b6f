"""What the quantizer has to know of the float network's values on the calibration images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinyedge.darknet.layer_names import layer_name
from tinyedge.darknet.layers import Connected
from tinyedge.darknet.network import Network
from tinyedge.darknet.weights import Weights
from tinyedge.export.build.model import build_tensors, flat_output
from tinyedge.export.quantize.blocks import Chain
from tinyedge.progress import Progress

__all__ = ["ChainValues", "Observations", "observe"]

Floats = NDArray[np.float32]

_BATCH_VALUES = 50_000_000  # of all layers' outputs at a time; as many again are gradients
_SAMPLED_ROWS = 40_000  # pixels of a chain to choose its ranges by
_SECOND_MOMENT_ROWS = 40_000  # windows of a layer's input to round its weights by
_LARGEST_WINDOW = 4_608  # values; the second moment of a larger one would not fit


@dataclass(frozen=True, eq=False)
class ChainValues:
    """A chain's values on the calibration images.

    Attributes:
        before: float32 (rows, channels), what goes into the activation at sampled pixels; of an
            averaged chain (images, pixels, channels), every pixel.
        sensitivity: (channels,), mean square of the gradient of the network's answer by what
            comes out of the activation; of an averaged chain, by the average. The diagonal of
            the Fisher information, by which an error there counts in the answer's KL divergence.
        second_moment: (window, window), mean product of any two inputs of the layer's windows,
            in the kernel's order (row, column, channel); None of windows too large for it, or
            with groups.
    """

    before: Floats
    sensitivity: NDArray[np.float64]
    second_moment: NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class Observations:
    """What `observe` saw.

    Attributes:
        chains: the chains' values by layer number.
        logits: the answers (images, classes); None of a network that classifies nothing.
    """

    chains: dict[int, ChainValues]
    logits: Floats | None


def observe(
    network: Network,
    weights: Weights,
    chains: Sequence[Chain],
    images: Floats,
    *,
    seed: int,
    progress: Progress,
) -> Observations:
    """Run the float network on `images` (n, h, w, c) and keep what the quantizer needs."""
    rng = np.random.default_rng(seed)
    run = _probe(network, weights, chains)
    values_an_image = sum(layer.output.elements for layer in network.layers)
    batch = max(1, _BATCH_VALUES // values_an_image)
    batches = [images[start : start + batch] for start in range(0, len(images), batch)]
    advance = progress("Observing the float network", len(batches))
    collected = [_Collected(chain, len(images)) for chain in chains]
    logits = []
    for pixels in batches:
        noise = rng.gumbel(size=(len(pixels), network.output.elements)).astype(np.float32)
        answers, inputs, before, gradients = run(tf.constant(pixels), tf.constant(noise))
        if network.features is None:
            logits.append(answers.numpy())
        for values, came, went, gradient in zip(collected, inputs, before, gradients, strict=True):
            values.add(came.numpy(), went.numpy(), gradient.numpy(), rng)
        advance()
    return Observations(
        chains={values.chain.layer.index: values.result() for values in collected},
        logits=np.concatenate(logits) if logits else None,
    )


def _probe(network: Network, weights: Weights, chains: Sequence[Chain]) -> Any:
    """A function of (images, noise): logits, and of each chain input, output and gradient."""
    image, built = build_tensors(network, weights, batch=None)
    layers = keras.Model(image, built)
    inputs, before, read = [], [], []
    for chain in chains:
        keras_layer = layers.get_layer(layer_name(chain.layer))
        inputs.append(keras_layer.input)
        before.append(
            keras_layer.output
            if chain.before == network.layers.index(chain.layer)
            else built[chain.before]
        )
        read.append(built[chain.after + 1] if chain.averaged else built[chain.after])
    classifies = network.features is None
    model = keras.Model(image, [flat_output(built[-1], network.output), inputs, before, read])

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def run(pixels: Any, noise: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(pixels)
            logits, came, went, values = model(pixels, training=False)
            loss = _fisher_loss(logits, noise) if classifies else _random_sum(logits, noise)
        gradients = tape.gradient(loss, values)
        squares = [
            tf.reduce_sum(tf.square(gradient), axis=list(range(gradient.shape.rank - 1)))
            for gradient in gradients
        ]
        return logits, came, went, squares

    return run


def _fisher_loss(logits: Any, noise: Any) -> Any:
    """The surprise at an answer drawn from the network's own probabilities, by the Gumbel trick.

    The mean square of its gradient is the diagonal of the Fisher information.
    """
    drawn = tf.argmax(logits + noise, axis=1)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(drawn, logits)


def _random_sum(features: Any, noise: Any) -> Any:
    """Features with random signs: the mean square of its gradient counts each squared error."""
    return tf.reduce_sum(tf.reshape(features, noise.shape) * tf.sign(noise), axis=1)


class _Collected:
    """The sums and samples of one chain as batches come in."""

    def __init__(self, chain: Chain, images: int) -> None:
        self.chain = chain
        self._images = images
        self._before: list[Floats] = []
        self._sensitivity: NDArray[np.float64] = np.zeros(1)
        self._moment: NDArray[np.float64] | None = None
        self._windows = 0

    def add(self, came: Floats, went: Floats, squares: Floats, rng: np.random.Generator) -> None:
        maps = went.reshape(len(went), -1, went.shape[-1])
        if self.chain.averaged:
            self._before.append(maps)
        else:
            rows = min(maps.shape[1], max(1, _SAMPLED_ROWS // self._images))
            chosen = rng.choice(maps.shape[1], rows, replace=False)
            self._before.append(maps[:, chosen].reshape(-1, went.shape[-1]))
        self._sensitivity = self._sensitivity + squares
        windows = self._sampled_windows(came, rng)
        if windows is not None:
            product = windows.T @ windows
            self._moment = product if self._moment is None else self._moment + product
            self._windows += len(windows)

    def result(self) -> ChainValues:
        moment = None if self._moment is None else self._moment / self._windows
        return ChainValues(np.concatenate(self._before), self._sensitivity / self._images, moment)

    def _sampled_windows(self, came: Floats, rng: np.random.Generator) -> Any:
        """Windows of the layer's input, (rows, window), float64; None where not wanted."""
        layer = self.chain.layer
        if isinstance(layer, Connected):
            flat = came.reshape(len(came), -1)
            return flat.astype(np.float64) if flat.shape[1] <= _LARGEST_WINDOW else None
        if layer.groups > 1 or layer.size**2 * layer.input.channels > _LARGEST_WINDOW:
            return None
        reach = layer.dilation * (layer.size - 1) + 1
        # The Keras layer may have been fed with its padding on already.
        pad = layer.padding if came.shape[1] == layer.input.height else 0
        padded = np.pad(came, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
        views = np.lib.stride_tricks.sliding_window_view(padded, (reach, reach), axis=(1, 2))
        views = views[:, :: layer.stride, :: layer.stride, :, :: layer.dilation, :: layer.dilation]
        rows, columns = views.shape[1:3]
        count = min(rows * columns, max(1, _SECOND_MOMENT_ROWS // self._images))
        places = rng.choice(rows * columns, count, replace=False)
        windows = views[:, places // columns, places % columns].transpose(0, 1, 3, 4, 2)
        return windows.reshape(len(came) * count, -1).astype(np.float64)
