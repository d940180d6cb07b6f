"""tinyedge's own post-training quantizer, tuned to keep the float network's answers.

Its result is an ordinary int8 .tflite of the operators TFLiteConverter would write: the converter
lays the file out, and scales, zero points and weights are chosen here.
"""

from collections.abc import Collection, Sequence

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinyedge.darknet.network import Network
from tinyedge.devices.profile import InputType
from tinyedge.export.build.fold import FoldedWeights
from tinyedge.export.build.model import assign_weights, build_keras_network
from tinyedge.export.quantize.blocks import Block, concat_groups, find_blocks
from tinyedge.export.quantize.config import QuantizerConfig
from tinyedge.export.quantize.equalize import apply_equalization, input_scales
from tinyedge.export.quantize.gptq import gptq_round
from tinyedge.export.quantize.observe import NetworkStatistics, collect_statistics
from tinyedge.export.quantize.reorder import reorder
from tinyedge.export.quantize.scales import (
    BlockQuantParams,
    choose_logit_qparams,
    is_learnable,
    learn_scales,
)
from tinyedge.export.stages import Stage
from tinyedge.export.tensorflow import tensorflow_hushed
from tinyedge.export.tflite.convert import convert_int8
from tinyedge.export.tflite.editor import ModelEditor
from tinyedge.export.tflite.schema_types import OperatorT
from tinyedge.modelcard import Rewrite
from tinyedge.progress import Progress
from tinyedge.tflite.quantization import QuantParams

__all__ = ["quantize"]

_DEFAULTS = QuantizerConfig()
# tanh(3.5) is .998, a quarter of TANH's int8 scale below 1. On normal values of deviations 1 to 4 a
# mish then has 34 to 36 dB, within 1.5 of what its input's and output's rounding leave.
_LEAST_LOGARITHM = -3.5


def quantize(
    network: Network,
    weights: FoldedWeights,
    images: NDArray[np.float32],
    *,
    rewrites: Collection[Rewrite],
    input_type: InputType,
    seed: int,
    progress: Progress,
    config: QuantizerConfig = _DEFAULTS,
) -> bytes:
    """The network as a full-integer .tflite.

    Args:
        network: in Darknet's order.
        weights: folded, by which the layers' numbers find them in any order.
        images: the calibration set, (n, height, width, channels) in [0, 1].
        rewrites: names of `tinyedge.export.quantize.reorder.REWRITES` to apply.
        input_type: ``int8`` or ``uint8``, of the input and of the output.
        seed: of what is drawn at random; equal seeds give equal bytes.
        progress: is told how far the work is.
        config: the hyperparameters.

    Raises:
        ExportError: TensorFlow's converter refuses the network.
    """
    # The same bytes for the same input, whatever the threads do.
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(seed)
    # Pools before leaky activations and averages before linear layers: what follows has less to
    # quantize, and the board less to compute.
    network = reorder(network, rewrites)
    blocks = find_blocks(network)
    # The float network runs once; what the later steps need of it is kept.
    with tensorflow_hushed():
        built = build_keras_network(network, weights)
        statistics = collect_statistics(
            network, built, blocks, images, seed=seed, config=config, progress=progress
        )
    # The scales of a block depend on one another, and concatenated blocks share theirs.
    learnable = [block for block in blocks if is_learnable(block)]
    groups = concat_groups(network, learnable)
    qparams = _learn(groups, statistics, seed=seed, config=config, progress=progress)
    # Equalized before the conversion, which takes the biases from these weights.
    output_scales = {index: each.output_scale for index, each in qparams.items()}
    weights = apply_equalization(network, weights, output_scales)
    # The converter chooses operators and their order; its scales stay where nothing was learned.
    done = Stage.CONVERT_TO_INT8.begin(progress)
    assign_weights(built.model, network, weights)
    editor = ModelEditor(convert_int8(built.model, images, input_type=input_type))
    operators = editor.require_layers(block.layer.index for block in blocks)
    done()
    # Where the converter folded a constant that comes behind into a layer's weights, what it wrote
    # there stays, scales included: these are another function's.
    own = {
        index: editor.holds_weights(operator, weights[index].kernel, weights[index].bias)
        for index, operator in operators.items()
        if index in weights
    }
    editor.set_qparams(editor.int8_input(), QuantParams.pixels())
    for group in groups:
        if not all(own[block.layer.index] for block in group):
            continue
        for block in group:
            index = block.layer.index
            _set_qparams(editor, block, operators[index], qparams[index], len(group))
    # The logits' scale is chosen by the answers' KL divergence, not by their own error.
    if statistics.logits is not None:
        logits = choose_logit_qparams(
            statistics.logits, network.softmax, margin=config.logit_margin
        )
        editor.set_qparams(editor.int8_output(), logits)
    # Weights come last: what is best for them depends on how the layer's input is quantized.
    read = input_scales(network, output_scales)
    advance = Stage.QUANTIZE_WEIGHTS.begin(progress, len(blocks))
    for block in blocks:
        index = block.layer.index
        if not own[index]:
            advance()
            continue
        operator, folded = operators[index], weights[index]
        hessian = statistics.blocks[index].hessian
        if hessian is not None:
            hessian = _quantized_hessian(hessian, read[index], editor.input_scale(operator))
        kernel, kernel_qparams = _quantize_kernel(folded.kernel, hessian, damping=config.damping)
        editor.set_weights(operator, kernel, kernel_qparams, folded.bias)
        advance()
    return editor.content()


