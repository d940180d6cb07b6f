"""Operators the Edge TPU does not know, written as ones it knows: the same function each time.

Each of `LOWERINGS` takes a graph, changes it, and says whether there was anything to change.
Versions are those TFLite asks for in int8 (tensorflow/compiler/mlir/lite/tools/versioning).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tinyedge.export.editable_graph import EditableGraph

__all__ = ["LOWERINGS"]

_LARGEST = 127


def leaky_as_prelu(graph: EditableGraph) -> bool:
    """LEAKY_RELU as PRELU with a constant alpha a channel.

    Alpha is laid out as TFLiteConverter lays out that of Keras's PReLU(shared_axes=[1, 2]):
    shape (1, 1, channels), int8, symmetric, one scale. 127 steps of a 127th of the slope are the
    slope, as exactly as a float32 scale tells it.
    """
    return _replace(graph, "LEAKY_RELU", _prelu)


def _prelu(graph: EditableGraph, operator: Any) -> list[Any]:
    shape = graph.shape(operator.outputs[0])
    steps = schema.QuantizationParametersT()
    steps.scale = np.array([operator.builtinOptions.alpha / _LARGEST], np.float32)
    steps.zeroPoint = np.zeros(1, np.int64)
    alpha = graph.add_constant(
        np.full((*(1 for _ in shape[1:-1]), shape[-1]), _LARGEST, np.int8),
        schema.TensorType.INT8,
        steps,
        f"{_name(graph, operator)}/alpha",
    )
    return [graph.operator("PRELU", 1, [operator.inputs[0], alpha], operator.outputs)]


def _replace(
    graph: EditableGraph, name: str, write: Callable[[EditableGraph, Any], list[Any] | None]
) -> bool:
    """Put what `write` gives in the place of each operator of that name; None leaves it."""
    written: list[Any] = []
    changed = False
    for operator in graph.operators:
        instead = write(graph, operator) if graph.is_a(operator, name) else None
        changed = changed or instead is not None
        written += [operator] if instead is None else instead
    graph.operators = written
    return changed


def _name(graph: EditableGraph, operator: Any) -> str:
    """Of an operator's first output, by which the layer is known."""
    return str(graph.tensor(operator.outputs[0]).name.decode())


LOWERINGS: dict[str, Callable[[EditableGraph], bool]] = {
    "leaky-as-prelu": leaky_as_prelu,
}
