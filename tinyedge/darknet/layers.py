"""The layers of a network: what each computes, on which shapes, at what cost.

A layer knows everything its arithmetic needs except its weights. All shapes are those of one
image; Darknet's own arrays are planar (channel, row, column).
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

__all__ = [
    "ACTIVATIONS",
    "AvgPool",
    "Convolutional",
    "Cost",
    "Dropout",
    "Layer",
    "MaxPool",
    "Route",
    "Shape",
    "Softmax",
]

# Darknet's names (activations.c). leaky is x > 0 ? x : 0.1 x.
ACTIVATIONS = ("linear", "leaky", "relu", "logistic", "tanh")


class Shape(NamedTuple):
    """Extent of a tensor, in pixels and channels."""

    height: int
    width: int
    channels: int

    @property
    def elements(self) -> int:
        """How many numbers the tensor holds."""
        return self.height * self.width * self.channels


@dataclass(frozen=True, kw_only=True)
class Layer:
    """What every layer has.

    Attributes:
        kind: the section's long name in the .cfg.
        index: place in the network, from 0; Darknet's own number.
        line: of the section in the .cfg.
        input: what comes in; of a route, its sources put together.
        output: what goes out.
    """

    kind: ClassVar[str]

    index: int
    line: int
    input: Shape
    output: Shape

    @property
    def operations(self) -> int:
        """Multiplications and additions, as ``darknet ops`` counts: of convolutions alone."""
        return 0

    @property
    def parameters(self) -> int:
        """How many floats of the .weights are this layer's."""
        return 0


@dataclass(frozen=True, kw_only=True)
class Convolutional(Layer):
    """A convolution, batch normalization if asked for, and an activation.

    Attributes:
        filters: output channels.
        size: edge of the square kernel, pixels.
        stride: pixels, the same both ways.
        padding: zeros on *each* side, pixels.
        groups: divides input channels and filters.
        batch_normalize: whether (x - mean) / (sqrt(variance) + 1e-6) * scale comes before the bias.
        activation: one of ACTIVATIONS.
    """

    kind: ClassVar[str] = "convolutional"

    filters: int
    size: int
    stride: int
    padding: int
    groups: int
    batch_normalize: bool
    activation: str

    @property
    def operations(self) -> int:
        """Two for each multiply-accumulate."""
        taps = self.size * self.size * self.input.channels // self.groups
        return 2 * taps * self.output.elements

    @property
    def parameters(self) -> int:
        """Biases, with batch normalization scales, means and variances, and the kernels."""
        kernel = self.size * self.size * self.input.channels // self.groups
        return self.filters * (kernel + (4 if self.batch_normalize else 1))


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
class Dropout(Layer):
    """Nothing at inference; `probability` was that of losing a value while training."""

    kind: ClassVar[str] = "dropout"

    probability: float


@dataclass(frozen=True, kw_only=True)
class Route(Layer):
    """The outputs of earlier layers, `sources` by index, one behind the other along channels."""

    kind: ClassVar[str] = "route"

    sources: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Softmax(Layer):
    """exp(x / temperature), normalized over each of `groups` equal runs of the planar input."""

    kind: ClassVar[str] = "softmax"

    groups: int
    temperature: float


@dataclass(frozen=True, kw_only=True)
class Cost(Layer):
    """Darknet's training loss; nothing at inference."""

    kind: ClassVar[str] = "cost"
