"""The layers that read earlier layers' outputs, in Keras."""

from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.layer_names import activation_name, layer_name
from tinyedge.darknet.layers import Route, Sam, ScaleChannels, Shape, Shortcut
from tinyedge.export.build.activations import activate

__all__ = ["product", "route", "shortcut", "weighted_names"]


def route(layer: Route, built: Sequence[keras.KerasTensor]) -> keras.KerasTensor:
    """Earlier outputs one behind the other along channels."""
    # The converter leaves in float what is concatenated with itself.
    sources = list(dict.fromkeys(layer.sources))
    tensors = [_part(built[source], layer) for source in sources]
    joined = tensors[0]
    if len(tensors) > 1:
        joined = keras.layers.Concatenate(name=layer_name(layer))(tensors)
    if len(sources) == len(layer.sources):
        return joined
    ends = np.cumsum([tensor.shape[-1] for tensor in tensors])
    places = {
        source: np.arange(end - tensor.shape[-1], end)
        for source, tensor, end in zip(sources, tensors, ends, strict=True)
    }
    chosen = np.concatenate([places[source] for source in layer.sources])
    return keras.ops.take(joined, chosen, axis=-1)


def shortcut(
    layer: Shortcut, tensor: keras.KerasTensor, built: Sequence[keras.KerasTensor]
) -> keras.KerasTensor:
    """The input plus earlier outputs, as far as they share pixels and channels.

    Weights are depthwise 1x1 convolutions: int8 then has a scale for each channel.
    """
    parts = []
    for source, shape in zip(layer.sources, layer.added, strict=True):
        added = built[source]
        if layer.beta != 1:
            added = layer.beta * added
        parts.append(added if shape == layer.output else _placed(layer, added, shape))
    if layer.alpha != 1:
        tensor = tensor * _weights_of_input(layer)
    summands = [tensor, *parts]
    if layer.weighting != "none":
        summands = [
            keras.layers.DepthwiseConv2D(1, name=name)(summand)
            for name, summand in zip(weighted_names(layer), summands, strict=True)
        ]
    tensor = summands[0]
    # TFLite's ADD has two inputs.
    for number, summand in enumerate(summands[1:]):
        last = number == len(parts) - 1
        name = layer_name(layer) if last else f"{layer_name(layer)}_sum{number}"
        tensor = keras.layers.Add(name=name)([tensor, summand])
    return activate(layer.activation, tensor, activation_name(layer, layer.activation))


def weighted_names(layer: Shortcut) -> list[str]:
    """The Keras layers that multiply the input and each source of a weighted shortcut."""
    return [f"{layer_name(layer)}_weights{number}" for number in range(1 + len(layer.sources))]


def product(
    layer: ScaleChannels | Sam, tensor: keras.KerasTensor, built: Sequence[keras.KerasTensor]
) -> keras.KerasTensor:
    """An earlier output times the input, which is repeated over its pixels or channels."""
    product = keras.layers.Multiply(name=layer_name(layer))([built[layer.sources[0]], tensor])
    return activate(layer.activation, product, activation_name(layer, layer.activation))


def _part(tensor: keras.KerasTensor, layer: Route) -> keras.KerasTensor:
    if layer.groups == 1:
        return tensor
    channels = tensor.shape[-1] // layer.groups
    return tensor[..., layer.group * channels : (layer.group + 1) * channels]


def _placed(layer: Shortcut, added: keras.KerasTensor, shape: Shape) -> keras.KerasTensor:
    """What is added of an output of `shape`, where it is added; zeros elsewhere."""
    rows, columns, channels = layer.common_with(shape)
    step = layer.stride_of(shape)
    tensor = added
    if step > 1 or layer.common_with(shape) != shape:
        tensor = added[:, : rows * step : step, : columns * step : step, :channels]
    if layer.sample_of(shape) > 1:
        tensor = _apart(tensor, Shape(rows, columns, channels), layer.sample_of(shape))
    out = layer.output
    margins = [(0, extent - found) for extent, found in zip(out, tensor.shape[1:], strict=True)]
    return keras.ops.pad(tensor, [(0, 0), *margins]) if np.any(margins) else tensor


def _apart(tensor: keras.KerasTensor, shape: Shape, distance: int) -> keras.KerasTensor:
    """Its pixels `distance` apart with zeros between: two pads, each of four dimensions."""
    rows, columns, channels = shape
    gap = [(0, 0), (0, 0), (0, distance - 1), (0, 0)]
    tensor = keras.layers.Reshape((rows, 1, columns * channels))(tensor)
    tensor = keras.ops.pad(tensor, gap)
    tensor = keras.layers.Reshape((rows * distance * columns, 1, channels))(tensor)
    tensor = keras.ops.pad(tensor, gap)
    return keras.layers.Reshape((rows * distance, columns * distance, channels))(tensor)


def _weights_of_input(layer: Shortcut) -> NDArray[np.float32]:
    """The factor alpha where something is added, 1 elsewhere."""
    weights = np.ones((1, *layer.output), np.float32)
    (added,) = layer.added
    rows, columns, channels = layer.common_with(added)
    step = layer.sample_of(added)
    weights[:, : rows * step : step, : columns * step : step, :channels] = layer.alpha
    return weights
