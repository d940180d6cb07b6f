"""Upsampling: five operators of the converter, which the Edge TPU does not take, as one it does."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tinyedge.export.tflite.editor import ModelEditor
from tinyedge.export.tflite.schema_types import OperatorT

__all__ = ["repeats_as_resize"]

_REPEATS = ("RESHAPE", "TILE", "RESHAPE", "TILE", "RESHAPE")


def repeats_as_resize(graph: ModelEditor) -> bool:
    """RESHAPE and TILE that repeat rows and columns as RESIZE_NEAREST_NEIGHBOR."""
    found = [pattern for operator in graph.operators if (pattern := _match(graph, operator))]
    patterns = {id(pattern[0]): pattern for pattern in found}
    changed = graph.replace("RESHAPE", lambda operator: _resize(graph, patterns.get(id(operator))))
    replaced = {id(operator) for pattern in found for operator in pattern[1:]}
    graph.operators = [operator for operator in graph.operators if id(operator) not in replaced]
    return changed


def _match(graph: ModelEditor, first: OperatorT) -> list[OperatorT] | None:
    """The operators from `first` on that repeat each row, then each column; None for others."""
    pattern = [first]
    while len(pattern) < len(_REPEATS):
        output = pattern[-1].outputs[0]
        consumers = graph.consumers(output)
        if len(consumers) != 1 or graph.is_output(output):
            return None
        pattern += consumers
    if tuple(map(graph.op_name, pattern)) != _REPEATS:
        return None
    shapes = [graph.shape(first.inputs[0]), *(graph.shape(op.outputs[0]) for op in pattern)]
    if len(shapes[0]) != 4 or len(shapes[-1]) != 4:
        return None
    (batch, height, width, depth), (_, rows, columns, _) = shapes[0], shapes[-1]
    down, across = rows // height, columns // width
    expected = [
        (batch, height, 1, width, depth),
        (batch, height, down, width, depth),
        (batch, rows, width, 1, depth),
        (batch, rows, width, across, depth),
        (batch, rows, columns, depth),
    ]
    if shapes[1:] != expected or not (_is_exact(height, rows) and _is_exact(width, columns)):
        return None
    return pattern


def _is_exact(pixels: int, resized: int) -> bool:
    """Whether TFLite's float32 finds each pixel's own number of repeats."""
    found = np.floor(np.arange(resized, dtype=np.float32) * np.float32(pixels / resized))
    return bool(np.array_equal(found, np.arange(resized) // (resized // pixels)))


def _resize(graph: ModelEditor, pattern: list[OperatorT] | None) -> list[OperatorT] | None:
    if pattern is None:
        return None
    target = pattern[-1].outputs[0]
    size = graph.add_indices(graph.shape(target)[1:3], f"{graph.output_name(pattern[-1])}/size")
    options = schema.ResizeNearestNeighborOptionsT()
    inputs = [pattern[0].inputs[0], size]
    return [graph.new_operator("RESIZE_NEAREST_NEIGHBOR", inputs, [target], options)]
