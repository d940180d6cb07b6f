"""Upsampling as Keras lays it out for TFLite, which the Edge TPU does not take, as one operator."""

from functools import partial
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tinyedge.export.tflite.editor import EditableGraph

__all__ = ["repeats_as_resize"]

_CHAIN = ("RESHAPE", "TILE", "RESHAPE", "TILE", "RESHAPE")


def repeats_as_resize(graph: EditableGraph) -> bool:
    """Rows and columns repeated by RESHAPE and TILE as RESIZE_NEAREST_NEIGHBOR."""
    chains = {
        id(chain[0]): chain for chain in map(partial(_chain, graph), graph.operators) if chain
    }
    changed = graph.replace("RESHAPE", lambda operator: _resized(graph, chains.get(id(operator))))
    gone = {id(operator) for chain in chains.values() for operator in chain[1:]}
    graph.operators = [operator for operator in graph.operators if id(operator) not in gone]
    return changed


def _chain(graph: EditableGraph, first: Any) -> list[Any] | None:
    """The operators from `first` on that repeat each row, then each column; None for others."""
    chain = [first]
    while len(chain) < len(_CHAIN):
        made = chain[-1].outputs[0]
        readers = [op for op in graph.operators if made in op.inputs]
        if len(readers) != 1 or graph.is_output(made):
            return None
        chain += readers
    if not all(map(graph.is_a, chain, _CHAIN)):
        return None
    shapes = [graph.shape(first.inputs[0]), *(graph.shape(op.outputs[0]) for op in chain)]
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
    return chain


def _is_exact(pixels: int, resized: int) -> bool:
    """Whether TFLite's float32 finds each pixel's own number of repeats."""
    found = np.floor(np.arange(resized, dtype=np.float32) * np.float32(pixels / resized))
    return bool(np.array_equal(found, np.arange(resized) // (resized // pixels)))


def _resized(graph: EditableGraph, chain: list[Any] | None) -> list[Any] | None:
    if chain is None:
        return None
    target = chain[-1].outputs[0]
    size = graph.add_indices(graph.shape(target)[1:3], f"{graph.name(chain[-1])}/size")
    options = schema.ResizeNearestNeighborOptionsT()
    inputs = [chain[0].inputs[0], size]
    # Version 3 is that of pixels counted from their centres, which repeats do not need.
    return [graph.operator("RESIZE_NEAREST_NEIGHBOR", 2, inputs, [target], options)]
