"""The layers with weights."""

import warnings
from dataclasses import dataclass
from typing import ClassVar, Self

from tinyedge.darknet.cfg import Section
from tinyedge.darknet.layers.base import (
    BuildContext,
    Layer,
    Shape,
    activation,
    common_stride,
    count_windows,
)
from tinyedge.darknet.options import SectionOptions, section_options
from tinyedge.errors import TinyedgeWarning

__all__ = [
    "BatchNormalization",
    "Connected",
    "Convolutional",
    "DepthwiseConvolutional",
    "Local",
]

# Floats of a .weights that a channel's batch norm takes: scale, mean and variance.
_NORM_ARRAYS = 3


@dataclass(frozen=True, kw_only=True)
class Convolutional(Layer):
    """A convolution, batch normalization if asked for, and an activation.

    Attributes:
        filters: output channels.
        size: edge of the square kernel, pixels.
        stride: pixels, the same both ways.
        padding: zeros on *each* side, pixels.
        groups: divides input channels and filters.
        batch_normalize: whether a batch norm (`tinyedge.darknet.batch_norm`) comes before the bias.
        activation: one of ACTIVATIONS.
        dilation: distance between the kernel's taps, pixels; 1 but in AlexeyAB's cfgs.
    """

    kind: ClassVar[str] = "convolutional"
    options: ClassVar[SectionOptions] = section_options(
        integers="batch_normalize binary filters flipped groups pad padding size stride xnor",
        numbers="dot",
        texts="activation",
        foreign="angle assisted_excitation cbn dilation grad_centr reverse stream stride_x stride_y"
        " wait_stream",
        refused={
            "antialiasing": ("0", "it blurs what it computes"),
            "bin_output": ("0", "its output is rounded to signs"),
            "coordconv": ("0", "it is fed the pixels' coordinates"),
            "deform": ("0", "its kernels are turned or stretched"),
            "rotate": ("0", "its kernels are turned"),
            "share_index": ("-1000000000", "its weights are another layer's"),
            "stretch": ("0", "its kernels are stretched"),
            "stretch_sway": ("0", "its kernels are stretched"),
            "sway": ("0", "its kernels are bent"),
        },
    )

    filters: int
    size: int
    stride: int
    padding: int
    groups: int
    batch_normalize: bool
    activation: str
    dilation: int = 1

    @classmethod
    def parse(cls, section: Section, context: BuildContext) -> Self:
        """parse_convolutional; `dilation` and `stride_x`, `stride_y` are AlexeyAB's.

        So are `batch_normalize=2` (or `cbn=1`), a batch norm over several batches, and
        `assisted_excitation`, which differ from none in training alone (his forward_batchnorm_layer
        and forward_convolutional_layer look at `state.train`).

        Warns (TinyedgeWarning) of a 1x1 convolution that the C engine computes otherwise.
        """
        shape = context.image(section)
        _refuse(section)
        filters = section.integer("filters", 1, minimum=1)
        size = section.integer("size", 1, minimum=1)
        stride = common_stride(section)
        padding = _padding(section, size)
        groups = section.integer("groups", 1, minimum=1)
        if shape.channels % groups or filters % groups:
            raise section.error(
                f"does not divide both {shape.channels} channels and {filters} filters", "groups"
            )
        dilation = _dilation(section, size, stride, padding)
        if size == 1 and (stride > 1 or padding > 0):
            option = "stride" if stride > 1 else "padding"
            warnings.warn(
                section.describe(
                    "in a 1x1 convolution: tinyedge computes it as written; Darknet on a CPU"
                    " leaves it out and computes something else",
                    option,
                ),
                TinyedgeWarning,
                stacklevel=2,
            )
        return cls(
            index=context.index,
            line=section.line,
            input=shape,
            output=_convolved(section, shape, size, stride, padding, filters=filters),
            filters=filters,
            size=size,
            stride=stride,
            padding=padding * dilation,
            groups=groups,
            batch_normalize=_has_batch_norm(section),
            activation=activation(section, "logistic"),
            dilation=dilation,
        )

    @property
    def kernel_elements(self) -> int:
        """Weights of one filter."""
        return self.size * self.size * self.input.channels // self.groups

    @property
    def depthwise(self) -> bool:
        """Whether each filter sees one channel of several."""
        return 1 < self.groups == self.input.channels

    @property
    def multiply_accumulates(self) -> int:
        """A filter's weights for each number that goes out."""
        return self.kernel_elements * self.output.elements

    @property
    def parameters(self) -> int:
        """Biases, with batch normalization scales, means and variances, and the kernels."""
        norm = _NORM_ARRAYS if self.batch_normalize else 0
        return norm * self.filters + self.folded_parameters

    @property
    def folded_parameters(self) -> int:
        """Those left once batch normalization is folded: biases and kernels."""
        return self.filters * (1 + self.kernel_elements)

    @property
    def table_line(self) -> str:
        """make_convolutional_layer."""
        return (
            f"conv  {self.filters:5d} {self.size:2d} x{self.size:2d} /{self.stride:2d}"
            f"  {self.input.aligned}   ->  {self.output.aligned}"
            f"  {self.operations / 1e9:5.3f} BFLOPs"
        )


