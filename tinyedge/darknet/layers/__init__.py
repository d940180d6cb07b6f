"""The layers of a network: what each computes, on which shapes, at what cost.

A layer knows everything its arithmetic needs except its weights. All shapes are those of one
image; Darknet's own arrays are planar (channel, row, column). Each kind stands in one class: its
fields, the options of its section, how it is built from them, its line in Darknet's table.
"""

from collections.abc import Mapping
from types import MappingProxyType

from tinyedge.darknet.layers.base import BuildContext, Layer, Shape
from tinyedge.darknet.layers.head import Activation, Cost, Dropout, Logistic, Softmax
from tinyedge.darknet.layers.join import Route, Shortcut
from tinyedge.darknet.layers.spatial import (
    AvgPool,
    Crop,
    L2Norm,
    MaxPool,
    Normalization,
    Reorg,
    Upsample,
)
from tinyedge.darknet.layers.weighted import BatchNormalization, Connected, Convolutional, Local

__all__ = [
    "LAYER_TYPES",
    "Activation",
    "AvgPool",
    "BatchNormalization",
    "BuildContext",
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

_TYPES: tuple[type[Layer], ...] = (
    *(Convolutional, Connected, Local, BatchNormalization),
    *(MaxPool, AvgPool, Crop, Upsample, Reorg),
    *(Route, Shortcut),
    *(Normalization, L2Norm),
    *(Activation, Logistic, Dropout, Softmax, Cost),
)
LAYER_TYPES: Mapping[str, type[Layer]] = MappingProxyType({layer.kind: layer for layer in _TYPES})
"""By the section's long name, in the order that messages list them."""
