"""Lowerings: operators that the Edge TPU does not support as others of the same function.

Each of `LOWERINGS` takes a model's editor, changes its graph, and returns whether there was
anything to change.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tinyedge.export.edgetpu.convolutions import dense_as_convolution, groups_as_convolutions
from tinyedge.export.edgetpu.upsampling import repeats_as_resize
from tinyedge.export.tflite.editor import ModelEditor
from tinyedge.export.tflite.schema_types import OperatorT
from tinyedge.tflite.quantization import QuantParams

__all__ = ["LOWERINGS"]


def leaky_as_prelu(graph: ModelEditor) -> bool:
    """LEAKY_RELU as PRELU with a constant alpha a channel.

    Alpha is laid out as TFLiteConverter lays out that of Keras's PReLU(shared_axes=[1, 2]):
    shape (1, 1, channels), int8, symmetric, per-tensor. Each integer is 127 and the scale a 127th
    of the slope, so that the slope is as exact as a float32 scale can say it.
    """
    return graph.replace("LEAKY_RELU", partial(_prelu, graph))


def mirror_as_joined(graph: ModelEditor) -> bool:
    """MIRROR_PAD by one pixel, which repeats the edge, as CONCATENATION with SLICEs of the edge."""
    return graph.replace("MIRROR_PAD", partial(_joined_edges, graph))


def strides_as_pool(graph: ModelEditor) -> bool:
    """STRIDED_SLICE with strides in the image as MAX_POOL_2D of single pixels.

    A max pool of 1x1 takes each window's one pixel. What begins or ends within the image is
    cut out before, by a SLICE.
    """
    return graph.replace("STRIDED_SLICE", partial(_pooled, graph))


def _prelu(graph: ModelEditor, operator: OperatorT) -> list[OperatorT]:
    shape = graph.shape(operator.outputs[0])
    slopes = np.full((*(1 for _ in shape[1:-1]), shape[-1]), operator.builtinOptions.alpha)
    qparams = QuantParams.symmetric([operator.builtinOptions.alpha], axis=0)
    alpha = graph.add_constant(
        qparams.quantize(slopes), qparams, f"{graph.output_name(operator)}/alpha"
    )
    return [graph.new_operator("PRELU", [operator.inputs[0], alpha], list(operator.outputs))]


def _joined_edges(graph: ModelEditor, operator: OperatorT) -> list[OperatorT] | None:
    pads = graph.constant(operator.inputs[1])
    if pads is None:
        return None
    amounts = [(int(before), int(after)) for before, after in pads.tolist()]
    if max(map(max, amounts)) > 1 or any(amounts[0]) or any(amounts[-1]):
        return None
    if operator.builtinOptions.mode != schema.MirrorPadMode.SYMMETRIC:
        return None
    written: list[OperatorT] = []
    tensor, name = int(operator.inputs[0]), graph.output_name(operator)
    axes = [axis for axis, amount in enumerate(amounts) if any(amount)]
    for axis in axes:
        before, after = amounts[axis]
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
        written.append(graph.new_operator("CONCATENATION", joined, [tensor], options))
    return written


def _pooled(graph: ModelEditor, operator: OperatorT) -> list[OperatorT] | None:
    options, shape = operator.builtinOptions, graph.shape(operator.inputs[0])
    bounds = [graph.constant(index) for index in operator.inputs[1:4]]
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
        tensor, cut = _slice(graph, tensor, starts, sizes, f"{graph.output_name(operator)}/cut")
        written.append(cut)
    pool = schema.Pool2DOptionsT()
    pool.padding = schema.Padding.VALID
    pool.strideH, pool.strideW = strides[1:3]
    pool.filterHeight = pool.filterWidth = 1
    return [*written, graph.new_operator("MAX_POOL_2D", [tensor], list(operator.outputs), pool)]


def _slice(
    graph: ModelEditor, tensor: int, begin: list[int], size: list[int], name: str
) -> tuple[int, OperatorT]:
    """A slice of a tensor: its index, and the operator that computes it."""
    cut = graph.add_like(tensor, size, name)
    where = graph.add_indices(begin, f"{name}/begin"), graph.add_indices(size, f"{name}/size")
    options = schema.SliceOptionsT()
    return cut, graph.new_operator("SLICE", [tensor, *where], [cut], options)


LOWERINGS: dict[str, Callable[[ModelEditor], bool]] = {
    "leaky-as-prelu": leaky_as_prelu,
    "mirror-as-joined": mirror_as_joined,
    "strides-as-pool": strides_as_pool,
    "repeats-as-resize": repeats_as_resize,
    "groups-as-convolutions": groups_as_convolutions,
    "dense-as-convolution": dense_as_convolution,
}
"""By the name that a model card gives each."""
