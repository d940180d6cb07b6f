"""What the numbers of an output are, from the operator that makes them."""

import numpy as np
import pytest

from tests.support.tflite_writer import Op, T, constant, write_model
from tinyedge.tflite.head import Head, output_head
from tinyedge.tflite.model import parse_tflite


def scores() -> T:
    return T((1, 4), "float32")


DENSE = Op(
    "FULLY_CONNECTED", [scores(), constant(np.eye(4), "float32"), None], [scores()],
    "FullyConnectedOptions",
)  # fmt: skip


def op(name: str, source: int, kind: str = "float32", shape: tuple[int, ...] = (1, 4)) -> Op:
    inputs: list[T | int | None] = [source]
    if name in ("RESHAPE", "MEAN"):
        inputs.append(constant([1, 4] if name == "RESHAPE" else [1], "int32"))
    return Op(name, inputs, [T(shape, kind)])


@pytest.mark.parametrize(
    ("operators", "head"),
    [
        ([DENSE], "scores"),
        ([DENSE, op("SOFTMAX", 0)], "softmax"),
        ([DENSE, op("LOGISTIC", 0)], "sigmoid"),
        ([DENSE, op("SOFTMAX", 0), op("RESHAPE", 1)], "softmax"),
        ([DENSE, op("SOFTMAX", 0, "int8"), op("DEQUANTIZE", 1)], "softmax"),
        ([DENSE, op("LOGISTIC", 0, "int8"), op("QUANTIZE", 1, "uint8")], "sigmoid"),
        ([DENSE, op("LOGISTIC", 0), op("MEAN", 1)], "sigmoid"),
        # A sigmoid further up is a gate, not an answer.
        ([DENSE, op("LOGISTIC", 0), Op("MUL", [1, scores()], [scores()])], "scores"),
        ([DENSE, op("SOFTMAX", 0), op("RELU", 1)], "scores"),
        ([DENSE, op("TANH", 0)], "scores"),
        ([DENSE, op("LOGISTIC", 0), op("LOGISTIC", 0),
          Op("CONCATENATION", [1, 2], [T((1, 8), "float32")])], "sigmoid"),
        ([DENSE, op("LOGISTIC", 0), Op("CONCATENATION", [0, 1], [T((1, 8), "float32")])], "scores"),
        ([DENSE, Op("edgetpu-custom-op", [0], [scores()])], None),
        ([DENSE, Op("edgetpu-custom-op", [0], [scores()]), op("SOFTMAX", 1)], "softmax"),
        # What no runtime takes and `info` still shows.
        ([DENSE, Op("RESHAPE", [], [scores()])], "scores"),
        ([DENSE, Op("SPLIT", [0], [scores()])], "scores"),
        ([DENSE, Op("CONCATENATION", [], [scores()])], "scores"),
    ],
)  # fmt: skip
def test_head(operators: list[Op], head: Head | None) -> None:
    assert output_head(parse_tflite(write_model(*operators)).subgraphs[0]) == head
