"""The float file's weights in the units of an int8 file made from it.

Cross-layer equalization (`tinyedge.export.quantize.equalize`) may have divided each channel by a
positive scale, which the weights that read it multiply by. These equalization scales are in
neither file, but the weights are in both: int8 weights = float weights * input_scale /
output_scale. The input image has none, so they follow layer by layer.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinyedge.darknet.layer_names import operator_layer
from tinyedge.errors import ModelError
from tinyedge.export.inspection.graph import Graph
from tinyedge.export.inspection.kernels import OP_KERNELS
from tinyedge.tflite import schema
from tinyedge.tflite.model import Operator
from tinyedge.tflite.parts import row_parts
from tinyedge.tflite.quantization import QuantParams, per_channel
from tinyedge.tflite.schema import AVERAGING_OPS, HOMOGENEOUS_OPS, SAME_SCALE_OPS

__all__ = ["FloatWeights", "match_float_weights", "operators_by_origin"]

Floats = NDArray[np.float32]

_PADDING_OPS = ("PAD", "PADV2")
_SIGNIFICANT = 4.0  # standard errors
_EXACT = 1e-5  # relative; what float32 leaves of a scale


@dataclass(frozen=True, eq=False)
class FloatWeights:
    """What the float file says of an int8 file.

    Attributes:
        constants: by (position of the int8 file's operator, which of its inputs), the float
            file's constant in the int8 file's units and shape.
        equalization: by index of the int8 file's tensor, the equalization scale that each of its
            values was divided by; an array that broadcasts to the tensor's shape.
        weight_factors: by position of an operator with weights, what its kernel times equals the
            float file's; an array of the kernel's shape.
    """

    constants: Mapping[tuple[int, int], Floats]
    equalization: Mapping[int, Floats]
    weight_factors: Mapping[int, Floats]


def match_float_weights(
    float_graph: Graph, int8_graph: Graph, sources: tuple[str, str]
) -> FloatWeights:
    """Find each of the int8 file's constants in the float file, and the equalization scales.

    Operators correspond that have the same name in TFLite's schema, were made of the same
    Darknet layer, and are its first, second.. of that name.

    Args:
        float_graph: of the float file.
        int8_graph: of the int8 file, which may have been rewritten.
        sources: the files' paths, for errors.

    Raises:
        ModelError: a layer with weights of one file has no counterpart in the other.
    """
    matcher = _Matcher(float_graph, int8_graph, sources)
    counterparts = operators_by_origin(float_graph)
    for origin, position in operators_by_origin(int8_graph).items():
        other = counterparts.get(origin)
        matcher.match(position, None if other is None else float_graph.operators[other])
    return matcher.found()


class _Matcher:
    """What was found so far, as the int8 graph's operators come in their order."""

    def __init__(self, float_graph: Graph, int8_graph: Graph, sources: tuple[str, str]) -> None:
        self._float_graph, self._graph = float_graph, int8_graph
        self._sources = sources
        self._constants: dict[tuple[int, int], Floats] = {}
        self._equalization: dict[int, Floats] = {int8_graph.input: np.ones(1, np.float32)}
        self._weight_factors: dict[int, Floats] = {}

    def match(self, position: int, counterpart: Operator | None) -> None:
        """Match the int8 graph's operator there with that of the float graph, if it has one.

        Raises:
            ModelError: it has weights and no counterpart of as many.
        """
        operator = self._graph.operators[position]
        if self._graph.has_weights(operator):
            if counterpart is None:
                raise ModelError(self._no_counterpart(operator))
            self._match_weights(position, counterpart)
        else:
            if counterpart is not None:
                self._match_constants(position, counterpart)
            factor = self._factor(operator)
            if factor is None:
                self._propagate(operator)
            else:
                self._propagate_factor(operator, factor, folded=counterpart is None)

    def found(self) -> FloatWeights:
        """What was found."""
        return FloatWeights(self._constants, self._equalization, self._weight_factors)

    def _match_weights(self, position: int, counterpart: Operator) -> None:
        operator = self._graph.operators[position]
        stored = self._graph.tensors[operator.inputs[1]]
        quantized = stored.values()
        kernel = self._float_graph.tensors[counterpart.inputs[1]].values()
        if kernel.size != quantized.size:
            raise ModelError(self._no_counterpart(operator))
        kernel = kernel.reshape(quantized.shape)
        outputs = schema.OPERATORS[operator.name].kernel_outputs
        assert outputs is not None
        shape = self._graph.tensors[operator.inputs[0]].shape
        input_scale = _of_kernel_inputs(
            operator,
            quantized.shape,
            np.broadcast_to(self._equalization[operator.inputs[0]], shape),
        )
        expected = kernel * input_scale
        output_scale = _output_scale(
            np.moveaxis(expected, outputs, 0),
            np.moveaxis(quantized, outputs, 0),
            stored.qparams,
        )
        bias = self._float_bias(counterpart, len(output_scale))
        if operator.bias is not None:
            # A dead channel's kernel tells nothing, and its bias is all that comes out of it.
            silent = ~np.moveaxis(expected, outputs, 0).reshape(len(bias), -1).any(axis=1)
            found = self._graph.tensors[operator.bias].values()
            known = silent & (bias * found > 0)
            output_scale = np.where(known, bias / np.where(known, found, 1), output_scale)
        divisor = per_channel(output_scale, outputs, kernel.ndim)
        self._constants[position, 1] = np.asarray(expected / divisor, np.float32)
        self._weight_factors[position] = np.asarray(divisor / input_scale, np.float32)
        if operator.bias is not None:
            self._constants[position, 2] = np.asarray(bias / output_scale, np.float32)
        self._equalization[operator.outputs[0]] = output_scale

    def _float_bias(self, operator: Operator, outputs: int) -> Floats:
        if operator.bias is None:
            return np.zeros(outputs, np.float32)
        return np.asarray(self._float_graph.tensors[operator.bias].values(), np.float32)

    def _match_constants(self, position: int, counterpart: Operator) -> None:
        """The constants of an operator without weights: factors and summands."""
        operator = self._graph.operators[position]
        for place, (index, other) in enumerate(
            zip(operator.inputs, counterpart.inputs, strict=False)
        ):
            if index < 0 or other < 0 or self._graph.tensors[index].qparams is None:
                continue
            original = self._float_graph.tensors[other]
            constant, data = self._graph.tensors[index].data(), original.data()
            if constant is not None and data is not None and constant.size == data.size:
                floats = original.values().reshape(constant.shape)
                self._constants[position, place] = np.asarray(floats, np.float32)

    def _propagate(self, operator: Operator) -> None:
        """Equalization scales behind an operator without weights: they move as its values do."""
        incoming = [self._equalization[index] for index in self._graph.computed_inputs(operator)]
        if operator.name in HOMOGENEOUS_OPS or all(scales.size == 1 for scales in incoming):
            outgoing = [incoming[0] if incoming else np.ones(1, np.float32)] * len(operator.outputs)
        elif operator.name in _PADDING_OPS:
            outgoing = [self._padded(operator)]
        elif operator.name in SAME_SCALE_OPS or operator.name in AVERAGING_OPS:
            outgoing = self._moved(operator)
        else:
            outgoing = [np.ones(1, np.float32)] * len(operator.outputs)
        self._equalization.update(zip(operator.outputs, outgoing, strict=True))

    def _factor(self, operator: Operator) -> Floats | None:
        """The constant, none of it 0, that an operator multiplies by; None of others."""
        constants = [
            self._graph.tensors[index].values()
            for index in operator.inputs
            if index >= 0 and self._graph.tensors[index].data() is not None
        ]
        is_factor = operator.name == "MUL" and len(constants) == 1 and constants[0].all()
        return constants[0] if is_factor else None

    def _propagate_factor(self, operator: Operator, factor: Floats, *, folded: bool) -> None:
        """Where `folded`, the converter has the factor in weights of the float file alone.

        Then what the float file has there is without it, or has had it before.
        """
        (index,) = self._graph.computed_inputs(operator)
        incoming = self._equalization[index]
        outgoing = incoming / factor if folded else incoming
        self._equalization[operator.outputs[0]] = np.asarray(outgoing, np.float32)

    def _padded(self, operator: Operator) -> Floats:
        """The scales of a border are its channels': weights that read nothing else have them."""
        tensor = self._graph.tensors[operator.inputs[0]]
        scales = np.broadcast_to(self._equalization[operator.inputs[0]], tensor.shape)
        widths = self._graph.tensors[operator.inputs[1]].data()
        if widths is None:
            raise ModelError(f"{self._sources[1]}: it computes the width of a border")
        return np.pad(scales, widths.tolist(), mode="edge")

    def _moved(self, operator: Operator) -> list[Floats]:
        inputs = []
        for index in operator.inputs:
            tensor = self._graph.tensors[index]
            data = tensor.data()
            if data is None:
                inputs.append(tf.broadcast_to(self._equalization[index], tensor.shape))
            elif np.issubdtype(data.dtype, np.integer) and tensor.qparams is None:
                inputs.append(tf.constant(data))
            else:
                inputs.append(tf.zeros(tensor.shape))
        return [value.numpy() for value in OP_KERNELS[operator.name](operator.options, inputs)]

    def _no_counterpart(self, operator: Operator) -> str:
        layer = operator_layer(self._graph, operator)
        name = self._graph.tensors[operator.outputs[0]].name
        which = f"layer {layer[0]} ({layer[1]})" if layer else name
        float_source, int8_source = self._sources
        return (
            f"{int8_source}: {which} has no layer of the same weights in {float_source}: they are"
            " not two forms of one network, or were not made by tinyedge export"
        )


def operators_by_origin(graph: Graph) -> dict[tuple[str, int | None, int], int]:
    """Positions of the operators by name, Darknet layer, and how many such come before."""
    seen: Counter[tuple[str, int | None]] = Counter()
    origins = {}
    for position, operator in enumerate(graph.operators):
        # TensorFlow writes a 1x1 convolution on one pixel as either, depending on the rewrites.
        name = "CONV_2D" if operator.name == "FULLY_CONNECTED" else operator.name
        layer = operator_layer(graph, operator)
        key = (name, layer[0] if layer else None)
        origins[(*key, seen[key])] = position
        seen[key] += 1
    return origins


def _of_kernel_inputs(operator: Operator, shape: tuple[int, ...], scales: Floats) -> Floats:
    """The equalization scales of an operator's input as they meet its kernel's weights."""
    if operator.name == "FULLY_CONNECTED":
        return scales.reshape(-1, shape[1])[:1]
    # The same at each pixel; where a border was padded on, it has none.
    channels = scales.reshape(-1, scales.shape[-1]).max(axis=0)
    if operator.name == "DEPTHWISE_CONV_2D":
        return np.repeat(channels, shape[3] // len(channels))
    groups = channels.reshape(-1, shape[3])
    return np.repeat(groups, shape[0] // len(groups), axis=0)[:, np.newaxis, np.newaxis]


def _output_scale(expected: Floats, quantized: Floats, qparams: QuantParams | None) -> Floats:
    """What each output was divided by, (outputs,).

    Quantizers give each output the scale that makes its largest weight the largest integer: that
    tells the divisor to float32's precision. Where it contradicts the weights themselves, whose
    least squares tell it to about a thousandth, the scale was chosen in another way, and the
    weights count.

    Args:
        expected: the weights before the division, outputs first.
        quantized: those of the int8 file, dequantized, of the same shape.
        qparams: of the int8 file's kernel.
    """
    rows, found = (each.reshape(len(each), -1) for each in (expected, quantized))
    power, product, left = (np.zeros(len(rows)) for _ in range(3))
    # A few outputs at a time: in double precision VGG-16's 103 million weights are 800 MB.
    parts = list(row_parts(rows.shape))
    for part in parts:
        wanted, stored = (each[part].astype(np.float64) for each in (rows, found))
        power[part] = np.sum(wanted**2, axis=1)
        product[part] = np.sum(wanted * stored, axis=1)
    usable = (power > 0) & (product > 0)
    inverse = np.divide(product, power, out=np.ones(len(rows)), where=usable)
    for part in parts:
        wanted, stored = (each[part].astype(np.float64) for each in (rows, found))
        left[part] = np.sum((stored - inverse[part, np.newaxis] * wanted) ** 2, axis=1)
    freedom = max(rows.shape[1] - 1, 1)
    deviation = (
        np.sqrt(np.divide(left / freedom, power, out=np.zeros(len(rows)), where=usable)) / inverse
    )
    if qparams is None:
        return np.asarray(1 / inverse, np.float32)
    largest = np.maximum(rows.max(axis=1), -rows.min(axis=1)).astype(np.float64)
    highest = np.broadcast_to(qparams.scales, largest.shape) * qparams.limits[1]
    by_scale = np.divide(largest, highest, out=np.ones(len(rows)), where=usable)
    agree = np.abs(by_scale * inverse - 1) <= _SIGNIFICANT * deviation + 1e-3
    scales = np.where(usable & ~agree, 1 / inverse, by_scale)
    scales[np.abs(scales - 1) < _EXACT] = 1.0
    return np.asarray(scales, np.float32)
