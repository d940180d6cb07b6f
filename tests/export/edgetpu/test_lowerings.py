"""What is written otherwise for the Edge TPU gives the same integers, by numpy or the old file."""

from collections.abc import Sequence

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from tests.support.exports import Models
from tests.support.tflite_writer import Op, T, constant, packed, write_model
from tinyedge.export.edgetpu.lower import EdgeTpuFile, edge_tpu_file, shortfall
from tinyedge.tflite.model import parse_tflite

Integers = NDArray[np.int8]
_RANDOM = np.random.default_rng(6)


@pytest.fixture(autouse=True)
def _drawn_anew() -> None:
    """What a test draws does not hang on those that came before it."""
    _RANDOM.bit_generator.state = np.random.default_rng(6).bit_generator.state


def answer(content: bytes, image: Integers, *, reference: bool = True) -> Integers:
    resolver = OpResolverType.BUILTIN_REF if reference else OpResolverType.AUTO
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    found: Integers = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return found


def random_image(*shape: int) -> Integers:
    return _RANDOM.integers(-128, 128, shape, np.int8)


def weights(*shape: int) -> T:
    """A kernel with a scale for each output."""
    scales = tuple(_RANDOM.uniform(0.001, 0.01, shape[0]).tolist())
    return T(shape, "int8", random_image(*shape), scale=scales)


def bias(kernel: T, before: T) -> T:
    values = _RANDOM.integers(-999, 999, kernel.shape[0], np.int32)
    scales = tuple(np.float32(s) * np.float32(before.scales[0]) for s in kernel.scales)
    return T(values.shape, "int32", values, scale=scales)


def mirrored(shape: tuple[int, ...], pads: list[list[int]], mode: int) -> bytes:
    after = tuple(side + sum(pad) for side, pad in zip(shape, pads, strict=True))
    inputs = [T(shape), constant(pads, "int32")]
    options = {"mode": mode}
    return write_model(Op("MIRROR_PAD", inputs, [T(after)], "MirrorPadOptions", options, version=2))


@pytest.mark.parametrize(
    ("height", "width"), [((1, 1), (1, 1)), ((1, 0), (1, 0)), ((0, 1), (0, 0)), ((0, 0), (1, 1))]
)
def test_a_mirrored_edge_is_concatenated(height: tuple[int, int], width: tuple[int, int]) -> None:
    pads = [[0, 0], [*height], [*width], [0, 0]]
    made = edge_tpu_file(mirrored((1, 4, 5, 3), pads, schema.MirrorPadMode.SYMMETRIC))
    assert made.lowered == ("mirror-as-joined",)
    assert made.partition.whole
    image = random_image(1, 4, 5, 3)
    assert np.array_equal(answer(made.content, image), np.pad(image, pads, "symmetric"))


@pytest.mark.parametrize(
    ("pads", "mode"),
    [
        ([[0, 0], [1, 1], [1, 1], [0, 0]], schema.MirrorPadMode.REFLECT),
        ([[0, 0], [2, 1], [1, 1], [0, 0]], schema.MirrorPadMode.SYMMETRIC),
        ([[0, 0], [1, 1], [1, 1], [1, 0]], schema.MirrorPadMode.SYMMETRIC),
    ],
)
def test_another_mirror_stays_and_is_named(pads: list[list[int]], mode: int) -> None:
    made = edge_tpu_file(mirrored((1, 4, 5, 3), pads, mode))
    assert made.lowered == ()
    assert shortfall(made.partition, "x.tflite") == (
        "x.tflite: 1 of 1 operation stays on the CPU, for the Edge TPU does not take it"
        " (MIRROR_PAD: it is not among the operators the Edge TPU knows);"
        " `tinyedge check` says where"
    )


