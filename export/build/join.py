"""The layers that read earlier layers' outputs, in Keras."""

from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.layer_names import activation_name, layer_name
from tinyedge.darknet.layers import Route, Shape, Shortcut
from tinyedge.export.build.activations import activate

__all__ = ["route", "shortcut"]


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
    """The input plus an earlier output, as far as they share pixels and channels."""
    added = built[layer.source]
    if layer.beta != 1:
        added = layer.beta * added
    if layer.added != layer.output:
        added = _placed(layer, added)
    if layer.alpha != 1:
        tensor = tensor * _weights_of_input(layer)
    tensor = keras.layers.Add(name=layer_name(layer))([tensor, added])
    return activate(layer.activation, tensor, activation_name(layer, layer.activation))


def _part(tensor: keras.KerasTensor, layer: Route) -> keras.KerasTensor:
    if layer.groups == 1:
        return tensor
    channels = tensor.shape[-1] // layer.groups
    return tensor[..., layer.group * channels : (layer.group + 1) * channels]


def _placed(layer: Shortcut, added: keras.KerasTensor) -> keras.KerasTensor:
    """What is added, where it is added, in the output's shape; zeros elsewhere."""
    rows, columns, channels = layer.common
    step = layer.stride
    tensor = added
    if step > 1 or layer.common != layer.added:
        tensor = added[:, : rows * step : step, : columns * step : step, :channels]
    if layer.sample > 1:
        tensor = _apart(tensor, Shape(rows, columns, channels), layer.sample)
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
    rows, columns, channels = layer.common
    step = layer.sample
    weights[:, : rows * step : step, : columns * step : step, :channels] = layer.alpha
    return weights
