"""Darknet's activations (activations.h): one table, a row an activation.

Whoever asks whether an activation passes a scale on, may change places with a max pool, is fused
by TFLite or has an int8 kernel asks this table. How each is written in Keras stands in
`tinyedge.export.build.activations`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["ACTIVATIONS", "FOREIGN_ACTIVATIONS", "ActivationFunction"]


@dataclass(frozen=True, kw_only=True)
class ActivationFunction:
    """What is known of an activation.

    Attributes:
        tflite: how a .tflite expresses it: the operators behind the layer's own, in their order;
            empty where there are none.
        fused: whether TFLite computes it within a convolution, at no cost (its
            ActivationFunctionType); so are ``linear``, which is nothing, and ``relu``.
        slope: below zero, of a function that has slope 1 above and is 0 at 0; None of others.
        input_factor: what the input is multiplied by first, which a layer with weights folds
            into them.
        homogeneous: whether f(a x) = a f(x) for a > 0, so that a channel's scale passes through.
        monotone: whether it never falls, so that it may follow a max pool it stands before.
        int8: whether TFLite has int8 kernels for all of `tflite`.
    """

    tflite: tuple[str, ...] = ()
    fused: bool = False
    slope: float | None = None
    input_factor: float = 1.0
    homogeneous: bool = False
    monotone: bool = True
    int8: bool = True

    @property
    def piecewise_linear(self) -> bool:
        """Whether it is two straight lines that meet at zero, of which one may be flat."""
        return self.slope is not None

    @property
    def leaky(self) -> bool:
        """Whether it is a LEAKY_RELU, which requantizes its input to scales of its own."""
        return "LEAKY_RELU" in self.tflite


def _row(slope: float, *tflite: str, factor: float = 1.0) -> ActivationFunction:
    return ActivationFunction(
        tflite=tflite, slope=slope, input_factor=factor, homogeneous=True, fused=not tflite
    )


_BENDS = ("ADD", "RELU", "MUL", "SUB")  # kernels of which the bent lines are made

ACTIVATIONS: Mapping[str, ActivationFunction] = MappingProxyType(
    {
        "linear": _row(1.0),
        "leaky": _row(0.1, "LEAKY_RELU"),
        "relu": _row(0.0),
        "logistic": ActivationFunction(tflite=("LOGISTIC",)),
        "tanh": ActivationFunction(tflite=("TANH",)),
        "elu": ActivationFunction(tflite=("RELU", "NEG", "EXP", "SUB", "ADD")),
        "selu": ActivationFunction(tflite=("RELU", "NEG", "EXP", "SUB", "MUL", "ADD")),
        "relie": _row(0.01, "LEAKY_RELU"),
        # x + .1 x above 0, .1 x below: of 1.1 x the slopes 1 and .1 / 1.1.
        "ramp": _row(0.1 / 1.1, "LEAKY_RELU", factor=1.1),
        "hardtan": ActivationFunction(tflite=_BENDS),
        "lhtan": ActivationFunction(tflite=_BENDS),
        "plse": ActivationFunction(tflite=_BENDS),
        # 2 / (1 + exp(-x)) - 1 is tanh of x / 2.
        "loggy": ActivationFunction(tflite=("TANH",), input_factor=0.5),
        # Flat where the whole part of x is even, rising by 1 where it is odd.
        "stair": ActivationFunction(tflite=("FLOOR", *_BENDS), int8=False),
    }
)
"""By Darknet's name, in the order that messages list them."""

FOREIGN_ACTIVATIONS = frozenset(
    {
        "gelu",
        "hard_mish",
        "mish",
        "norm_chan",
        "norm_chan_softmax",
        "norm_chan_softmax_maxval",
        "normalize_channels",
        "normalize_channels_softmax",
        "normalize_channels_softmax_maxval",
        "relu6",
        "revleaky",
        "swish",
    }
)
"""Those of AlexeyAB's Darknet alone."""
