"""A Darknet network and its weights as a Keras functional model that ends in logits."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from tinyedge.darknet.layer_names import activation_name
from tinyedge.darknet.layers import (
    Activation,
    AvgPool,
    BatchNormalization,
    Connected,
    Convolutional,
    Cost,
    Crop,
    Dropout,
    L2Norm,
    Layer,
    Local,
    Logistic,
    MaxPool,
    Normalization,
    Reorg,
    Route,
    Shape,
    Shortcut,
    Softmax,
    Upsample,
)
from tinyedge.darknet.network import Network
from tinyedge.darknet.weights import Weights
from tinyedge.export.build import join, spatial, weighted
from tinyedge.export.build.activations import activate

__all__ = ["build_keras_model", "build_tensors", "flat_output"]


def build_keras_model(network: Network, weights: Weights) -> keras.Model:
    """The network with its weights: float32 (1, h, w, c) pixels in [0, 1] to (1, outputs).

    A network without a head gives its features, (1, h, w, c).

    Batch norms are folded into the layers they belong to. A softmax at the end is left out: the
    model gives logits, and who reads them applies it. Outputs stand in Darknet's order.

    Raises:
        ExportError: a layer that cannot be built.
    """
    image, built = build_tensors(network, weights, batch=1)
    return keras.Model(image, flat_output(built[-1], network.output), name="network")


def build_tensors(
    network: Network, weights: Weights, *, batch: int | None
) -> tuple[Any, list[Any]]:
    """The network's input and each of its layers' outputs, as Keras tensors of `batch` images.

    Raises:
        ExportError: a layer that cannot be built.
    """
    shape = network.input
    image = keras.Input((shape.height, shape.width, shape.channels), batch_size=batch, name="image")
    built: list[Any] = []
    for layer in network.layers:
        built.append(_tensor(layer, built[-1] if built else image, built, weights))
    return image, built


def _tensor(layer: Layer, before: Any, built: Sequence[Any], weights: Weights) -> Any:
    """What the layer makes of the tensor before it, and of those before that."""
    if isinstance(layer, Cost | Dropout | Softmax):
        # Nothing at inference; a softmax, which can only come last, is the reader's.
        return before
    if isinstance(layer, Route):
        return join.route(layer, built)
    if isinstance(layer, Shortcut):
        return join.shortcut(layer, before, built)
    if type(layer) in _LEARNED:
        return _LEARNED[type(layer)](layer, before, weights.layers[layer.index])
    return _ALONE[type(layer)](layer, before)


def _activation(layer: Activation, tensor: Any) -> Any:
    return activate(layer.activation, tensor, activation_name(layer, layer.activation))


def _logistic(layer: Logistic, tensor: Any) -> Any:
    return activate("logistic", tensor, activation_name(layer, "logistic"))


_LEARNED: dict[type[Layer], Callable[[Any, Any, Any], Any]] = {
    BatchNormalization: weighted.batch_normalization,
    Connected: weighted.connected,
    Convolutional: weighted.convolution,
    Local: weighted.local,
}
# What needs nothing but the layer and the tensor before it.
_ALONE: dict[type[Layer], Callable[[Any, Any], Any]] = {
    Activation: _activation,
    AvgPool: spatial.average_pool,
    Crop: spatial.crop,
    L2Norm: spatial.l2_norm,
    Logistic: _logistic,
    MaxPool: spatial.max_pool,
    Normalization: spatial.normalization,
    Reorg: spatial.reorg,
    Upsample: spatial.upsample,
}


def flat_output(tensor: Any, output: Shape) -> Any:
    """(1, 1, 1, c) as (1, c); features that still are a picture stay (1, h, w, c)."""
    if output.height * output.width > 1:
        return tensor
    return keras.layers.Reshape((output.elements,), name="logits")(tensor)
