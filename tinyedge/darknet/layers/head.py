"""One function a section: the layer that its options and the layers before make of it.

A further layer type takes a class in ``layers.py``, its options in ``options.py``, a function in
``BUILDERS`` here and a line in ``table.py``. Defaults and geometry are those of the ``parse_*``
and ``make_*_layer`` functions of the C engine; its divisions are of whole numbers.
"""

from collections.abc import Callable, Mapping

from tinyedge.darknet.cfg import Section
from tinyedge.darknet.layers import Activation, Cost, Dropout, Layer, Logistic, Softmax
from tinyedge.darknet.layers.base import Before, activation
from tinyedge.darknet.layers.join import build_route, build_shortcut
from tinyedge.darknet.layers.spatial import (
    build_avgpool,
    build_crop,
    build_l2norm,
    build_maxpool,
    build_normalization,
    build_reorg,
    build_upsample,
)
from tinyedge.darknet.layers.weighted import (
    build_batchnorm,
    build_connected,
    build_convolutional,
    build_local,
)

__all__ = ["BUILDERS"]


def _activation(section: Section, before: Before) -> Activation:
    shape = before.image(section)
    return Activation(
        index=before.index,
        line=section.line,
        input=shape,
        output=shape,
        activation=activation(section, "linear"),
    )


def _logistic(section: Section, before: Before) -> Logistic:
    shape = before.image(section)
    return Logistic(index=before.index, line=section.line, input=shape, output=shape)


def _dropout(section: Section, before: Before) -> Dropout:
    shape = before.image(section)
    return Dropout(
        index=before.index,
        line=section.line,
        input=shape,
        output=shape,
        probability=section.number("probability", 0.5),
    )


def _softmax(section: Section, before: Before) -> Softmax:
    shape = before.numbers(section)
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
        index=before.index,
        line=section.line,
        input=shape,
        output=shape,
        groups=groups,
        temperature=temperature,
    )


def _cost(section: Section, before: Before) -> Cost:
    return Cost(index=before.index, line=section.line, input=before.shape, output=before.shape)


_REFUSED_SOFTMAXES = {
    "tree": "it needs a tree of labels beside the .cfg",
    "spatial": "tinyedge normalizes over the whole output",
}

BUILDERS: Mapping[str, Callable[[Section, Before], Layer]] = {
    "convolutional": build_convolutional,
    "connected": build_connected,
    "local": build_local,
    "batchnorm": build_batchnorm,
    "maxpool": build_maxpool,
    "avgpool": build_avgpool,
    "crop": build_crop,
    "upsample": build_upsample,
    "reorg": build_reorg,
    "route": build_route,
    "shortcut": build_shortcut,
    "normalization": build_normalization,
    "l2norm": build_l2norm,
    "activation": _activation,
    "logistic": _logistic,
    "dropout": _dropout,
    "softmax": _softmax,
    "cost": _cost,
}
