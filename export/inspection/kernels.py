"""What TFLite's operators compute, in TensorFlow's float32 on the host.

`OP_KERNELS` take an operator's options and its inputs, and return its outputs. `LINEAR_KERNELS`
take the options of an operator with weights, its input and its weights in TensorFlow's order (see
`kernel_for_tensorflow`), and return the sums of products, without bias and fused activation.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tinyedge.tflite.schema import OptionValue

__all__ = ["LINEAR_KERNELS", "OP_KERNELS", "fused_activation", "kernel_for_tensorflow"]

Options = Mapping[str, OptionValue]
Compute = Callable[[Options, Sequence[tf.Tensor]], list[tf.Tensor]]


def kernel_for_tensorflow(
    name: str, kernel: NDArray[np.float32], options: Options
) -> NDArray[np.float32]:
    """A kernel as TFLite stores it, outputs first, as TensorFlow wants it."""
    if name == "CONV_2D":
        return kernel.transpose(1, 2, 3, 0)
    if name == "DEPTHWISE_CONV_2D":
        _, rows, columns, outputs = kernel.shape
        each = options["depth_multiplier"]
        assert isinstance(each, int)
        return kernel.reshape(rows, columns, outputs // each, each)
    return kernel.T


def fused_activation(options: Options, value: tf.Tensor, scale: float = 1.0) -> tf.Tensor:
    """The activation fused into an operator, of a value in units of `scale`."""
    function = _FUSED[str(options["fused_activation"])]
    if options["fused_activation"] in ("NONE", "RELU"):
        return function(value)
    return function(value * scale) / scale


_FUSED: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "NONE": lambda x: x,
    "RELU": tf.nn.relu,
    "RELU6": tf.nn.relu6,
    "RELU_N1_TO_1": lambda x: tf.clip_by_value(x, -1.0, 1.0),
    "TANH": tf.tanh,
}


def _convolution(options: Options, value: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
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


def _depthwise(options: Options, value: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    strides = (1, options["stride_h"], options["stride_w"], 1)
    dilations = (options["dilation_h"], options["dilation_w"])
    return tf.nn.depthwise_conv2d(value, kernel, strides, options["padding"], dilations=dilations)


def _dense(options: Options, value: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    flat = value if options["keep_num_dims"] else tf.reshape(value, (-1, kernel.shape[0]))
    return tf.linalg.matmul(flat, kernel)


def _pool(pool: Callable[..., tf.Tensor]) -> Compute:
    def compute(options: Options, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        window = (options["filter_h"], options["filter_w"])
        strides = (options["stride_h"], options["stride_w"])
        value = pool(inputs[0], window, strides, options["padding"])
        return [fused_activation(options, value)]

    return compute


def _binary(function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> Compute:
    def compute(options: Options, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        value = function(*inputs)
        return [fused_activation(options, value) if "fused_activation" in options else value]

    return compute


def _unary(function: Callable[[tf.Tensor], tf.Tensor]) -> Compute:
    return lambda _, inputs: [function(inputs[0])]


def _strided_slice(options: Options, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
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


def _resize(function: Callable[..., tf.Tensor]) -> Compute:
    def compute(options: Options, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        resized = function(
            images=inputs[0],
            size=inputs[1],
            align_corners=options["align_corners"],
            half_pixel_centers=options["half_pixel_centers"],
        )
        return [resized]

    return compute


def _mirror_pad(options: Options, inputs: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    reflect = options["mode"] == "REFLECT"
    return [tf.pad(*inputs, mode="REFLECT" if reflect else "SYMMETRIC")]


LINEAR_KERNELS: dict[str, Callable[[Options, tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
}
OP_KERNELS: dict[str, Compute] = {
    "ABS": _unary(tf.abs),
    "ADD": _binary(tf.add),
    "AVERAGE_POOL_2D": _pool(tf.nn.avg_pool2d),
    "CONCATENATION": lambda o, i: [fused_activation(o, tf.concat(list(i), o["axis"]))],
    "DEPTH_TO_SPACE": lambda o, i: [tf.nn.depth_to_space(i[0], o["block_size"])],
    "DEQUANTIZE": _unary(tf.identity),
    "DIV": _binary(tf.divide),
    "ELU": _unary(tf.nn.elu),
    "EXP": _unary(tf.exp),
    "EXPAND_DIMS": lambda _, i: [tf.expand_dims(i[0], int(i[1]))],
    "GATHER": lambda o, i: [tf.gather(i[0], i[1], axis=o["axis"])],
    "L2_NORMALIZATION": _unary(lambda x: tf.math.l2_normalize(x, axis=-1)),
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
    "SQUEEZE": lambda o, i: [tf.squeeze(i[0], o["squeeze_dims"])],
    "STRIDED_SLICE": _strided_slice,
    "SUB": _binary(tf.subtract),
    "SUM": lambda o, i: [tf.reduce_sum(i[0], i[1], keepdims=o["keep_dims"])],
    "TANH": _unary(tf.tanh),
    "TILE": lambda _, i: [tf.tile(*i)],
    "TRANSPOSE": lambda _, i: [tf.transpose(*i)],
}
