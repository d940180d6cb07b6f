"""The layers with weights in Keras, their batch norms folded."""

from typing import Any

import keras

from tinyedge.darknet.layer_names import activation_name, layer_name
from tinyedge.darknet.layers import BatchNormalization, Connected, Convolutional, Local
from tinyedge.darknet.weights import (
    BatchNorm,
    ConnectedWeights,
    ConvolutionalWeights,
    LocalWeights,
)
from tinyedge.export.build.activations import activate, input_factor
from tinyedge.export.build.fold import (
    Folded,
    batch_norm_alone,
    fold_batch_norm,
    fold_connected,
    fold_local,
)
from tinyedge.export.build.padding import same_is_darknets

__all__ = ["batch_normalization", "connected", "convolution", "local"]


def convolution(layer: Convolutional, tensor: Any, learned: ConvolutionalWeights) -> Any:
    """A convolution; one with a group for each channel is depthwise, which runs faster."""
    folded = fold_batch_norm(learned).times(input_factor(layer.activation))
    name = layer_name(layer)
    reach = layer.dilation * (layer.size - 1) + 1
    if same_is_darknets(layer.input, layer.output, reach, layer.stride, layer.padding):
        padding = "same"
    else:
        padding = "valid"
        if layer.padding:
            tensor = keras.layers.ZeroPadding2D(layer.padding, name=f"{name}_pad")(tensor)
    options = {
        "strides": layer.stride,
        "padding": padding,
        "dilation_rate": layer.dilation,
        "name": name,
    }
    if 1 < layer.groups == layer.input.channels:
        each = layer.filters // layer.groups
        kernel = folded.kernel.reshape(layer.size, layer.size, layer.groups, each)
        depthwise = keras.layers.DepthwiseConv2D(layer.size, depth_multiplier=each, **options)
        tensor = _with_weights(depthwise, tensor, Folded(kernel, folded.bias))
    else:
        plain = keras.layers.Conv2D(layer.filters, layer.size, groups=layer.groups, **options)
        tensor = _with_weights(plain, tensor, folded)
    return _activated(layer, tensor)


def connected(layer: Connected, tensor: Any, learned: ConnectedWeights) -> Any:
    """A dense layer on the flat input, its output (1, 1, 1, outputs)."""
    name = layer_name(layer)
    outputs = layer.output.elements
    flat = keras.layers.Reshape((layer.input.elements,), name=f"{name}_flat")(tensor)
    dense = keras.layers.Dense(outputs, name=name)
    folded = fold_connected(learned, layer.input).times(input_factor(layer.activation))
    tensor = _with_weights(dense, flat, folded)
    tensor = _activated(layer, tensor)
    return keras.layers.Reshape((1, 1, outputs), name=f"{name}_image")(tensor)


def local(layer: Local, tensor: Any, learned: LocalWeights) -> Any:
    """A convolution with its own kernel at each pixel.

    The windows are laid out one behind the other and convolved as so many groups: so the
    quantizer gives every kernel its own scale.
    """
    name = layer_name(layer)
    rows, columns, filters = layer.output
    if layer.padding:
        tensor = keras.layers.ZeroPadding2D(layer.padding, name=f"{name}_pad")(tensor)
    down, across = (layer.stride * (count - 1) + 1 for count in (rows, columns))
    taps = [
        tensor[:, y : y + down : layer.stride, x : x + across : layer.stride, :]
        for y in range(layer.size)
        for x in range(layer.size)
    ]
    windows = taps[0] if len(taps) == 1 else keras.layers.Concatenate(name=f"{name}_taps")(taps)
    pixels = rows * columns
    window = layer.size**2 * layer.input.channels
    flat = keras.layers.Reshape((1, 1, pixels * window), name=f"{name}_windows")(windows)
    grouped = keras.layers.Conv2D(pixels * filters, 1, groups=pixels, name=name)
    folded = fold_local(learned).times(input_factor(layer.activation))
    tensor = _with_weights(grouped, flat, folded)
    tensor = keras.layers.Reshape((rows, columns, filters), name=f"{name}_image")(tensor)
    return _activated(layer, tensor)


def batch_normalization(layer: BatchNormalization, tensor: Any, learned: BatchNorm) -> Any:
    """A depthwise 1x1 convolution: int8 then has a scale for each channel."""
    scaled = keras.layers.DepthwiseConv2D(1, name=layer_name(layer))
    return _with_weights(scaled, tensor, batch_norm_alone(learned))


def _with_weights(keras_layer: Any, tensor: Any, folded: Folded) -> Any:
    tensor = keras_layer(tensor)
    keras_layer.set_weights([folded.kernel, folded.bias])
    return tensor


def _activated(layer: Convolutional | Connected | Local, tensor: Any) -> Any:
    name = activation_name(layer, layer.activation)
    return activate(layer.activation, tensor, name, multiplied=True)
