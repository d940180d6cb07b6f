"""Files of one operator each, of every kind and many shapes, to be counted alone."""

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from tinyedge.modelcard import Precision

__all__ = ["OperatorFile", "operator_files"]

_FLOAT, _INT8, _INT32 = (
    schema.TensorType.FLOAT32,
    schema.TensorType.INT8,
    schema.TensorType.INT32,
)
# (channels read, filters, side of the image): from the first layers of networks to their last, and
# some that fill no tile.
_CONVOLUTIONS = (
    *((3, 16, 64), (3, 24, 48), (3, 64, 32), (16, 32, 56), (16, 128, 28), (32, 64, 28)),
    *((12, 20, 24), (64, 64, 14), (32, 256, 14), (64, 512, 7), (128, 128, 12), (30, 42, 17)),
    *((1, 16, 56), (3, 16, 112), (5, 32, 60), (9, 20, 40), (20, 32, 40), (24, 48, 30)),
)
_POINTWISE = (
    *((32, 16, 56), (128, 16, 28), (16, 64, 28), (64, 16, 28), (256, 32, 14), (256, 64, 14)),
    *((512, 64, 7), (512, 128, 7), (64, 256, 14), (128, 1000, 1), (24, 144, 20), (36, 10, 9)),
    *((96, 24, 28), (512, 1000, 1), (1024, 1000, 1), (256, 128, 1)),
)
# What `tinyedge.export.tflite.forms` makes of convolutions: kernels of one tap, and of one column.
_PATCHES = ((144, 128, 28), (144, 32, 56), (288, 256, 14), (576, 512, 7), (36, 32, 56))
_COLUMNS = (
    *((12, 32, 56), (48, 32, 38), (48, 128, 28), (96, 256, 14), (24, 64, 28)),
    *((9, 16, 76), (9, 32, 60), (27, 24, 40)),
)
_DEPTHWISE = ((16, 56), (32, 56), (64, 28), (144, 28), (256, 14), (40, 9))
_DENSE = ((128, 1000), (512, 10), (1024, 1000), (784, 128), (64, 64), (2048, 256))
_IMAGES = ((16, 56), (32, 28), (128, 28), (64, 14), (512, 7), (24, 33), (3, 96))
# Of three that are joined, shifted against each other, into what a convolution reads.
_SHIFTED = ((16, 56), (48, 56), (32, 28), (96, 28), (64, 14), (192, 14), (12, 60), (24, 33))
# (rows, channels) of images whose rows are one vector each, and images, to be padded and cut.
_ROWS = ((224, 672), (224, 224), (112, 1792), (56, 896), (28, 896), (14, 896), (64, 192))


class OperatorFile(NamedTuple):
    """A file of one operator.

    Attributes:
        name: of the file.
        content: a .tflite.
    """

    name: str
    content: bytes


def operator_files() -> Iterator[OperatorFile]:
    """A reshape, which does nothing, and every kind in every shape; the same bytes each time."""
    yield _reshape()
    yield from _convolutions()
    for precision in ("int8", "float32"):
        yield from _others_with_weights(precision)
        yield from _copies(precision)
        for image, (name, options, arity) in itertools.product(_IMAGES, _PLAIN):
            yield _plain(name, image, precision, options, arity)
        for image, (window, stride) in itertools.product(_IMAGES, ((2, 2), (3, 2), (3, 1))):
            for name in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
                yield _pool(name, image, window, stride, precision)
        for channels, side in _IMAGES:
            yield _mean(channels, side, precision)
    for image in _IMAGES:
        yield _plain("QUANTIZE", image, "int8", None, 1, read=_FLOAT)
        yield _plain("DEQUANTIZE", image, "float32", None, 1, read=_INT8)


def _convolutions() -> Iterator[OperatorFile]:
    for precision in ("int8", "hybrid", "float32"):
        for size, shapes in (((3, 3), _CONVOLUTIONS), ((1, 1), _POINTWISE)):
            for shape in shapes:
                yield _convolution(size, shape, precision)
        yield _convolution((7, 7), (3, 32, 40), precision, stride=2)
        yield _convolution((5, 5), (16, 32, 20), precision)
    for shape in _PATCHES:
        yield _convolution((1, 1), shape, "int8")
    for shape in _COLUMNS:
        yield _convolution((3, 1), shape, "int8")


def _others_with_weights(precision: Precision) -> Iterator[OperatorFile]:
    for channels, side in _DEPTHWISE:
        for stride in (1, 2):
            yield _depthwise(channels, side, stride, precision)
    for read, filters in _DENSE:
        yield _dense(read, filters, precision)


def _copies(precision: Precision) -> Iterator[OperatorFile]:
    for image in _SHIFTED:
        yield _plain("CONCATENATION", image, precision, _concatenation, 3)
    shapes = [(1, rows, channels) for rows, channels in _ROWS]
    for shape in (*shapes, *((1, side, side, channels) for channels, side in _IMAGES)):
        yield _padded(shape, precision)
        yield _cut(shape, precision)