@dataclass(frozen=True, kw_only=True)
class DepthwiseConvolutional(Convolutional):
    """A convolution of each channel by itself; depthwise_convolutional_layer.c of MobileNet forks.

    Its weights stand in the .weights as those of a convolution with a group for each channel
    (load_depthwise_convolutional_weights).
    """

    kind: ClassVar[str] = "depthwise_convolutional"
    options: ClassVar[SectionOptions] = section_options(
        integers="batch_normalize flipped pad padding size stride",
        numbers="dot",
        texts="activation",
    )

    @classmethod
    def parse(cls, section: Section, context: BuildContext) -> Self:
        """parse_depthwise_convolutional."""
        shape = context.image(section)
        _refuse(section)
        size = section.integer("size", 1, minimum=1)
        stride = section.integer("stride", 1, minimum=1)
        padding = _padding(section, size)
        return cls(
            index=context.index,
            line=section.line,
            input=shape,
            output=_convolved(section, shape, size, stride, padding, filters=shape.channels),
            filters=shape.channels,
            size=size,
            stride=stride,
            padding=padding,
            groups=shape.channels,
            batch_normalize=section.integer("batch_normalize", 0) != 0,
            activation=activation(section, "logistic"),
        )

    @property
    def table_line(self) -> str:
        """make_depthwise_convolutional_layer."""
        return (
            f"depthwise conv  {self.filters:5d} {self.size:2d} x{self.size:2d} /{self.stride:2d}"
            f"  {self.input.aligned}   ->  {self.output.aligned}"
        )


@dataclass(frozen=True, kw_only=True)
class Connected(Layer):
    """Every output from every input, taken in planar order; connected_layer.c.

    Attributes:
        batch_normalize: as in a convolution, an output being a channel.
        activation: one of ACTIVATIONS.
    """

    kind: ClassVar[str] = "connected"
    options: ClassVar[SectionOptions] = section_options(
        integers="batch_normalize output", texts="activation"
    )

    batch_normalize: bool
    activation: str

    @classmethod
    def parse(cls, section: Section, context: BuildContext) -> Self:
        """parse_connected: what comes in is taken flat, whatever its shape."""
        shape = context.numbers(section)
        _refuse(section)
        return cls(
            index=context.index,
            line=section.line,
            input=shape,
            output=Shape(1, 1, section.integer("output", 1, minimum=1)),
            batch_normalize=section.integer("batch_normalize", 0) != 0,
            activation=activation(section, "logistic"),
        )

    @property
    def multiply_accumulates(self) -> int:
        """Every output from every input."""
        return self.input.elements * self.output.elements

    @property
    def parameters(self) -> int:
        """Biases, the matrix, with batch normalization scales, means and variances."""
        norm = _NORM_ARRAYS if self.batch_normalize else 0
        return norm * self.output.elements + self.folded_parameters

    @property
    def folded_parameters(self) -> int:
        """Those left once batch normalization is folded: biases and the matrix."""
        return self.output.elements + self.multiply_accumulates

    @property
    def table_line(self) -> str:
        """make_connected_layer."""
        inputs, outputs = self.input.elements, self.output.elements
        return f"connected                            {inputs:4d}  ->  {outputs:4d}"


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
    options: ClassVar[SectionOptions] = section_options(
        integers="filters pad size stride", texts="activation"
    )

    filters: int
    size: int
    stride: int
    padding: int
    activation: str

    @classmethod
    def parse(cls, section: Section, context: BuildContext) -> Self:
        """parse_local; `pad` is the count of zeros on each side.

        local_out_height knows only pad or none and counts as if the padding kept the extent;
        im2col_cpu counts with the padding there is. Where they disagree the engine mixes up pixels.

        Raises:
            CfgError: that is so here.
        """
        shape = context.image(section)
        _refuse(section)
        filters = section.integer("filters", 1, minimum=1)
        size = section.integer("size", 1, minimum=1)
        stride = section.integer("stride", 1, minimum=1)
        padding = section.integer("pad", 0, minimum=0)
        extents = []
        for extent in (shape.height, shape.width):
            count = count_windows(section, extent + 2 * padding, size, stride)
            if padding and count != (extent - 1) // stride + 1:
                raise section.error(
                    f"with size={size} does not keep the extent: Darknet mixes up its pixels", "pad"
                )
            extents.append(count)
        return cls(
            index=context.index,
            line=section.line,
            input=shape,
            output=Shape(extents[0], extents[1], filters),
            filters=filters,
            size=size,
            stride=stride,
            padding=padding,
            activation=activation(section, "logistic"),
        )

    @property
    def multiply_accumulates(self) -> int:
        """A kernel's weights for each number that goes out."""
        return self.size * self.size * self.input.channels * self.output.elements

    @property
    def operations(self) -> int:
        """None: ``darknet ops`` leaves local layers out."""
        return 0

    @property
    def parameters(self) -> int:
        """A bias and a kernel for each number that goes out."""
        return self.folded_parameters

    @property
    def folded_parameters(self) -> int:
        """All of them: it has no batch normalization."""
        return self.output.elements + self.multiply_accumulates

    @property
    def table_line(self) -> str:
        """make_local_layer."""
        return (
            f"Local Layer: {self.input.height_first} image, {self.filters} filters"
            f" -> {self.output.height_first} image"
        )


