"""What TFLite's kernels take for granted of an operator, and do not look at before they run.

A kernel that is given a tensor too few, an axis that is not there or a stride of 0 may read
beyond a tensor, divide by 0 or end the process. Each rule holds an operator's inputs to the
schema's meaning of it and says which shapes must come out; the kernels' own checks (such as of
types) are left to them. `products`, `elements` and `places` hold the rules.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from tinyedge.tflite.model import Operator, Subgraph, Tensor
from tinyedge.tflite.rules import elements, places, products
from tinyedge.tflite.rules.call import QUANTIZED, OperatorCall, OperatorError, Shape, require, shown

__all__ = ["OPERATOR_RULES", "OperatorError", "OperatorRule", "check_operator"]

# Kernels that broadcast copy shapes into arrays of so many.
_MOST_DIMENSIONS = 6
# Of what is computed: beyond it kernels multiply by numbers that they cannot hold.
_LEAST_SCALE = 2.0**-40


class OperatorRule(NamedTuple):
    """The rule of an operator.

    Attributes:
        inputs: how many it has, at least and at most; None for no limit.
        outputs: the shapes that must come out; it raises OperatorError.
        optional: positions of inputs that may be -1.
        empty: positions of inputs that may have no elements: the shape of a single number.
        quantized: whether a tensor of 8 or 16 bits needs a scale.
    """

    inputs: tuple[int, int | None]
    outputs: Callable[[OperatorCall], Sequence[Shape | None]]
    optional: tuple[int, ...] = ()
    empty: tuple[int, ...] = ()
    quantized: bool = True


def check_operator(graph: Subgraph, operator: Operator) -> None:
    """Hold an operator of the schema, whose tensors are all there, to its rule.

    Raises:
        OperatorError: it breaks it, or has none.
    """
    rule = OPERATOR_RULES.get(operator.name)
    if rule is None:
        raise OperatorError("of what it makes, and how much of it, nothing is known here")
    least, most = rule.inputs
    found = len(operator.inputs)
    require(found >= least and (most is None or found <= most), f"it has {found} inputs")
    missing = [n for n, index in enumerate(operator.inputs) if index < 0 and n not in rule.optional]
    require(not missing, f"its input {missing and missing[0]} is left out")
    call = OperatorCall(
        operator,
        [graph.tensors[n] if n >= 0 else None for n in operator.inputs],
        [graph.tensors[n] for n in operator.outputs],
    )
    require(bool(call.outputs), "it has no outputs")
    for tensor in (*call.inputs, *call.outputs):
        if tensor is not None:
            if len(tensor.shape) > _MOST_DIMENSIONS:
                raise OperatorError(f"a tensor of it has {len(tensor.shape)} dimensions")
            if rule.quantized:
                _check_quantized(tensor)
    empty = [
        n for n, tensor in enumerate(call.inputs) if tensor is not None and not tensor.elements
    ]
    require(not set(empty) - {*rule.empty}, "an input has no elements")
    activation = operator.options.get("fused_activation", "NONE")
    require(activation in ("NONE", "RELU", "RELU_N1_TO_1", "RELU6"), f"it ends in {activation}")
    require(all(tensor.elements for tensor in call.outputs), "an output has no elements")
    shapes = rule.outputs(call)
    require(len(shapes) == len(call.outputs), f"it has {len(call.outputs)} outputs")
    for tensor, shape in zip(call.outputs, shapes, strict=True):
        if shape is not None and tensor.shape != shape:
            raise OperatorError(
                f"its output has shape {shown(tensor.shape)}, of its inputs comes {shown(shape)}"
            )


def _check_quantized(tensor: Tensor) -> None:
    if tensor.type not in QUANTIZED:
        return
    qparams = tensor.qparams
    if qparams is None:
        raise OperatorError(f"a tensor of it is {tensor.type} and has no scale")
    if not tensor.constant:
        require(
            qparams.is_per_tensor, f"a tensor it computes with has {len(qparams.scales)} scales"
        )
        require(
            _LEAST_SCALE <= qparams.scale <= 1 / _LEAST_SCALE,
            f"a tensor of it has a scale of {qparams.scale:g}",
        )


def _one(
    rule: Callable[[OperatorCall], Sequence[Shape | None]], *, quantized: bool = True
) -> OperatorRule:
    return OperatorRule((1, 1), rule, quantized=quantized)


def _two(
    rule: Callable[[OperatorCall], Sequence[Shape | None]], *, quantized: bool = True
) -> OperatorRule:
    return OperatorRule((2, 2), rule, quantized=quantized)


def _moving(least: int, rule: Callable[[OperatorCall], Sequence[Shape | None]]) -> OperatorRule:
    return OperatorRule((least, least), rule, quantized=False)


_UNCHANGED = (
    *("ABS", "CEIL", "COS", "ELU", "EXP", "FLOOR", "GELU", "HARD_SWISH", "LEAKY_RELU", "LOG"),
    *("LOGICAL_NOT", "LOGISTIC", "NEG", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "ROUND"),
    *("RSQRT", "SIGN", "SIN", "SQRT", "SQUARE", "TANH"),
)
_PAIRWISE = (
    *("ATAN2", "DIV", "FLOOR_DIV", "FLOOR_MOD", "LOGICAL_AND", "LOGICAL_OR", "MAXIMUM"),
    *("BITWISE_XOR", "MINIMUM", "MUL", "POW", "RIGHT_SHIFT"),
)
# They broadcast nothing.
_STABLEHLO = (
    *("STABLEHLO_ADD", "STABLEHLO_AND", "STABLEHLO_MAXIMUM", "STABLEHLO_MINIMUM"),
    *("STABLEHLO_MULTIPLY", "STABLEHLO_OR", "STABLEHLO_SHIFT_LEFT"),
)
_COMPARISONS = ("EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "NOT_EQUAL")
_REDUCERS = (
    *("MEAN", "REDUCE_ALL", "REDUCE_ANY", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "SUM"),
)
_SEGMENTS = (
    *("UNSORTED_SEGMENT_MAX", "UNSORTED_SEGMENT_MIN", "UNSORTED_SEGMENT_PROD"),
    "UNSORTED_SEGMENT_SUM",
)


OPERATOR_RULES: Mapping[str, OperatorRule] = MappingProxyType(
    {
        **{name: _one(elements.unchanged) for name in _UNCHANGED},
        **{name: _two(elements.pairwise) for name in _PAIRWISE},
        **{name: _moving(2, elements.summed) for name in _STABLEHLO},
        **{name: _two(elements.compared) for name in _COMPARISONS},
        **{name: _two(elements.reduced) for name in _REDUCERS},
        **{name: _moving(3, elements.segmented) for name in _SEGMENTS},
        "ADD": _two(elements.added),
        "ADD_N": OperatorRule((1, None), elements.summed),
        "ARG_MAX": _two(elements.largest, quantized=False),
        "ARG_MIN": _two(elements.largest, quantized=False),
        "AVERAGE_POOL_2D": _one(products.pool),
        "BATCH_MATMUL": _two(products.matrices),
        "BATCH_TO_SPACE_ND": _moving(3, places.from_batches),
        "BROADCAST_ARGS": _moving(2, places.broadcasted_shape),
        "BROADCAST_TO": _moving(2, places.broadcasted),
        "BUCKETIZE": _one(elements.converted, quantized=False),
        "CAST": _one(elements.converted, quantized=False),
        "CONCATENATION": OperatorRule((1, None), places.concatenated, quantized=False),
        "CONV_2D": OperatorRule((2, 3), products.convolution, optional=(2,)),
        "CUMSUM": _two(elements.accumulated),
        # Its kernels read a third input without asking how many there are.
        "DEPTHWISE_CONV_2D": OperatorRule((3, 3), products.depthwise, optional=(2,)),
        "DEPTH_TO_SPACE": _moving(1, places.unblocked),
        "DEQUANTIZE": _one(elements.converted),
        "DILATE": _moving(3, places.dilated),
        "DYNAMIC_UPDATE_SLICE": _moving(3, places.overwritten),
        "EMBEDDING_LOOKUP": _moving(2, places.looked_up),
        "EXPAND_DIMS": _moving(2, places.expanded),
        "FAKE_QUANT": _one(elements.real_unchanged),
        "FILL": _moving(2, elements.filled),
        "FULLY_CONNECTED": OperatorRule((2, 3), products.dense, optional=(2,)),
        "GATHER": _moving(2, places.gathered),
        "GATHER_ND": _moving(2, places.gathered_places),
        "L2_NORMALIZATION": _one(elements.over_last),
        "L2_POOL_2D": _one(products.pool),
        "LOCAL_RESPONSE_NORMALIZATION": _one(elements.normalized),
        "LOG_SOFTMAX": _one(elements.over_last),
        "MATRIX_DIAG": _moving(1, places.diagonal),
        "MATRIX_SET_DIAG": _moving(2, elements.unchanged),
        "MAX_POOL_2D": _one(products.pool),
        "MIRROR_PAD": _moving(2, places.mirrored),
        "MULTINOMIAL": _moving(2, elements.drawn),
        "NON_MAX_SUPPRESSION_V4": _moving(5, elements.suppressed),
        "NON_MAX_SUPPRESSION_V5": _moving(6, elements.suppressed),
        "ONE_HOT": _moving(4, elements.one_hot),
        "PACK": OperatorRule((1, None), places.packed, quantized=False),
        "PAD": _moving(2, places.padded),
        "PADV2": _moving(3, places.padded),
        "PRELU": _two(elements.leaky_with_slopes),
        "QUANTIZE": _one(elements.converted),
        "RANGE": _moving(3, elements.counted_up),
        "RANK": _moving(1, elements.rank_of),
        "RESHAPE": OperatorRule((1, 2), places.reshaped, empty=(1,), quantized=False),
        "RESIZE_BILINEAR": _moving(2, places.resized),
        "RESIZE_NEAREST_NEIGHBOR": _moving(2, places.resized),
        "REVERSE_SEQUENCE": _moving(2, elements.unchanged),
        "REVERSE_V2": _moving(2, elements.flipped),
        "SCATTER_ND": _moving(3, places.scattered),
        "SELECT": _moving(3, elements.chosen_rows),
        "SELECT_V2": _moving(3, elements.chosen),
        "SHAPE": _moving(1, elements.shape_of),
        "SLICE": _moving(3, places.sliced),
        "SOFTMAX": _one(elements.over_last),
        "SPACE_TO_BATCH_ND": _moving(3, places.to_batches),
        "SPACE_TO_DEPTH": _moving(1, places.blocked),
        "SPARSE_TO_DENSE": _moving(4, places.spread_out),
        "SPLIT": _moving(2, places.split),
        "SPLIT_V": _moving(3, places.split_unequally),
        "SQUEEZE": _moving(1, places.squeezed),
        "STRIDED_SLICE": _moving(4, places.strided),
        "SQUARED_DIFFERENCE": _two(elements.squared_difference),
        "SUB": _two(elements.subtracted),
        "SVDF": OperatorRule((5, 5), products.filtered, optional=(3,)),
        "TILE": _moving(2, places.tiled),
        "TOPK_V2": _moving(2, elements.top),
        "TRANSPOSE": _moving(2, places.transposed),
        "TRANSPOSE_CONV": OperatorRule((3, 4), products.transposed_convolution, optional=(3,)),
        "UNPACK": _moving(1, places.unpacked),
        "ZEROS_LIKE": _one(elements.unchanged, quantized=False),
    }
)
"""By the schema's name; what has none is given to no runtime."""
