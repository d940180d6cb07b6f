"""The operators of an int8 graph that requantize."""

from tinyedge.export.inspection.graph import Graph
from tinyedge.tflite.model import Operator
from tinyedge.tflite.schema import SAME_SCALE_OPS

__all__ = ["INPUT", "requantizing_ops"]

# Stands for the quantization of the pixels, as an operator's position does for its output's.
INPUT = -1


def requantizing_ops(graph: Graph) -> list[int]:
    """The positions of the operators that round what they give out, and INPUT where pixels are."""
    positions = [INPUT] if graph.tensors[graph.input].qparams is not None else []
    return positions + [
        position
        for position, operator in enumerate(graph.operators)
        if _requantizes(graph, operator)
    ]


def _requantizes(graph: Graph, operator: Operator) -> bool:
    """Whether its output is quantized, and not by the very parameters of its inputs."""
    output = graph.tensors[operator.outputs[0]].qparams
    if output is None:
        return False
    inputs = [graph.tensors[index].qparams for index in graph.computed_inputs(operator)]
    # Of a stranger's file it may read a constant, and nothing computed.
    if operator.name == "QUANTIZE" and inputs and inputs[0] is not None:
        return inputs[0].shifted(output.dtype) != output
    return operator.name not in SAME_SCALE_OPS or any(qparams != output for qparams in inputs)