def strided(image: Integers, where: tuple[slice, ...], masks: tuple[int, int]) -> bytes:
    """A slice as numpy takes it; where a bound is masked, the file has another."""
    sliced = image[where]
    bounds = [
        [7 if masks[0] >> n & 1 else part.start for n, part in enumerate(where)],
        [0 if masks[1] >> n & 1 else part.stop for n, part in enumerate(where)],
        [part.step for part in where],
    ]
    inputs = [T(image.shape), *(constant(numbers, "int32") for numbers in bounds)]
    options = {"beginMask": masks[0], "endMask": masks[1]}
    outputs = [T(sliced.shape)]
    return write_model(
        Op("STRIDED_SLICE", inputs, outputs, "StridedSliceOptions", options, version=2)
    )


@pytest.mark.parametrize(
    ("begin", "end", "strides", "masks"),
    [
        ((0, 0, 0, 0), (1, 7, 7, 7), (1, 2, 2, 1), (0, 0)),
        ((None,) * 4, (None,) * 4, (1, 3, 2, 1), (15, 15)),
        ((None, 1, 2, 0), (None, 6, 7, 5), (1, 2, 1, 1), (1, 1)),
        ((0, -5, 0, 2), (1, -1, 7, 7), (1, 2, 4, 1), (0, 0)),
    ],
)
def test_strides_are_a_pool_of_single_pixels(
    begin: Sequence[int], end: Sequence[int], strides: Sequence[int], masks: tuple[int, int]
) -> None:
    image = random_image(1, 7, 7, 7)
    where = tuple(map(slice, begin, end, strides))
    before = strided(image, where, masks)
    made = edge_tpu_file(before)
    assert made.lowered == ("strides-as-pool",)
    assert made.partition.whole
    assert np.array_equal(answer(before, image), image[where])
    assert np.array_equal(answer(made.content, image), image[where])


def test_strides_through_the_channels_stay() -> None:
    where = tuple(map(slice, (0, 0, 0, 0), (1, 7, 7, 7), (1, 1, 1, 2)))
    made = edge_tpu_file(strided(random_image(1, 7, 7, 7), where, (0, 0)))
    assert (made.lowered, made.partition.split) == ((), 0)


def repeated(shape: tuple[int, int, int, int], down: int, across: int) -> bytes:
    """Rows, then columns repeated, in the operators that TFLiteConverter writes."""
    _, height, width, depth = shape
    rows, columns = down * height, across * width
    shapes = [
        (1, height, 1, width, depth),
        (1, height, down, width, depth),
        (1, rows, width, 1, depth),
        (1, rows, width, across, depth),
        (1, rows, columns, depth),
    ]
    tiles = {1: [1, 1, down, 1, 1], 3: [1, 1, 1, across, 1]}
    operators = []
    for n, after in enumerate(shapes):
        inputs = [n - 1 if n else T(shape), constant(tiles.get(n, after), "int32")]
        name, options = ("TILE", None) if n in tiles else ("RESHAPE", "ReshapeOptions")
        operators.append(Op(name, inputs, [T(after)], options))
    return write_model(*operators)


@pytest.mark.parametrize(("down", "across"), [(2, 2), (3, 1), (5, 7)])
def test_repeats_are_one_resize(down: int, across: int) -> None:
    made = edge_tpu_file(repeated((1, 4, 6, 3), down, across))
    assert made.lowered == ("repeats-as-resize",)
    assert made.partition.whole
    image = random_image(1, 4, 6, 3)
    wanted = image.repeat(down, axis=1).repeat(across, axis=2)
    for reference in (True, False):
        assert np.array_equal(answer(made.content, image, reference=reference), wanted)


def test_repeats_that_someone_else_reads_stay() -> None:
    content = repeated((1, 4, 6, 3), 2, 2)
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    graph.outputs = [graph.operators[1].outputs[0], *graph.outputs]
    assert edge_tpu_file(packed(model)).lowered == ()


def same_on_both_kernels(before: bytes, made: EdgeTpuFile, *shape: int) -> None:
    for reference in (True, False):
        for _ in range(5):
            image = random_image(*shape)
            old = answer(before, image, reference=reference)
            assert len(np.unique(old)) > 2
            assert np.array_equal(old, answer(made.content, image, reference=reference))