def _leaky() -> Any:
    options = schema.LeakyReluOptionsT()
    options.alpha = 0.1
    return options


def _concatenation() -> Any:
    options = schema.ConcatenationOptionsT()
    options.axis = 3
    return options


_PLAIN = (
    ("CONCATENATION", _concatenation, 2),
    ("LEAKY_RELU", _leaky, 1),
    ("ADD", schema.AddOptionsT, 2),
    ("MAXIMUM", schema.MaximumMinimumOptionsT, 2),
    ("LOGISTIC", None, 1),
)
_VERSIONS: dict[tuple[str, Precision], int] = {
    ("CONV_2D", "int8"): 3,
    ("CONV_2D", "hybrid"): 5,
    ("DEPTHWISE_CONV_2D", "int8"): 3,
    ("FULLY_CONNECTED", "int8"): 4,
    ("DEQUANTIZE", "float32"): 2,
}


class _Graph:
    """One operator's graph, while it is written."""

    def __init__(self) -> None:
        self.tensors: list[Any] = []
        self.buffers: list[Any] = [schema.BufferT()]
        self.rng = np.random.default_rng(0)

    def tensor(
        self,
        shape: tuple[int, ...],
        kind: int,
        values: NDArray[np.generic] | None = None,
        *,
        scales: NDArray[np.float32] | None = None,
        axis: int = 0,
        zero_point: int = 0,
    ) -> int:
        made = schema.TensorT()
        made.name = f"t{len(self.tensors)}".encode()
        made.shape, made.type, made.hasRank = np.asarray(shape, np.int32), kind, True
        made.buffer = 0
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
            self.buffers.append(buffer)
            made.buffer = len(self.buffers) - 1
        if scales is None and kind == _INT8:
            scales = np.array([0.05], np.float32)
        if scales is not None:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale = scales
            made.quantization.zeroPoint = np.full(len(scales), zero_point, np.int64)
            made.quantization.quantizedDimension = axis
        self.tensors.append(made)
        return len(self.tensors) - 1

    def image(self, shape: tuple[int, ...], precision: Precision) -> int:
        if precision != "int8":
            return self.tensor(shape, _FLOAT)
        return self.tensor(shape, _INT8, zero_point=-3)

    def kernel(self, shape: tuple[int, ...], precision: Precision, axis: int) -> int:
        if precision == "float32":
            return self.tensor(shape, _FLOAT, self.rng.normal(0, 0.1, shape).astype(np.float32))
        integers = self.rng.integers(-127, 128, shape).astype(np.int8)
        scales = np.full(shape[axis], 0.001, np.float32)
        return self.tensor(shape, _INT8, integers, scales=scales, axis=axis)

    def bias(self, filters: int, precision: Precision) -> int:
        if precision != "int8":
            return self.tensor((filters,), _FLOAT, np.zeros(filters, np.float32))
        scales = np.full(filters, 0.05 * 0.001, np.float32)
        return self.tensor((filters,), _INT32, np.zeros(filters, np.int32), scales=scales)

    def file(
        self,
        name: str,
        precision: Precision,
        inputs: list[int],
        output: int,
        *,
        options: Any,
        label: str,
    ) -> OperatorFile:
        model, graph, operator = schema.ModelT(), schema.SubGraphT(), schema.OperatorT()
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = _VERSIONS.get((name, precision), 2 if precision == "int8" else 1)
        operator.opcodeIndex = 0
        operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            operator.builtinOptions = options
        graph.tensors, graph.operators = self.tensors, [operator]
        constant = [bool(each.buffer) for each in self.tensors]
        graph.inputs = np.array([i for i in inputs if not constant[i]], np.int32)
        graph.outputs = np.array([output], np.int32)
        model.version, model.subgraphs, model.buffers = 3, [graph], self.buffers
        model.operatorCodes, model.description = [code], b"one operator"
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(model.Pack(builder), b"TFL3")
        return OperatorFile(f"{name}-{precision}-{label}", bytes(builder.Output()))


