"""Graphs, operators, tensors and constants of a .tflite file, read without a runtime.

The numbers of fields are those of TFLite's public schema, version 3
(tensorflow/compiler/mlir/lite/schema/schema.fbs).
"""

import contextlib
import math
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import ModelError
from tinyedge.files import is_own_stream, read_bytes
from tinyedge.tflite.flatbuffer import MOST_BYTES, FlatbufferError, Table, root_table
from tinyedge.tflite.quantization import QuantParams
from tinyedge.tflite.schema import OPS_WITH_WEIGHTS, OptionValue, read_options

__all__ = [
    "COMPILED",
    "IDENTIFIER",
    "SCHEMA_VERSION",
    "TYPES",
    "Operator",
    "Subgraph",
    "Tensor",
    "TfliteModel",
    "file_for_programs",
    "operator_names",
    "parse_named",
    "parse_tflite",
    "read_tflite",
    "read_tflite_bytes",
]

COMPILED = "edgetpu-custom-op"
"""The custom operator that holds what was compiled for the Edge TPU."""
IDENTIFIER = b"TFL3"
"""What stands in the 4th to 8th byte of every .tflite."""
SCHEMA_VERSION = 3
"""Of the schema that is read and written here."""
TYPES = (
    *("float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16", "complex64"),
    *("int8", "float64", "complex128", "uint64", "resource", "variant", "uint32", "uint16"),
    *("int4", "bfloat16", "int2", "uint4", "float8_e4m3fn", "float8_e5m2"),
)
"""The schema's TensorType, from 0."""
# Of these a constant's bytes are simply its numbers, one after the other.
_NUMPY_TYPES = frozenset(
    (
        *("bool", "float16", "float32", "float64", "int8", "int16", "int32", "int64"),
        *("uint8", "uint16", "uint32", "uint64"),
    )
)
_SCALES, _ZERO_POINTS = np.dtype("<f4"), np.dtype("<i8")
# What numpy 1 can make an array of; TFLite's kernels know 8.
_MOST_DIMENSIONS = 32


class Tensor(NamedTuple):
    """A tensor of a graph.

    Attributes:
        name: the converter's; tensors fused into one have theirs joined by semicolons.
        type: TFLite's name of it in lower case, such as ``int8``; numpy's where it has one.
        shape: the batch included.
        signature: the shape with -1 for each side left open; `shape` where none is.
        qparams: None where the numbers stand for themselves, or numpy lacks their type.
        buffer: the index of the buffer that holds a constant's bytes; tensors may share one.
        stored: a constant's bytes, None of what is computed.
        variable: whether it is a state that an operator keeps from one inference to the next.
        sparse: whether its bytes are not all of its numbers.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    signature: tuple[int, ...]
    qparams: QuantParams | None
    buffer: int
    stored: memoryview | None
    variable: bool = False
    sparse: bool = False

    @property
    def has_numbers(self) -> bool:
        """Whether numpy has its type, whose name it then is."""
        return self.type in _NUMPY_TYPES

    @property
    def elements(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """How many bytes it takes at run time; 0 where its type's numbers have no fixed size."""
        if self.has_numbers:
            return self.elements * np.dtype(self.type).itemsize
        return 0 if self.stored is None else len(self.stored)

    @property
    def constant(self) -> bool:
        """Whether the file holds its numbers."""
        return self.stored is not None

    def data(self) -> NDArray[np.generic] | None:
        """A constant's numbers as they are stored, of `shape`; None where it is none.

        None too where the bytes are not simply its numbers: strings, halves of bytes, sparse.
        """
        if self.stored is None or not self.has_numbers or len(self.stored) != self.bytes:
            return None
        numbers = np.frombuffer(self.stored, np.dtype(self.type).newbyteorder("<"))
        return numbers.reshape(self.shape)

    def values(self) -> NDArray[np.float32]:
        """The real numbers of a constant: dequantized where it has `qparams`.

        Raises:
            ValueError: it is no constant.
        """
        data = self.data()
        if data is None:
            raise ValueError(f"{self.name} is no constant")
        if self.qparams is None:
            return data.astype(np.float32, copy=False)
        # No first answer of a board asks for this.
        from tinyedge.tflite.parts import row_parts

        values = np.empty(self.shape, np.float32)
        numbers, found = np.atleast_1d(data, values)
        for part in row_parts(numbers.shape):
            found[part] = self.qparams.rows(part, data.ndim).dequantize(numbers[part])
        return values