def _learn(
    groups: Sequence[Sequence[Block]],
    statistics: NetworkStatistics,
    *,
    seed: int,
    config: QuantizerConfig,
    progress: Progress,
) -> dict[int, BlockQuantParams]:
    """The learned parameters of each block, by layer number."""
    advance = Stage.LEARN_SCALES.begin(progress, sum(len(group) for group in groups))
    qparams: dict[int, BlockQuantParams] = {}
    for group in groups:
        seen = [statistics.blocks[block.layer.index] for block in group]
        with tensorflow_hushed():
            learned = learn_scales(group, seen, seed=seed, config=config)
        for block, each in zip(group, learned, strict=True):
            qparams[block.layer.index] = each
            advance()
    return qparams


def _set_qparams(
    editor: ModelEditor,
    block: Block,
    operator: OperatorT,
    qparams: BlockQuantParams,
    producers: int,
) -> None:
    """Give a block's tensors what was learned; `producers` blocks share that of the output."""
    tensor = operator.outputs[0]
    if qparams.pre_activation is not None:
        editor.set_qparams(tensor, qparams.pre_activation)
        if block.activation == "mish":
            _narrow_logarithm(editor, tensor)
        # The last of an activation's operators reads what goes into the first, or is the only one.
        activation = editor.consumer_named(tensor, block.function.tflite[-1])
        if activation is None:
            return
        tensor = activation.outputs[0]
    editor.set_qparams(tensor, qparams.output, producers=producers)
    average = editor.consumer_named(tensor, "MEAN")
    if qparams.average is not None and average is not None:
        editor.set_qparams(average.outputs[0], qparams.average)


def _narrow_logarithm(editor: ModelEditor, tensor: int) -> None:
    """Leave out of a mish's LOG what the TANH behind it makes 1 of: its small numbers count."""
    logistic = editor.consumer_named(tensor, "LOGISTIC")
    logarithm = logistic and editor.consumer_named(logistic.outputs[0], "LOG")
    found = logarithm and editor.qparams(logarithm.outputs[0])
    if logarithm and found:
        low, _ = (found.scale * (limit - found.zero_point) for limit in found.limits)
        narrow = QuantParams.from_range(max(low, _LEAST_LOGARITHM), 0.0)
        editor.set_qparams(logarithm.outputs[0], narrow)


def _quantized_hessian(
    hessian: NDArray[np.float64], input_scale: NDArray[np.float64], scale: float
) -> NDArray[np.float64]:
    """The Hessian once the layer's input is equalized and int8.

    Quantization adds a variance of a twelfth of the squared scale to each value.
    """
    factors = 1 / np.tile(input_scale, len(hessian) // len(input_scale))
    scaled = hessian * factors[:, np.newaxis] * factors
    return np.asarray(scaled + np.eye(len(hessian)) * scale**2 / 12)


def _quantize_kernel(
    kernel: NDArray[np.float32], hessian: NDArray[np.float64] | None, *, damping: float
) -> tuple[NDArray[np.int8], QuantParams]:
    """The kernel in int8, outputs last as it is, and its parameters, per-channel."""
    matrix = kernel.reshape(-1, kernel.shape[-1]).astype(np.float64)
    qparams = QuantParams.symmetric(np.abs(matrix).max(axis=0), axis=-1)
    if hessian is None:
        integers = qparams.quantize(matrix)
    else:
        integers = gptq_round(matrix, qparams, hessian, damping=damping)
    return integers.reshape(kernel.shape).astype(np.int8), qparams
