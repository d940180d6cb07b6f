"""The layers that move, choose or rescale pixels, from their sections."""

from tinyedge.darknet.cfg import Section
from tinyedge.darknet.layers import (
    AvgPool,
    Crop,
    L2Norm,
    MaxPool,
    Normalization,
    Reorg,
    Shape,
    Upsample,
)
from tinyedge.darknet.layers.base import Before, count_windows

__all__ = [
    "build_avgpool",
    "build_crop",
    "build_l2norm",
    "build_maxpool",
    "build_normalization",
    "build_reorg",
    "build_upsample",
]


def build_maxpool(section: Section, before: Before) -> MaxPool:
    """parse_maxpool."""
    shape = before.image(section)
    stride = section.integer("stride", 1, minimum=1)
    for option in ("stride_x", "stride_y"):
        if section.integer(option, stride) != stride:
            raise section.error(f"is not supported: it differs from stride={stride}", option)
    size = section.integer("size", stride, minimum=1)
    padding = section.integer("padding", size - 1, minimum=0)
    height, width = (
        count_windows(section, extent + padding, size, stride)
        for extent in (shape.height, shape.width)
    )
    for extent, count in ((shape.height, height), (shape.width, width)):
        last = (count - 1) * stride - padding // 2
        if padding // 2 >= size or last >= extent:
            raise section.error("leaves windows that hold no pixel", "padding")
    return MaxPool(
        index=before.index,
        line=section.line,
        input=shape,
        output=Shape(height, width, shape.channels),
        size=size,
        stride=stride,
        padding=padding,
    )


def build_avgpool(section: Section, before: Before) -> AvgPool:
    """parse_avgpool."""
    shape = before.image(section)
    return AvgPool(
        index=before.index, line=section.line, input=shape, output=Shape(1, 1, shape.channels)
    )


def build_crop(section: Section, before: Before) -> Crop:
    """parse_crop; turns, flips and colours are for training."""
    shape = before.image(section)
    height = section.integer("crop_height", 1, minimum=1)
    width = section.integer("crop_width", 1, minimum=1)
    for option, kept, extent in (
        ("crop_height", height, shape.height),
        ("crop_width", width, shape.width),
    ):
        if kept > extent:
            raise section.error(f"is more than the {extent} pixels of the input", option)
    return Crop(
        index=before.index,
        line=section.line,
        input=shape,
        output=Shape(height, width, shape.channels),
        adjust=section.integer("noadjust", 0) == 0,
    )


def build_upsample(section: Section, before: Before) -> Upsample:
    """parse_upsample; a negative stride makes the picture smaller."""
    shape = before.image(section)
    written = section.integer("stride", 2)
    stride = abs(written)
    if not stride:
        raise section.error("must not be 0", "stride")
    height, width = shape.height * stride, shape.width * stride
    if written < 0:
        # upsample_cpu steps through such an input with the wrong row length.
        if shape.height % stride or shape.width % stride:
            raise section.error(f"does not divide {shape.width}x{shape.height} pixels", "stride")
        height, width = shape.height // stride, shape.width // stride
    return Upsample(
        index=before.index,
        line=section.line,
        input=shape,
        output=Shape(height, width, shape.channels),
        stride=stride,
        reverse=written < 0,
        scale=section.number("scale", 1.0),
    )


def build_reorg(section: Section, before: Before) -> Reorg:
    """parse_reorg; of flatten, extra and reverse the engine obeys the first that is set.

    Raises:
        CfgError: the stride does not divide what it divides; the engine would read or write
            beyond its arrays.
    """
    shape = before.image(section)
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
            raise section.error(f"does not divide {shape.width}x{shape.height} pixels", "stride")
        output = Shape(shape.height // stride, shape.width // stride, shape.channels * area)
    return Reorg(
        index=before.index,
        line=section.line,
        input=shape,
        output=output,
        stride=stride,
        reverse=reverse,
        flatten=flatten,
        extra=extra,
    )


def build_normalization(section: Section, before: Before) -> Normalization:
    """parse_normalization.

    Raises:
        CfgError: the first window holds more channels than there are; the engine would read on
            behind them.
    """
    shape = before.image(section)
    size = section.integer("size", 5, minimum=1)
    if size // 2 > shape.channels:
        raise section.error(f"is too much for {shape.channels} channels", "size")
    return Normalization(
        index=before.index,
        line=section.line,
        input=shape,
        output=shape,
        size=size,
        alpha=section.number("alpha", 0.0001),
        beta=section.number("beta", 0.75),
        kappa=section.number("kappa", 1.0),
    )


def build_l2norm(section: Section, before: Before) -> L2Norm:
    """parse_l2norm."""
    shape = before.image(section)
    return L2Norm(index=before.index, line=section.line, input=shape, output=shape)
