"""Darknet's activations in Keras, of operations TFLite has, in int8 too where it can.

Bends are made of ReLUs, not of minimum and maximum: those two have one scale for what comes in
and what goes out, and the quantizer then cuts what comes in, which others read too.
"""

from collections.abc import Callable
from typing import Any

import keras

__all__ = ["activate", "input_factor"]


def activate(activation: str, tensor: Any, name: str, *, multiplied: bool = False) -> Any:
    """The tensor after Darknet's `activation` (activations.h); `name` is the Keras layer's.

    Where it is `multiplied`, the tensor was multiplied by :func:`input_factor` already.
    """
    factor = input_factor(activation)
    if factor != 1 and not multiplied:
        tensor = factor * tensor
    return _ACTIVATIONS[activation](tensor, name)


def input_factor(activation: str) -> float:
    """What the activation's input is multiplied by; a layer with a kernel folds it in."""
    return _INPUT_FACTORS.get(activation, 1.0)


def _leaky(slope: float) -> Callable[[Any, str], Any]:
    return lambda x, name: keras.layers.LeakyReLU(negative_slope=slope, name=name)(x)


def _keras(activation: str) -> Callable[[Any, str], Any]:
    return lambda x, name: keras.layers.Activation(activation, name=name)(x)


def _elu(x: Any, _: str) -> Any:
    # x above 0, exp(x) - 1 below. The converter's quantizer leaves TFLite's own ELU in float.
    return keras.ops.relu(x) + _exp_below_zero(x)


def _selu(x: Any, _: str) -> Any:
    return 1.0507 * keras.ops.relu(x) + (1.0507 * 1.6732) * _exp_below_zero(x)


def _exp_below_zero(x: Any) -> Any:
    """Of negative numbers exp(x) - 1, of others 0."""
    return keras.ops.exp(-1.0 * keras.ops.relu(-1.0 * x)) - 1.0


def _hardtan(x: Any, _: str) -> Any:
    # x between -1 and 1.
    return 1.0 - keras.ops.relu(2.0 - keras.ops.relu(x + 1.0))


def _lhtan(x: Any, _: str) -> Any:
    # x between 0 and 1, with a slope of .001 on both sides.
    return 0.001 * x + 0.999 * (keras.ops.relu(x) - keras.ops.relu(x - 1.0))


def _plse(x: Any, _: str) -> Any:
    # x / 8 + 1/2 between -4 and 4, with a slope of .01 on both sides.
    between = keras.ops.relu(x + 4.0) - keras.ops.relu(x - 4.0)
    return 0.01 * x + (0.115 * between + 0.04)


def _stair(x: Any, _: str) -> Any:
    # Flat where the whole part of x is even, rising by 1 where it is odd.
    steps = keras.ops.floor(0.5 * x)
    return steps + keras.ops.relu(x - 2.0 * steps - 1.0)


_INPUT_FACTORS = {"loggy": 0.5, "ramp": 1.1}
_ACTIVATIONS: dict[str, Callable[[Any, str], Any]] = {
    "linear": lambda x, _: x,
    "leaky": _leaky(0.1),
    "relu": lambda x, name: keras.layers.ReLU(name=name)(x),
    "logistic": _keras("sigmoid"),
    "tanh": _keras("tanh"),
    "elu": _elu,
    "selu": _selu,
    "relie": _leaky(0.01),
    # x + .1 x above 0, .1 x below; of 1.1 x.
    "ramp": _leaky(0.1 / 1.1),
    "hardtan": _hardtan,
    "lhtan": _lhtan,
    "plse": _plse,
    # 2 / (1 + exp(-x)) - 1; of x / 2.
    "loggy": _keras("tanh"),
    "stair": _stair,
}
