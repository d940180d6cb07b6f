"""For every rule of the Edge TPU a model that keeps to it, and one that does not."""

from dataclasses import replace
from typing import Any

import numpy as np

from tests.support.tflite_writer import Op, T, constant

_IMAGE = T((1, 4, 4, 8))
_VECTOR = T((1, 8))


def _convolution(**fields: int) -> Op:
    return Op(
        "CONV_2D",
        [_IMAGE, _ones(2, 3, 3, 8), _bias(2)],
        [T((1, 4, 4, 2))],
        "Conv2DOptions",
        {"strideW": 1, "strideH": 1, **fields},
        version=3,
    )


def _depthwise(**fields: int) -> Op:
    return Op(
        "DEPTHWISE_CONV_2D",
        [_IMAGE, _ones(1, 3, 3, 8), _bias(8)],
        [_IMAGE],
        "DepthwiseConv2DOptions",
        {"strideW": 1, "strideH": 1, "depthMultiplier": 1, **fields},
        version=3,
    )


def _dense(outputs: T, **fields: int) -> Op:
    inputs = [T((2, 8)) if outputs.shape[0] == 2 else _VECTOR, _ones(3, 8), _bias(3)]
    return Op("FULLY_CONNECTED", inputs, [outputs], "FullyConnectedOptions", fields, version=4)


def _pool(name: str, **fields: int) -> Op:
    sizes = {"strideW": 2, "strideH": 2, "filterWidth": 2, "filterHeight": 2}
    return Op(name, [_IMAGE], [T((1, 2, 2, 8))], "Pool2DOptions", {**sizes, **fields}, version=2)


def _concatenation(*inputs: T, **fields: int) -> Op:
    shape = (1, 4, 4, sum(item.shape[-1] for item in inputs))
    options = {"axis": 3, **fields}
    return Op("CONCATENATION", inputs, [T(shape)], "ConcatenationOptions", options, version=2)


def _reduced(name: str, axes: list[int], depth: int = 8) -> Op:
    shape = [1 if n in axes else side for n, side in enumerate((1, 4, 4, depth))]
    inputs = [T((1, 4, 4, depth)), _integers(*axes)]
    return Op(name, inputs, [T(tuple(shape))], "ReducerOptions", {"keepDims": True}, version=2)


def _packed(axis: int) -> Op:
    shape = (2, 1, 8) if axis in (0, -3) else (1, 2, 8)
    options = {"axis": axis, "valuesCount": 2}
    return Op("PACK", [_VECTOR, _VECTOR], [T(shape)], "PackOptions", options, version=2)


def _padded(*amounts: tuple[int, int]) -> Op:
    shape = tuple(s + a + b for s, (a, b) in zip(_IMAGE.shape, amounts, strict=True))
    return Op("PAD", [_IMAGE, constant(amounts, "int32")], [T(shape)], "PadOptions", version=2)


def _softmax(*shape: int) -> Op:
    return Op("SOFTMAX", [T(shape)], [T(shape)], "SoftmaxOptions", {"beta": 1.0}, version=2)


def _squeezed(shape: tuple[int, ...], dims: list[int]) -> Op:
    left = tuple(side for n, side in enumerate(shape) if n not in dims)
    return Op("SQUEEZE", [T(shape)], [T(left)], "SqueezeOptions", {"squeezeDims": dims})


