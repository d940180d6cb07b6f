"""tinyedge's own post-training quantizer, tuned to keep the float network's answers.

Its result is an ordinary int8 .tflite of the operators TFLiteConverter would write: the converter
lays the file out, and scales, zero points and weights are chosen here.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

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
from tinyedge.export.quantize.gptq import gptq_round, gptq_round_few
from tinyedge.export.quantize.observe import BlockStatistics, Hessian, collect_statistics
from tinyedge.export.quantize.reorder import reorder
from tinyedge.export.quantize.scales import (
    BlockQuantParams,
    Rounded,
    choose_logit_qparams,
    is_learnable,
    learn_scales,
)
from tinyedge.export.stages import Stage
from tinyedge.export.tensorflow import tensorflow_hushed
from tinyedge.export.tflite.convert import convert_int8
from tinyedge.export.tflite.editor import ModelEditor
from tinyedge.export.tflite.mixed import int8_tensors
from tinyedge.export.tflite.schema_types import OperatorT
from tinyedge.memory import give_back_memory
from tinyedge.modelcard import Precision, Rewrite
from tinyedge.progress import Progress, no_progress
from tinyedge.tflite.parts import row_parts
from tinyedge.tflite.quantization import QuantParams

__all__ = ["DefaultQuantizer", "Quantizer", "widened_file"]

_DEFAULTS = QuantizerConfig()
_ALL_INT8: Mapping[int, Precision] = {}
_AS_LEARNED: Mapping[int, float] = {}
# Images, of a conversion whose scales are all replaced.
_FEW = 4
# tanh(3.5) is .998, a quarter of TANH's int8 scale below 1. On normal values of deviations 1 to 4 a
# mish then has 34 to 36 dB, within 1.5 of what its input's and output's rounding leave.
_LEAST_LOGARITHM = -3.5


class DefaultQuantizer:
    """TFLiteConverter's own, for comparison: it chooses all by the largest and smallest values.

    Attributes:
        blocks: none that it would tell apart.
        alone: likewise.
    """

    blocks: Sequence[Block] = ()
    alone: frozenset[int] = frozenset()

    def __init__(
        self, model: keras.Model, images: NDArray[np.float32], input_type: InputType
    ) -> None:
        """Of a Keras model and images as of `Quantizer`."""
        self._model, self._images, self._input_type = model, images, input_type

    def integer_file(self, progress: Progress, images: NDArray[np.bool_] | None = None) -> bytes:
        """See `Quantizer.integer_file`."""
        chosen = self._images if images is None else self._images[images]
        done = Stage.QUANTIZE_BY_DEFAULT.begin(progress)
        content = convert_int8(self._model, chosen, input_type=self._input_type)
        done()
        return content

    def rounded_layers(self, int8: bytes, mixed: bytes) -> frozenset[int]:  # noqa: ARG002
        """None that it would tell apart."""
        return frozenset()

    def file_for(
        self,
        int8: bytes,  # noqa: ARG002  # as the other's
        mixed: bytes | None = None,  # noqa: ARG002
        precision: Mapping[int, Precision] = _ALL_INT8,  # noqa: ARG002
        widened: Mapping[int, float] = _AS_LEARNED,  # noqa: ARG002
    ) -> bytes:
        """The same for all uses: calibrated on all images."""
        return self.integer_file(no_progress)


class Quantizer:
    """A network that was observed once, as full-integer files: fit for itself, or for a mixed file.

    What was learned for the integer file is where the others begin.

    Attributes:
        blocks: the network's.
        alone: numbers of the layers whose ranges are no other's, too, as of concatenated ones.
    """

    def __init__(
        self,
        network: Network,
        weights: FoldedWeights,
        images: NDArray[np.float32],
        *,
        rewrites: Collection[Rewrite],
        input_type: InputType,
        seed: int,
        progress: Progress,
        config: QuantizerConfig = _DEFAULTS,
    ) -> None:
        """Observe the float network.

        Args:
            network: in Darknet's order.
            weights: folded, by which the layers' numbers find them in any order.
            images: the calibration set, (n, height, width, channels) in [0, 1].
            rewrites: names of `tinyedge.export.quantize.reorder.REWRITES` to apply.
            input_type: ``int8`` or ``uint8``, of the input and of the output.
            seed: of what is drawn at random; equal seeds give equal bytes.
            progress: is told how far the work is.
            config: the hyperparameters.
        """
        # The same bytes for the same input, whatever the threads do.
        tf.config.experimental.enable_op_determinism()
        keras.utils.set_random_seed(seed)
        # Pools before leaky activations and averages before linear layers: what follows has less to
        # quantize, and the board less to compute.
        self._network = reorder(network, rewrites)
        self._weights, self._images = weights, images
        self._input_type, self._seed, self._config = input_type, seed, config
        # As long as the converter is not found to choose a scale that stays.
        self._to_convert = images[:_FEW]
        # Whether nothing but the operators is left of what the converter wrote.
        self._replaces_all = False
        self.blocks = find_blocks(self._network)
        # The scales of a block depend on one another, and concatenated blocks share theirs.
        learnable = [block for block in self.blocks if is_learnable(block)]
        self._groups = concat_groups(self._network, learnable)
        self.alone = frozenset(group[0].layer.index for group in self._groups if len(group) == 1)
        # By the layers of a group.
        self._learned: dict[tuple[int, ...], _Learned] = {}
        # The float network runs once; what the later steps need of it is kept.
        with tensorflow_hushed():
            self._built = build_keras_network(self._network, weights)
            self._statistics = collect_statistics(
                self._network,
                self._built,
                self.blocks,
                images,
                seed=seed,
                config=config,
                progress=progress,
            )

    def integer_file(self, progress: Progress, images: NDArray[np.bool_] | None = None) -> bytes:
        """The full-integer file, in which all is rounded.

        `images` says of each whether ranges are learned from it; from all where it is not given.

        Raises:
            ExportError: TensorFlow's converter refuses the network.
        """
        self._learned = self._learn({}, progress, images)
        return self._file(self._learned, (), None, progress)

    def rounded_layers(self, int8: bytes, mixed: bytes) -> frozenset[int]:
        """Numbers of the layers of which a mixed file, made of `int8`, rounds something."""
        found = self._rounded(ModelEditor(int8), int8_tensors(mixed))
        return frozenset(b.layer.index for b in self.blocks if _is_any(b, found[b.layer.index]))

    def _rounded(self, editor: ModelEditor, kept: Collection[str]) -> dict[int, Rounded]:
        operators = editor.require_layers(block.layer.index for block in self.blocks)
        return {
            block.layer.index: _rounded(editor, block, operators[block.layer.index], kept)
            for block in self.blocks
        }

    def file_for(
        self,
        int8: bytes,
        mixed: bytes | None = None,
        precision: Mapping[int, Precision] = _ALL_INT8,
        widened: Mapping[int, float] = _AS_LEARNED,
    ) -> bytes:
        """A full-integer file whose ranges are learned from all images, for what it is used for.

        Scales of layers that a mixed file rounds once, and not twice, are learned for that one
        rounding, and weights of layers that read float are quantized for it.

        Args:
            int8: the file that `integer_file` made.
            mixed: the file that will be made of this one, as made of `int8`; None where none is.
            precision: of its layers, by their numbers; ``int8`` of those left out.
            widened: of layers, what their ranges are multiplied by; see `widened_file`.

        Raises:
            ExportError: TensorFlow's converter refuses the network.
        """
        rounded: dict[int, Rounded] = {}
        reading_float: set[int] = set()
        if mixed is not None:
            editor, kept = ModelEditor(int8), int8_tensors(mixed)
            rounded = self._rounded(editor, kept)
            in_float = [number for number, kind in precision.items() if kind == "float32"]
            operators = editor.require_layers(in_float)
            reading_float = {
                number
                for number in in_float
                if not _is_kept(editor, operators[number].inputs[0], kept)
            }
        learned = self._learn(rounded, no_progress, None)
        earlier = int8 if self._replaces_all else None
        made = self._file(learned, reading_float, earlier, no_progress)
        return widened_file(made, widened, self.blocks)

    def _file(
        self,
        learned: "Mapping[tuple[int, ...], _Learned]",
        reading_float: Collection[int],
        earlier: bytes | None,
        progress: Progress,
    ) -> bytes:
        """The file of what was learned; layers `reading_float` read what is not rounded.

        `earlier` is as of `_converted`.
        """
        network, statistics = self._network, self._statistics
        qparams = {
            block.layer.index: each
            for group in self._groups
            for block, each in zip(group, learned[_layers(group)].qparams, strict=True)
        }
        # Equalized before the conversion, which takes the biases from these weights.
        output_scales = {index: each.output_scale for index, each in qparams.items()}
        weights = apply_equalization(network, self._weights, output_scales)
        done = Stage.CONVERT_TO_INT8.begin(progress)
        editor, own = self._converted(qparams, weights, earlier)
        give_back_memory()
        done()
        operators = editor.require_layers(block.layer.index for block in self.blocks)
        # Weights come last: what is best for them depends on how the layer's input is quantized.
        read = input_scales(network, output_scales)
        advance = Stage.QUANTIZE_WEIGHTS.begin(progress, len(self.blocks))
        for block in self.blocks:
            index = block.layer.index
            if not own[index]:
                advance()
                continue
            operator, folded = operators[index], weights[index]
            kernel, kernel_qparams = _quantize_kernel(
                folded.kernel,
                statistics.blocks[index],
                read[index],
                0.0 if index in reading_float else editor.input_scale(operator),
                damping=self._config.damping,
            )
            editor.set_weights(operator, kernel, kernel_qparams, folded.bias)
            advance()
        return editor.content()

    def _converted(
        self,
        qparams: Mapping[int, BlockQuantParams],
        weights: FoldedWeights,
        earlier: bytes | None,
    ) -> tuple[ModelEditor, Mapping[int, bool]]:
        """The converter's file with what was learned in it; and of each layer, if it has weights,
        whether they are its own there.

        The converter chooses operators and their order; its scales stay where nothing was learned.
        Where none does, an `earlier` file is as good as its own, which takes a second or more.
        """
        network, content = self._network, earlier
        if content is None:
            assign_weights(self._built.model, network, weights)
            content = convert_int8(self._built.model, self._to_convert, input_type=self._input_type)
        editor = ModelEditor(content)
        operators = editor.require_layers(block.layer.index for block in self.blocks)
        # Where the converter folded a constant that comes behind into a layer's weights, what it
        # wrote there stays, scales included: these are another function's.
        own = {}
        for index, operator in operators.items():
            if index in weights:
                folded = weights[index]
                own[index] = earlier is not None or editor.holds_weights(
                    operator, folded.kernel, folded.bias
                )
        editor.set_qparams(editor.int8_input(), QuantParams.pixels())
        for group in self._groups:
            if not all(own[block.layer.index] for block in group):
                continue
            for block in group:
                index = block.layer.index
                _set_qparams(editor, block, operators[index], qparams[index], len(group))
        # The logits' scale is chosen by the answers' KL divergence, not by their own error.
        if self._statistics.logits is not None:
            logits = choose_logit_qparams(
                self._statistics.logits, network.softmax, margin=self._config.logit_margin
            )
            editor.set_qparams(editor.int8_output(), logits)
        all_are_given = editor.all_are_given()
        if len(self._to_convert) < len(self._images) and not all_are_given:
            # Its scales are its images' ranges.
            self._to_convert = self._images
            del content, editor, operators
            return self._converted(qparams, weights, None)
        all_are_own = all(own.values()) and len(own) == len(editor.operators_with_bias())
        self._replaces_all = all_are_given and all_are_own
        return editor, own

    def _learn(
        self, rounded: Mapping[int, Rounded], progress: Progress, images: NDArray[np.bool_] | None
    ) -> "dict[tuple[int, ...], _Learned]":
        """What is known by the layers of each group, and learned where it is not known yet.

        Args:
            rounded: by layer number, what is rounded of its block; all, of one that is left out.
            progress: is told how far the work is.
            images: as of `integer_file`.
        """
        advance = Stage.LEARN_SCALES.begin(progress, sum(len(group) for group in self._groups))

        def learned(group: Sequence[Block]) -> _Learned:
            layers = _layers(group)
            wanted = _Learned([], [rounded.get(n, Rounded()) for n in layers], images is None)
            known = self._learned.get(layers)
            # Of what is not rounded at all there is nothing to learn.
            if known is not None and (
                known == wanted or not any(map(_is_any, group, wanted.rounded))
            ):
                return known
            seen = [self._statistics.blocks[n] for n in layers]
            if images is not None:
                seen = [each.of_images(images) for each in seen]
            qparams = learn_scales(
                group,
                seen,
                wanted.rounded,
                start=None if known is None else known.qparams,
                brief=known is not None or images is not None,
                seed=self._seed,
                config=self._config,
            )
            return replace(wanted, qparams=qparams)

        found = {}
        # NumPy lets go of the interpreter: each group on a core of its own.
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
            for group, each in zip(self._groups, threads.map(learned, self._groups), strict=True):
                found[_layers(group)] = each
                for _ in group:
                    advance()
        give_back_memory()
        return found


@dataclass(frozen=True)
class _Learned:
    """What was learned of a group of blocks.

    Attributes:
        qparams: of each block.
        rounded: what of each.
        from_all: whether from all images.
    """

    qparams: Sequence[BlockQuantParams] = field(compare=False)
    rounded: Sequence[Rounded]
    from_all: bool


def _layers(group: Sequence[Block]) -> tuple[int, ...]:
    return tuple(block.layer.index for block in group)


def widened_file(int8: bytes, factors: Mapping[int, float], blocks: Sequence[Block]) -> bytes:
    """A full-integer file with wider ranges of what some layers give out.

    Args:
        int8: of a network of these blocks.
        factors: by layer number, what the scales before and behind its activation are multiplied
            by: their ratio stays, by which XNNPACK's slopes are exact. A layer whose output is
            concatenated with another's stays as it is: their scale is not its own.
        blocks: the network's.
    """
    if not factors:
        return int8
    editor = ModelEditor(int8)
    operators = editor.require_layers(block.layer.index for block in blocks)
    for block in blocks:
        factor, operator = factors.get(block.layer.index, 1.0), operators[block.layer.index]
        activation = _activation(editor, block, operator)
        # The output first, which alone may be another layer's, too.
        for each in (activation, operator):
            if each is None or factor == 1:
                continue
            found = editor.qparams(each.outputs[0])
            assert found is not None
            wide = QuantParams.per_tensor(factor * found.scale, int(found.zero_point))
            if not editor.set_qparams(each.outputs[0], wide):
                break
    return editor.content()


def _rounded(
    editor: ModelEditor, block: Block, operator: OperatorT, kept: Collection[str]
) -> Rounded:
    """What of a block is in int8 where these tensors are."""
    given = operator.outputs[0]
    before = block.function.fused or editor.tensor_name(given) in kept
    activation = _activation(editor, block, operator)
    given = given if activation is None else activation.outputs[0]
    average = editor.consumer_named(given, "MEAN")
    return Rounded(
        before=before,
        behind=_is_kept(editor, given, kept),
        average=not block.averaged or average is None or editor.output_name(average) in kept,
    )


def _is_kept(editor: ModelEditor, index: int, kept: Collection[str]) -> bool:
    """Whether a tensor is one of these, or is further on, behind a pool or a concatenation."""
    return any(editor.tensor_name(each) in kept for each in editor.sharing_scale(index))


def _is_any(block: Block, rounded: Rounded) -> bool:
    """Whether something of a block is rounded."""
    before = rounded.before and not block.function.fused
    return before or rounded.behind or (rounded.average and block.averaged)


def _activation(editor: ModelEditor, block: Block, operator: OperatorT) -> OperatorT | None:
    """The last of its activation's operators, where TFLite fuses it not."""
    if block.function.fused:
        return None
    return editor.consumer_named(operator.outputs[0], block.function.tflite[-1])


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
            _set_logarithm(editor, tensor, qparams.pre_activation)
        # The last of an activation's operators reads what goes into the first, or is the only one.
        activation = _activation(editor, block, operator)
        if activation is None:
            return
        tensor = activation.outputs[0]
    editor.set_qparams(tensor, qparams.output, producers=producers)
    average = editor.consumer_named(tensor, "MEAN")
    if qparams.average is not None and average is not None:
        editor.set_qparams(average.outputs[0], qparams.average)


