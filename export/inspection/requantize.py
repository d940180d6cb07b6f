"""Where an int8 graph rounds, and to what."""

import numpy as np

from tinyedge.export.inspection.graph import Graph, Operator
from tinyedge.export.inspection.kernels import SAME_VALUES

__all__ = ["INPUT", "representable", "rounding_positions", "step_value"]

# Stands for the rounding of the pixels, as an operator's position does for that of its output.
INPUT = -1


def representable(graph: Graph, number: int) -> tuple[float, float]:
    """The lowest and the highest value that a quantized tensor can hold."""
    tensor = graph.tensors[number]
    if tensor.quantization is None:
        raise ValueError(f"{tensor.name} is not quantized")
    limits, zero_point = np.iinfo(tensor.type), int(tensor.quantization.zero_points[0])
    scale = step_value(graph, number)
    return (limits.min - zero_point) * scale, (limits.max - zero_point) * scale


def step_value(graph: Graph, number: int) -> float:
    """The value of an activation's step; 1 where it has none."""
    quantization = graph.tensors[number].quantization
    return 1.0 if quantization is None else float(quantization.scales[0])


def rounding_positions(graph: Graph) -> list[int]:
    positions = [INPUT] if graph.tensors[graph.input].quantization is not None else []
    return positions + [
        position for position, operator in enumerate(graph.operators) if _rounds(graph, operator)
    ]


def _rounds(graph: Graph, operator: Operator) -> bool:
    """Whether its output has steps, and not the very ones on which its inputs lie already."""
    went = graph.tensors[operator.outputs[0]]
    if went.quantization is None:
        return False
    came = [graph.tensors[number] for number in graph.computed_inputs(operator)]
    if operator.name == "QUANTIZE" and came[0].quantization is not None:
        moved = int(np.iinfo(went.type).min) - int(np.iinfo(came[0].type).min)
        return not came[0].quantization.equals(went.quantization, moved=moved)
    return operator.name not in SAME_VALUES or not all(
        tensor.quantization is not None and tensor.quantization.equals(went.quantization)
        for tensor in came
    )
