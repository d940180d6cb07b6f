"""The reader of .tflite files, against TFLite's own schema and runtime, and against damage."""

import random
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tests.support.exports import Models
from tests.support.tflite_writer import TYPES, Op, T, constant, packed, write_model
from tinyedge.errors import ModelError
from tinyedge.system import native_output_hidden
from tinyedge.tflite.flatbuffer import FlatbufferError
from tinyedge.tflite.model import parse_tflite, read_tflite
from tinyedge.tflite.quantization import QuantParams
from tinyedge.tflite.schema import OPERATORS, Option, OptionsTable

# The schema's name where it is not this one's in camel case.
_FIELDS = {
    "dilation_h": "dilationHFactor",
    "dilation_w": "dilationWFactor",
    "filter_h": "filterHeight",
    "filter_w": "filterWidth",
    "fused_activation": "fusedActivationFunction",
}
_SMALL = write_model(
    Op(
        "CONV_2D",
        [T((1, 4, 4, 3)), constant(np.ones((2, 1, 1, 3))), constant([5, -7], "int32")],
        [T((1, 4, 4, 2))],
        "Conv2DOptions",
        {"strideW": 1, "strideH": 1},
        version=3,
    ),
    Op("LEAKY_RELU", [0], [T((1, 4, 4, 2))], "LeakyReluOptions", {"alpha": 0.5}),
)


def _options(name: str) -> OptionsTable:
    table = OPERATORS[name].options
    assert table is not None
    return table


def _option(name: str, option: str) -> Option:
    return _options(name).options[option]


def _schema_field(option: str) -> str:
    first, *others = option.split("_")
    return _FIELDS.get(option, first + "".join(map(str.title, others)))


def _read_options(name: str, options: str, fields: dict[str, Any]) -> dict[str, Any]:
    op = Op(name, [T((1,))], [T((1,))], options, fields)
    return dict(parse_tflite(write_model(op)).subgraphs[0].operators[0].options)


@pytest.mark.parametrize("name", [name for name in OPERATORS if OPERATORS[name].options])
def test_every_option_is_read_from_where_the_schema_writes_it(name: str) -> None:
    table = _options(name)
    unions = {value: name for name, value in vars(schema.BuiltinOptions).items()}
    options = unions[table.union]
    theirs = getattr(schema, options + "T")()
    written: dict[str, Any] = {}
    values: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    for number, (option, (_, kind, default)) in enumerate(table.options.items(), 2):
        field = _schema_field(option)
        left_out = getattr(theirs, field)
        if isinstance(kind, tuple):
            written[field], values[option] = len(kind) - 1, kind[-1]
            defaults[option] = kind[left_out]
        elif kind == "numbers":
            written[field], values[option] = [number, -1], (number, -1)
            assert left_out is None
            defaults[option] = ()
        else:
            written[field] = values[option] = (not default) if kind == "?" else number
            defaults[option] = left_out
    assert _read_options(name, options, written) == values
    assert _read_options(name, options, {}) == defaults
    assert _read_options(name, "AbsOptions", {}) == defaults


def test_the_names_of_enumerations_are_the_schema_s() -> None:
    for enumeration, option in (
        (schema.ActivationFunctionType, _option("ADD", "fused_activation")),
        (schema.Padding, _option("CONV_2D", "padding")),
        (schema.MirrorPadMode, _option("MIRROR_PAD", "mode")),
        (
            schema.FullyConnectedOptionsWeightsFormat,
            _option("FULLY_CONNECTED", "weights_format"),
        ),
    ):
        known = {name: n for name, n in vars(enumeration).items() if isinstance(n, int)}
        assert isinstance(option.kind, tuple)
        assert dict(zip(option.kind, range(len(option.kind)), strict=True)) == known


def test_every_operator_and_type_has_the_schema_s_name() -> None:
    for name, number in vars(schema.BuiltinOperator).items():
        if isinstance(number, int) and name != "CUSTOM":
            (operator,) = (
                parse_tflite(write_model(Op(name, [T((1,))], [T((1,))], version=7)))
                .subgraphs[0]
                .operators
            )
            assert (operator.name, operator.version, operator.custom) == (name, 7, False)
    for name in TYPES:
        model = parse_tflite(write_model(Op("ADD", [T((1,), name)], [T((1,))])))
        assert model.subgraphs[0].tensors[0].type == name


def test_what_the_schema_writes_is_read() -> None:
    model = parse_tflite(_SMALL)
    assert model.description == "written by a test"
    (graph,) = model.subgraphs
    convolution, leaky = graph.operators
    assert convolution.inputs == (0, 1, 2)
    assert leaky.inputs == convolution.outputs == (3,)
    assert leaky.options == {"alpha": 0.5}
    assert (graph.inputs, graph.outputs) == ((0,), (4,))
    image, kernel, bias = graph.tensors[:3]
    assert (image.type, image.shape, image.data(), image.constant) == (
        "int8",
        (1, 4, 4, 3),
        None,
        False,
    )
    assert image.qparams == QuantParams.per_tensor(1 / 16, 0)
    assert (kernel.elements, kernel.bytes) == (6, 6)
    assert bias.bytes == 8
    data = bias.data()
    assert data is not None
    assert data.tolist() == [5, -7]


def test_a_custom_operator_an_open_side_and_one_left_out() -> None:
    op = Op("mine", [T((1, 2), signature=(-1, 2)), None], [T((1, 2))])
    (graph,) = parse_tflite(write_model(op)).subgraphs
    assert (graph.operators[0].name, graph.operators[0].custom) == ("mine", True)
    assert graph.operators[0].inputs == (0, -1)
    assert graph.tensors[0].signature == (-1, 2)
    assert graph.tensors[1].signature == (1, 2)


