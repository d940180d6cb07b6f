"""An int8 .tflite run in float on the host, each operator as the file has it or in float.

Every quantized value is held in units of its tensor's scale, as (integer - zero point), so that
requantized values are whole numbers, which float32 adds without error up to 2^24. The integers
are those of XNNPACK, with which TFLite's runtimes compute. Of a file in mixed precision, what it
computes in float is not rounded here either; a hybrid operator's input is, to its own range. "In
int8" is the file's own way in all of them.
"""

import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinyedge.errors import ModelError
from tinyedge.export.inspection.graph import Graph
from tinyedge.export.inspection.kernels import (
    LINEAR_KERNELS,
    OP_KERNELS,
    fused_activation,
    kernel_for_tensorflow,
)
from tinyedge.export.inspection.requantize import INPUT, requantizing_ops
from tinyedge.tflite import schema
from tinyedge.tflite.model import Operator
from tinyedge.tflite.parts import row_parts
from tinyedge.tflite.quantization import XNNPACK_SLOPE_ONE, per_channel
from tinyedge.tflite.schema import SAME_SCALE_OPS, OptionValue

__all__ = ["Run", "Simulation"]


# By (position of the operator, which of its inputs): a constant's values.
Constants = Mapping[tuple[int, int], NDArray[np.float32]]


@dataclass(eq=False)
class Run:
    """The values of one image in the graph, which a simulation adds operator by operator.

    Attributes:
        scaled: by tensor index, float32, in units of the tensor's scale.
        saturated: by position of the operator (or INPUT) that was in int8, how many values of its
            output were clipped at an end of its range.
    """

    scaled: dict[int, tf.Tensor] = field(default_factory=dict)
    saturated: dict[int, int] = field(default_factory=dict)


# An operator's outputs from a run so far; True: in float.
Compute = Callable[[Run, bool], list[tf.Tensor]]


