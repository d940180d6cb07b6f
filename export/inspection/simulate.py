"""An int8 .tflite run in float on the host, each rounding a switch of its own.

Every quantized value is held in its tensor's steps, (integer - zero point), so that rounded
values are whole numbers, which float32 adds without error up to 2^24. The integers are those of
XNNPACK, with which TFLite's runtimes compute.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinyedge.errors import ModelError
from tinyedge.export.inspection.graph import Graph, Operator
from tinyedge.export.inspection.kernels import (
    LINEAR,
    OPERATORS,
    SAME_VALUES,
    fused_activation,
    kernel_for_tensorflow,
)
from tinyedge.export.inspection.requantize import INPUT, rounding_positions, step_value

__all__ = ["Constants", "Run", "Simulation"]

# By (position of the operator, which of its inputs): a constant's values.
Constants = Mapping[tuple[int, int], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Run:
    """One image's way through the graph.

    Attributes:
        steps: by tensor number, float32, in the tensor's steps.
        saturated: by position of the operator (or INPUT), how many values of its output were cut
            at an end of its range.
    """

    steps: dict[int, Any] = field(default_factory=dict)
    saturated: dict[int, int] = field(default_factory=dict)


class Simulation:
    """An int8 graph together with the float constants that its own stand for."""

    def __init__(self, graph: Graph, float_constants: Constants, source: str) -> None:
        """Prepare `graph`; an operator in float reads `float_constants` where they have its.

        Raises:
            ModelError: an operator that is not known here; `source` names the file.
        """
        self._graph = graph
        self.rounding = frozenset(rounding_positions(graph))
        self._compute: list[Callable[[Run, bool], list[Any]]] = []
        for position, operator in enumerate(graph.operators):
            if operator.name in LINEAR and graph.is_weighted(operator):
                self._compute.append(self._linear(position, float_constants))
            elif operator.name in OPERATORS:
                self._compute.append(self._plain(position, float_constants))
            else:
                raise ModelError(
                    f"{source}: inspect does not know the operator {operator.name} (its output:"
                    f" {graph.tensors[operator.outputs[0]].name})"
                )

    def run(self, pixels: NDArray[np.float32], *, exact: Collection[int]) -> Run:
        """From pixels in [0, 1], (1, h, w, c).

        Args:
            pixels: the image.
            exact: positions of the operators (and INPUT) that use float constants and round
                nothing.
        """
        run = Run()
        run.steps[self._graph.input] = self._input(pixels, run, exact=INPUT in exact)
        for position in range(len(self._graph.operators)):
            self._advance(position, run, exact=position in exact)
        return run

    def rerun(self, before: Run, pixels: NDArray[np.float32], *, switched: Collection[int]) -> Run:
        """As `before`, in which all is rounded or nothing, with `switched` the other way round.

        Only what differs is computed.
        """
        run = Run(dict(before.steps))
        exact = bool(before.saturated)  # what was rounded in `before` now is not
        changed: set[int] = set()
        if INPUT in switched:
            run.steps[self._graph.input] = self._input(pixels, run, exact=exact)
            changed.add(self._graph.input)
        for position, operator in enumerate(self._graph.operators):
            if position in switched or not changed.isdisjoint(operator.inputs):
                self._advance(position, run, exact=exact == (position in switched))
                changed.update(operator.outputs)
        return run

    def values(self, run: Run, number: int) -> NDArray[np.float64]:
        """What a tensor's integers stand for."""
        return np.asarray(run.steps[number], np.float64) * self.scale(number)

    def scale(self, number: int) -> float:
        """The value of a tensor's step; 1 where it is not quantized."""
        return step_value(self._graph, number)

    def output(self, run: Run) -> NDArray[np.float64]:
        """The answer of a run, (classes,)."""
        return self.values(run, self._graph.output).reshape(-1)

    def _input(self, pixels: NDArray[np.float32], run: Run, *, exact: bool) -> Any:
        steps = tf.constant(pixels * np.float32(1 / step_value(self._graph, self._graph.input)))
        if exact or INPUT not in self.rounding:
            return steps
        return self._rounded(steps, self._graph.input, INPUT, run)

    def _advance(self, position: int, run: Run, *, exact: bool) -> None:
        outputs = self._compute[position](run, exact)
        rounds = not exact and position in self.rounding
        for number, value in zip(self._graph.operators[position].outputs, outputs, strict=True):
            run.steps[number] = self._rounded(value, number, position, run) if rounds else value

    def _rounded(self, steps: Any, number: int, position: int, run: Run) -> Any:
        tensor = self._graph.tensors[number]
        assert tensor.quantization is not None
        limits, zero_point = np.iinfo(tensor.type), int(tensor.quantization.zero_points[0])
        low, high = float(limits.min - zero_point), float(limits.max - zero_point)
        whole = tf.round(steps)
        outside = tf.logical_or(whole < low, whole > high)
        run.saturated[position] = int(tf.math.count_nonzero(outside))
        return tf.clip_by_value(whole, low, high)

    def _linear(self, position: int, floats: Constants) -> Callable[[Run, bool], list[Any]]:
        """An operator with a kernel: sums of products of whole numbers, then brought to scale."""
        operator = self._graph.operators[position]
        came, went = operator.inputs[0], operator.outputs[0]
        steps = self._graph.tensors[operator.inputs[1]].quantization
        scales = np.ones(1, np.float32) if steps is None else steps.scales
        product = np.float32(step_value(self._graph, came)) * scales
        factors = tf.constant(product / np.float32(step_value(self._graph, went)))
        along = [1] * len(self._graph.tensors[operator.inputs[1]].shape)
        along[-1 if operator.name == "DEPTHWISE_CONV_2D" else 0] = -1

        def prepared(exact: bool) -> tuple[Any, Any]:
            constants = floats if exact else {}
            kernel = self._constant(operator, position, 1, constants) / scales.reshape(along)
            kernel = kernel if exact else np.rint(kernel)
            bias = np.zeros(1, np.float32)
            if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
                bias = self._constant(operator, position, 2, constants) / product
            bias = bias if exact else np.rint(bias)
            laid_out = kernel_for_tensorflow(operator.name, kernel, operator.options)
            return tf.constant(laid_out, tf.float32), tf.constant(bias, tf.float32)

        kernels = {exact: prepared(exact) for exact in (False, True)}

        def compute(run: Run, exact: bool) -> list[Any]:
            kernel, bias = kernels[exact]
            sums = LINEAR[operator.name](operator.options, run.steps[came], kernel)
            value = (sums + bias) * factors
            return [fused_activation(operator.options, value, step_value(self._graph, went))]

        return compute

    def _plain(self, position: int, floats: Constants) -> Callable[[Run, bool], list[Any]]:
        operator = self._graph.operators[position]
        if operator.name == "LEAKY_RELU" and position in self.rounding:
            return self._leaky_relu(operator)
        # What only moves values may do so in steps.
        moves = operator.name in SAME_VALUES and position not in self.rounding
        factor = step_value(self._graph, operator.outputs[0])
        readers = [
            self._reader(operator, position, place, floats, unit=factor if moves else 1.0)
            for place, number in enumerate(operator.inputs)
            if number >= 0
        ]

        def compute(run: Run, exact: bool) -> list[Any]:
            outputs = OPERATORS[operator.name](
                operator.options, [read(run, exact) for read in readers]
            )
            return outputs if moves or factor == 1 else [value / factor for value in outputs]

        return compute

    def _leaky_relu(self, operator: Operator) -> Callable[[Run, bool], list[Any]]:
        """XNNPACK multiplies integers by slopes of eight bits behind the point."""
        came, went = operator.inputs[0], operator.outputs[0]
        ratio = step_value(self._graph, came) / step_value(self._graph, went)
        slopes = [ratio, operator.options["alpha"] * ratio]
        eighths = [round(256 * slope) / 256 for slope in slopes]

        def compute(run: Run, exact: bool) -> list[Any]:
            above, below = slopes if exact else eighths
            steps = run.steps[came]
            value = tf.where(steps > 0, above * steps, below * steps)
            # It rounds halves up, where all else rounds them to even.
            return [value if exact else tf.floor(value + 0.5)]

        return compute

    def _reader(
        self, operator: Operator, position: int, place: int, floats: Constants, *, unit: float
    ) -> Callable[[Run, bool], Any]:
        """A function of (run, exact) to one of an operator's inputs, in units of `unit`."""
        number = operator.inputs[place]
        tensor = self._graph.tensors[number]
        if tensor.data is None:
            factor = step_value(self._graph, number) / unit
            return lambda run, _: run.steps[number] if factor == 1 else run.steps[number] * factor
        if tensor.quantization is None and np.issubdtype(tensor.data.dtype, np.integer):
            indices = tf.constant(tensor.data)
            return lambda _, __: indices
        both = [
            tf.constant(self._constant(operator, position, place, constants) / unit, tf.float32)
            for constants in ({}, floats)
        ]
        return lambda _, exact: both[exact]

    def _constant(
        self, operator: Operator, position: int, place: int, floats: Constants
    ) -> NDArray[np.float64]:
        values = floats.get((position, place))
        if values is None:
            values = self._graph.tensors[operator.inputs[place]].values()
        return np.asarray(values, np.float64)
