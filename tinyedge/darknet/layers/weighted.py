"""The layers with weights, from their sections."""

import warnings

from tinyedge.darknet.cfg import Section
from tinyedge.darknet.layers import (
    BatchNormalization,
    Connected,
    Convolutional,
    Local,
    Shape,
)
from tinyedge.darknet.layers.base import Before, activation, count_windows
from tinyedge.errors import TinyedgeWarning

__all__ = ["build_batchnorm", "build_connected", "build_convolutional", "build_local"]

_REFUSED = {
    "binary": "its weights are rounded to their signs while it runs",
    "xnor": "its weights and inputs are rounded to their signs while it runs",
    "flipped": "its weights are stored the other way round",
    "dontload": "its weights are not in the .weights file",
    "dontloadscales": "part of its weights are not in the .weights file",
    "numload": "part of its weights are not in the .weights file",
}


def build_convolutional(section: Section, before: Before) -> Convolutional:
    """parse_convolutional; `dilation` and `stride_x`, `stride_y` are AlexeyAB's."""
    shape = before.image(section)
    _refuse(section)
    filters = section.integer("filters", 1, minimum=1)
    size = section.integer("size", 1, minimum=1)
    stride = _stride(section)
    padding = section.integer("padding", 0, minimum=0)
    if section.integer("pad", 0):
        padding = size // 2
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
    return Convolutional(
        index=before.index,
        line=section.line,
        input=shape,
        output=Shape(
            count_windows(section, shape.height + 2 * padding, size, stride),
            count_windows(section, shape.width + 2 * padding, size, stride),
            filters,
        ),
        filters=filters,
        size=size,
        stride=stride,
        padding=padding * dilation,
        groups=groups,
        batch_normalize=section.integer("batch_normalize", 0) != 0,
        activation=activation(section, "logistic"),
        dilation=dilation,
    )


def build_connected(section: Section, before: Before) -> Connected:
    """parse_connected: what comes in is taken flat, whatever its shape."""
    shape = before.numbers(section)
    _refuse(section)
    return Connected(
        index=before.index,
        line=section.line,
        input=shape,
        output=Shape(1, 1, section.integer("output", 1, minimum=1)),
        batch_normalize=section.integer("batch_normalize", 0) != 0,
        activation=activation(section, "logistic"),
    )


def build_local(section: Section, before: Before) -> Local:
    """parse_local; `pad` is the count of zeros on each side.

    local_out_height knows only pad or none and counts as if the padding kept the extent;
    im2col_cpu counts with the padding there is. Where they disagree the engine mixes up pixels.

    Raises:
        CfgError: that is so here.
    """
    shape = before.image(section)
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
    return Local(
        index=before.index,
        line=section.line,
        input=shape,
        output=Shape(extents[0], extents[1], filters),
        filters=filters,
        size=size,
        stride=stride,
        padding=padding,
        activation=activation(section, "logistic"),
    )


def build_batchnorm(section: Section, before: Before) -> BatchNormalization:
    """parse_batchnorm."""
    shape = before.image(section)
    _refuse(section)
    return BatchNormalization(index=before.index, line=section.line, input=shape, output=shape)


def _refuse(section: Section) -> None:
    for option, why in _REFUSED.items():
        if section.integer(option, 0):
            raise section.error(f"is not supported: {why}", option)


def _stride(section: Section) -> int:
    """AlexeyAB's parse_convolutional: stride_x and stride_y go before stride."""
    stride = section.integer("stride", 1, minimum=1)
    across = section.integer("stride_x", stride, minimum=1)
    down = section.integer("stride_y", stride, minimum=1)
    if across != down:
        option = "stride_x" if "stride_x" in section.options else "stride_y"
        raise section.error(
            f"is not supported: strides of {across} across and {down} down differ", option
        )
    return across


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
