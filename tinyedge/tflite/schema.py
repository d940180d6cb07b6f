"""Facts about TFLite's operators: one table, a row an operator.

A row says where the public schema puts an operator's options and what they are when left out,
and how the operator treats scales and weights. What each computes stands in
`tinyedge.export.inspection.kernels`; what the Edge TPU asks of it, in its rules.toml.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from tinyedge.tflite.flatbuffer import FlatbufferError, Table

__all__ = [
    "AVERAGING_OPS",
    "FIXED_OUTPUT_OPS",
    "HOMOGENEOUS_OPS",
    "OPERATORS",
    "OPS_WITH_WEIGHTS",
    "SAME_SCALE_OPS",
    "SHARED_SCALE_OPS",
    "OperatorFacts",
    "Option",
    "OptionValue",
    "OptionsTable",
    "read_options",
    "same_padding",
]

OptionValue = bool | int | float | str | tuple[int, ...]

_PADDINGS = ("SAME", "VALID")
_ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
_MIRRORS = ("REFLECT", "SYMMETRIC")
_WEIGHTS = ("DEFAULT", "SHUFFLED4x16INT8")


class Option(NamedTuple):
    """One option: its field in the options' table, its type and what it is when left out.

    `kind` is struct's letter of a number, the names of an enumeration's values from 0, or
    ``numbers`` for a vector of 32-bit integers.
    """

    field: int
    kind: str | tuple[str, ...]
    default: bool | int | float = 0


class OptionsTable(NamedTuple):
    """The options of some operators: their table's number in the schema's union, and each."""

    union: int
    options: dict[str, Option]


def _activation(field: int) -> Option:
    return Option(field, _ACTIVATIONS)


_CONV_2D = {
    "padding": Option(0, _PADDINGS),
    "stride_w": Option(1, "i"),
    "stride_h": Option(2, "i"),
    "fused_activation": _activation(3),
    "dilation_w": Option(4, "i", 1),
    "dilation_h": Option(5, "i", 1),
}
_DEPTHWISE_CONV_2D = {
    "padding": Option(0, _PADDINGS),
    "stride_w": Option(1, "i"),
    "stride_h": Option(2, "i"),
    "depth_multiplier": Option(3, "i"),
    "fused_activation": _activation(4),
    "dilation_w": Option(5, "i", 1),
    "dilation_h": Option(6, "i", 1),
}
_POOL_2D = {
    "padding": Option(0, _PADDINGS),
    "stride_w": Option(1, "i"),
    "stride_h": Option(2, "i"),
    "filter_w": Option(3, "i"),
    "filter_h": Option(4, "i"),
    "fused_activation": _activation(5),
}
_FULLY_CONNECTED = {
    "fused_activation": _activation(0),
    "weights_format": Option(1, _WEIGHTS),
    "keep_num_dims": Option(2, "?", False),
}
_TRANSPOSE_CONV = {
    "padding": Option(0, _PADDINGS),
    "stride_w": Option(1, "i"),
    "stride_h": Option(2, "i"),
    "fused_activation": _activation(3),
}
_STRIDED_SLICE = {
    "begin_mask": Option(0, "i"),
    "end_mask": Option(1, "i"),
    "ellipsis_mask": Option(2, "i"),
    "new_axis_mask": Option(3, "i"),
    "shrink_axis_mask": Option(4, "i"),
}
_REDUCER = OptionsTable(27, {"keep_dims": Option(0, "?", False)})


class OperatorFacts(NamedTuple):
    """The facts about an operator.

    An operator with weights multiplies its first input by a kernel, its second, and adds a bias,
    its third, which may be left out.

    Attributes:
        options: None where they are not read.
        kernel_outputs: of an operator with weights, the dimension of its kernel that its outputs
            lie along; None of others. Kernels are (outputs, height, width, inputs), depthwise ones
            (1, height, width, outputs), dense ones (outputs, inputs).
        same_scale: whether it gives out values that came in, or the constant it pads with, so
            that its input and output have one scale and one zero point (TFLite's specification of
            int8 quantization), and nothing is requantized.
        homogeneous: whether it takes each value alone and f(a x) = a f(x) for a > 0; of two
            summands with the same a.
        averages: whether its outputs are averages of inputs with weights that are positive.
        shares_scale: whether that specification asks for one scale and one zero point of its inputs
            and its output though it computes; so it does where `same_scale` says so.
        fixed_output: whether TFLite's specification of int8 quantization fixes the scale and the
            zero point of its output.
        int8_version: its version in int8 where it is written here
            (tensorflow/compiler/mlir/lite/tools/versioning); None of others.
        hybrid_version: its version with float values and int8 weights of a scale for each output
            channel; None where TFLite has none, or it is not written here.
        float_version: its version in float where it is written here; None of others. Of what has
            no weights a later version does the same.
    """

    options: OptionsTable | None = None
    kernel_outputs: int | None = None
    same_scale: bool = False
    homogeneous: bool = False
    averages: bool = False
    shares_scale: bool = False
    fixed_output: bool = False
    int8_version: int | None = None
    hybrid_version: int | None = None
    float_version: int | None = None


def _binary(union: int) -> OperatorFacts:
    return OperatorFacts(options=OptionsTable(union, {"fused_activation": _activation(0)}))


def _sum(union: int) -> OperatorFacts:
    options = {"fused_activation": _activation(0), "pot_scale_int16": Option(1, "?", True)}
    return OperatorFacts(options=OptionsTable(union, options), homogeneous=True)


# The numbers of options are those of tensorflow/compiler/mlir/lite/schema/schema.fbs.
OPERATORS: Mapping[str, OperatorFacts] = MappingProxyType(
    {
        "ABS": OperatorFacts(homogeneous=True),
        "ADD": _sum(11),
        "ARG_MAX": OperatorFacts(options=OptionsTable(40, {"output_type": Option(0, "b")})),
        "ARG_MIN": OperatorFacts(options=OptionsTable(57, {"output_type": Option(0, "b")})),
        "AVERAGE_POOL_2D": OperatorFacts(
            options=OptionsTable(5, _POOL_2D), averages=True, shares_scale=True
        ),
        "BATCH_MATMUL": OperatorFacts(
            options=OptionsTable(
                101, {"adj_x": Option(0, "?", False), "adj_y": Option(1, "?", False)}
            )
        ),
        "CONCATENATION": OperatorFacts(
            options=OptionsTable(10, {"axis": Option(0, "i"), "fused_activation": _activation(1)}),
            same_scale=True,
            int8_version=2,
        ),
        # Version 3 has int8 weights with a scale for each output channel; 6 is one in groups.
        "CONV_2D": OperatorFacts(
            options=OptionsTable(1, _CONV_2D),
            kernel_outputs=0,
            int8_version=3,
            hybrid_version=5,
            float_version=1,
        ),
        "DEPTHWISE_CONV_2D": OperatorFacts(
            options=OptionsTable(2, _DEPTHWISE_CONV_2D), kernel_outputs=3, float_version=1
        ),
        "DEPTH_TO_SPACE": OperatorFacts(
            options=OptionsTable(94, {"block_size": Option(0, "i")}), same_scale=True
        ),
        # Version 2 is of int8, 5 of a scale for each channel.
        "DEQUANTIZE": OperatorFacts(homogeneous=True, hybrid_version=5, float_version=2),
        "DIV": _binary(29),
        "EXPAND_DIMS": OperatorFacts(same_scale=True),
        "FULLY_CONNECTED": OperatorFacts(
            options=OptionsTable(8, _FULLY_CONNECTED), kernel_outputs=0, float_version=1
        ),
        "GATHER": OperatorFacts(
            options=OptionsTable(23, {"axis": Option(0, "i"), "batch_dims": Option(1, "i")}),
            same_scale=True,
        ),
        "L2_NORMALIZATION": OperatorFacts(
            options=OptionsTable(12, {"fused_activation": _activation(0)}), fixed_output=True
        ),
        "L2_POOL_2D": OperatorFacts(options=OptionsTable(5, _POOL_2D)),
        "LEAKY_RELU": OperatorFacts(
            options=OptionsTable(75, {"alpha": Option(0, "f", 0.0)}), homogeneous=True
        ),
        "LOCAL_RESPONSE_NORMALIZATION": OperatorFacts(
            options=OptionsTable(13, {"radius": Option(0, "i")})
        ),
        "LOGISTIC": OperatorFacts(fixed_output=True),
        "LOG_SOFTMAX": OperatorFacts(fixed_output=True),
        "MAXIMUM": OperatorFacts(shares_scale=True, int8_version=2),
        "MAX_POOL_2D": OperatorFacts(
            options=OptionsTable(5, _POOL_2D), same_scale=True, int8_version=2
        ),
        "MEAN": OperatorFacts(options=_REDUCER, averages=True),
        "MINIMUM": OperatorFacts(shares_scale=True),
        "MIRROR_PAD": OperatorFacts(
            options=OptionsTable(77, {"mode": Option(0, _MIRRORS)}), same_scale=True
        ),
        "MUL": _binary(21),
        "ONE_HOT": OperatorFacts(options=OptionsTable(61, {"axis": Option(0, "i")})),
        "PACK": OperatorFacts(
            options=OptionsTable(59, {"values_count": Option(0, "i"), "axis": Option(1, "i")})
        ),
        "PAD": OperatorFacts(same_scale=True, int8_version=2),
        "PADV2": OperatorFacts(same_scale=True),
        "PRELU": OperatorFacts(homogeneous=True, int8_version=1),
        "QUANTIZE": OperatorFacts(homogeneous=True, float_version=1),
        "REDUCE_ALL": OperatorFacts(options=_REDUCER),
        "REDUCE_ANY": OperatorFacts(options=_REDUCER),
        "REDUCE_PROD": OperatorFacts(options=_REDUCER),
        "REDUCE_MAX": OperatorFacts(options=_REDUCER, shares_scale=True),
        "REDUCE_MIN": OperatorFacts(options=_REDUCER, shares_scale=True),
        "RELU": OperatorFacts(homogeneous=True),
        "RESHAPE": OperatorFacts(
            options=OptionsTable(17, {"new_shape": Option(0, "numbers")}),
            same_scale=True,
            int8_version=1,
        ),
        "RESIZE_BILINEAR": OperatorFacts(
            options=OptionsTable(
                15,
                {
                    "align_corners": Option(2, "?", False),
                    "half_pixel_centers": Option(3, "?", False),
                },
            ),
            averages=True,
            shares_scale=True,
        ),
        # Version 3 counts pixels from their centres, which is not written here.
        "RESIZE_NEAREST_NEIGHBOR": OperatorFacts(
            options=OptionsTable(
                74,
                {
                    "align_corners": Option(0, "?", False),
                    "half_pixel_centers": Option(1, "?", False),
                },
            ),
            same_scale=True,
            int8_version=2,
        ),
        "SLICE": OperatorFacts(same_scale=True, int8_version=2),
        "SOFTMAX": OperatorFacts(
            options=OptionsTable(9, {"beta": Option(0, "f", 0.0)}),
            fixed_output=True,
            int8_version=2,
        ),
        "SPACE_TO_DEPTH": OperatorFacts(
            options=OptionsTable(19, {"block_size": Option(0, "i")}), same_scale=True
        ),
        "SPLIT": OperatorFacts(
            options=OptionsTable(35, {"num_splits": Option(0, "i")}),
            same_scale=True,
            int8_version=2,
        ),
        "SPLIT_V": OperatorFacts(options=OptionsTable(79, {"num_splits": Option(0, "i")})),
        "SQUEEZE": OperatorFacts(
            options=OptionsTable(30, {"squeeze_dims": Option(0, "numbers")}), same_scale=True
        ),
        "STRIDED_SLICE": OperatorFacts(options=OptionsTable(32, _STRIDED_SLICE), same_scale=True),
        "SUB": _sum(28),
        "SUM": OperatorFacts(options=_REDUCER),
        "SVDF": OperatorFacts(
            options=OptionsTable(6, {"rank": Option(0, "i"), "fused_activation": _activation(1)})
        ),
        "TANH": OperatorFacts(fixed_output=True),
        "TILE": OperatorFacts(same_scale=True),
        "TRANSPOSE": OperatorFacts(same_scale=True),
        "TRANSPOSE_CONV": OperatorFacts(options=OptionsTable(49, _TRANSPOSE_CONV)),
        "UNPACK": OperatorFacts(
            options=OptionsTable(64, {"num": Option(0, "i"), "axis": Option(1, "i")})
        ),
        "UNIDIRECTIONAL_SEQUENCE_LSTM": OperatorFacts(
            options=OptionsTable(
                71, {"fused_activation": _activation(0), "time_major": Option(3, "?", False)}
            )
        ),
    }
)
"""By the schema's name; of an operator without a row nothing is known."""