class Simulation:
    """An int8 graph together with the float constants that its own stand for."""

    def __init__(self, graph: Graph, float_constants: Constants, source: str) -> None:
        """Prepare `graph`; an operator in float reads `float_constants` where they have its.

        Raises:
            ModelError: an operator that is not known here; `source` names the file.
        """
        self._graph = graph
        self.requantizing = frozenset(requantizing_ops(graph))
        self._compute: list[Compute] = []
        for position, operator in enumerate(graph.operators):
            if operator.name in LINEAR_KERNELS and graph.has_weights(operator):
                self._compute.append(self._linear(position, float_constants))
            elif operator.name in OP_KERNELS:
                self._compute.append(self._plain(position, float_constants))
            else:
                raise ModelError(
                    f"{source}: inspect does not know the operator {operator.name} (its output:"
                    f" {graph.tensors[operator.outputs[0]].name})"
                )

    def run(self, pixels: NDArray[np.float32], *, float_ops: Collection[int]) -> Run:
        """From pixels in [0, 1], (1, h, w, c).

        Args:
            pixels: the image.
            float_ops: positions of the operators (and INPUT) that use float constants and do not
                requantize.
        """
        run = Run()
        run.scaled[self._graph.input] = self._input(pixels, run, in_float=INPUT in float_ops)
        for position in range(len(self._graph.operators)):
            self._advance(position, run, in_float=position in float_ops)
        return run

    def rerun(
        self, before: Run, pixels: NDArray[np.float32], *, toggled_ops: Collection[int]
    ) -> Run:
        """As `before`, which is all in int8 or all in float, with `toggled_ops` the other way.

        Only what differs is computed.
        """
        run = Run(dict(before.scaled))
        toggled_float = bool(before.saturated)  # what was in int8 in `before` now is not
        changed: set[int] = set()
        if INPUT in toggled_ops:
            run.scaled[self._graph.input] = self._input(pixels, run, in_float=toggled_float)
            changed.add(self._graph.input)
        for position, operator in enumerate(self._graph.operators):
            toggled = position in toggled_ops
            if toggled or not changed.isdisjoint(operator.inputs):
                self._advance(position, run, in_float=toggled_float == toggled)
                changed.update(operator.outputs)
        return run

    def rerun_alone(
        self, before: Run, pixels: NDArray[np.float32], *, toggled_ops: Collection[int]
    ) -> Run:
        """As `rerun`, with nothing computed behind `toggled_ops`: what they make of `before`."""
        return self._alone(before, pixels, toggled_ops, in_float=bool(before.saturated))

    def float_alone(
        self, before: Run, pixels: NDArray[np.float32], *, float_ops: Collection[int]
    ) -> Run:
        """What `float_ops` make of `before`, which may be of other float constants."""
        return self._alone(before, pixels, float_ops, in_float=True)

    def _alone(
        self,
        before: Run,
        pixels: NDArray[np.float32],
        toggled_ops: Collection[int],
        *,
        in_float: bool,
    ) -> Run:
        run = Run(dict(before.scaled))
        for position in sorted(toggled_ops):
            if position == INPUT:
                run.scaled[self._graph.input] = self._input(pixels, run, in_float=in_float)
            else:
                self._advance(position, run, in_float=in_float)
        return run

    def values(self, run: Run, index: int) -> NDArray[np.float64]:
        """The real numbers that a tensor's integers stand for."""
        return np.asarray(run.scaled[index], np.float64) * self.scale(index)

    def scale(self, index: int) -> float:
        """The scale of a tensor that is quantized per-tensor; 1 of one that is not quantized."""
        qparams = self._graph.tensors[index].qparams
        return 1.0 if qparams is None else qparams.scale

    def output(self, run: Run) -> NDArray[np.float64]:
        """The answer of a run, (classes,)."""
        return self.values(run, self._graph.output).reshape(-1)

    def _input(self, pixels: NDArray[np.float32], run: Run, *, in_float: bool) -> tf.Tensor:
        scaled = tf.constant(pixels * np.float32(1 / self.scale(self._graph.input)))
        if in_float or INPUT not in self.requantizing:
            return scaled
        return self._requantized(scaled, self._graph.input, INPUT, run)

    def _advance(self, position: int, run: Run, *, in_float: bool) -> None:
        outputs = self._compute[position](run, in_float)
        requantize = not in_float and position in self.requantizing
        for index, scaled in zip(self._graph.operators[position].outputs, outputs, strict=True):
            run.scaled[index] = (
                self._requantized(scaled, index, position, run) if requantize else scaled
            )

    def _requantized(self, scaled: tf.Tensor, index: int, position: int, run: Run) -> tf.Tensor:
        qparams = self._graph.tensors[index].qparams
        assert qparams is not None
        low, high = (float(limit - qparams.zero_point) for limit in qparams.limits)
        whole = tf.round(scaled)
        outside = tf.logical_or(whole < low, whole > high)
        run.saturated[position] = int(tf.math.count_nonzero(outside))
        return tf.clip_by_value(whole, low, high)

    def _linear(self, position: int, floats: Constants) -> Compute:
        """An operator with weights: sums of products of whole numbers, then requantized."""
        operator = self._graph.operators[position]
        source, target = operator.inputs[0], operator.outputs[0]
        kernel = self._graph.tensors[operator.inputs[1]]
        scales = np.ones(1, np.float32)
        if kernel.qparams is not None:
            scales = kernel.qparams.scales.astype(np.float32)
        product = np.float32(self.scale(source)) * scales
        factors = tf.constant(product / np.float32(self.scale(target)))
        outputs = schema.OPERATORS[operator.name].kernel_outputs
        assert outputs is not None
        hybrid = self._graph.precision(operator) == "hybrid"
        by_pixel = _is_dense(operator.options, kernel.shape)

        # When they are first wanted, and once: VGG-16's are half a gigabyte, in int8 and in float.
        @functools.cache
        def prepared(in_float: bool) -> tuple[tf.Tensor, tf.Tensor]:
            constants = floats if in_float else {}
            weights = _in_units(
                self._values(operator, position, 1, constants), scales, outputs, whole=not in_float
            )
            bias = np.zeros(1)
            if operator.bias is not None:
                bias = self._constant(operator, position, 2, constants) / product
                if not in_float and self._graph.tensors[operator.bias].qparams is not None:
                    bias = np.rint(bias)
            laid_out = kernel_for_tensorflow(operator.name, weights, operator.options)
            return tf.constant(laid_out, tf.float32), tf.constant(bias, tf.float32)

        def compute(run: Run, in_float: bool) -> list[tf.Tensor]:
            weights, bias = prepared(in_float)
            values = run.scaled[source]
            if hybrid and not in_float:
                values = _rounded_to_its_range(values, by_pixel=by_pixel)
            sums = LINEAR_KERNELS[operator.name](operator.options, values, weights)
            value = (sums + bias) * factors
            return [fused_activation(operator.options, value, self.scale(target))]

        return compute

    def _plain(self, position: int, floats: Constants) -> Compute:
        operator = self._graph.operators[position]
        if operator.name == "LEAKY_RELU" and position in self.requantizing:
            return self._leaky_relu(operator)
        # An operator that only moves values may do so in units of their scale.
        moves = operator.name in SAME_SCALE_OPS and position not in self.requantizing
        scale = self.scale(operator.outputs[0])
        operands = [
            self._operand(operator, position, place, floats, unit=scale if moves else 1.0)
            for place, index in enumerate(operator.inputs)
            if index >= 0
        ]

        def compute(run: Run, in_float: bool) -> list[tf.Tensor]:
            outputs = OP_KERNELS[operator.name](
                operator.options, [operand(run, in_float) for operand in operands]
            )
            return outputs if moves or scale == 1 else [value / scale for value in outputs]

        return compute

    def _leaky_relu(self, operator: Operator) -> Compute:
        """As XNNPACK computes it: integers times slopes that are whole numbers over 256."""
        source, target = operator.inputs[0], operator.outputs[0]
        ratio = self.scale(source) / self.scale(target)
        alpha = operator.options["alpha"]
        assert isinstance(alpha, float)
        slopes = [ratio, alpha * ratio]
        rounded = [round(XNNPACK_SLOPE_ONE * slope) / XNNPACK_SLOPE_ONE for slope in slopes]

        def compute(run: Run, in_float: bool) -> list[tf.Tensor]:
            above, below = slopes if in_float else rounded
            scaled = run.scaled[source]
            value = tf.where(scaled > 0, above * scaled, below * scaled)
            # It rounds halves up, where all else rounds them to even.
            return [value if in_float else tf.floor(value + 0.5)]

        return compute

    def _operand(
        self, operator: Operator, position: int, place: int, floats: Constants, *, unit: float
    ) -> Callable[[Run, bool], tf.Tensor]:
        """A function of (run, in_float) that gives one input of an operator, in units of `unit`."""
        index = operator.inputs[place]
        tensor = self._graph.tensors[index]
        data = tensor.data()
        if data is None:
            factor = self.scale(index) / unit
            return lambda run, _: run.scaled[index] if factor == 1 else run.scaled[index] * factor
        if tensor.qparams is None and np.issubdtype(data.dtype, np.integer):
            indices = tf.constant(data)
            return lambda _, __: indices
        both = [
            tf.constant(self._constant(operator, position, place, constants) / unit, tf.float32)
            for constants in ({}, floats)
        ]
        return lambda _, in_float: both[in_float]

    def _constant(
        self, operator: Operator, position: int, place: int, floats: Constants
    ) -> NDArray[np.float64]:
        return self._values(operator, position, place, floats).astype(np.float64)

    def _values(
        self, operator: Operator, position: int, place: int, floats: Constants
    ) -> NDArray[np.float32]:
        values = floats.get((position, place))
        return self._graph.tensors[operator.inputs[place]].values() if values is None else values


