"""A Darknet network and its weights as a Keras functional model that ends in logits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from tinyedge.darknet.layer_names import activation_name, layer_name
from tinyedge.darknet.layers import (
    Activation,
    AvgPool,
    BatchNormalization,
    Connected,
    Convolutional,
    Cost,
    Crop,
    DepthwiseConvolutional,
    Dropout,
    L2Norm,
    Layer,
    Local,
    LocalAvgPool,
    Logistic,
    MaxPool,
    Normalization,
    Reorg,
    Route,
    Sam,
    ScaleChannels,
    Shape,
    Shortcut,
    Softmax,
    Upsample,
)
from tinyedge.darknet.network import Network
from tinyedge.darknet.weights import weighted_layers
from tinyedge.export.build import join, spatial, weighted
from tinyedge.export.build.activations import activate
from tinyedge.export.build.fold import FoldedWeights

__all__ = ["KerasNetwork", "assign_weights", "build_keras_model", "build_keras_network"]

# Takes a layer, each builder one of its own class, and the tensor before it.
Builder = Callable[..., keras.KerasTensor]


@dataclass(frozen=True, eq=False)
class KerasNetwork:
    """A network as a Keras model, and where in it each of Darknet's layers ends.

    Attributes:
        model: float32 (n, h, w, c) pixels in [0, 1] to (n, outputs), or to features (n, h, w, c)
            of a network without a head; built for one image, as the exported files are, and to
            be called with any number.
        outputs: of each layer by its position, (n, h, w, c).
    """

    model: keras.Model
    outputs: tuple[keras.KerasTensor, ...]


def build_keras_model(network: Network, weights: FoldedWeights) -> keras.Model:
    """The network as a Keras functional model, see `build_keras_network`."""
    return build_keras_network(network, weights).model


def build_keras_network(network: Network, weights: FoldedWeights) -> KerasNetwork:
    """The network with its weights.

    A softmax at the end is left out: the model ends in logits, and what runs it applies the
    softmax. Outputs are in Darknet's order.

    Raises:
        ExportError: a layer that cannot be built.
    """
    image = keras.Input(tuple(network.input), batch_size=1, name="image")
    outputs: list[keras.KerasTensor] = []
    for layer in network.layers:
        outputs.append(_tensor(layer, outputs[-1] if outputs else image, outputs))
    model = keras.Model(image, _flat(outputs[-1], network.output), name="network")
    assign_weights(model, network, weights)
    return KerasNetwork(model, tuple(outputs))


def assign_weights(model: keras.Model, network: Network, weights: FoldedWeights) -> None:
    """Set the weights of a model of `network`, one layer's at a time."""
    in_model = {keras_layer.name: keras_layer for keras_layer in model.layers}
    for layer in weighted_layers(network):
        whole = weights[layer.index]
        if isinstance(layer, Shortcut):
            names = join.weighted_names(layer)
            kernels = np.split(whole.kernel, len(names), axis=-1)
        else:
            names, kernels = [layer_name(layer)], [whole.kernel]
        for name, kernel in zip(names, kernels, strict=True):
            if name in in_model:
                # A depthwise kernel is (size, size, channels, filters a channel).
                shape = in_model[name].weights[0].shape
                in_model[name].set_weights([kernel.reshape(shape), whole.bias])


def _tensor(
    layer: Layer, before: keras.KerasTensor, outputs: Sequence[keras.KerasTensor]
) -> keras.KerasTensor:
    """The layer's output, from the tensor before it and the `outputs` of all earlier layers."""
    if isinstance(layer, Cost | Dropout | Softmax):
        # Nothing at inference; a softmax can only come last, and is left out.
        return before
    if isinstance(layer, Route):
        return join.route(layer, outputs)
    if isinstance(layer, Shortcut):
        return join.shortcut(layer, before, outputs)
    if isinstance(layer, ScaleChannels | Sam):
        return join.product(layer, before, outputs)
    return _BUILDERS[type(layer)](layer, before)


def _activation(layer: Activation, tensor: keras.KerasTensor) -> keras.KerasTensor:
    return activate(layer.activation, tensor, activation_name(layer, layer.activation))


def _logistic(layer: Logistic, tensor: keras.KerasTensor) -> keras.KerasTensor:
    return activate("logistic", tensor, activation_name(layer, "logistic"))


# What needs nothing but the layer and the tensor before it.
_BUILDERS: dict[type[Layer], Builder] = {
    Activation: _activation,
    AvgPool: spatial.average_pool,
    BatchNormalization: weighted.batch_normalization,
    Connected: weighted.connected,
    Convolutional: weighted.convolution,
    Crop: spatial.crop,
    DepthwiseConvolutional: weighted.convolution,
    L2Norm: spatial.l2_norm,
    Local: weighted.local,
    LocalAvgPool: spatial.local_average_pool,
    Logistic: _logistic,
    MaxPool: spatial.max_pool,
    Normalization: spatial.normalization,
    Reorg: spatial.reorg,
    Upsample: spatial.upsample,
}


def _flat(tensor: keras.KerasTensor, output: Shape) -> keras.KerasTensor:
    """(n, 1, 1, c) as (n, c); features that still are an image stay (n, h, w, c)."""
    if output.height * output.width > 1:
        return tensor
    return keras.layers.Reshape((output.elements,), name="logits")(tensor)
