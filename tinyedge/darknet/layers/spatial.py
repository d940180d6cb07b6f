"""The layers without weights that choose, move or rescale pixels and channels."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from tinyedge.darknet.cfg import Section
from tinyedge.darknet.layers.base import (
    BuildContext,
    Layer,
    Shape,
    common_stride,
    count_windows,
)
from tinyedge.darknet.options import SectionOptions, section_options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "AvgPool",
    "Crop",
    "L2Norm",
    "LocalAvgPool",
    "MaxPool",
    "Normalization",
    "Reorg",
    "Upsample",
]


@dataclass(frozen=True, kw_only=True)
class _WindowPool(Layer):
    """One number of each window of a channel.

    Attributes:
        size: edge of the square window, pixels.
        stride: pixels, the same both ways.
        padding: rows and columns of padding *in all*; padding // 2 of them come first.
    """

    size: int
    stride: int
    padding: int

    @classmethod
    def parse(cls, section: Section, context: BuildContext) -> Self:
        """parse_maxpool, parse_local_avgpool; `stride_x` and `stride_y` are AlexeyAB's.

        Raises:
            CfgError: a window holds no pixel.
        """
        shape = context.image(section)
        size = section.integer("size", section.integer("stride", 1, minimum=1), minimum=1)
        stride = common_stride(section)
        padding = section.integer("padding", size - 1, minimum=0)
        height, width = (
            count_windows(section, extent + padding, size, stride)
            for extent in (shape.height, shape.width)
        )
        for extent, count in ((shape.height, height), (shape.width, width)):
            last = (count - 1) * stride - padding // 2
            if padding // 2 >= size or last >= extent:
                raise section.error("leaves windows that hold no pixel", "padding")
        return cls(
            index=context.index,
            line=section.line,
            input=shape,
            output=Shape(height, width, shape.channels),
            size=size,
            stride=stride,
            padding=padding,
        )


@dataclass(frozen=True, kw_only=True)
class MaxPool(_WindowPool):
    """The largest of each window; padding never wins."""

    kind: ClassVar[str] = "maxpool"
    options: ClassVar[SectionOptions] = section_options(
        integers="padding size stride",
        foreign="maxpool_zero_nonmax stride_x stride_y",
        refused={
            "antialiasing": ("0", "it blurs what it chose"),
            "maxpool_depth": ("0", "it pools over channels"),
            "out_channels": ("1", "it pools over channels"),
        },
    )

    @property
    def table_line(self) -> str:
        """make_maxpool_layer."""
        return (
            f"max          {self.size} x {self.size} / {self.stride}"
            f"  {self.input.aligned}   ->  {self.output.aligned}"
        )


@dataclass(frozen=True, kw_only=True)
class LocalAvgPool(_WindowPool):
    """The mean of each window, of the pixels that it holds; padding does not count.

    AlexeyAB's forward_local_avgpool_layer (maxpool_layer.c).
    """

    kind: ClassVar[str] = "local_avgpool"
    options: ClassVar[SectionOptions] = section_options(
        foreign="padding size stride stride_x stride_y"
    )

    @property
    def table_line(self) -> str:
        """make_maxpool_layer, for an average."""
        return (
            f"avg               {self.size:2d}x{self.size:2d}/{self.stride:2d}"
            f"   {self.input.aligned} -> {self.output.aligned}"
        )


@dataclass(frozen=True, kw_only=True)
class AvgPool(Layer):
    """The mean of each channel over the whole image."""

    kind: ClassVar[str] = "avgpool"
    options: ClassVar[SectionOptions] = section_options()

    @classmethod
    def parse(cls, section: Section, context: BuildContext) -> Self:
        """parse_avgpool."""
        shape = context.image(section)
        output = Shape(1, 1, shape.channels)
        return cls(index=context.index, line=section.line, input=shape, output=output)

    @property
    def table_line(self) -> str:
        """make_avgpool_layer."""
        return f"avg                     {self.input.aligned}   ->  {self.output.channels:4d}"


@dataclass(frozen=True, kw_only=True)
class Crop(Layer):
    """The middle of the image; crop_layer.c.

    Attributes:
        adjust: whether each value v becomes 2 v - 1.
    """

    kind: ClassVar[str] = "crop"
    options: ClassVar[SectionOptions] = section_options(
        integers="crop_height crop_width flip noadjust", numbers="angle exposure saturation shift"
    )

    adjust: bool

    @classmethod
    def parse(cls, section: Section, context: BuildContext) -> Self:
        """parse_crop; turns, flips and colours are for training."""
        shape = context.image(section)
        height = section.integer("crop_height", 1, minimum=1)
        width = section.integer("crop_width", 1, minimum=1)
        for option, kept, extent in (
            ("crop_height", height, shape.height),
            ("crop_width", width, shape.width),
        ):
            if kept > extent:
                raise section.error(f"is more than the {extent} pixels of the input", option)
        return cls(
            index=context.index,
            line=section.line,
            input=shape,
            output=Shape(height, width, shape.channels),
            adjust=section.integer("noadjust", 0) == 0,
        )

    @property
    def top(self) -> int:
        """The first row that stays."""
        return (self.input.height - self.output.height) // 2

    @property
    def left(self) -> int:
        """The first column that stays."""
        return (self.input.width - self.output.width) // 2

    @property
    def table_line(self) -> str:
        """make_crop_layer."""
        given = f"{self.input.height} x {self.input.width}"
        return f"Crop Layer: {given} -> {self.output.height_first} image"


@dataclass(frozen=True, kw_only=True)
class Upsample(Layer):
    """Each pixel as a square, times `scale`; upsample_layer.c.

    Attributes:
        stride: edge of the square, pixels; where `reverse`, of the squares whose sum is a pixel.
        reverse: whether the image shrinks.
        scale: what every number is multiplied by.
    """

    kind: ClassVar[str] = "upsample"
    options: ClassVar[SectionOptions] = section_options(integers="stride", numbers="scale")

    stride: int
    reverse: bool
    scale: float

    @classmethod
    def parse(cls, section: Section, context: BuildContext) -> Self:
        """parse_upsample; a negative stride makes the image smaller."""
        shape = context.image(section)
        written = section.integer("stride", 2)
        stride = abs(written)
        if not stride:
            raise section.error("must not be 0", "stride")
        height, width = shape.height * stride, shape.width * stride
        if written < 0:
            # upsample_cpu walks through such an input with the wrong row length.
            if shape.height % stride or shape.width % stride:
                raise section.error(
                    f"does not divide {shape.width}x{shape.height} pixels", "stride"
                )
            height, width = shape.height // stride, shape.width // stride
        return cls(
            index=context.index,
            line=section.line,
            input=shape,
            output=Shape(height, width, shape.channels),
            stride=stride,
            reverse=written < 0,
            scale=section.number("scale", 1.0),
        )

    @property
    def table_line(self) -> str:
        """make_upsample_layer."""
        name = "downsample" if self.reverse else "upsample  "
        extents = f"{self.input.aligned}   ->  {self.output.aligned}"
        return f"{name}         {self.stride:2d}x  {extents}"


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
    options: ClassVar[SectionOptions] = section_options(integers="extra flatten reverse stride")

    stride: int
    reverse: bool
    flatten: bool
    extra: int

    @classmethod
    def parse(cls, section: Section, context: BuildContext) -> Self:
        """parse_reorg; of flatten, extra and reverse the engine obeys the first that is set.

        Raises:
            CfgError: the stride does not divide what it divides; the engine would read or write
                beyond its arrays.
        """
        shape = context.image(section)
        stride = section.integer("stride", 1, minimum=1)
        reverse = section.integer("reverse", 0) != 0
        flatten = section.integer("flatten", 0) != 0
        extra = section.integer("extra", 0, minimum=0)
        if flatten and (extra or stride > 1):
            raise section.error("cannot stand beside a stride or extra numbers", "flatten")
        area = stride * stride
        if extra:
            output = Shape(1, 1, shape.elements + extra)
        elif shape.channels % area:
            raise section.error(f"needs channels in {area}s; there are {shape.channels}", "stride")
        elif reverse:
            output = Shape(shape.height * stride, shape.width * stride, shape.channels // area)
        else:
            if shape.height % stride or shape.width % stride:
                raise section.error(
                    f"does not divide {shape.width}x{shape.height} pixels", "stride"
                )
            output = Shape(shape.height // stride, shape.width // stride, shape.channels * area)
        return cls(
            index=context.index,
            line=section.line,
            input=shape,
            output=output,
            stride=stride,
            reverse=reverse,
            flatten=flatten,
            extra=extra,
        )

    @property
    def is_image(self) -> bool:
        """Not where `extra` zeros were added."""
        return not self.extra

    @property
    def table_line(self) -> str:
        """make_reorg_layer."""
        if self.extra:
            return f"reorg              {self.input.elements:4d}   ->  {self.output.elements:4d}"
        extents = f"{self.input.aligned}   ->  {self.output.aligned}"
        return f"reorg              /{self.stride:2d}  {extents}"


@dataclass(frozen=True, kw_only=True)
class Normalization(Layer):
    """Local response normalization; normalization_layer.c.

    Each number times (kappa + alpha * squares of its neighbours in channel) ** -beta. Which
    neighbours is the engine's own, see :attr:`neighbours`.
    """

    kind: ClassVar[str] = "normalization"
    options: ClassVar[SectionOptions] = section_options(integers="size", numbers="alpha beta kappa")

    size: int
    alpha: float
    beta: float
    kappa: float

    @classmethod
    def parse(cls, section: Section, context: BuildContext) -> Self:
        """parse_normalization.

        Raises:
            CfgError: the first window holds more channels than there are; the engine would read on
                behind them.
        """
        shape = context.image(section)
        size = section.integer("size", 5, minimum=1)
        if size // 2 > shape.channels:
            raise section.error(f"is too much for {shape.channels} channels", "size")
        return cls(
            index=context.index,
            line=section.line,
            input=shape,
            output=shape,
            size=size,
            alpha=section.number("alpha", 0.0001),
            beta=section.number("beta", 0.75),
            kappa=section.number("kappa", 1.0),
        )

    @property
    def neighbours(self) -> "NDArray[np.float32]":
        """How often channel i's square is counted for channel k: float32 [i][k].

        The engine slides a window: for channel 0 it adds channels 0 to size // 2 - 1, and for every
        further one k adds channel k + size // 2 and takes away channel k - (size - 1) // 2 - 1. So
        channel size // 2 is never added, yet is taken away later: for all channels behind, its
        square counts -1 below what the textbook's window has. With small alpha that hardly matters;
        it is what networks were trained with.
        """
        import numpy as np

        channels, size = self.input.channels, self.size
        counts = np.zeros((channels, channels), np.float32)
        counts[: size // 2, 0] = 1
        for k in range(1, channels):
            counts[:, k] = counts[:, k - 1]
            gone, new = k - (size - 1) // 2 - 1, k + size // 2
            if gone >= 0:
                counts[gone, k] -= 1
            if new < channels:
                counts[new, k] += 1
        return counts

    @property
    def table_line(self) -> str:
        """make_normalization_layer."""
        extent = self.input.width_first
        return f"Local Response Normalization Layer: {extent} image, {self.size} size"


@dataclass(frozen=True, kw_only=True)
class L2Norm(Layer):
    """Each pixel's channels divided by the root of the sum of their squares; l2norm_layer.c."""

    kind: ClassVar[str] = "l2norm"
    options: ClassVar[SectionOptions] = section_options()

    @classmethod
    def parse(cls, section: Section, context: BuildContext) -> Self:
        """parse_l2norm."""
        shape = context.image(section)
        return cls(index=context.index, line=section.line, input=shape, output=shape)

    @property
    def table_line(self) -> str:
        """make_l2norm_layer."""
        return f"l2norm                                         {self.input.elements:4d}"
