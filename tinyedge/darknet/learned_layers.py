"""The layers that have weights."""

from dataclasses import dataclass
from typing import ClassVar

from tinyedge.darknet.layer import Layer

__all__ = ["BatchNormalization", "Connected", "Convolutional", "Local"]


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
        dilation: distance between the kernel's taps, pixels; 1 but in AlexeyAB's cfgs.
    """

    kind: ClassVar[str] = "convolutional"

    filters: int
    size: int
    stride: int
    padding: int
    groups: int
    batch_normalize: bool
    activation: str
    dilation: int = 1

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
class Connected(Layer):
    """Every output from every input, taken in planar order; connected_layer.c.

    Attributes:
        batch_normalize: as in a convolution, an output being a channel.
        activation: one of ACTIVATIONS.
    """

    kind: ClassVar[str] = "connected"

    batch_normalize: bool
    activation: str

    @property
    def operations(self) -> int:
        """Two for each multiply-accumulate."""
        return 2 * self.input.elements * self.output.elements

    @property
    def parameters(self) -> int:
        """Biases, the matrix, with batch normalization scales, means and variances."""
        return self.output.elements * (self.input.elements + (4 if self.batch_normalize else 1))


@dataclass(frozen=True, kw_only=True)
class Local(Layer):
    """A convolution whose every output pixel has kernels and biases of its own; local_layer.c.

    The engine counts a quarter of the workspace it needs and writes beyond it, unless a larger
    convolution is in the network.

    Attributes:
        filters: output channels.
        size: edge of the square kernels, pixels.
        stride: pixels, the same both ways.
        padding: zeros on each side, pixels.
        activation: one of ACTIVATIONS.
    """

    kind: ClassVar[str] = "local"

    filters: int
    size: int
    stride: int
    padding: int
    activation: str

    @property
    def parameters(self) -> int:
        """A bias and a kernel for each number that goes out."""
        return self.output.elements * (1 + self.size * self.size * self.input.channels)


@dataclass(frozen=True, kw_only=True)
class BatchNormalization(Layer):
    """(x - mean) / (sqrt(variance) + 1e-6) * scale of each channel; batchnorm_layer.c.

    It has no biases in the .weights (load_batchnorm_weights): the engine's stay zero. On a CPU
    the engine crashes in it (it copies its input to an array that was never made); on a GPU it
    does not.
    """

    kind: ClassVar[str] = "batchnorm"

    @property
    def parameters(self) -> int:
        """Scales, means and variances."""
        return 3 * self.input.channels
