"""Multiply-accumulates of the operators of a .tflite file, whose network may not be known.

Of a network's layers :attr:`tinyedge.darknet.layers.Layer.multiply_accumulates` says the same.
"""

import math

from tinyedge.tflite.model import Operator, Subgraph, Tensor
from tinyedge.tflite.schema import OPERATORS, OPS_WITH_WEIGHTS

__all__ = ["multiply_accumulates"]


def multiply_accumulates(operator: Operator, graph: Subgraph) -> int:
    """Those of an operator of `graph`: of convolutions and dense layers; 0 of others."""
    kernel = _input(operator, graph, 1)
    output = graph.tensors[operator.outputs[0]] if operator.outputs else None
    if kernel is None or output is None or not kernel.shape:
        return 0
    if operator.name in OPS_WITH_WEIGHTS:
        outputs = OPERATORS[operator.name].kernel_outputs
        sides = (side for axis, side in enumerate(kernel.shape) if axis != outputs)
        return output.elements * math.prod(sides)
    if operator.name == "TRANSPOSE_CONV":
        # Each number of the image, its third input, meets the kernel of its channel.
        image = _input(operator, graph, 2)
        return 0 if image is None else image.elements * math.prod(kernel.shape[:-1])
    return 0


def _input(operator: Operator, graph: Subgraph, position: int) -> Tensor | None:
    inputs = operator.inputs
    if position >= len(inputs) or inputs[position] < 0:
        return None
    return graph.tensors[inputs[position]]