def _convolution(
    size: tuple[int, int], shape: tuple[int, int, int], precision: Precision, stride: int = 1
) -> OperatorFile:
    graph = _Graph()
    height, width = size
    channels, filters, side = shape
    output_side = -(-side // stride)
    inputs = [
        graph.image((1, side, side, channels), precision),
        graph.kernel((filters, height, width, channels), precision, 0),
        graph.bias(filters, precision),
    ]
    output = graph.image((1, output_side, output_side, filters), precision)
    options = schema.Conv2DOptionsT()
    options.strideH = options.strideW = stride
    label = f"{height}x{width}s{stride}-{channels}-{filters}-{side}"
    return graph.file("CONV_2D", precision, inputs, output, options=options, label=label)


def _depthwise(channels: int, side: int, stride: int, precision: Precision) -> OperatorFile:
    graph = _Graph()
    output_side = -(-side // stride)
    inputs = [
        graph.image((1, side, side, channels), precision),
        graph.kernel((1, 3, 3, channels), precision, 3),
        graph.bias(channels, precision),
    ]
    output = graph.image((1, output_side, output_side, channels), precision)
    options = schema.DepthwiseConv2DOptionsT()
    options.strideH = options.strideW = stride
    options.depthMultiplier = 1
    label = f"s{stride}-{channels}-{side}"
    return graph.file("DEPTHWISE_CONV_2D", precision, inputs, output, options=options, label=label)


def _dense(read: int, filters: int, precision: Precision) -> OperatorFile:
    graph = _Graph()
    inputs = [
        graph.image((1, read), precision),
        graph.kernel((filters, read), precision, 0),
        graph.bias(filters, precision),
    ]
    output = graph.image((1, filters), precision)
    options = schema.FullyConnectedOptionsT()
    label = f"{read}-{filters}"
    return graph.file("FULLY_CONNECTED", precision, inputs, output, options=options, label=label)


def _plain(
    name: str,
    image: tuple[int, int],
    precision: Precision,
    options: Any,
    arity: int,
    *,
    read: int | None = None,
) -> OperatorFile:
    graph = _Graph()
    channels, side = image
    shape = (1, side, side, channels)
    if read is None:
        inputs = [graph.image(shape, precision) for _ in range(arity)]
    else:
        inputs = [graph.image(shape, "int8" if read == _INT8 else "float32")]
    joined = (*shape[:3], arity * channels) if name == "CONCATENATION" else shape
    output = graph.image(joined, precision)
    if name == "LOGISTIC" and precision == "int8":
        stored = graph.tensors[output].quantization
        stored.scale, stored.zeroPoint = np.array([1 / 256], np.float32), np.array([-128])
    made = None if options is None else options()
    label = f"{arity}x{channels}-{side}"
    return graph.file(name, precision, inputs, output, options=made, label=label)


def _padded(shape: tuple[int, ...], precision: Precision) -> OperatorFile:
    """One on each side of all but the batch and the channels; of vectors, three on both ends."""
    graph = _Graph()
    ends = 0 if len(shape) == 4 else 3
    widths = [(0, 0), *[(1, 1)] * (len(shape) - 2), (ends, ends)]
    source = graph.image(shape, precision)
    indices = graph.tensor((len(shape), 2), _INT32, np.array(widths, np.int32))
    padded = tuple(side + sum(width) for side, width in zip(shape, widths, strict=True))
    output = graph.image(padded, precision)
    label = "x".join(map(str, shape))
    options = schema.PadOptionsT()
    return graph.file("PAD", precision, [source, indices], output, options=options, label=label)


def _cut(shape: tuple[int, ...], precision: Precision) -> OperatorFile:
    """All but one on each side, and of vectors all but three on both ends."""
    graph = _Graph()
    ends = 0 if len(shape) == 4 else 3
    begin = [0, *[1] * (len(shape) - 2), ends]
    size = [side - 2 * start for side, start in zip(shape, begin, strict=True)]
    source = graph.image(shape, precision)
    indices = [
        graph.tensor((len(shape),), _INT32, np.array(each, np.int32)) for each in (begin, size)
    ]
    output = graph.image(tuple(size), precision)
    label = "x".join(map(str, shape))
    inputs, options = [source, *indices], schema.SliceOptionsT()
    return graph.file("SLICE", precision, inputs, output, options=options, label=label)


def _pool(
    name: str, image: tuple[int, int], window: int, stride: int, precision: Precision
) -> OperatorFile:
    graph = _Graph()
    channels, side = image
    output_side = -(-side // stride)
    source = graph.image((1, side, side, channels), precision)
    output = graph.image((1, output_side, output_side, channels), precision)
    options = schema.Pool2DOptionsT()
    options.strideH = options.strideW = stride
    options.filterHeight = options.filterWidth = window
    label = f"{window}x{window}s{stride}-{channels}-{side}"
    return graph.file(name, precision, [source], output, options=options, label=label)


def _mean(channels: int, side: int, precision: Precision) -> OperatorFile:
    graph = _Graph()
    source = graph.image((1, side, side, channels), precision)
    axes = graph.tensor((2,), _INT32, np.array([1, 2], np.int32))
    output = graph.image((1, 1, 1, channels), precision)
    options = schema.ReducerOptionsT()
    options.keepDims = True
    label = f"{channels}-{side}"
    return graph.file("MEAN", precision, [source, axes], output, options=options, label=label)


def _reshape() -> OperatorFile:
    graph = _Graph()
    source = graph.image((1, 4, 4, 8), "float32")
    shape = graph.tensor((2,), _INT32, np.array([1, 128], np.int32))
    output = graph.image((1, 128), "float32")
    options = schema.ReshapeOptionsT()
    options.newShape = np.array([1, 128], np.int32)
    return graph.file("RESHAPE", "float32", [source, shape], output, options=options, label="")
