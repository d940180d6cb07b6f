"""tinyedge's own post-training quantizer: the float network's answers, kept in int8.

Everything lands in an ordinary int8 .tflite of the operators TFLiteConverter would write: the
converter lays the file out, and the numbers in it are chosen here.

1. Exact rewrites put pools before leaky activations and averages before linear layers.
2. The float network runs on the calibration images (`observation`).
3. Ranges and channel gains are learned chain by chain (`ranges`), the gains moved into the
   weights (`equalization`).
4. Weights are rounded by the layers' outputs (`rounding`).
"""

from collections.abc import Collection
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinyedge.darknet.layers import Connected
from tinyedge.darknet.network import Network
from tinyedge.darknet.weights import ConnectedWeights, ConvolutionalWeights, Weights
from tinyedge.export.build.activations import input_factor
from tinyedge.export.build.fold import fold_batch_norm, fold_connected, without_batch_norm
from tinyedge.export.build.model import build_keras_model
from tinyedge.export.quantize.blocks import Chain, find_chains, joined
from tinyedge.export.quantize.equalize import equalized, input_gains
from tinyedge.export.quantize.gptq import round_to_nearest, round_with_second_moment, weight_scales
from tinyedge.export.quantize.observe import observe
from tinyedge.export.quantize.reorder import reordered
from tinyedge.export.quantize.scales import ChainRanges, can_learn, learn_ranges
from tinyedge.export.quantize.steps import Steps, logit_steps
from tinyedge.export.tensorflow import tensorflow_hushed
from tinyedge.export.tflite.convert import convert_int8
from tinyedge.export.tflite.int8_file import Int8File
from tinyedge.progress import Progress

__all__ = ["quantize"]

# A pixel is its own int8 input, moved by 128.
_PIXEL_STEPS = Steps(1 / 255, -128)


def quantize(
    network: Network,
    weights: Weights,
    images: NDArray[np.float32],
    *,
    rewrites: Collection[str],
    input_type: str,
    seed: int,
    progress: Progress,
) -> bytes:
    """The network as a full-integer .tflite.

    Args:
        network: in Darknet's order.
        weights: as read.
        images: the calibration set, (n, height, width, channels) in [0, 1].
        rewrites: names of `tinyedge.export.quantize.reorder.REWRITES` to apply.
        input_type: ``int8`` or ``uint8``, of the input and of the output.
        seed: of what is drawn at random; equal seeds give equal bytes.
        progress: is told how far the work is.

    Raises:
        ExportError: TensorFlow's converter refuses the network.
    """
    # The same bytes for the same input, whatever the threads do.
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(seed)
    network = reordered(network, rewrites)
    weights = without_batch_norm(weights)
    chains = find_chains(network)
    with tensorflow_hushed():
        seen = observe(network, weights, chains, images, seed=seed, progress=progress)
        advance = progress("Choosing ranges", len(chains))
        ranges: dict[int, ChainRanges] = {}
        groups = joined(network, [chain for chain in chains if can_learn(chain)])
        for group in groups:
            values = [seen.chains[chain.layer.index] for chain in group]
            for chain, learned in zip(group, learn_ranges(group, values, seed=seed), strict=True):
                ranges[chain.layer.index] = learned
                advance()
    gains = {
        chain.layer.index: ranges[chain.layer.index].gains for chain in chains if chain.scalable
    }
    taken = input_gains(network, gains)
    weights = equalized(network, weights, gains)
    done = progress("Converting to int8 .tflite")
    with tensorflow_hushed():
        model = build_keras_model(network, weights)
    file = Int8File(convert_int8(model, images, input_type=input_type))
    done()
    operators = file.require_layers(chain.layer.index for chain in chains)
    file.set_steps(file.input_tensor(), _PIXEL_STEPS)
    for group in groups:
        for chain in group:
            operator = operators[chain.layer.index]
            _set_ranges(file, operator, ranges[chain.layer.index], len(group))
    if seen.logits is not None:
        file.set_steps(file.output_tensor(), logit_steps(seen.logits))
    advance = progress("Rounding weights", len(chains))
    for chain in chains:
        operator = operators[chain.layer.index]
        moment = seen.chains[chain.layer.index].second_moment
        if moment is not None:
            moment = _as_quantized(moment, taken[chain.layer.index], file.scale(operator))
        _round_weights(file, operator, chain, weights, moment)
        advance()
    return file.content()


def _set_ranges(file: Int8File, operator: Any, ranges: ChainRanges, makers: int) -> None:
    """Give the tensors of a chain their steps, the last of which `makers` chains share."""
    tensor = operator.outputs[0]
    if ranges.after is None:
        file.set_steps(tensor, ranges.before, makers=makers)
    else:
        file.set_steps(tensor, ranges.before)
        activation = file.reader(tensor, "LEAKY_RELU")
        if activation is None:
            return
        tensor = activation.outputs[0]
        file.set_steps(tensor, ranges.after, makers=makers)
    average = file.reader(tensor, "MEAN")
    if ranges.average is not None and average is not None:
        file.set_steps(average.outputs[0], ranges.average)


def _as_quantized(
    moment: NDArray[np.float64], taken: NDArray[np.float64], scale: float
) -> NDArray[np.float64]:
    """The second moment of a layer's windows once their channels have gains and are int8.

    Rounding to a step adds a variance of a twelfth of its square to each value.
    """
    factors = 1 / np.tile(taken, len(moment) // len(taken))
    scaled = moment * factors[:, np.newaxis] * factors
    return np.asarray(scaled + np.eye(len(moment)) * scale**2 / 12)


def _round_weights(
    file: Int8File,
    operator: Any,
    chain: Chain,
    weights: Weights,
    moment: NDArray[np.float64] | None,
) -> None:
    layer, learned = chain.layer, weights.layers[chain.layer.index]
    if isinstance(layer, Connected):
        assert isinstance(learned, ConnectedWeights)
        folded = fold_connected(learned, layer.input)
    else:
        assert isinstance(learned, ConvolutionalWeights)
        folded = fold_batch_norm(learned)
    folded = folded.times(input_factor(layer.activation))
    outputs = folded.kernel.shape[-1]
    kernel = folded.kernel.reshape(-1, outputs).astype(np.float64)
    scales = weight_scales(kernel)
    if moment is None:
        integers = round_to_nearest(kernel, scales)
    else:
        integers = round_with_second_moment(kernel, scales, moment)
    file.set_weights(operator, integers.reshape(folded.kernel.shape), scales, folded.bias)
