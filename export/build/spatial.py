"""The layers without weights that work on images, in Keras."""

import keras
import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.layer_names import layer_name
from tinyedge.darknet.layers import (
    AvgPool,
    Crop,
    L2Norm,
    LocalAvgPool,
    MaxPool,
    Normalization,
    Reorg,
    Upsample,
)
from tinyedge.errors import ExportError
from tinyedge.export.build.padding import same_padding_matches

__all__ = [
    "average_pool",
    "crop",
    "l2_norm",
    "local_average_pool",
    "max_pool",
    "normalization",
    "planar",
    "reorg",
    "upsample",
]


def max_pool(layer: MaxPool, tensor: keras.KerasTensor) -> keras.KerasTensor:
    """Max pool whose windows start at -(padding / 2), as in maxpool_layer.c.

    Pixels outside the image never win there. A border that repeats the edge pixel changes no
    maximum either, for a window that reaches over the edge holds the edge pixel too; unlike a
    border of -inf it leaves the int8 range alone.
    """
    before = layer.padding // 2
    name = layer_name(layer)
    if same_padding_matches(layer.input, layer.output, layer.size, layer.stride, before):
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


def average_pool(layer: AvgPool, tensor: keras.KerasTensor) -> keras.KerasTensor:
    """The mean of each channel."""
    return keras.layers.GlobalAveragePooling2D(keepdims=True, name=layer_name(layer))(tensor)


def local_average_pool(layer: LocalAvgPool, tensor: keras.KerasTensor) -> keras.KerasTensor:
    """The mean of what each window holds, windows starting at -(padding / 2).

    TensorFlow's SAME padding does not count either. Where that lies elsewhere, zeros are averaged
    with the image and each mean is multiplied by what they made it too small.
    """
    before = layer.padding // 2
    name = layer_name(layer)
    if same_padding_matches(layer.input, layer.output, layer.size, layer.stride, before):
        return keras.layers.AveragePooling2D(layer.size, layer.stride, "same", name=name)(tensor)
    axes = list(zip(layer.output[:2], layer.input[:2], strict=True))
    pads = [
        (before, max(0, (outputs - 1) * layer.stride + layer.size - before - inputs))
        for outputs, inputs in axes
    ]
    if any(map(max, pads)):
        tensor = keras.layers.ZeroPadding2D(tuple(pads), name=f"{name}_pad")(tensor)
    tensor = keras.layers.AveragePooling2D(layer.size, layer.stride, "valid", name=name)(tensor)
    rows, columns = (_held(layer, outputs, inputs) for outputs, inputs in axes)
    held = np.outer(rows, columns)
    if (held == layer.size**2).all():
        return tensor
    return tensor * (layer.size**2 / held).astype(np.float32)[np.newaxis, :, :, np.newaxis]


def _held(layer: LocalAvgPool, outputs: int, inputs: int) -> NDArray[np.int64]:
    """How many of an edge's pixels each window holds."""
    starts = np.arange(outputs) * layer.stride - layer.padding // 2
    return np.minimum(starts + layer.size, inputs) - np.maximum(starts, 0)


def crop(layer: Crop, tensor: keras.KerasTensor) -> keras.KerasTensor:
    """The middle of the image; 2 v - 1 is a depthwise convolution, one rounding in int8."""
    name = layer_name(layer)
    bottom = layer.input.height - layer.output.height - layer.top
    right = layer.input.width - layer.output.width - layer.left
    if layer.input != layer.output:
        edges = ((layer.top, bottom), (layer.left, right))
        tensor = keras.layers.Cropping2D(edges, name=name)(tensor)
    if not layer.adjust:
        return tensor
    channels = layer.input.channels
    adjusted = keras.layers.DepthwiseConv2D(1, name=f"{name}_adjust")
    tensor = adjusted(tensor)
    adjusted.set_weights(
        [np.full((1, 1, channels, 1), 2, np.float32), np.full(channels, -1, np.float32)]
    )
    return tensor