class Operator(NamedTuple):
    """An operator.

    Attributes:
        name: in TFLite's schema, such as ``CONV_2D``; of a custom one, its own.
        custom: whether it is a custom one, which the runtime must be given.
        version: from 1.
        inputs: indices of tensors, -1 where an optional one is left out.
        outputs: indices of tensors.
        options: by name; only those `tinyedge.tflite.schema` lists.
    """

    name: str
    custom: bool
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, OptionValue]

    @property
    def bias(self) -> int | None:
        """Of an operator with weights, the index of its bias; None where it has none."""
        return self.inputs[2] if len(self.inputs) > 2 and self.inputs[2] >= 0 else None


class Subgraph:
    """A graph: tensors, the operators in the order they run, its inputs and outputs by index."""

    def __init__(
        self,
        tensors: tuple[Tensor, ...],
        operators: tuple[Operator, ...],
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
    ) -> None:
        """A graph of these; nobody changes it."""
        self.tensors = tensors
        self.operators = operators
        self.inputs = inputs
        self.outputs = outputs

    def computed_inputs(self, operator: Operator) -> tuple[int, ...]:
        """The indices of the tensors an operator reads that are no constants, each once."""
        found = (n for n in operator.inputs if n >= 0 and self.tensors[n].data() is None)
        return tuple(dict.fromkeys(found))

    def has_weights(self, operator: Operator) -> bool:
        """Whether an operator multiplies by a constant kernel."""
        if operator.name not in OPS_WITH_WEIGHTS or len(operator.inputs) < 2:
            return False
        kernel = operator.inputs[1]
        return kernel >= 0 and self.tensors[kernel].data() is not None


class TfliteModel(NamedTuple):
    """A .tflite file; the first subgraph is the one that runs, others are called by it."""

    subgraphs: tuple[Subgraph, ...]
    description: str


def read_tflite(path: Path) -> TfliteModel:
    """The model in a .tflite file.

    Raises:
        ModelError: it is none, is damaged, or is of another version of the schema.
        OSError: the file cannot be read.
    """
    return parse_named(read_tflite_bytes(path), path)


def read_tflite_bytes(path: Path) -> bytes:
    """The content of a .tflite file, which nobody has looked at yet.

    Raises:
        ModelError: it is empty, no file, or larger than a FlatBuffer can be.
        OSError: the file cannot be read.
    """
    content = read_bytes(path, limit=MOST_BYTES, what="a .tflite file", error=ModelError)
    if not content:
        raise ModelError(f"{path} is empty")
    return content


@contextlib.contextmanager
def file_for_programs(path: Path) -> Iterator[Path]:
    """Where programs that this process runs find a .tflite file while the block runs.

    It is the file itself, or a copy of one that comes on a stream of this process.

    Raises:
        ModelError, OSError: such a stream cannot be read, or the copy not written.
    """
    if not is_own_stream(path):
        yield path
        return
    import tempfile

    from tinyedge.temporary import temporary_folder

    with temporary_folder(Path(tempfile.gettempdir())) as folder:
        copy = folder / "model.tflite"
        copy.write_bytes(read_tflite_bytes(path))
        yield copy


def parse_named(content: bytes, source: Path | str) -> TfliteModel:
    """`parse_tflite` of the bytes of a file that messages call `source`.

    Raises:
        ModelError: they are none, are damaged, or of another version of the schema.
    """
    try:
        return parse_tflite(content)
    except FlatbufferError as error:
        raise ModelError(f"{source}: no readable .tflite file: {error}") from error


def parse_tflite(content: bytes) -> TfliteModel:
    """The model in a .tflite file's bytes.

    Raises:
        FlatbufferError: they are none, are damaged, or of another version of the schema.
    """
    model = root_table(content, IDENTIFIER)
    version = model.number(0, "I")
    if version != SCHEMA_VERSION:
        raise FlatbufferError(f"its schema is version {version}, not {SCHEMA_VERSION}")
    codes = [_code(table) for table in model.tables(1)]
    buffers = [_stored(table, content) for table in model.tables(4)]
    # Of a scale that is a NaN which signals, numpy would say that it cannot be cast.
    with np.errstate(invalid="ignore"):
        subgraphs = tuple(_subgraph(table, codes, buffers) for table in model.tables(2))
    if not subgraphs:
        raise FlatbufferError("it holds no graph")
    return TfliteModel(subgraphs, model.text(3))


