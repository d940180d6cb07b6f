"""The options of TFLite's operators: where the public schema puts them, and their defaults."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tinyedge.tflite.flatbuffer import FlatbufferError, Table

__all__ = ["OPTIONS", "Option", "OptionsTable", "read_options"]

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
    default: Any = 0


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

# By operator; the numbers are those of tensorflow/compiler/mlir/lite/schema/schema.fbs.
OPTIONS: dict[str, OptionsTable] = {
    "ADD": OptionsTable(11, {"fused_activation": _activation(0)}),
    "AVERAGE_POOL_2D": OptionsTable(5, _POOL_2D),
    "CONCATENATION": OptionsTable(10, {"axis": Option(0, "i"), "fused_activation": _activation(1)}),
    "CONV_2D": OptionsTable(1, _CONV_2D),
    "DEPTHWISE_CONV_2D": OptionsTable(2, _DEPTHWISE_CONV_2D),
    "DEPTH_TO_SPACE": OptionsTable(94, {"block_size": Option(0, "i")}),
    "DIV": OptionsTable(29, {"fused_activation": _activation(0)}),
    "FULLY_CONNECTED": OptionsTable(8, _FULLY_CONNECTED),
    "GATHER": OptionsTable(23, {"axis": Option(0, "i"), "batch_dims": Option(1, "i")}),
    "L2_NORMALIZATION": OptionsTable(12, {"fused_activation": _activation(0)}),
    "LEAKY_RELU": OptionsTable(75, {"alpha": Option(0, "f", 0.0)}),
    "MAX_POOL_2D": OptionsTable(5, _POOL_2D),
    "MEAN": _REDUCER,
    "MIRROR_PAD": OptionsTable(77, {"mode": Option(0, _MIRRORS)}),
    "MUL": OptionsTable(21, {"fused_activation": _activation(0)}),
    "PACK": OptionsTable(59, {"values_count": Option(0, "i"), "axis": Option(1, "i")}),
    "REDUCE_MAX": _REDUCER,
    "REDUCE_MIN": _REDUCER,
    "RESHAPE": OptionsTable(17, {"new_shape": Option(0, "numbers")}),
    "RESIZE_BILINEAR": OptionsTable(
        15,
        {"align_corners": Option(2, "?", False), "half_pixel_centers": Option(3, "?", False)},
    ),
    "RESIZE_NEAREST_NEIGHBOR": OptionsTable(
        74,
        {"align_corners": Option(0, "?", False), "half_pixel_centers": Option(1, "?", False)},
    ),
    "SOFTMAX": OptionsTable(9, {"beta": Option(0, "f", 0.0)}),
    "SPACE_TO_DEPTH": OptionsTable(19, {"block_size": Option(0, "i")}),
    "SPLIT": OptionsTable(35, {"num_splits": Option(0, "i")}),
    "SQUEEZE": OptionsTable(30, {"squeeze_dims": Option(0, "numbers")}),
    "STRIDED_SLICE": OptionsTable(32, _STRIDED_SLICE),
    "SUB": OptionsTable(28, {"fused_activation": _activation(0)}),
    "SUM": _REDUCER,
    "TRANSPOSE_CONV": OptionsTable(49, _TRANSPOSE_CONV),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": OptionsTable(
        71, {"fused_activation": _activation(0), "time_major": Option(3, "?", False)}
    ),
}


def read_options(operator: str, union: int, table: Table | None) -> Mapping[str, Any]:
    """The options of an operator by name; those left out have their defaults.

    `union` says which table it is; options of another operator's table count as left out, as
    TFLite has it. An operator that `OPTIONS` does not list has none.

    Raises:
        FlatbufferError: an enumeration has a value that the schema does not know.
    """
    known = OPTIONS.get(operator)
    if known is None:
        return {}
    given = table if table is not None and union == known.union else None
    return {name: _value(name, option, given) for name, option in known.options.items()}


def _value(name: str, option: Option, table: Table | None) -> Any:
    if option.kind == "numbers":
        return () if table is None else tuple(table.numbers(option.field, "i4").tolist())
    if isinstance(option.kind, str):
        return (
            option.default
            if table is None
            else table.number(option.field, option.kind, option.default)
        )
    number = 0 if table is None else table.number(option.field, "b", option.default)
    if not 0 <= number < len(option.kind):
        raise FlatbufferError(f"{name} is {number}, which no TFLite knows")
    return option.kind[number]
