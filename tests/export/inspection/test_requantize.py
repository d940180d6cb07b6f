"""Which operators requantize, in files of other tools too."""

from tinyedge.export.inspection.graph import Graph
from tinyedge.export.inspection.requantize import INPUT, requantizing_ops
from tinyedge.tflite.model import Operator, Subgraph, Tensor
from tinyedge.tflite.quantization import QuantParams

SCALE = QuantParams.per_tensor(0.1, 0)


def tensor(name: str, stored: memoryview | None = None) -> Tensor:
    return Tensor(name, "int8", (1, 2), (1, 2), SCALE, -1, stored)


def test_a_constant_that_is_quantized_anew() -> None:
    tensors = (tensor("in"), tensor("stored", memoryview(bytes(2))), tensor("made"), tensor("out"))
    operators = (
        Operator("QUANTIZE", False, 1, (1,), (2,), {}),
        Operator("ADD", False, 2, (0, 2), (3,), {}),
    )
    graph = Graph(Subgraph(tensors, operators, (0,), (3,)), {})
    assert requantizing_ops(graph) == [INPUT, 0, 1]
