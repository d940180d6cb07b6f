"""OpenCV's DNN module, which reads .cfg and .weights itself (darknet_io.cpp): another oracle.

It knows AlexeyAB's layers and activations in part: see `unknown`. Its version 5 has no reader.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.layers import (
    AvgPool,
    Connected,
    Convolutional,
    Cost,
    DepthwiseConvolutional,
    Dropout,
    Layer,
    MaxPool,
    Route,
    ScaleChannels,
    Shortcut,
    Softmax,
    Upsample,
)
from tinyedge.darknet.network import Network

__all__ = ["predict", "unknown"]

_ACTIVATIONS = ("linear", "leaky", "logistic", "mish", "swish")


def predict(cfg: Path, weights: Path, pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    """The outputs before the softmax of the network there, flat, for (h, w, c) pixels."""
    import cv2

    net = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
    net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    net.setInput(np.ascontiguousarray(pixels.transpose(2, 0, 1)[np.newaxis]))
    names = net.getLayerNames()
    ends = [number for number, name in enumerate(names) if name.startswith("softmax")]
    return np.asarray(net.forward(names[(ends or [len(names)])[0] - 1]), np.float64).ravel()


def unknown(network: Network) -> str:
    """What of the network OpenCV does not read, or reads as something else; nothing if it does."""
    found = {said for layer in network.layers if (said := _unknown(layer))}
    return ", ".join(sorted(found))


def _unknown(layer: Layer) -> str:  # noqa: PLR0911 - a case a layer
    activation = getattr(layer, "activation", "linear")
    if activation not in _ACTIVATIONS:
        return activation
    match layer:
        case DepthwiseConvolutional():
            return f"[{layer.kind}]"
        case Convolutional() if layer.dilation > 1:
            return "dilation"
        case ScaleChannels() if layer.across:
            return "scale_wh"
        case Shortcut() if len(layer.sources) > 1 or layer.weighting != "none":
            return "weighted [shortcut]"
        case Shortcut() if layer.added[0][:2] != layer.output[:2]:
            return "[shortcut] of two sizes"
        case Upsample() if layer.reverse or layer.scale != 1:
            return "scaled [upsample]"
        case Softmax() if layer.groups > 1 or layer.temperature != 1:
            return "[softmax] in groups"
        case (
            AvgPool()
            | Connected()
            | Convolutional()
            | Cost()
            | Dropout()
            | MaxPool()
            | Route()
            | ScaleChannels()
            | Shortcut()
            | Softmax()
            | Upsample()
        ):
            return ""
    return f"[{layer.kind}]"