@dataclass(frozen=True, kw_only=True)
class BatchNormalization(Layer):
    """A batch norm (`tinyedge.darknet.batch_norm`) by itself; batchnorm_layer.c.

    It has no biases in the .weights (load_batchnorm_weights): the engine's stay zero. AlexeyAB's
    has. On a CPU the engine crashes in it (it copies its input to an array that was never made);
    on a GPU it does not.
    """

    kind: ClassVar[str] = "batchnorm"
    options: ClassVar[SectionOptions] = section_options()

    @classmethod
    def parse(cls, section: Section, context: BuildContext) -> Self:
        """parse_batchnorm."""
        shape = context.image(section)
        _refuse(section)
        return cls(index=context.index, line=section.line, input=shape, output=shape)

    @property
    def parameters(self) -> int:
        """Scales, means and variances; AlexeyAB's biases are not among them."""
        return _NORM_ARRAYS * self.input.channels

    @property
    def table_line(self) -> str:
        """make_batchnorm_layer."""
        return f"Batch Normalization Layer: {self.input.width_first} image"


_REFUSED = {
    "binary": "its weights are rounded to their signs while it runs",
    "xnor": "its weights and inputs are rounded to their signs while it runs",
    "flipped": "its weights are stored the other way round",
    "dontload": "its weights are not in the .weights file",
    "dontloadscales": "part of its weights are not in the .weights file",
    "numload": "part of its weights are not in the .weights file",
}


def _refuse(section: Section) -> None:
    for option, why in _REFUSED.items():
        if section.atoi(option, 0):
            raise section.error(f"is not supported: {why}", option)


def _padding(section: Section, size: int) -> int:
    """Pixels on each side: half the window where ``pad`` says so, else ``padding``."""
    padding = section.integer("padding", 0, minimum=0)
    return size // 2 if section.integer("pad", 0) else padding


def _convolved(
    section: Section, shape: Shape, size: int, stride: int, padding: int, *, filters: int
) -> Shape:
    rows, columns = (
        count_windows(section, extent + 2 * padding, size, stride)
        for extent in (shape.height, shape.width)
    )
    return Shape(rows, columns, filters)


def _has_batch_norm(section: Section) -> bool:
    return section.integer("batch_normalize", 0) != 0 or section.integer("cbn", 0) != 0


def _dilation(section: Section, size: int, stride: int, padding: int) -> int:
    """AlexeyAB's parse_convolutional and forward_convolutional_layer.

    His output extents are those without dilation, his padding is multiplied by it: the two
    agree only where the padding keeps the extent.
    """
    dilation = section.integer("dilation", 1, minimum=1)
    if dilation == 1 or size == 1:
        return 1
    if 2 * padding != size - 1:
        raise section.error("needs an odd size and pad=1", "dilation")
    if stride > 1:
        raise section.error(f"and stride={stride} are not supported together", "dilation")
    return dilation
