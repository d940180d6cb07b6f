"""What TFLite's operators compute, in TensorFlow's float32 on the host.

`OPERATORS` take an operator's options and its inputs, and give its outputs. `LINEAR` take
the options of one with a kernel, its input and its kernel in TensorFlow's order (see
`kernel_for_tensorflow`), and give the products' sums, without bias and fused activation.
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

__all__ = ["LINEAR", "OPERATORS", "SAME_VALUES", "fused_activation", "kernel_for_tensorflow"]

Compute = Callable[[Any, Sequence[Any]], list[Any]]

# They give out values that came in, or the constant they pad with, and add no rounding where
# the steps stay the same.
SAME_VALUES = (
    "CONCATENATION",
    "EXPAND_DIMS",
    "GATHER",
    "MAX_POOL_2D",
    "MIRROR_PAD",
    "PAD",
    "PADV2",
    "RESHAPE",
    "RESIZE_NEAREST_NEIGHBOR",
    "SLICE",
    "SPACE_TO_DEPTH",
    "DEPTH_TO_SPACE",
    "SPLIT",
    "SQUEEZE",
    "STRIDED_SLICE",
    "TRANSPOSE",
)


def kernel_for_tensorflow(name: str, kernel: NDArray[Any], options: Any) -> Any:
    """A kernel as TFLite stores it, outputs first, as TensorFlow wants it."""
    if name == "CONV_2D":
        return kernel.transpose(1, 2, 3, 0)
    if name == "DEPTHWISE_CONV_2D":
        _, rows, columns, outputs = kernel.shape
        each = options["depth_multiplier"]
        return kernel.reshape(rows, columns, outputs // each, each)
    return kernel.T


def fused_activation(options: Any, value: Any, scale: float = 1.0) -> Any:
    """The activation fused into an operator, of a value in units of `scale`."""
    if options["fused_activation"] in ("NONE", "RELU"):
        return _FUSED[options["fused_activation"]](value)
    return _FUSED[options["fused_activation"]](value * scale) / scale


def _fused(options: Any, value: Any) -> Any:
    return _FUSED[options["fused_activation"]](value)


_FUSED: dict[str, Callable[[Any], Any]] = {
    "NONE": lambda x: x,
    "RELU": tf.nn.relu,
    "RELU6": tf.nn.relu6,
    "RELU_N1_TO_1": lambda x: tf.clip_by_value(x, -1.0, 1.0),
    "TANH": tf.tanh,
}


def _convolution(options: Any, value: Any, kernel: Any) -> Any:
    groups = value.shape[3] // kernel.shape[2]
    # TensorFlow's own kernel for the CPU knows no groups.
    parts = zip(tf.split(value, groups, 3), tf.split(kernel, groups, 3), strict=True)
    strides = (options["stride_h"], options["stride_w"])
    dilations = (options["dilation_h"], options["dilation_w"])
    convolved = [
        tf.nn.conv2d(part, piece, strides, options["padding"], dilations=dilations)
        for part, piece in parts
    ]
    return convolved[0] if groups == 1 else tf.concat(convolved, 3)


def _depthwise(options: Any, value: Any, kernel: Any) -> Any:
    strides = (1, options["stride_h"], options["stride_w"], 1)
    dilations = (options["dilation_h"], options["dilation_w"])
    return tf.nn.depthwise_conv2d(value, kernel, strides, options["padding"], dilations=dilations)


def _dense(options: Any, value: Any, kernel: Any) -> Any:
    flat = value if options["keep_num_dims"] else tf.reshape(value, (-1, kernel.shape[0]))
    return tf.linalg.matmul(flat, kernel)


def _pool(pool: Callable[..., Any]) -> Compute:
    def compute(options: Any, inputs: Sequence[Any]) -> list[Any]:
        window = (options["filter_h"], options["filter_w"])
        strides = (options["stride_h"], options["stride_w"])
        value = pool(inputs[0], window, strides, options["padding"])
        return [_fused(options, value)]

    return compute


def _binary(function: Callable[[Any, Any], Any]) -> Compute:
    def compute(options: Any, inputs: Sequence[Any]) -> list[Any]:
        value = function(*inputs)
        return [_fused(options, value) if "fused_activation" in options else value]

    return compute


def _unary(function: Callable[[Any], Any]) -> Compute:
    return lambda _, inputs: [function(inputs[0])]


def _strided_slice(options: Any, inputs: Sequence[Any]) -> list[Any]:
    return [
        tf.strided_slice(
            *inputs,
            begin_mask=options["begin_mask"],
            end_mask=options["end_mask"],
            ellipsis_mask=options["ellipsis_mask"],
            new_axis_mask=options["new_axis_mask"],
            shrink_axis_mask=options["shrink_axis_mask"],
        )
    ]


def _resize(function: Callable[..., Any]) -> Compute:
    def compute(options: Any, inputs: Sequence[Any]) -> list[Any]:
        resized = function(
            images=inputs[0],
            size=inputs[1],
            align_corners=options["align_corners"],
            half_pixel_centers=options["half_pixel_centers"],
        )
        return [resized]

    return compute


def _mirror_pad(options: Any, inputs: Sequence[Any]) -> list[Any]:
    reflect = options["mode"] == "REFLECT"
    return [tf.pad(*inputs, mode="REFLECT" if reflect else "SYMMETRIC")]


LINEAR: dict[str, Callable[[Any, Any, Any], Any]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
}
OPERATORS: dict[str, Compute] = {
    "ABS": _unary(tf.abs),
    "ADD": _binary(tf.add),
    "AVERAGE_POOL_2D": _pool(tf.nn.avg_pool2d),
    "CONCATENATION": lambda o, i: [_fused(o, tf.concat(list(i), o["axis"]))],
    "DEPTH_TO_SPACE": lambda o, i: [tf.nn.depth_to_space(i[0], o["block_size"])],
    "DEQUANTIZE": _unary(tf.identity),
    "DIV": _binary(tf.divide),
    "ELU": _unary(tf.nn.elu),
    "EXP": _unary(tf.exp),
    "EXPAND_DIMS": lambda _, i: [tf.expand_dims(i[0], int(i[1]))],
    "GATHER": lambda o, i: [tf.gather(i[0], i[1], axis=o["axis"])],
    "LEAKY_RELU": lambda o, i: [tf.nn.leaky_relu(i[0], o["alpha"])],
    "LOG": _unary(tf.math.log),
    "LOGISTIC": _unary(tf.sigmoid),
    "MAXIMUM": _binary(tf.maximum),
    "MAX_POOL_2D": _pool(tf.nn.max_pool2d),
    "MEAN": lambda o, i: [tf.reduce_mean(i[0], i[1], keepdims=o["keep_dims"])],
    "MINIMUM": _binary(tf.minimum),
    "MIRROR_PAD": _mirror_pad,
    "MUL": _binary(tf.multiply),
    "NEG": _unary(tf.negative),
    "PAD": lambda _, i: [tf.pad(*i)],
    "PADV2": lambda _, i: [tf.pad(i[0], i[1], constant_values=tf.reshape(i[2], ()))],
    "PRELU": lambda _, i: [tf.where(i[0] > 0, i[0], i[0] * i[1])],
    "QUANTIZE": _unary(tf.identity),
    "RELU": _unary(tf.nn.relu),
    "RELU6": _unary(tf.nn.relu6),
    "RELU_N1_TO_1": _unary(lambda x: tf.clip_by_value(x, -1.0, 1.0)),
    "RESHAPE": lambda o, i: [tf.reshape(i[0], i[1] if len(i) > 1 else o["new_shape"])],
    "RESIZE_BILINEAR": _resize(tf.raw_ops.ResizeBilinear),
    "RESIZE_NEAREST_NEIGHBOR": _resize(tf.raw_ops.ResizeNearestNeighbor),
    "RSQRT": _unary(tf.math.rsqrt),
    "SLICE": lambda _, i: [tf.slice(*i)],
    "SOFTMAX": lambda o, i: [tf.nn.softmax(o["beta"] * i[0])],
    "SPACE_TO_DEPTH": lambda o, i: [tf.nn.space_to_depth(i[0], o["block_size"])],
    "SPLIT": lambda o, i: list(tf.split(i[1], o["num_splits"], int(i[0]))),
    "SQRT": _unary(tf.sqrt),
    "SQUARE": _unary(tf.square),
    "SQUEEZE": lambda o, i: [tf.squeeze(i[0], list(o["squeeze_dims"]))],
    "STRIDED_SLICE": _strided_slice,
    "SUB": _binary(tf.subtract),
    "SUM": lambda o, i: [tf.reduce_sum(i[0], i[1], keepdims=o["keep_dims"])],
    "TANH": _unary(tf.tanh),
    "TRANSPOSE": lambda _, i: [tf.transpose(*i)],
}