def test_constants_behind_the_flatbuffer_are_found() -> None:
    model = schema.ModelT.InitFromPackedBuf(_SMALL, 0)
    bias = model.buffers[2]
    bias.data, bias.offset, bias.size = None, len(_SMALL) + 64, 8
    content = packed(model).ljust(len(_SMALL) + 64, b"\0") + np.array([1, 2], "<i4").tobytes()
    data = parse_tflite(content).subgraphs[0].tensors[2].data()
    assert data is not None
    assert data.tolist() == [1, 2]
    with pytest.raises(FlatbufferError, match="outside the file"):
        parse_tflite(content[:-1])


def test_the_built_in_model_is_what_the_runtime_says_it_is(fashion_models: Models) -> None:
    with native_output_hidden():
        interpreter = Interpreter(
            str(fashion_models.int8_model),
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
    (graph,) = read_tflite(fashion_models.int8_model).subgraphs
    for detail in interpreter.get_tensor_details()[: len(graph.tensors)]:
        tensor = graph.tensors[detail["index"]]
        assert tensor.name == detail["name"]
        assert tensor.shape == tuple(detail["shape"])
        assert tensor.type == np.dtype(detail["dtype"]).name
        parameters = detail["quantization_parameters"]
        if tensor.qparams is not None:
            assert np.array_equal(tensor.qparams.scales, parameters["scales"])
            assert np.array_equal(tensor.qparams.zero_points, parameters["zero_points"])
            assert tensor.qparams.axis == parameters["quantized_dimension"]
        data = tensor.data()
        if data is not None:
            assert np.array_equal(data, interpreter.get_tensor(detail["index"]))
    for operator in graph.operators:
        if graph.has_weights(operator):
            qparams = graph.tensors[operator.inputs[1]].qparams
            assert qparams is not None
            assert qparams.axis == OPERATORS[operator.name].kernel_outputs
    wanted = [(d["op_name"], *d["inputs"], *d["outputs"]) for d in interpreter._get_ops_details()]
    found = [(o.name, *o.inputs, *o.outputs) for o in graph.operators]
    assert found == [tuple(w) for w in wanted]


def test_every_way_to_cut_a_file_off_is_an_error() -> None:
    read = 0
    for end in range(len(_SMALL)):
        try:
            parse_tflite(_SMALL[:end])
        except FlatbufferError:
            continue
        read = read + 1
    # The packed file may end with bytes that pad it.
    assert read <= 8


def test_flipped_bits_give_a_model_or_an_error() -> None:
    errors = 0
    for position in range(8, len(_SMALL)):
        for bit in range(8):
            damaged = bytearray(_SMALL)
            damaged[position] ^= 1 << bit
            errors += _is_refused(bytes(damaged))
    assert errors > 100


def test_random_bytes_behind_the_identifier_give_a_model_or_an_error() -> None:
    draw = random.Random(4)
    for _ in range(3000):
        damaged = bytearray(_SMALL)
        for _ in range(draw.randint(1, 20)):
            damaged[draw.randrange(8, len(damaged))] = draw.choice((0, 1, 4, 127, 255))
        _is_refused(bytes(damaged))


def _is_refused(content: bytes) -> bool:
    try:
        parse_tflite(content)
    except FlatbufferError:
        return True
    return False


def test_a_small_file_cannot_describe_a_huge_graph() -> None:
    """All of 20,000 offsets lead to one operator with 20,000 inputs: 400 million numbers."""
    builder = flatbuffers.Builder(1024)
    code = schema.OperatorCodeT().Pack(builder)
    tensor = schema.TensorT().Pack(builder)
    buffer = schema.BufferT().Pack(builder)
    inputs = builder.CreateNumpyVector(np.zeros(20_000, np.int32))
    schema.OperatorStart(builder)
    schema.OperatorAddInputs(builder, inputs)
    operator = schema.OperatorEnd(builder)
    operators = _vector(builder, [operator] * 20_000)
    tensors = _vector(builder, [tensor])
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, tensors)
    schema.SubGraphAddOperators(builder, operators)
    subgraphs = _vector(builder, [schema.SubGraphEnd(builder)])
    codes = _vector(builder, [code])
    buffers = _vector(builder, [buffer])
    schema.ModelStart(builder)
    schema.ModelAddVersion(builder, 3)
    schema.ModelAddOperatorCodes(builder, codes)
    schema.ModelAddSubgraphs(builder, subgraphs)
    schema.ModelAddBuffers(builder, buffers)
    builder.Finish(schema.ModelEnd(builder), b"TFL3")
    with pytest.raises(FlatbufferError, match="over and over"):
        parse_tflite(bytes(builder.Output()))


def _vector(builder: Any, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def test_what_is_no_tflite_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "photo.tflite"
    for content, message in (
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n", "does not bear TFL3"),
        (b"\xff\0\0\0TFL3", "an offset leads out of the file"),
    ):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=message) as caught:
            read_tflite(path)
        assert str(caught.value).startswith(str(path))
    model = schema.ModelT.InitFromPackedBuf(_SMALL, 0)
    model.version = 2
    path.write_bytes(packed(model))
    with pytest.raises(ModelError, match="its schema is version 2, not 3"):
        read_tflite(path)
    model.version, model.subgraphs = 3, []
    path.write_bytes(packed(model))
    with pytest.raises(ModelError, match="it holds no graph"):
        read_tflite(path)
