"""Whether a TFLite runtime may be given a .tflite file: they trust it, and crash on a wrong one.

The file is checked in this order: its bytes, against every table of the schema; its tensors, each
by itself; the order in which the graph computes them; each operator, by its rule in
`tinyedge.tflite.rules`. It takes milliseconds and no memory to speak of. That it is wide
enough is measured: `python -m tests.fuzz runtime` gives a runtime what passes of mutated files.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from tinyedge.errors import ModelError
from tinyedge.memory import physical_memory
from tinyedge.text import shortened
from tinyedge.tflite.flatbuffer import FlatbufferError, Table, Verifier, root_table
from tinyedge.tflite.model import (
    COMPILED,
    IDENTIFIER,
    Operator,
    Subgraph,
    Tensor,
    TfliteModel,
    parse_tflite,
)
from tinyedge.tflite.quantization import QuantParams
from tinyedge.tflite.rules import OperatorError, check_operator

__all__ = ["check_named", "check_tflite"]

# Numbers of fields in the schema.
_BUFFERS, _METADATA, _SIGNATURES = 4, 6, 7
_EXTERNAL_BUFFERS, _EXTERNAL_GROUPS = 9, 8
# What these are given is not in the file's tensors alone.
_STATEFUL = ("HASHTABLE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "RANDOM_")
_CALLING = frozenset(
    (
        *("CALL", "CALL_ONCE", "DELEGATE", "IF", "WHILE", "STABLEHLO_CASE", "STABLEHLO_COMPOSITE"),
        *("STABLEHLO_CUSTOM_CALL", "STABLEHLO_REDUCE", "STABLEHLO_REDUCE_WINDOW"),
        *("STABLEHLO_SCATTER", "STABLEHLO_SORT", "STABLEHLO_WHILE"),
    )
)
_LIMITS = {"int8": (-(2**7), 2**7 - 1), "uint8": (0, 2**8 - 1), "int16": (-(2**15), 2**15 - 1)}
# Kernels count numbers in an int.
_MOST_ELEMENTS = 2**31 - 1


def check_named(content: bytes, source: Path | str) -> TfliteModel:
    """`check_tflite` of the bytes of a file that messages call `source`.

    Raises:
        ModelError: no runtime should be given them.
    """
    try:
        return check_tflite(content)
    except FlatbufferError as error:
        raise ModelError(f"{source}: no .tflite file that can be run: {error}") from error


def check_tflite(content: bytes) -> TfliteModel:
    """Refuse a .tflite file's bytes that no runtime should be given.

    Returns what `tinyedge.tflite.model.parse_tflite` does.

    Raises:
        FlatbufferError: they are no .tflite file, are damaged, or ask for what crashes a
            runtime; says which operator.
    """
    # Before the tables are verified, for a file of another kind.
    root_table(content, IDENTIFIER)
    Verifier(_schema()).verify(content, "Model")
    model = parse_tflite(content)
    _check_tables(root_table(content, IDENTIFIER), model)
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            _check_tensor(tensor)
        _check_order(graph)
        for number, operator in enumerate(graph.operators):
            try:
                _check_operator(graph, operator)
            except OperatorError as error:
                raise FlatbufferError(
                    f"{_named(number, operator)}: {error}",
                    operator=number,
                ) from error
        _check_memory(graph)
    return model


@cache
def _schema() -> Mapping[str, Sequence[str]]:
    """The tables of TFLite's schema; see `Verifier`."""
    lines = (Path(__file__).parent / "tables.txt").read_text("utf-8").splitlines()
    rows = (line.partition(":") for line in lines)
    return {name: tuple(fields.split()) for name, _, fields in rows}


def _check_tables(root: Table, model: TfliteModel) -> None:
    """What runtimes read and `parse_tflite` does not."""
    if root.count(_EXTERNAL_GROUPS) or root.count(_EXTERNAL_BUFFERS):
        raise FlatbufferError("it takes its constants from other files")
    buffers = root.count(_BUFFERS)
    for metadata in root.tables(_METADATA):
        if not metadata.number(1, "I") < buffers:
            raise FlatbufferError("its metadata are in a buffer that is not there")
    for signature in root.tables(_SIGNATURES):
        graph = int(signature.number(4, "I"))
        if graph >= len(model.subgraphs):
            raise FlatbufferError("a signature is of a graph that is not there")
        tensors = len(model.subgraphs[graph].tensors)
        for field in (0, 1):
            for name in signature.tables(field):
                if not name.number(1, "I") < tensors:
                    raise FlatbufferError("a signature names a tensor that is not there")


