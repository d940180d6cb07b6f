"""The layers of a network: what each computes, on which shapes, at what cost.

A layer knows everything its arithmetic needs except its weights. All shapes are those of one
image; Darknet's own arrays are planar (channel, row, column). Each kind stands in one class: its
fields, the options of its section, how it is built from them, its line in Darknet's table.
"""

from collections.abc import Mapping
from types import MappingProxyType

from tinyedge.darknet.layers.base import BuildContext, Layer, Shape
from tinyedge.darknet.layers.head import Activation, Cost, Dropout, Logistic, Softmax
from tinyedge.darknet.layers.join import Join, Route, Sam, ScaleChannels, Shortcut
from tinyedge.darknet.layers.spatial import (
    AvgPool,
    Crop,
    L2Norm,
    LocalAvgPool,
    MaxPool,
    Normalization,
    Reorg,
    Upsample,
)
from tinyedge.darknet.layers.weighted import (
    BatchNormalization,
    Connected,
    Convolutional,
    DepthwiseConvolutional,
    Local,
)

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
    "DepthwiseConvolutional",
    "Dropout",
    "Join",
    "L2Norm",
    "Layer",
    "Local",
    "LocalAvgPool",
    "Logistic",
    "MaxPool",
    "Normalization",
    "Reorg",
    "Route",
    "Sam",
    "ScaleChannels",
    "Shape",
    "Shortcut",
    "Softmax",
    "Upsample",
]

_TYPES: tuple[type[Layer], ...] = (
    *(Convolutional, DepthwiseConvolutional, Connected, Local, BatchNormalization),
    *(MaxPool, AvgPool, LocalAvgPool, Crop, Upsample, Reorg),
    *(Route, Shortcut, ScaleChannels, Sam),
    *(Normalization, L2Norm),
    *(Activation, Logistic, Dropout, Softmax, Cost),
)
LAYER_TYPES: Mapping[str, type[Layer]] = MappingProxyType({layer.kind: layer for layer in _TYPES})
"""By the section's long name, in the order that messages list them."""