def _having(fact: Callable[[OperatorFacts], bool]) -> frozenset[str]:
    return frozenset(name for name, facts in OPERATORS.items() if fact(facts))


OPS_WITH_WEIGHTS = _having(lambda facts: facts.kernel_outputs is not None)
SAME_SCALE_OPS = _having(lambda facts: facts.same_scale)
SHARED_SCALE_OPS = _having(lambda facts: facts.same_scale or facts.shares_scale)
HOMOGENEOUS_OPS = _having(lambda facts: facts.homogeneous)
AVERAGING_OPS = _having(lambda facts: facts.averages)
FIXED_OUTPUT_OPS = _having(lambda facts: facts.fixed_output)


def read_options(operator: str, union: int, table: Table | None) -> Mapping[str, OptionValue]:
    """The options of an operator by name; those left out have their defaults.

    `union` says which table it is; options of another operator's table count as left out, as
    TFLite has it. An operator whose row in `OPERATORS` has none has none.

    Raises:
        FlatbufferError: an enumeration has a value that the schema does not know.
    """
    facts = OPERATORS.get(operator)
    if facts is None or facts.options is None:
        return {}
    known = facts.options
    given = table if table is not None and union == known.union else None
    return {name: _value(name, option, given) for name, option in known.options.items()}


def same_padding(side: int, size: int, stride: int) -> tuple[int, int]:
    """What ``SAME`` puts before and behind a side for windows of `size`, one a `stride`.

    TFLite's ComputePadding (tensorflow/lite/kernels/padding.h), without dilation.
    """
    total = max((-(-side // stride) - 1) * stride + size - side, 0)
    return total // 2, total - total // 2


def _value(name: str, option: Option, table: Table | None) -> OptionValue:
    if option.kind == "numbers":
        return () if table is None else table.numbers(option.field, "i")
    if isinstance(option.kind, str):
        return (
            option.default
            if table is None
            else table.number(option.field, option.kind, option.default)
        )
    number = 0 if table is None else int(table.number(option.field, "b", option.default))
    if not 0 <= number < len(option.kind):
        raise FlatbufferError(f"{name} is {number}, which no TFLite knows")
    return option.kind[number]