def _check_tensor(tensor: Tensor) -> None:
    if tensor.sparse:
        raise FlatbufferError("a tensor is sparse, which is not supported")
    shape = tensor.shape
    # No product of sides can be too large to be counted: each is below 2^31, and 8 at most.
    if len(shape) > 8 or tensor.elements > _MOST_ELEMENTS:
        raise FlatbufferError(f"a tensor has shape {shortened(shape)}")
    if len(tensor.signature) != len(shape) or any(
        signed not in (-1, side) for signed, side in zip(tensor.signature, shape, strict=True)
    ):
        raise FlatbufferError(
            f"a tensor's shapes are {shortened(shape)} and {shortened(tensor.signature)}"
        )
    if not (tensor.has_numbers or tensor.type in ("int4", "int2", "uint4", "bfloat16")):
        raise FlatbufferError(f"a tensor is of type {tensor.type}, which is not supported")
    if tensor.stored is not None:
        wanted = _bytes(tensor)
        if len(tensor.stored) != wanted:
            raise FlatbufferError(
                f"a constant of shape {shortened(shape)} and type {tensor.type} has"
                f" {len(tensor.stored)} bytes"
            )
    if tensor.qparams is not None:
        _check_qparams(tensor.qparams, tensor)


def _bytes(tensor: Tensor) -> int:
    """Of a tensor's numbers, those too that numpy lacks the type of."""
    if tensor.has_numbers:
        return tensor.bytes
    bits = {"int4": 4, "uint4": 4, "int2": 2, "bfloat16": 16}[tensor.type]
    return -(-tensor.elements * bits // 8)


def _check_qparams(qparams: QuantParams, tensor: Tensor) -> None:
    # Lists: nearly all tensors have one, which numpy takes longer for.
    scales = qparams.scales.tolist()
    if not all(map(math.isfinite, scales)) or min(scales) <= 0:
        raise FlatbufferError("a tensor has a scale that is no number above 0")
    if not qparams.is_per_tensor and len(scales) != tensor.shape[qparams.axis]:
        raise FlatbufferError(
            f"a tensor of shape {shortened(tensor.shape)} has {len(scales)} scales"
        )
    if tensor.type in _LIMITS:
        least, most = _LIMITS[tensor.type]
        zero_points = qparams.zero_points.tolist()
        if min(zero_points) < least or max(zero_points) > most:
            raise FlatbufferError("a tensor's zero point is beyond its type")


def _check_order(graph: Subgraph) -> None:
    """Every tensor is there before it is read, and is written once."""
    ready = {
        number
        for number, tensor in enumerate(graph.tensors)
        if tensor.constant or tensor.variable or tensor.elements == 0
    }
    if len({*graph.inputs}) != len(graph.inputs) or ready & {*graph.inputs}:
        raise FlatbufferError("an input of its graph is a constant, or stands there twice")
    ready |= {*graph.inputs}
    for number, operator in enumerate(graph.operators):
        if not {n for n in operator.inputs if n >= 0} <= ready:
            raise FlatbufferError(f"{_named(number, operator)}, reads what is not yet computed")
        written = {*operator.outputs}
        if len(written) != len(operator.outputs) or written & ready:
            raise FlatbufferError(f"{_named(number, operator)}, writes what is there already")
        ready |= written
    if not {*graph.outputs} <= ready:
        raise FlatbufferError("an output of its graph is computed by no operator")


def _named(number: int, operator: Operator) -> str:
    return f"operator {number}, {shortened(operator.name)[1:-1]}"


def _check_operator(graph: Subgraph, operator: Operator) -> None:
    if operator.custom:
        if operator.name != COMPILED:
            raise OperatorError("no runtime has this custom operator")
        return
    if operator.name.startswith(_STATEFUL) or operator.name in _CALLING:
        raise OperatorError("it keeps a state or calls another graph, as no classifier does")
    check_operator(graph, operator)


def _check_memory(graph: Subgraph) -> None:
    """The computed tensors that must be there at one time, and all states, fit into the machine."""
    last_read = {n: at for at, op in enumerate(graph.operators) for n in op.inputs}
    last_read |= dict.fromkeys(graph.outputs, len(graph.operators))
    ends: dict[int, int] = {}
    states = (tensor for tensor in graph.tensors if tensor.variable)
    given = (graph.tensors[n] for n in graph.inputs)
    live = most = sum(map(_bytes, (*given, *states)))
    for at, operator in enumerate(graph.operators):
        for number in operator.outputs:
            size, end = _bytes(graph.tensors[number]), last_read.get(number, at)
            live += size
            ends[end] = ends.get(end, 0) + size
        most = max(most, live)
        live -= ends.pop(at, 0)
    if most > physical_memory():
        raise FlatbufferError(
            f"its tensors take {most / 1e6:,.0f} MB, more than this machine's memory"
        )
