"""Operators the Edge TPU does not know, written as ones it knows: the same function each time.

Each of `LOWERINGS` takes a graph, changes it, and says whether there was anything to change.
Versions are those TFLite asks for in int8 (tensorflow/compiler/mlir/lite/tools/versioning).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tinyedge.export.edgetpu.convolutions import dense_as_convolution, groups_as_convolutions
from tinyedge.export.edgetpu.upsampling import repeats_as_resize
from tinyedge.export.tflite.editor import EditableGraph

__all__ = ["LOWERINGS"]

_LARGEST = 127


def leaky_as_prelu(graph: EditableGraph) -> bool:
    """LEAKY_RELU as PRELU with a constant alpha a channel.

    Alpha is laid out as TFLiteConverter lays out that of Keras's PReLU(shared_axes=[1, 2]):
    shape (1, 1, channels), int8, symmetric, one scale. 127 steps of a 127th of the slope are the
    slope, as exactly as a float32 scale tells it.
    """
    return graph.replace("LEAKY_RELU", partial(_prelu, graph))


def mirror_as_joined(graph: EditableGraph) -> bool:
    """MIRROR_PAD by one pixel, which repeats the edge, as CONCATENATION with SLICEs of it."""
    return graph.replace("MIRROR_PAD", partial(_joined_edges, graph))


def strides_as_pool(graph: EditableGraph) -> bool:
    """STRIDED_SLICE with strides in the picture as MAX_POOL_2D of single pixels.

    A max pool of 1x1 takes each window's one pixel. What begins or ends within the picture is
    cut out before, by a SLICE.
    """
    return graph.replace("STRIDED_SLICE", partial(_pooled, graph))


def _prelu(graph: EditableGraph, operator: Any) -> list[Any]:
    shape = graph.shape(operator.outputs[0])
    steps = schema.QuantizationParametersT()
    steps.scale = np.array([operator.builtinOptions.alpha / _LARGEST], np.float32)
    steps.zeroPoint = np.zeros(1, np.int64)
    alpha = graph.add_constant(
        np.full((*(1 for _ in shape[1:-1]), shape[-1]), _LARGEST, np.int8),
        schema.TensorType.INT8,
        steps,
        f"{graph.name(operator)}/alpha",
    )
    return [graph.operator("PRELU", 1, [operator.inputs[0], alpha], operator.outputs)]


def _joined_edges(graph: EditableGraph, operator: Any) -> list[Any] | None:
    pads = graph.constant(operator.inputs[1])
    if pads is None or pads.max() > 1 or pads[[0, -1]].any():
        return None
    if operator.builtinOptions.mode != schema.MirrorPadMode.SYMMETRIC:
        return None
    written: list[Any] = []
    tensor, name = int(operator.inputs[0]), graph.name(operator)
    axes = [axis for axis in range(len(pads)) if pads[axis].any()]
    for axis in axes:
        before, after = map(int, pads[axis])
        shape = list(graph.shape(tensor))
        edges = []
        for place in [0] * before + [shape[axis] - 1] * after:
            begin, size = [0] * len(shape), list(shape)
            begin[axis], size[axis] = place, 1
            edge, cut = _slice(graph, tensor, begin, size, f"{name}/edge")
            written.append(cut)
            edges.append(edge)
        joined = [*edges[:before], tensor, *edges[before:]]
        shape[axis] += before + after
        last = axis == axes[-1]
        tensor = int(operator.outputs[0]) if last else graph.add_like(tensor, shape, name)
        options = schema.ConcatenationOptionsT()
        options.axis = axis
        written.append(graph.operator("CONCATENATION", 2, joined, [tensor], options))
    return written


def _pooled(graph: EditableGraph, operator: Any) -> list[Any] | None:
    options, shape = operator.builtinOptions, graph.shape(operator.inputs[0])
    bounds = [graph.constant(number) for number in operator.inputs[1:4]]
    begin, end, strides = ([] if b is None else b.tolist() for b in bounds)
    moves = options.ellipsisMask or options.newAxisMask or options.shrinkAxisMask
    if moves or len(shape) != 4 or len(strides) != 4:
        return None
    if strides[0] != 1 or strides[3] != 1 or min(strides) < 1 or max(strides) == 1:
        return None
    starts, sizes = [], []
    for axis, side in enumerate(shape):
        whole = slice(
            None if options.beginMask >> axis & 1 else begin[axis],
            None if options.endMask >> axis & 1 else end[axis],
        )
        start, stop, _ = whole.indices(side)
        starts.append(start)
        sizes.append(stop - start)
    tensor, written = int(operator.inputs[0]), []
    if tuple(sizes) != shape:
        tensor, cut = _slice(graph, tensor, starts, sizes, f"{graph.name(operator)}/cut")
        written.append(cut)
    pool = schema.Pool2DOptionsT()
    pool.padding = schema.Padding.VALID
    pool.strideH, pool.strideW = strides[1:3]
    pool.filterHeight = pool.filterWidth = 1
    return [*written, graph.operator("MAX_POOL_2D", 2, [tensor], operator.outputs, pool)]


def _slice(
    graph: EditableGraph, tensor: int, begin: list[int], size: list[int], name: str
) -> tuple[int, Any]:
    """The tensor that is cut out of another, and the operator that does it."""
    cut = graph.add_like(tensor, size, name)
    where = graph.add_indices(begin, f"{name}/begin"), graph.add_indices(size, f"{name}/size")
    options = schema.SliceOptionsT()
    return cut, graph.operator("SLICE", 2, [tensor, *where], [cut], options)


LOWERINGS: dict[str, Callable[[EditableGraph], bool]] = {
    "leaky-as-prelu": leaky_as_prelu,
    "mirror-as-joined": mirror_as_joined,
    "strides-as-pool": strides_as_pool,
    "repeats-as-resize": repeats_as_resize,
    "groups-as-convolutions": groups_as_convolutions,
    "dense-as-convolution": dense_as_convolution,
}
"""By the name that a model card gives each."""
