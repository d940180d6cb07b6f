"""What the numbers that a .tflite gives are, told from the operator that makes them.

The numbers themselves do not tell: the scores of several independent sigmoids may add up to one,
and a softmax of many classes is quantized to any scale.
"""

from typing import Literal

from tinyedge.tflite.model import Subgraph

__all__ = ["Head", "output_head"]

Head = Literal["softmax", "sigmoid", "scores"]

_MAKERS: dict[str, Head] = {"SOFTMAX": "softmax", "LOGISTIC": "sigmoid"}
# What comes out of these is what goes in, in other places, on another scale, or averaged.
_KEEP_PROBABILITIES = frozenset(
    (
        *("AVERAGE_POOL_2D", "CAST", "DEQUANTIZE", "EXPAND_DIMS", "GATHER", "MEAN", "QUANTIZE"),
        *("RESHAPE", "SLICE", "SPLIT", "SPLIT_V", "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE"),
    )
)


def output_head(graph: Subgraph) -> Head | None:
    """What makes the graph's first output.

    Returns:
        ``softmax`` where a softmax does, ``sigmoid`` where logistics do, each number a probability
        by itself, both also through operators that only move, average or requantize numbers;
        ``scores`` where anything else does; None where that is inside a custom operator.
    """
    makers = {index: operator for operator in graph.operators for index in operator.outputs}
    found: set[Head] = set()
    todo, seen = list(graph.outputs[:1]), set[int]()
    while todo:
        index = todo.pop()
        if index in seen:
            continue
        seen.add(index)
        operator = makers.get(index)
        if operator is None:
            found.add("scores")
        elif operator.custom:
            return None
        elif operator.name == "CONCATENATION":
            todo += operator.inputs
        elif operator.name in _KEEP_PROBABILITIES:
            # What is moved; of a split, behind the axis. Of a broken file, nothing.
            place = 1 if operator.name == "SPLIT" else 0
            todo.append(operator.inputs[place] if place < len(operator.inputs) else -1)
        else:
            found.add(_MAKERS.get(operator.name, "scores"))
    if found == {"softmax"}:
        return "softmax"
    return "scores" if "scores" in found or not found else "sigmoid"
