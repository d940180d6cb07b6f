"""The layers of a network: what each computes, on which shapes, at what cost.

A layer knows everything its arithmetic needs except its weights. All shapes are those of one
image; Darknet's own arrays are planar (channel, row, column).
"""

from dataclasses import dataclass
from typing import ClassVar

from tinyedge.darknet.joining_layers import Route, Shortcut
from tinyedge.darknet.layer import Layer, Shape
from tinyedge.darknet.learned_layers import BatchNormalization, Connected, Convolutional, Local

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "AvgPool",
    "BatchNormalization",
    "Connected",
    "Convolutional",
    "Cost",
    "Crop",
    "Dropout",
    "L2Norm",
    "Layer",
    "Local",
    "Logistic",
    "MaxPool",
    "Normalization",
    "Reorg",
    "Route",
    "Shape",
    "Shortcut",
    "Softmax",
    "Upsample",
]

# Darknet's names (activations.c).
ACTIVATIONS = (
    "linear",
    "leaky",
    "relu",
    "logistic",
    "tanh",
    "elu",
    "selu",
    "relie",
    "ramp",
    "hardtan",
    "lhtan",
    "plse",
    "loggy",
    "stair",
)


@dataclass(frozen=True, kw_only=True)
class MaxPool(Layer):
    """The largest of each window; padding never wins.

    Attributes:
        size: edge of the square window, pixels.
        stride: pixels, the same both ways.
        padding: rows and columns of padding *in all*; padding // 2 of them come first.
    """

    kind: ClassVar[str] = "maxpool"

    size: int
    stride: int
    padding: int


@dataclass(frozen=True, kw_only=True)
class AvgPool(Layer):
    """The mean of each channel over the whole picture."""

    kind: ClassVar[str] = "avgpool"


@dataclass(frozen=True, kw_only=True)
class Crop(Layer):
    """The middle of the picture; crop_layer.c.

    Attributes:
        adjust: whether each value v becomes 2 v - 1.
    """

    kind: ClassVar[str] = "crop"

    adjust: bool

    @property
    def top(self) -> int:
        """The first row that stays."""
        return (self.input.height - self.output.height) // 2

    @property
    def left(self) -> int:
        """The first column that stays."""
        return (self.input.width - self.output.width) // 2


@dataclass(frozen=True, kw_only=True)
class Upsample(Layer):
    """Each pixel as a square, times `scale`; upsample_layer.c.

    Attributes:
        stride: edge of the square, pixels; where `reverse`, of the squares whose sum is a pixel.
        reverse: whether the picture shrinks.
        scale: what every number is multiplied by.
    """

    kind: ClassVar[str] = "upsample"

    stride: int
    reverse: bool
    scale: float


@dataclass(frozen=True, kw_only=True)
class Reorg(Layer):
    """The same numbers in another order; reorg_layer.c.

    Attributes:
        stride: what extents are divided by (multiplied, where `reverse`).
        reverse: rows and columns out of channels, instead of channels out of them; with `flatten`
            planes out of interleaved channels.
        flatten: interleave the channels: the array is in pixel order, its shape the same.
        extra: zeros put behind the planar array, which is no image any more; 0 for none.
    """

    kind: ClassVar[str] = "reorg"

    stride: int
    reverse: bool
    flatten: bool
    extra: int

    @property
    def is_image(self) -> bool:
        """Not with something extra."""
        return not self.extra


@dataclass(frozen=True, kw_only=True)
class Normalization(Layer):
    """Each number times (kappa + alpha * squares of its neighbours in channel) ** -beta.

    Which neighbours is the engine's own, see
    :func:`~tinyedge.darknet.normalization.neighbours`.
    """

    kind: ClassVar[str] = "normalization"

    size: int
    alpha: float
    beta: float
    kappa: float


@dataclass(frozen=True, kw_only=True)
class L2Norm(Layer):
    """Each pixel's channels divided by the root of the sum of their squares; l2norm_layer.c."""

    kind: ClassVar[str] = "l2norm"


@dataclass(frozen=True, kw_only=True)
class Logistic(Layer):
    """1 / (1 + exp(-x)); logistic_layer.c, whose loss is for training."""

    kind: ClassVar[str] = "logistic"


@dataclass(frozen=True, kw_only=True)
class Activation(Layer):
    """An activation by itself; `activation` is one of ACTIVATIONS."""

    kind: ClassVar[str] = "activation"

    activation: str


@dataclass(frozen=True, kw_only=True)
class Dropout(Layer):
    """Nothing at inference; `probability` was that of losing a value while training."""

    kind: ClassVar[str] = "dropout"

    probability: float


@dataclass(frozen=True, kw_only=True)
class Softmax(Layer):
    """exp(x / temperature), normalized over each of `groups` equal runs of the planar input."""

    kind: ClassVar[str] = "softmax"

    groups: int
    temperature: float

    @property
    def is_image(self) -> bool:
        """Never."""
        return False


@dataclass(frozen=True, kw_only=True)
class Cost(Layer):
    """Darknet's training loss; nothing at inference."""

    kind: ClassVar[str] = "cost"

    @property
    def is_image(self) -> bool:
        """Never."""
        return False
