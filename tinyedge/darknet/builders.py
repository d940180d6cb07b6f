"""One function a section: the layer that its options and the layers before make of it.

A further layer type takes a class in ``layers.py``, its options in ``options.py`` and a function
in ``BUILDERS`` here. Defaults and geometry are those of the ``parse_*`` and ``make_*_layer``
functions of the C engine; its divisions are of whole numbers.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tinyedge.darknet.cfg import Section
from tinyedge.darknet.layers import (
    ACTIVATIONS,
    AvgPool,
    Convolutional,
    Cost,
    Dropout,
    Layer,
    MaxPool,
    Route,
    Shape,
    Softmax,
)
from tinyedge.errors import TinyedgeWarning

__all__ = ["BUILDERS", "Before"]


@dataclass(frozen=True)
class Before:
    """What a builder may look at besides its own section.

    Attributes:
        input: the network's input, pixels and channels.
        layers: those already built; the new layer's index is their number.
    """

    input: Shape
    layers: Sequence[Layer]

    @property
    def shape(self) -> Shape:
        """What the new layer is fed: the last layer's output, or the network's input."""
        return self.layers[-1].output if self.layers else self.input

    def image(self, section: Section) -> Shape:
        """The same, for a layer that needs rows and columns.

        Raises:
            CfgError: a layer went before whose output is no image any more.
        """
        if self.layers and self.layers[-1].kind in _NO_IMAGE:
            raise section.error(f"follows a [{self.layers[-1].kind}], whose output is no image")
        return self.shape


def _convolutional(section: Section, before: Before) -> Convolutional:
    shape = before.image(section)
    for option, why in _REFUSED_CONVOLUTIONS.items():
        if section.integer(option, 0):
            raise section.error(f"is not supported: {why}", option)
    filters = section.integer("filters", 1, minimum=1)
    size = section.integer("size", 1, minimum=1)
    stride = section.integer("stride", 1, minimum=1)
    padding = section.integer("padding", 0, minimum=0)
    if section.integer("pad", 0):
        padding = size // 2
    groups = section.integer("groups", 1, minimum=1)
    if shape.channels % groups or filters % groups:
        raise section.error(
            f"does not divide both {shape.channels} channels and {filters} filters", "groups"
        )
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
        index=len(before.layers),
        line=section.line,
        input=shape,
        output=Shape(
            _windows(section, shape.height + 2 * padding, size, stride),
            _windows(section, shape.width + 2 * padding, size, stride),
            filters,
        ),
        filters=filters,
        size=size,
        stride=stride,
        padding=padding,
        groups=groups,
        batch_normalize=section.integer("batch_normalize", 0) != 0,
        activation=_activation(section, "logistic"),
    )


def _activation(section: Section, default: str) -> str:
    activation = section.text("activation", default)
    if activation not in ACTIVATIONS:
        raise section.error(
            f"is not supported; tinyedge has {', '.join(ACTIVATIONS)}", "activation"
        )
    return activation


def _windows(section: Section, extent: int, size: int, stride: int) -> int:
    """How many windows fit into a padded edge of `extent` pixels."""
    if size > extent:
        # The C engine's division rounds towards zero and may make one window of this.
        raise section.error(
            f"makes windows of {size} pixels; the padded input has {extent}", "size"
        )
    return (extent - size) // stride + 1


def _maxpool(section: Section, before: Before) -> MaxPool:
    shape = before.image(section)
    stride = section.integer("stride", 1, minimum=1)
    size = section.integer("size", stride, minimum=1)
    padding = section.integer("padding", size - 1, minimum=0)
    height, width = (
        _windows(section, extent + padding, size, stride) for extent in (shape.height, shape.width)
    )
    for extent, count in ((shape.height, height), (shape.width, width)):
        last = (count - 1) * stride - padding // 2
        if padding // 2 >= size or last >= extent:
            raise section.error("leaves windows that hold no pixel", "padding")
    return MaxPool(
        index=len(before.layers),
        line=section.line,
        input=shape,
        output=Shape(height, width, shape.channels),
        size=size,
        stride=stride,
        padding=padding,
    )


def _avgpool(section: Section, before: Before) -> AvgPool:
    shape = before.image(section)
    return AvgPool(
        index=len(before.layers),
        line=section.line,
        input=shape,
        output=Shape(1, 1, shape.channels),
    )


def _dropout(section: Section, before: Before) -> Dropout:
    shape = before.image(section)
    return Dropout(
        index=len(before.layers),
        line=section.line,
        input=shape,
        output=shape,
        probability=section.number("probability", 0.5),
    )


def _route(section: Section, before: Before) -> Route:
    index = len(before.layers)
    sources = []
    for written in section.integers("layers"):
        source = index + written if written < 0 else written
        if not 0 <= source < index:
            raise section.error(
                f"names layer {written}, but this is layer {index}: a route joins layers before it",
                "layers",
            )
        if before.layers[source].kind in _NO_IMAGE:
            kind = before.layers[source].kind
            raise section.error(f"names a [{kind}], whose output is no image", "layers")
        sources.append(source)
    shapes = [before.layers[source].output for source in sources]
    first = shapes[0]
    for source, shape in zip(sources, shapes, strict=True):
        if shape[:2] != first[:2]:
            raise section.error(
                f"joins pictures of two sizes: layer {sources[0]} gives"
                f" {first.width}x{first.height}, layer {source} {shape.width}x{shape.height}",
                "layers",
            )
    joined = first._replace(channels=sum(shape.channels for shape in shapes))
    return Route(
        index=index, line=section.line, input=joined, output=joined, sources=tuple(sources)
    )


def _softmax(section: Section, before: Before) -> Softmax:
    shape = before.shape
    for option, why in _REFUSED_SOFTMAXES.items():
        if section.text(option, "0") != "0":
            raise section.error(f"is not supported: {why}", option)
    groups = section.integer("groups", 1, minimum=1)
    if shape.elements % groups:
        raise section.error(f"does not divide {shape.elements} inputs", "groups")
    temperature = section.number("temperature", 1.0)
    if temperature <= 0:
        raise section.error("must be more than 0", "temperature")
    return Softmax(
        index=len(before.layers),
        line=section.line,
        input=shape,
        output=shape,
        groups=groups,
        temperature=temperature,
    )


def _cost(section: Section, before: Before) -> Cost:
    return Cost(
        index=len(before.layers), line=section.line, input=before.shape, output=before.shape
    )


# Layers after which the C engine knows no rows and columns any more.
_NO_IMAGE = ("softmax", "cost")

_REFUSED_CONVOLUTIONS = {
    "binary": "its weights are rounded to their signs while it runs",
    "xnor": "its weights and inputs are rounded to their signs while it runs",
    "flipped": "its weights are stored the other way round",
    "dontload": "its weights are not in the .weights file",
    "dontloadscales": "part of its weights are not in the .weights file",
    "numload": "part of its weights are not in the .weights file",
}
_REFUSED_SOFTMAXES = {
    "tree": "it needs a tree of labels beside the .cfg",
    "spatial": "tinyedge normalizes over the whole output",
}

BUILDERS: Mapping[str, Callable[[Section, Before], Layer]] = {
    "convolutional": _convolutional,
    "maxpool": _maxpool,
    "avgpool": _avgpool,
    "dropout": _dropout,
    "route": _route,
    "softmax": _softmax,
    "cost": _cost,
}