def _is_dense(options: Mapping[str, OptionValue], kernel: tuple[int, ...]) -> bool:
    """Whether XNNPACK's delegate runs a hybrid operator as a matrix product of its pixels."""
    return len(kernel) == 2 or (
        kernel[1:3] == (1, 1) and options.get("stride_h") == options.get("stride_w") == 1
    )


def _rounded_to_its_range(values: tf.Tensor, *, by_pixel: bool) -> tf.Tensor:
    """What a hybrid operator makes of its input: int8 from the least value to the greatest, and 0.

    As XNNPACK does it (qd8: xnn_f32_qd8_asymmetric_quantization_params, f32-qs8-vcvt), of the
    whole image or of each pixel's channels.
    """
    axes = [-1] if by_pixel else list(range(1, len(values.shape)))
    low = tf.minimum(tf.reduce_min(values, axes, keepdims=True), 0.0)
    high = tf.maximum(tf.reduce_max(values, axes, keepdims=True), 0.0)
    width = high - low
    steps = 255.0 / tf.where(width > 0, width, 255.0)
    zero_point = tf.round(tf.clip_by_value(-128.0 - low * steps, -128.0, 127.0))
    whole = tf.clip_by_value(tf.round(values * steps), -128.0 - zero_point, 127.0 - zero_point)
    return whole / steps


def _in_units(
    weights: NDArray[np.float32], scales: NDArray[np.float32], outputs: int, *, whole: bool
) -> NDArray[np.float32]:
    """Weights over their scales, one or one for each along the axis `outputs`; rounded if `whole`.

    As of double precision, a part at a time: all at once would take three times their memory.
    """
    found = np.empty(weights.shape, np.float32)
    source, target = (np.moveaxis(each, outputs, 0) for each in (weights, found))
    divisors = np.broadcast_to(scales.astype(np.float64), len(source))
    for part in row_parts(source.shape):
        values = source[part] / per_channel(divisors[part], 0, source.ndim)
        target[part] = np.rint(values) if whole else values
    return found