@pytest.mark.parametrize("groups", [2, 6])
def test_groups_are_convolutions_side_by_side(groups: int) -> None:
    image, kernel = T((1, 5, 6, 12), scale=0.02, zero_point=3), weights(18, 3, 3, 12 // groups)
    after = T((1, 5, 6, 18), scale=0.05, zero_point=-7)
    options = {"strideW": 1, "strideH": 1, "fusedActivationFunction": 1}
    options |= {"dilationWFactor": 1, "dilationHFactor": 1}
    inputs = [image, kernel, bias(kernel, image)]
    plain = weights(4, 1, 1, 18)
    last = [0, plain, bias(plain, after)]
    sizes = {**options, "fusedActivationFunction": 0}
    before = write_model(
        Op("CONV_2D", inputs, [after], "Conv2DOptions", options, version=6),
        Op("CONV_2D", last, [T((1, 5, 6, 4), scale=0.1)], "Conv2DOptions", sizes, version=6),
    )
    made = edge_tpu_file(before)
    assert made.lowered == ("groups-as-convolutions",)
    assert made.partition.whole
    operators = parse_tflite(made.content).subgraphs[0].operators
    assert {op.version for op in operators if op.name == "CONV_2D"} == {3}
    same_on_both_kernels(before, made, 1, 5, 6, 12)


@pytest.mark.parametrize("activation", [0, 1])
def test_a_dense_layer_with_many_scales_is_a_convolution(activation: int) -> None:
    image, kernel = T((1, 40), scale=0.02, zero_point=3), weights(9, 40)
    after = T((1, 9), scale=0.03, zero_point=-7)
    inputs = [image, kernel, bias(kernel, image)]
    options = {"fusedActivationFunction": activation}
    before = write_model(
        Op("FULLY_CONNECTED", inputs, [after], "FullyConnectedOptions", options, version=4)
    )
    made = edge_tpu_file(before)
    assert made.lowered == ("dense-as-convolution",)
    assert made.partition.whole
    same_on_both_kernels(before, made, 1, 40)


def test_a_dense_layer_with_one_scale_stays() -> None:
    inputs = [T((1, 8)), constant(np.ones((3, 8))), None]
    content = write_model(
        Op("FULLY_CONNECTED", inputs, [T((1, 3))], "FullyConnectedOptions", version=4)
    )
    made = edge_tpu_file(content)
    assert (made.lowered, made.content) == ((), content)


def test_what_nothing_uses_any_more_is_gone() -> None:
    image, kernel = T((1, 5, 6, 12)), weights(12, 3, 3, 1)
    options = {"strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}
    inputs = [image, kernel, bias(kernel, image)]
    before = write_model(Op("CONV_2D", inputs, [image], "Conv2DOptions", options, version=6))
    after = schema.ModelT.InitFromPackedBuf(edge_tpu_file(before).content, 0)
    graph = after.subgraphs[0]
    used = {n for op in graph.operators for n in (*op.inputs, *op.outputs)}
    assert used == set(range(len(graph.tensors)))
    assert {op.opcodeIndex for op in graph.operators} == set(range(len(after.operatorCodes)))
    held = [len(buffer.data) for buffer in after.buffers if buffer.data is not None]
    assert sum(held) == 12 * 9 + 12 * 4 + 4  # the kernel, the bias, the axis to split


def test_signatures_name_the_same_tensors(fashion_models: Models) -> None:
    content = fashion_models.int8_model.read_bytes()
    named = []
    for file in (content, edge_tpu_file(content).content):
        model = schema.ModelT.InitFromPackedBuf(file, 0)
        signature, graph = model.signatureDefs[0], model.subgraphs[0]
        entries = (*signature.inputs, *signature.outputs)
        named.append([graph.tensors[entry.tensorIndex].name for entry in entries])
        assert [entry.tensorIndex for entry in entries] == [*graph.inputs, *graph.outputs]
    assert named[0] == named[1]
