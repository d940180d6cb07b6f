"""Darknet's activations (activations.h, AlexeyAB's too): one table, a row an activation.

Whoever asks whether an activation passes a scale on, may change places with a max pool, is fused
by TFLite or has an int8 kernel asks this table. How each is written in Keras stands in
`tinyedge.export.build.activations`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = [
    "ACTIVATIONS",
    "GELU_CUBIC",
    "GELU_LINEAR",
    "NORMALIZING_ACTIVATIONS",
    "ActivationFunction",
]


@dataclass(frozen=True, kw_only=True)
class ActivationFunction:
    """What is known of an activation.

    Attributes:
        tflite: the operators that compute it behind a convolution, in the order of a .tflite file;
            a ReLU fused into another operator is not counted. Nor is a scaling or a shift of the
            input that comes first: it is folded into the layer's weights.
        slope: below zero, of a function that has slope 1 above and is 0 at 0; None of others.
        input_factor: what the input is multiplied by first; a layer with weights folds it into
            them.
        monotone: whether it never falls, so that a max pool behind it may be put before it.
        float_only: the operator of `tflite` that TFLite has in float alone, or None.
        foreign: whether AlexeyAB's Darknet alone has it.
        sections: the kinds of layers that compute it in his; all where empty. In others his
            ``activate`` (activations.c, activation_kernels.cu) knows nothing of it and makes 0 of
            every number.
    """

    tflite: tuple[str, ...] = ()
    slope: float | None = None
    input_factor: float = 1.0
    monotone: bool = True
    float_only: str | None = None
    foreign: bool = False
    sections: tuple[str, ...] = ()

    @property
    def fused(self) -> bool:
        """Whether TFLite computes it within the convolution, at no cost.

        Of its ActivationFunctionType only NONE, which is ``linear``, RELU and RELU6 are Darknet's
        and fused by the converter: it has TANH there, but makes an operator of it.
        """
        return not self.tflite

    @property
    def piecewise_linear(self) -> bool:
        """Whether it is two straight lines that meet at zero, of which one may be flat."""
        return self.slope is not None

    @property
    def homogeneous(self) -> bool:
        """Whether f(a x) = a f(x) for a > 0, so that a channel's scale passes through.

        Of the functions of one number these are exactly the :attr:`piecewise_linear` ones.
        """
        return self.piecewise_linear

    @property
    def leaky(self) -> bool:
        """Whether it is a LEAKY_RELU, which requantizes its input to scales of its own."""
        return "LEAKY_RELU" in self.tflite

    @property
    def int8(self) -> bool:
        """Whether TFLite has int8 kernels for all of it."""
        return self.float_only is None


_LEAKY = ("LEAKY_RELU",)
# exp(-relu(-x)) - 1, two of the ReLUs within a product.
_EXP_BELOW_ZERO = ("MUL", "MUL", "EXP", "SUB")

ACTIVATIONS: Mapping[str, ActivationFunction] = MappingProxyType(
    {
        "linear": ActivationFunction(slope=1.0),
        "leaky": ActivationFunction(slope=0.1, tflite=_LEAKY),
        "relu": ActivationFunction(slope=0.0),
        "logistic": ActivationFunction(tflite=("LOGISTIC",)),
        "tanh": ActivationFunction(tflite=("TANH",)),
        "elu": ActivationFunction(tflite=(*_EXP_BELOW_ZERO, "RELU", "ADD")),
        "selu": ActivationFunction(tflite=(*_EXP_BELOW_ZERO, "MUL", "RELU", "MUL", "ADD")),
        "relie": ActivationFunction(slope=0.01, tflite=_LEAKY),
        # x + .1 x above 0, .1 x below: of 1.1 x the slopes 1 and .1 / 1.1.
        "ramp": ActivationFunction(slope=0.1 / 1.1, input_factor=1.1, tflite=_LEAKY),
        "hardtan": ActivationFunction(tflite=("SUB", "SUB")),
        "lhtan": ActivationFunction(tflite=("MUL", "RELU", "SUB", "SUB", "MUL", "ADD")),
        "plse": ActivationFunction(tflite=("ADD", "MUL", "SUB", "SUB", "MUL", "ADD", "ADD")),
        # 2 / (1 + exp(-x)) - 1 is tanh of x / 2.
        "loggy": ActivationFunction(input_factor=0.5, tflite=("TANH",)),
        # Flat where the whole part of x is even, rising by 1 where it is odd.
        "stair": ActivationFunction(
            tflite=("MUL", "FLOOR", "MUL", "SUB", "SUB", "ADD"), float_only="FLOOR"
        ),
        "relu6": ActivationFunction(foreign=True),
        # Its forward pass is the leaky one's; the backward pass divides.
        "revleaky": ActivationFunction(slope=0.1, tflite=_LEAKY, foreign=True),
        # x times the logistic function of x.
        "swish": ActivationFunction(
            tflite=("LOGISTIC", "MUL"),
            monotone=False,
            foreign=True,
            sections=("convolutional", "shortcut"),
        ),
        # x tanh(log(1 + exp(x))), of y = -x: y tanh(log(logistic(y))).
        "mish": ActivationFunction(
            input_factor=-1.0,
            tflite=("LOGISTIC", "LOG", "TANH", "MUL"),
            monotone=False,
            foreign=True,
            sections=("convolutional", "shortcut"),
        ),
        # x above 0, x^2 / 2 + x down to -2, 0 below; of y = -3 x: y (min(max(y, 0), 6) - 6) / 18.
        "hard_mish": ActivationFunction(
            input_factor=-3.0,
            tflite=("RELU6", "MUL", "SUB", "MUL"),
            monotone=False,
            foreign=True,
            sections=("convolutional",),
        ),
        # Hendrycks and Gimpel's with a tanh: x logistic(2 (linear x + cubic x^3)).
        "gelu": ActivationFunction(
            tflite=("MUL", "MUL", "ADD", "MUL", "LOGISTIC", "MUL"), monotone=False, foreign=True
        ),
    }
)
"""By Darknet's name, in the order that messages list them."""

GELU_LINEAR, GELU_CUBIC = 0.797885, 0.035677
"""Of gelu's tanh, as gelu_activate (AlexeyAB's activations.c) has them."""

NORMALIZING_ACTIVATIONS = frozenset(
    {
        "norm_chan",
        "norm_chan_softmax",
        "norm_chan_softmax_maxval",
        "normalize_channels",
        "normalize_channels_softmax",
        "normalize_channels_softmax_maxval",
    }
)
"""Those of AlexeyAB's Darknet that are no function of one number; none is built."""