def upsample(layer: Upsample, tensor: keras.KerasTensor) -> keras.KerasTensor:
    """Each pixel repeated over a square, or reversed, the sum over each square; times the scale."""
    name = layer_name(layer)
    scale = layer.scale
    if layer.reverse:
        tensor = keras.layers.AveragePooling2D(layer.stride, name=name)(tensor)
        scale *= layer.stride**2
    elif layer.stride > 1:
        tensor = keras.layers.UpSampling2D(layer.stride, name=name)(tensor)
    return tensor if scale == 1 else tensor * scale


def reorg(layer: Reorg, tensor: keras.KerasTensor) -> keras.KerasTensor:
    """Another order of the same numbers: what reorg_cpu and flatten do to planar arrays.

    reorg_cpu reads its whole input as if it had the shape of a *reversed* reorg's output, also
    where it is not reversed; so the channels are not those of a space-to-depth.
    """
    height, width, channels = layer.input
    s = layer.stride
    if layer.extra:
        flat = keras.layers.Reshape((1, 1, layer.input.elements))(planar(tensor))
        return keras.ops.pad(flat, [(0, 0), (0, 0), (0, 0), (0, layer.extra)])
    if layer.flatten:
        if layer.reverse:
            return keras.layers.Reshape((height, width, channels))(planar(tensor))
        return _from_planar(keras.layers.Reshape((channels, height, width))(tensor))
    if s == 1:
        return tensor
    if layer.reverse:
        split, order = (s, s, channels // (s * s), height, width), (3, 4, 1, 5, 2)
    else:
        split, order = (channels // (s * s), height, s, width, s), (3, 5, 1, 2, 4)
    tensor = keras.layers.Reshape(split)(planar(tensor))
    tensor = keras.layers.Permute(order, name=layer_name(layer))(tensor)
    rows, columns, planes = layer.output
    return _from_planar(keras.layers.Reshape((planes, rows, columns))(tensor))


def normalization(layer: Normalization, tensor: keras.KerasTensor) -> keras.KerasTensor:
    """Local response normalization over the channels the engine counts.

    The weighted sum of squares is a 1x1 convolution. The power is written with exp and log,
    which TFLite has in int8.
    """
    channels = layer.input.channels
    sums = keras.layers.Conv2D(channels, 1, name=layer_name(layer))
    norms = sums(tensor * tensor)
    kernel = layer.alpha * layer.neighbours
    sums.set_weights([kernel[np.newaxis, np.newaxis], np.full(channels, layer.kappa, np.float32)])
    return tensor * keras.ops.exp(-layer.beta * keras.ops.log(norms))


def l2_norm(layer: L2Norm, tensor: keras.KerasTensor) -> keras.KerasTensor:
    """Each pixel's channels over their Euclidean norm.

    The converter makes one L2_NORMALIZATION of this, of these operations alone; the reshape keeps
    it from making something else of the square and what comes before. Its int8 kernel sums in 32
    bits, where squares and their root in int8 have next to nothing in common with the float
    file's: the square of a small number, and so its root's inverse, is a step or none.
    """
    height, width, channels = layer.input
    flat = keras.layers.Reshape((height * width, channels))(tensor)
    squares = keras.ops.sum(keras.ops.square(flat), axis=-1, keepdims=True)
    return keras.layers.Reshape((height, width, channels))(flat * keras.ops.rsqrt(squares))


def planar(tensor: keras.KerasTensor) -> keras.KerasTensor:
    """(1, h, w, c) as (1, c, h, w), Darknet's order; no operation where they are the same."""
    _, height, width, channels = tensor.shape
    if height * width == 1 or channels == 1:
        return keras.layers.Reshape((channels, height, width))(tensor)
    return keras.layers.Permute((3, 1, 2))(tensor)


def _from_planar(tensor: keras.KerasTensor) -> keras.KerasTensor:
    return keras.layers.Permute((2, 3, 1))(tensor)