def _strided(stride: int) -> Op:
    inputs = [_IMAGE, _integers(0, 0, 0, 0), _integers(1, 4, 4, 8), _integers(1, stride, 1, 1)]
    shape = (1, 4 // stride, 4, 8)
    return Op("STRIDED_SLICE", inputs, [T(shape)], "StridedSliceOptions", version=2)


def _resized(name: str, options: str) -> Op:
    return Op(name, [_IMAGE, _integers(8, 8)], [T((1, 8, 8, 8))], options, version=2)


def _lstm() -> Op:
    weights = [_ones(4, 8)] * 4 + [_ones(4, 4)] * 4
    states = [T((1, 4), variable=True), T((1, 4), "int16", variable=True)]
    inputs = [T((1, 5, 8)), *weights, None, None, None, *[_bias(4)] * 4, None, None, *states]
    return Op(
        "UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [T((1, 5, 4))], "UnidirectionalSequenceLSTMOptions"
    )


def _ones(*shape: int) -> T:
    return constant(np.ones(shape))


def _bias(size: int) -> T:
    return replace(constant([1] * size, "int32"), scale=1 / 256)


def _integers(*numbers: int) -> T:
    return constant(numbers, "int32")


def _unary(name: str, options: str | None = None, **fields: Any) -> Op:
    return Op(name, [_IMAGE], [_IMAGE], options, fields)


def _binary(name: str, options: str | None = None) -> Op:
    return Op(name, [_IMAGE, _IMAGE], [_IMAGE], options, version=2)


# By operator: a model that maps.
PASSING: dict[str, Op] = {
    "ADD": _binary("ADD", "AddOptions"),
    "AVERAGE_POOL_2D": _pool("AVERAGE_POOL_2D"),
    "CONCATENATION": _concatenation(_IMAGE, constant(np.zeros((1, 4, 4, 8)))),
    "CONV_2D": _convolution(dilationWFactor=2, dilationHFactor=2),
    "DEPTHWISE_CONV_2D": _depthwise(dilationWFactor=2, dilationHFactor=2),
    "EXPAND_DIMS": Op("EXPAND_DIMS", [_VECTOR, _integers(1)], [T((1, 1, 8))]),
    "FULLY_CONNECTED": _dense(T((1, 3))),
    "L2_NORMALIZATION": _unary("L2_NORMALIZATION", "L2NormOptions"),
    "LOGISTIC": _unary("LOGISTIC"),
    "MAXIMUM": _binary("MAXIMUM", "MaximumMinimumOptions"),
    "MAX_POOL_2D": _pool("MAX_POOL_2D"),
    "MEAN": _reduced("MEAN", [1, 2, 3]),
    "MINIMUM": _binary("MINIMUM", "MaximumMinimumOptions"),
    "MUL": _binary("MUL", "MulOptions"),
    "PACK": _packed(1),
    "PAD": _padded((0, 0), (1, 1), (1, 1), (0, 8)),
    "PRELU": Op("PRELU", [_IMAGE, _ones(1, 1, 8)], [_IMAGE]),
    "QUANTIZE": Op("QUANTIZE", [_IMAGE], [replace(_IMAGE, type="uint8")]),
    "REDUCE_MAX": _reduced("REDUCE_MAX", [1, 2]),
    "REDUCE_MIN": _reduced("REDUCE_MIN", [1, 2]),
    "RELU": _unary("RELU"),
    "RELU6": _unary("RELU6"),
    "RELU_N1_TO_1": _unary("RELU_N1_TO_1"),
    "RESHAPE": Op("RESHAPE", [_IMAGE, _integers(1, 128)], [T((1, 128))], "ReshapeOptions"),
    "RESIZE_BILINEAR": _resized("RESIZE_BILINEAR", "ResizeBilinearOptions"),
    "RESIZE_NEAREST_NEIGHBOR": _resized("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions"),
    "SLICE": Op("SLICE", [_IMAGE, _integers(0, 0, 0, 0), _integers(1, 2, 4, 8)], [T((1, 2, 4, 8))]),
    "SOFTMAX": _softmax(1, 16_000),
    "SPACE_TO_DEPTH": Op(
        "SPACE_TO_DEPTH", [_IMAGE], [T((1, 2, 2, 32))], "SpaceToDepthOptions", {"blockSize": 2}
    ),
    "SPLIT": Op(
        "SPLIT", [_integers(3), _IMAGE], [T((1, 4, 4, 4))] * 2, "SplitOptions", {"numSplits": 2}
    ),
    "SQUEEZE": _squeezed((1, 1, 1, 8), [1, 2]),
    "STRIDED_SLICE": _strided(1),
    "SUB": _binary("SUB", "SubOptions"),
    "SUM": _reduced("SUM", [1, 2]),
    "TANH": _unary("TANH"),
    "TRANSPOSE": Op("TRANSPOSE", [_IMAGE, _integers(0, 2, 1, 3)], [_IMAGE], "TransposeOptions"),
    "TRANSPOSE_CONV": Op(
        "TRANSPOSE_CONV",
        [_integers(1, 8, 8, 2), _ones(2, 2, 2, 8), _IMAGE, _bias(2)],
        [T((1, 8, 8, 2))],
        "TransposeConvOptions",
        {"strideW": 2, "strideH": 2},
        version=3,
    ),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm(),
}
# By operator and constraint: a model that breaks it.
FAILING: dict[tuple[str, str], Op] = {
    ("AVERAGE_POOL_2D", "no_fused_activation"): _pool("AVERAGE_POOL_2D", fusedActivationFunction=1),
    ("CONCATENATION", "no_fused_activation"): _concatenation(
        _IMAGE, _IMAGE, fusedActivationFunction=3
    ),
    ("CONCATENATION", "constant_only_pads"): _concatenation(_IMAGE, _ones(1, 4, 4, 8)),
    ("CONV_2D", "same_dilation"): _convolution(dilationWFactor=2),
    ("DEPTHWISE_CONV_2D", "same_dilation"): _depthwise(dilationHFactor=2),
    ("FULLY_CONNECTED", "default_weights_format"): _dense(T((1, 3)), weightsFormat=1),
    ("FULLY_CONNECTED", "output_of_one_dimension"): _dense(T((2, 3))),
    ("MAX_POOL_2D", "no_fused_activation"): _pool("MAX_POOL_2D", fusedActivationFunction=1),
    ("MEAN", "not_over_batch"): _reduced("MEAN", [0, 1]),
    ("MEAN", "depth_of_fours"): _reduced("MEAN", [3], depth=6),
    ("PACK", "no_batch_packing"): _packed(-3),
    ("PAD", "no_batch_padding"): Op(
        "PAD",
        [T((1, 4)), constant([(0, 1), (0, 0)], "int32")],
        [T((2, 4))],
        "PadOptions",
    ),
    ("PRELU", "alpha_of_one_dimension"): Op("PRELU", [_IMAGE, _ones(4, 4, 8)], [_IMAGE]),
    ("REDUCE_MAX", "not_over_batch"): _reduced("REDUCE_MAX", [-4]),
    ("REDUCE_MIN", "not_over_batch"): _reduced("REDUCE_MIN", [0]),
    ("SOFTMAX", "input_of_one_dimension"): _softmax(2, 8),
    ("SOFTMAX", "sixteen_thousand_elements"): _softmax(1, 16_001),
    ("SQUEEZE", "leading_ones"): _squeezed((1, 5, 1, 8), [2]),
    ("STRIDED_SLICE", "unit_strides"): _strided(2),
}
# By constraint of every operator: a model that breaks it alone, and one near it that does not.
EVERY: dict[str, tuple[Op, Op]] = {
    "eight_bit": (
        Op("RELU", [T((1, 4), "int16")], [T((1, 4), "int16")]),
        Op("RELU", [T((1, 4), "uint8")], [T((1, 4), "uint8")]),
    ),
    "quantized": (
        Op("RELU", [T((1, 4), scale=0)], [T((1, 4), scale=0)]),
        Op("RELU", [T((1, 4), scale=0.5)], [T((1, 4), scale=0.5)]),
    ),
    "fixed_shapes": (
        Op("RELU", [T((1, 1, 4), signature=(1, -1, 4))], [T((1, 1, 4))]),
        Op("RELU", [T((1, 1, 4), signature=(-1, 1, 4))], [T((1, 1, 4))]),
    ),
    "three_dimensions": (
        Op("RELU", [T((2, 4, 4, 8))], [T((2, 4, 4, 8))]),
        Op("RELU", [T((1, 1, 4, 4, 8))], [T((1, 1, 4, 4, 8))]),
    ),
    "constant_parameters": (
        Op("CONV_2D", [_IMAGE, T((2, 3, 3, 8)), _bias(2)], [T((1, 4, 4, 2))], "Conv2DOptions"),
        Op("CONV_2D", [_IMAGE, _ones(2, 3, 3, 8), None], [T((1, 4, 4, 2))], "Conv2DOptions"),
    ),
}


def with_floats(op: Op) -> Op:
    """The same operator on float32 numbers."""

    def floating(item: T | int | None) -> T | int | None:
        if not isinstance(item, T) or item.type not in ("int8", "uint8"):
            return item
        data = None if item.data is None else item.data.astype(np.float32)
        return replace(item, type="float32", scale=0, data=data)

    return replace(
        op,
        inputs=[floating(item) for item in op.inputs],
        outputs=[replace(item, type="float32", scale=0) for item in op.outputs],
    )


def with_computed(op: Op, position: int) -> Op:
    """The same operator with a constant input computed, which it then takes as 8-bit numbers."""
    inputs = list(op.inputs)
    item = inputs[position]
    assert isinstance(item, T)
    inputs[position] = replace(item, data=None, type="int8", scale=None)
    return replace(op, inputs=inputs)
