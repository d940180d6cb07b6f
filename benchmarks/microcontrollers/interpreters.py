"""One file in TFLite Micro and in LiteRT: whole, and operator by operator on the same inputs."""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from tinyedge.tflite.model import Subgraph, read_tflite

__all__ = ["MicroInterpreter", "Step", "leaky", "reference", "steps"]

# TFLite Micro plans no memory where every tensor is to be kept.
_ARENA = 64 * 2**20


class MicroInterpreter:
    """TFLite Micro with a file whose input and output are one tensor each."""

    def __init__(self, model: Path) -> None:
        from tflite_micro import runtime

        self._interpreter = runtime.Interpreter.from_file(
            str(model),
            arena_size=_ARENA,
            intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,
        )

    def answer(self, inputs: NDArray[np.generic]) -> NDArray[np.generic]:
        """The output's integers for the input's."""
        self._interpreter.set_input(inputs, 0)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_output(0))

    def tensor(self, number: int) -> NDArray[np.generic]:
        """What tensor `number` of the first graph held in the last inference."""
        return np.asarray(self._interpreter.GetTensor(number, 0)["tensor_data"])


def reference(content: bytes) -> Any:
    """LiteRT with TFLite's reference kernels, which are what TFLite Micro's were made of."""
    interpreter = Interpreter(
        model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    return interpreter


@dataclass(frozen=True, eq=False)
class Step:
    """An operator of the file, alone.

    Attributes:
        operator: TFLite's name.
        inputs: the tensors it reads that are computed.
        output: the tensor it makes.
        interpreter: LiteRT with this operator and nothing else.
    """

    operator: str
    inputs: tuple[int, ...]
    output: int
    interpreter: Any

    def answer(self, inputs: list[NDArray[np.generic]]) -> NDArray[np.generic]:
        """What LiteRT's reference kernel makes of these."""
        for details, values in zip(self.interpreter.get_input_details(), inputs, strict=True):
            self.interpreter.set_tensor(details["index"], values)
        self.interpreter.invoke()
        index = self.interpreter.get_output_details()[0]["index"]
        return np.asarray(self.interpreter.get_tensor(index))


def steps(model: Path) -> Iterator[Step]:
    """The operators of a file with one graph, each with one output, in the order they run."""
    graph = read_tflite(model).subgraphs[0]
    whole = schema.ModelT.InitFromPackedBuf(model.read_bytes(), 0)
    whole.metadata = whole.signatureDefs = None
    (full,) = whole.subgraphs
    for index, operator in enumerate(graph.operators):
        inputs = graph.computed_inputs(operator)
        (output,) = operator.outputs
        alone = copy.copy(full)
        alone.operators = [full.operators[index]]
        alone.inputs, alone.outputs = list(inputs), [output]
        whole.subgraphs = [alone]
        builder = flatbuffers.Builder(2**20)
        builder.Finish(whole.Pack(builder), b"TFL3")
        yield Step(operator.name, inputs, output, reference(bytes(builder.Output())))


def leaky(
    graph: Subgraph, step: Step, values: NDArray[np.generic], number: type[np.floating[Any]]
) -> NDArray[np.int8]:
    """LEAKY_RELU of int8 as TFLite defines it, its two factors computed in `number`.

    Either factor becomes a 31-bit integer and a shift; the product is rounded to that many bits
    first, and to an integer then (gemmlowp's SaturatingRoundingDoublingHighMul and
    RoundingDivideByPOT).
    """
    (operator,) = (each for each in graph.operators if each.outputs == (step.output,))
    before, after = (graph.tensors[n].qparams for n in (*step.inputs, step.output))
    assert before is not None
    assert after is not None
    scales = [number(np.float32(each.scale)) for each in (before, after)]
    alpha = number(np.float32(cast(float, operator.options["alpha"])))
    same = float(number(scales[0] / scales[1]))
    small = float(number(number(scales[0] * alpha) / scales[1]))
    centred = values.astype(np.int64) - before.zero_point
    found = np.where(centred >= 0, _scaled(centred, same), _scaled(centred, small))
    return np.asarray(np.clip(found + after.zero_point, -128, 127), np.int8)


def _scaled(values: NDArray[np.int64], factor: float) -> NDArray[np.int64]:
    fraction, shift = math.frexp(factor)
    multiplier = round(fraction * 2**31)
    left, right = max(shift, 0), max(-shift, 0)
    products = (values << left) * multiplier
    nudge = np.where(products >= 0, 2**30, 1 - 2**30)
    high = np.trunc((products + nudge) / 2**31).astype(np.int64)
    rest = high & (2**right - 1)
    threshold = ((2**right - 1) >> 1) + (high < 0)
    return np.asarray((high >> right) + (rest > threshold), np.int64)