@cache
def operator_names() -> tuple[str, ...]:
    """The schema's builtin operators, from 0."""
    return tuple((Path(__file__).parent / "operators.txt").read_text("utf-8").split())


def _code(table: Table) -> tuple[str, bool, int]:
    """Of an operator's kind: its name, whether it is a custom one, its version."""
    # Files before the schema outgrew a byte have the first of the two alone.
    number = int(max(table.number(3, "i"), table.number(0, "b")))
    version = int(table.number(2, "i", 1))
    names = operator_names()
    if not 0 <= number < len(names):
        return f"OPERATOR_{number}", False, version
    if names[number] == "CUSTOM":
        return table.text(1), True, version
    return names[number], False, version


def _stored(table: Table, content: bytes) -> memoryview | None:
    """A buffer's bytes, or None of an empty one, which what is computed has."""
    # A file beyond 2 GB keeps them behind the FlatBuffer; 0 and 1 say that it does not.
    offset, size = int(table.number(1, "Q")), int(table.number(2, "Q"))
    if offset > 1:
        if offset + size > len(content):
            raise FlatbufferError("a constant lies outside the file")
        return memoryview(content)[offset : offset + size]
    stored = table.bytes(0)
    return stored if len(stored) else None


def _subgraph(
    table: Table, codes: list[tuple[str, bool, int]], buffers: list[memoryview | None]
) -> Subgraph:
    tensors = tuple(_tensor(item, buffers) for item in table.tables(0))
    return Subgraph(
        tensors,
        tuple(_operator(item, codes, len(tensors)) for item in table.tables(3)),
        _tensor_indices(table, 1, len(tensors)),
        _tensor_indices(table, 2, len(tensors)),
    )


def _tensor(table: Table, buffers: list[memoryview | None]) -> Tensor:
    shape = table.numbers(0, "i")
    signature = table.numbers(7, "i")
    if len(shape) > _MOST_DIMENSIONS or min(shape, default=0) < 0:
        raise FlatbufferError("a tensor's shape is none")
    kind = int(table.number(1, "b"))
    if not 0 <= kind < len(TYPES):
        raise FlatbufferError(f"a tensor is of type {kind}, which this tinyedge does not know")
    buffer = int(table.number(2, "I"))
    if buffer >= len(buffers):
        raise FlatbufferError(f"a tensor's bytes are said to be in buffer {buffer} of none")
    return Tensor(
        name=table.text(3),
        type=TYPES[kind],
        shape=shape,
        signature=signature or shape,
        qparams=_qparams(table.table(4), TYPES[kind], len(shape)),
        buffer=buffer,
        stored=buffers[buffer],
        variable=bool(table.number(5, "?", False)),
        sparse=table.table(6) is not None,
    )


def _qparams(table: Table | None, kind: str, dimensions: int) -> QuantParams | None:
    """Of a tensor of type `kind`, held to what TFLite's runtime asks of them."""
    if table is None or kind not in _NUMPY_TYPES:
        return None
    scales = table.array(2, _SCALES).astype(np.float64)
    if not len(scales):
        return None
    zero_points = table.array(3, _ZERO_POINTS).astype(np.int64)
    if not len(zero_points):
        zero_points = np.zeros(len(scales), np.int64)
    axis = int(table.number(6, "i"))
    if len(zero_points) != len(scales) or (len(scales) > 1 and not 0 <= axis < dimensions):
        raise FlatbufferError("a tensor's scales and zero points do not belong together")
    return QuantParams(scales, zero_points, np.dtype(kind), axis)


def _operator(table: Table, codes: list[tuple[str, bool, int]], tensors: int) -> Operator:
    index = int(table.number(0, "I"))
    if index >= len(codes):
        raise FlatbufferError(f"an operator is of kind {index} of {len(codes)}")
    name, custom, version = codes[index]
    # Of states inside a recurrent operator; runtimes read them of any.
    _tensor_indices(table, 8, tensors, least=-1)
    options = {} if custom else read_options(name, int(table.number(3, "B")), table.table(4))
    return Operator(
        name=name,
        custom=custom,
        version=version,
        inputs=_tensor_indices(table, 1, tensors, least=-1),
        outputs=_tensor_indices(table, 2, tensors),
        options=options,
    )


def _tensor_indices(table: Table, field: int, tensors: int, *, least: int = 0) -> tuple[int, ...]:
    indices: tuple[int, ...] = table.numbers(field, "i")
    if indices and not least <= min(indices) <= max(indices) < tensors:
        raise FlatbufferError("a tensor is named that is not there")
    return indices
