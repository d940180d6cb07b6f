"""A Darknet network and its weights as a Keras functional model that ends in logits."""

from collections.abc import Callable
from typing import Any

import keras

from tinyedge.darknet.layers import (
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
from tinyedge.darknet.network import Network
from tinyedge.darknet.weights import Weights
from tinyedge.errors import ExportError
from tinyedge.export.rewrites import fold_batch_norm

__all__ = ["build_keras_model"]

# activations.h; leaky_activate has .1 for the slope.
_ACTIVATIONS: dict[str, Callable[[str], Any]] = {
    "leaky": lambda name: keras.layers.LeakyReLU(negative_slope=0.1, name=name),
    "relu": lambda name: keras.layers.ReLU(name=name),
    "logistic": lambda name: keras.layers.Activation("sigmoid", name=name),
    "tanh": lambda name: keras.layers.Activation("tanh", name=name),
}


def build_keras_model(network: Network, weights: Weights) -> keras.Model:
    """The network with its weights: float32 (1, h, w, c) pixels in [0, 1] to (1, outputs).

    Batch norm is folded into the convolutions. A softmax at the end is left out: the model
    gives logits, and who reads them applies it. Outputs stand in Darknet's order.

    Raises:
        ExportError: a layer that cannot be built.
    """
    shape = network.input
    image = keras.Input((shape.height, shape.width, shape.channels), batch_size=1, name="image")
    built: list[Any] = []
    for layer in network.layers:
        before = built[-1] if built else image
        built.append(_BUILDERS[type(layer)](layer, before, built, weights))
    return keras.Model(image, _flat(built[-1], network.output), name="network")


def _convolution(layer: Convolutional, tensor: Any, _: list[Any], weights: Weights) -> Any:
    folded = fold_batch_norm(weights.layers[layer.index])
    pad = layer.padding
    if _same_is_darknets(layer.input, layer.output, layer.size, layer.stride, pad):
        padding = "same"
    else:
        padding = "valid"
        if pad:
            tensor = keras.layers.ZeroPadding2D(pad, name=f"{_name(layer)}_pad")(tensor)
    convolution = keras.layers.Conv2D(
        layer.filters,
        layer.size,
        strides=layer.stride,
        padding=padding,
        groups=layer.groups,
        name=_name(layer),
    )
    tensor = convolution(tensor)
    convolution.set_weights([folded.kernel, folded.bias])
    if layer.activation == "linear":
        return tensor
    return _ACTIVATIONS[layer.activation](f"{_name(layer)}_{layer.activation}")(tensor)


def _max_pool(layer: MaxPool, tensor: Any, *_: Any) -> Any:
    """Max pool whose windows start at -(padding / 2), as in maxpool_layer.c.

    Pixels outside the image never win there. A border that repeats the edge pixel changes no
    maximum either, for a window that reaches over the edge holds the edge pixel too; unlike a
    border of -inf it leaves the int8 range alone.
    """
    before = layer.padding // 2
    name = _name(layer)
    if _same_is_darknets(layer.input, layer.output, layer.size, layer.stride, before):
        return keras.layers.MaxPool2D(layer.size, layer.stride, "same", name=name)(tensor)
    pads = [
        (before, max(0, (outputs - 1) * layer.stride + layer.size - before - inputs))
        for outputs, inputs in zip(layer.output[:2], layer.input[:2], strict=True)
    ]
    if max(max(pad) for pad in pads) >= layer.size:
        raise ExportError(
            f"layer {layer.index} (maxpool, line {layer.line}): with padding={layer.padding}"
            f" windows of size {layer.size} lie outside the image; make the padding smaller"
        )
    while any(max(pad) for pad in pads):
        ring = [(min(1, start), min(1, end)) for start, end in pads]
        tensor = keras.ops.pad(tensor, [(0, 0), *ring, (0, 0)], mode="symmetric")
        pads = [(max(0, start - 1), max(0, end - 1)) for start, end in pads]
    return keras.layers.MaxPool2D(layer.size, layer.stride, "valid", name=name)(tensor)


def _average_pool(layer: AvgPool, tensor: Any, *_: Any) -> Any:
    return keras.layers.GlobalAveragePooling2D(keepdims=True, name=_name(layer))(tensor)


def _route(layer: Route, _: Any, built: list[Any], *__: Any) -> Any:
    tensors = [built[source] for source in layer.sources]
    if len(tensors) == 1:
        return tensors[0]
    return keras.layers.Concatenate(name=_name(layer))(tensors)


def _nothing(_: Layer, tensor: Any, *__: Any) -> Any:
    return tensor


def _same_is_darknets(source: Shape, result: Shape, size: int, stride: int, before: int) -> bool:
    """Whether TensorFlow's SAME puts the windows where Darknet puts them."""
    for inputs, outputs in zip(source[:2], result[:2], strict=True):
        total = max(0, (outputs - 1) * stride + size - inputs)
        if outputs != -(-inputs // stride) or total // 2 != before:
            return False
    return True


def _flat(tensor: Any, output: Shape) -> Any:
    """(1, h, w, c) as (1, outputs) in Darknet's order: channel, row, column."""
    if output.height * output.width > 1:
        tensor = keras.layers.Permute((3, 1, 2), name="channels_first")(tensor)
    outputs = output.height * output.width * output.channels
    return keras.layers.Reshape((outputs,), name="logits")(tensor)


def _name(layer: Layer) -> str:
    return f"{layer.index}_{layer.kind}"


# What each layer becomes: called with the layer, the tensor before it, the tensors of all layers
# before it and the weights. Dropout and cost do nothing at inference; a softmax, which can only
# come last, is left to whoever reads the logits.
_BUILDERS: dict[type[Layer], Callable[[Any, Any, list[Any], Weights], Any]] = {
    AvgPool: _average_pool,
    Convolutional: _convolution,
    Cost: _nothing,
    Dropout: _nothing,
    MaxPool: _max_pool,
    Route: _route,
    Softmax: _nothing,
}