def _set_logarithm(editor: ModelEditor, tensor: int, pre_activation: QuantParams) -> None:
    """Leave out of a mish's LOG what the TANH behind it makes 1 of: its small numbers count."""
    logistic = editor.consumer_named(tensor, "LOGISTIC")
    logarithm = logistic and editor.consumer_named(logistic.outputs[0], "LOG")
    if logarithm:
        low = -float(np.logaddexp(0.0, -pre_activation.range[0]))
        qparams = QuantParams.from_range(max(low, _LEAST_LOGARITHM), 0.0)
        editor.set_qparams(logarithm.outputs[0], qparams)


def _quantized_hessian(
    hessian: Hessian, input_scale: NDArray[np.float64], scale: float
) -> NDArray[np.float64]:
    """The Hessian once the layer's input is equalized and int8.

    Quantization adds a variance of a twelfth of the squared scale to each value.
    """
    scaled = hessian.matrix()
    factors = _factors(input_scale, len(scaled))
    scaled *= factors[:, np.newaxis]
    scaled *= factors
    scaled[np.diag_indices_from(scaled)] += scale**2 / 12
    return scaled


def _factors(input_scale: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """What equalization multiplies each value of a window of the layer's input by."""
    return np.asarray(1 / np.tile(input_scale, window // len(input_scale)))


def _quantize_kernel(
    kernel: NDArray[np.float32],
    statistics: BlockStatistics,
    input_scale: NDArray[np.float64],
    scale: float,
    *,
    damping: float,
) -> tuple[NDArray[np.int8], QuantParams]:
    """The kernel in int8, outputs last as it is, and its parameters, per-channel.

    Args:
        kernel: equalized.
        statistics: the block's.
        input_scale: (channels,), what the layer's input is divided by.
        scale: that its input is quantized with; 0 of one in float.
        damping: as of `gptq_round`.
    """
    matrix = kernel.reshape(-1, kernel.shape[-1])
    largest = np.maximum(matrix.max(axis=0), -matrix.min(axis=0))
    qparams = QuantParams.symmetric(largest, axis=-1)
    if statistics.hessian is not None:
        hessian = _quantized_hessian(statistics.hessian, input_scale, scale)
        integers = gptq_round(matrix.astype(np.float64), qparams, hessian, damping=damping)
    elif statistics.inputs is not None:
        vectors = statistics.inputs * _factors(input_scale, len(matrix))
        integers = gptq_round_few(matrix, qparams, vectors, variance=scale**2 / 12, damping=damping)
    else:
        integers = np.empty(matrix.shape, np.int8)
        for part in row_parts(matrix.shape):
            integers[part] = qparams.quantize(matrix[part].astype(np.float64))
    return integers.reshape(kernel.shape), qparams
