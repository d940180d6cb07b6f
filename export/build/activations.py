"""Darknet's activations in Keras, of operations TFLite has, in int8 too where it can.

Their slopes and factors are those of `tinyedge.darknet.activations`.

Piecewise linear functions are made of ReLUs, not of minimum and maximum: TFLite gives those one
scale for input and output, so that the converter's quantizer would clip the input, which other
operators read too.
"""

from collections.abc import Callable

import keras
from keras import KerasTensor

from tinyedge.darknet.activations import ACTIVATIONS, GELU_CUBIC, GELU_LINEAR

__all__ = ["activate"]

# Takes a tensor and the name of the Keras layer, for where it makes one.
Builder = Callable[[KerasTensor, str], KerasTensor]


def activate(
    activation: str, tensor: KerasTensor, name: str, *, multiplied: bool = False
) -> KerasTensor:
    """The tensor after Darknet's `activation` (activations.h); `name` is the Keras layer's.

    With `multiplied`, the tensor has been multiplied by the activation's input factor already.
    """
    factor = ACTIVATIONS[activation].input_factor
    if factor != 1 and not multiplied:
        tensor = factor * tensor
    return _BUILDERS[activation](tensor, name)


def _leaky(activation: str) -> Builder:
    slope = ACTIVATIONS[activation].slope
    return lambda x, name: keras.layers.LeakyReLU(negative_slope=slope, name=name)(x)


def _keras(activation: str) -> Builder:
    return lambda x, name: keras.layers.Activation(activation, name=name)(x)


def _elu(x: KerasTensor, _: str) -> KerasTensor:
    # x above 0, exp(x) - 1 below. The converter's quantizer leaves TFLite's own ELU in float.
    return keras.ops.relu(x) + _exp_below_zero(x)


def _selu(x: KerasTensor, _: str) -> KerasTensor:
    return 1.0507 * keras.ops.relu(x) + (1.0507 * 1.6732) * _exp_below_zero(x)


def _exp_below_zero(x: KerasTensor) -> KerasTensor:
    """exp(x) - 1 of negative numbers, 0 of others."""
    return keras.ops.exp(-1.0 * keras.ops.relu(-1.0 * x)) - 1.0


def _hardtan(x: KerasTensor, _: str) -> KerasTensor:
    # x between -1 and 1.
    return 1.0 - keras.ops.relu(2.0 - keras.ops.relu(x + 1.0))


def _lhtan(x: KerasTensor, _: str) -> KerasTensor:
    # x between 0 and 1, with a slope of .001 on both sides.
    return 0.001 * x + 0.999 * (keras.ops.relu(x) - keras.ops.relu(x - 1.0))


def _plse(x: KerasTensor, _: str) -> KerasTensor:
    # x / 8 + 1/2 between -4 and 4, with a slope of .01 on both sides.
    between = keras.ops.relu(x + 4.0) - keras.ops.relu(x - 4.0)
    return 0.01 * x + (0.115 * between + 0.04)


def _stair(x: KerasTensor, _: str) -> KerasTensor:
    # Flat where the whole part of x is even, rising by 1 where it is odd.
    whole = keras.ops.floor(0.5 * x)
    return whole + keras.ops.relu(x - 2.0 * whole - 1.0)


def _swish(x: KerasTensor, name: str) -> KerasTensor:
    return keras.layers.Multiply(name=name)([x, keras.ops.sigmoid(x)])


def _mish(y: KerasTensor, name: str) -> KerasTensor:
    # tanh(log(1 + exp(x))) of x = -y: the logistic function of y is 1 / (1 + exp(x)).
    gate = keras.ops.tanh(keras.ops.log(keras.ops.sigmoid(y)))
    return keras.layers.Multiply(name=name)([y, gate])


def _hard_mish(y: KerasTensor, name: str) -> KerasTensor:
    # x is y / -3, and min(max(x + 2, 0), 2) / 2 the gate.
    gate = (1 / 18) * keras.ops.relu6(y) - 1 / 3
    return keras.layers.Multiply(name=name)([y, gate])


def _gelu(x: KerasTensor, name: str) -> KerasTensor:
    gate = keras.ops.sigmoid(x * (2 * GELU_CUBIC * (x * x) + 2 * GELU_LINEAR))
    return keras.layers.Multiply(name=name)([x, gate])


_BUILDERS: dict[str, Builder] = {
    "linear": lambda x, _: x,
    "leaky": _leaky("leaky"),
    "relu": lambda x, name: keras.layers.ReLU(name=name)(x),
    "logistic": _keras("sigmoid"),
    "tanh": _keras("tanh"),
    "elu": _elu,
    "selu": _selu,
    "relie": _leaky("relie"),
    # Of 1.1 x.
    "ramp": _leaky("ramp"),
    "hardtan": _hardtan,
    "lhtan": _lhtan,
    "plse": _plse,
    # Of x / 2.
    "loggy": _keras("tanh"),
    "stair": _stair,
    "relu6": lambda x, name: keras.layers.ReLU(max_value=6, name=name)(x),
    "revleaky": _leaky("revleaky"),
    "swish": _swish,
    "mish": _mish,
    "hard_mish": _hard_mish,
    "gelu": _gelu,
}
