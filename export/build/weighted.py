"""The layers with weights in Keras, without their batch norms, which are folded into the weights.

Each Keras layer that has weights is called by Darknet's number and kind, by which
`tinyedge.export.build.model.assign_weights` finds it.
"""

import keras

from tinyedge.darknet.layer_names import activation_name, layer_name
from tinyedge.darknet.layers import BatchNormalization, Connected, Convolutional, Local
from tinyedge.export.build.activations import activate
from tinyedge.export.build.padding import same_padding_matches

__all__ = ["batch_normalization", "connected", "convolution", "local"]


def convolution(layer: Convolutional, tensor: keras.KerasTensor) -> keras.KerasTensor:
    """A convolution; one with a group for each channel is depthwise, which runs faster."""
    name = layer_name(layer)
    reach = layer.dilation * (layer.size - 1) + 1
    if same_padding_matches(layer.input, layer.output, reach, layer.stride, layer.padding):
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
        depthwise = keras.layers.DepthwiseConv2D(layer.size, depth_multiplier=each, **options)
        return _activated(layer, depthwise(tensor))
    plain = keras.layers.Conv2D(layer.filters, layer.size, groups=layer.groups, **options)
    return _activated(layer, plain(tensor))


def connected(layer: Connected, tensor: keras.KerasTensor) -> keras.KerasTensor:
    """A dense layer on the flat input, its output (1, 1, 1, outputs)."""
    name = layer_name(layer)
    outputs = layer.output.elements
    flat = keras.layers.Reshape((layer.input.elements,), name=f"{name}_flat")(tensor)
    tensor = _activated(layer, keras.layers.Dense(outputs, name=name)(flat))
    return keras.layers.Reshape((1, 1, outputs), name=f"{name}_image")(tensor)


def local(layer: Local, tensor: keras.KerasTensor) -> keras.KerasTensor:
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
    tensor = keras.layers.Conv2D(pixels * filters, 1, groups=pixels, name=name)(flat)
    tensor = keras.layers.Reshape((rows, columns, filters), name=f"{name}_image")(tensor)
    return _activated(layer, tensor)


def batch_normalization(layer: BatchNormalization, tensor: keras.KerasTensor) -> keras.KerasTensor:
    """A depthwise 1x1 convolution: int8 then has a scale for each channel."""
    return keras.layers.DepthwiseConv2D(1, name=layer_name(layer))(tensor)


def _activated(
    layer: Convolutional | Connected | Local, tensor: keras.KerasTensor
) -> keras.KerasTensor:
    name = activation_name(layer, layer.activation)
    return activate(layer.activation, tensor, name, multiplied=True)
