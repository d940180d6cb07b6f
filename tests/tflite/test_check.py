"""Files that crash a TFLite runtime are refused, those of every operator that run are not."""

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from tests.support import strangers
from tests.support.edgetpu_models import PASSING, with_floats
from tests.support.exports import Models
from tests.support.tflite_writer import Op, T, constant, packed, write_model
from tinyedge.memory import physical_memory
from tinyedge.tflite.check import check_tflite
from tinyedge.tflite.flatbuffer import FlatbufferError

_IMAGE = T((1, 4, 4, 8))
_OUTPUT = T((1, 4, 4, 2))
_KERNEL = constant(np.ones((2, 3, 3, 8)))
_FOUR = T((4,), "float32")
_BIAS = replace(constant([1, 1], "int32"), scale=1 / 256)


def convolution(
    image: T = _IMAGE,
    kernel: T | None = _KERNEL,
    bias: T | None = _BIAS,
    output: T = _OUTPUT,
    **fields: int,
) -> Op:
    options = {"strideW": 1, "strideH": 1, **fields}
    return Op("CONV_2D", [image, kernel, bias], [output], "Conv2DOptions", options, version=3)


def integers(*numbers: int) -> T:
    return constant(numbers, "int32")


def integer(number: int) -> T:
    return constant(number, "int32")


def real(number: float) -> T:
    return constant(number, "float32")


def changed(op: Op, change: Callable[[Any], object]) -> bytes:
    """The file of one operator after `change` was made to the schema's ModelT."""
    model = schema.ModelT.InitFromPackedBuf(write_model(op), 0)
    change(model)
    return packed(model)


def ended(*files: bytes) -> int:
    """How a process ends that runs the files, whatever is raised: below 0 by a signal."""
    program = """
import sys
from ai_edge_litert.interpreter import Interpreter

content = sys.stdin.buffer.read()
while content:
    length, content = int.from_bytes(content[:4], "little"), content[4:]
    try:
        interpreter = Interpreter(model_content=content[:length], num_threads=1)
        interpreter.allocate_tensors()
        interpreter.invoke()
    except (ValueError, RuntimeError):
        pass
    content = content[length:]
"""
    given = b"".join(len(content).to_bytes(4, "little") + content for content in files)
    command = [sys.executable, "-c", program]
    return subprocess.run(command, input=given, capture_output=True, check=False).returncode


@pytest.mark.parametrize("name", [name for name in PASSING if "LSTM" not in name])
def test_a_file_of_any_operator_passes(name: str) -> None:
    check_tflite(write_model(PASSING[name]))


@pytest.mark.parametrize("name", ["ADD", "MEAN", "PAD", "RESIZE_BILINEAR", "SOFTMAX", "SPLIT"])
def test_a_file_of_floats_passes(name: str) -> None:
    check_tflite(write_model(with_floats(PASSING[name])))


@pytest.mark.parametrize(
    ("name", "inputs", "outputs"),
    [
        ("RANGE", [integer(1), integer(9), integer(2)], [T((4,), "int32")]),
        ("RANGE", [integer(9), integer(1), integer(-2)], [T((4,), "int32")]),
        ("RANGE", [real(0), real(0.4), real(0.1)], [_FOUR]),
        ("SCATTER_ND", [constant([[0], [2]], "int32"), T((2,), "float32"), integers(4)], [_FOUR]),
        ("UNSORTED_SEGMENT_MAX", [T((3, 2), "float32"), integers(0, 1, 1), integer(2)],
         [T((2, 2), "float32")]),
        ("MATRIX_DIAG", [T((1, 4), "float32")], [T((1, 4, 4), "float32")]),
        ("DILATE", [_FOUR, integers(3), real(0)], [T((10,), "float32")]),
        ("GATHER_ND", [T((4, 5, 6), "float32"), constant([[0, 1]] * 3, "int32")],
         [T((3, 6), "float32")]),
        ("EMBEDDING_LOOKUP", [integers(0, 2, 1), T((3, 5), "float32")], [T((3, 5), "float32")]),
        ("BITWISE_XOR", [T((3, 1), "int32"), T((5,), "int32")], [T((3, 5), "int32")]),
        ("RIGHT_SHIFT", [T((3, 1), "int32"), T((5,), "int32")], [T((3, 5), "int32")]),
        ("STABLEHLO_ADD", [T((3, 5), "float32"), T((3, 5), "float32")], [T((3, 5), "float32")]),
        ("BROADCAST_ARGS", [integers(3, 1), integers(2, 1, 5)], [T((3,), "int32")]),
        ("BUCKETIZE", [T((3, 5), "float32")], [T((3, 5), "int32")]),
        ("DYNAMIC_UPDATE_SLICE", [T((4, 5), "float32"), T((2, 5), "float32"), integers(1, 0)],
         [T((4, 5), "float32")]),
        ("REVERSE_SEQUENCE", [T((3, 5), "float32"), integers(1, 2, 3, 1, 2)],
         [T((3, 5), "float32")]),
        ("SVDF", [T((2, 3), "float32"), constant(np.ones((8, 3)), "float32"),
                  constant(np.ones((8, 5)), "float32"), None,
                  T((2, 40), "float32", variable=True)], [T((2, 4), "float32")]),
    ],
)  # fmt: skip
def test_what_is_said_of_a_length_is_what_the_runtime_makes(
    name: str, inputs: list[T], outputs: list[T]
) -> None:
    options: dict[str, tuple[str, dict[str, object]]] = {
        "REVERSE_SEQUENCE": ("ReverseSequenceOptions", {"seqDim": 0, "batchDim": 1}),
        "SVDF": ("SVDFOptions", {"rank": 2}),
    }
    content = write_model(Op(name, inputs, outputs, *options.get(name, ())))
    check_tflite(content)
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.invoke()
    (output,) = interpreter.get_output_details()
    assert interpreter.get_tensor(output["index"]).shape == outputs[0].shape


def test_files_of_tinyedge_and_of_tensorflows_converter_pass(fashion_models: Models) -> None:
    check_tflite(fashion_models.float_model.read_bytes())
    check_tflite(fashion_models.int8_model.read_bytes())
    for content in (
        *(strangers.float_model(softmax=True), strangers.two_inputs(), strangers.two_outputs()),
        *(strangers.quantized_model("uint8", "int8"), strangers.open_size()),
        strangers.float_inside(),
    ):
        check_tflite(content)


def _metadata() -> Any:
    metadata = schema.MetadataT()
    metadata.name, metadata.buffer = "min_runtime_version", 99
    return metadata


_LONG = (1, 2**31 - 1)
_OF_A_MEMORY = physical_memory() // (2 * _LONG[1]) + 1


def _states() -> list[Any]:
    """Tensors that no operator writes, and a runtime makes all the same."""
    found = []
    for _ in range(_OF_A_MEMORY):
        state = schema.TensorT()
        state.name, state.type, state.isVariable = "state", schema.TensorType.FLOAT32, True
        state.shape = list(_LONG)
        found.append(state)
    return found


REFUSED: dict[str, tuple[bytes, str]] = {
    "weights left out": (
        write_model(convolution(kernel=None)),
        r"operator 0, CONV_2D: its input 1 is left out",
    ),
    "depthwise without a bias": (
        write_model(
            Op(
                "DEPTHWISE_CONV_2D",
                [_IMAGE, constant(np.ones((1, 3, 3, 8)))],
                [_IMAGE],
                "DepthwiseConv2DOptions",
                {"strideW": 1, "strideH": 1, "depthMultiplier": 1},
                version=3,
            )
        ),
        "DEPTHWISE_CONV_2D: it has 2 inputs",
    ),
    "no outputs": (write_model(Op("RELU", [_IMAGE], [])), "it has no outputs"),
    "stride of 0": (write_model(convolution(strideW=0)), "its stride is 0"),
    "dilation below 0": (write_model(convolution(dilationHFactor=-1)), "its dilation is -1"),
    "kernel of other channels": (
        write_model(convolution(kernel=constant(np.ones((2, 3, 3, 5))))),
        r"its kernel \(2, 3, 3, 5\) does not fit its input",
    ),
    "kernel of three dimensions": (
        write_model(convolution(kernel=constant(np.ones((2, 3, 8))))),
        "its input 1 has 3 dimensions, not 4",
    ),
    "bias too short": (write_model(convolution(bias=integers(1))), "its bias has shape"),
    "another output": (
        write_model(convolution(output=T((1, 9, 9, 2)))),
        r"its output has shape .* of its inputs comes",
    ),
    "no scale": (
        write_model(convolution(output=T((1, 4, 4, 2), scale=0))),
        "is int8 and has no scale",
    ),
    "window of 0": (
        write_model(Op("MAX_POOL_2D", [_IMAGE], [_IMAGE], "Pool2DOptions", {"strideW": 1})),
        "its size is 0",
    ),
    "axis that is not there": (
        write_model(
            Op("CONCATENATION", [_IMAGE, _IMAGE], [_IMAGE], "ConcatenationOptions", {"axis": 4})
        ),
        "axis 4 of 4 dimensions",
    ),
    "radius that ends the process": (
        write_model(
            Op(
                "LOCAL_RESPONSE_NORMALIZATION",
                [T((1, 4, 4, 8), "float32")],
                [T((1, 4, 4, 8), "float32")],
                "LocalResponseNormalizationOptions",
                {"radius": 2**30, "bias": 1.0, "alpha": 1.0, "beta": 0.5},
            )
        ),
        "its radius is 1073741824",
    ),
    "filters of rank 0": (
        write_model(
            Op(
                "SVDF",
                [
                    T((1, 3), "float32"),
                    constant(np.ones((8, 3)), "float32"),
                    constant(np.ones((8, 5)), "float32"),
                    None,
                    T((1, 40), "float32", variable=True),
                ],
                [_FOUR],
                "SVDFOptions",
            )
        ),
        "its filters .* of rank 0 do not fit",
    ),
    "split by 0": (
        write_model(Op("SPLIT", [integers(3), _IMAGE], [_IMAGE], "SplitOptions")),
        "in 0 parts",
    ),
    "index beyond the end": (
        write_model(
            Op("GATHER", [_IMAGE, integers(8)], [T((1, 4, 4, 1))], "GatherOptions", {"axis": 3})
        ),
        "an index is not below 8",
    ),
    "shape of other elements": (
        write_model(Op("RESHAPE", [_IMAGE, integers(7, -1)], [T((7, 18))], "ReshapeOptions")),
        "is no shape of 128 numbers",
    ),
    "scale that ends the process": (
        write_model(Op("ADD", [replace(_IMAGE, scale=1e6), _IMAGE], [_IMAGE], "AddOptions")),
        "its output's scale is too small",
    ),
    "a square that ends the process": (
        write_model(Op("SQUARED_DIFFERENCE", [replace(_IMAGE, scale=128), _IMAGE], [_IMAGE])),
        "its output's scale is too small",
    ),
    "a comparison that ends the process": (
        write_model(
            Op("LESS", [replace(_IMAGE, scale=1), _IMAGE], [T((1, 4, 4, 8), "bool")], version=2)
        ),
        "it compares with a scale of 1",
    ),
    "a difference that ends the process": (
        write_model(Op("SUB", [replace(_IMAGE, scale=2**15), _IMAGE], [_IMAGE], "SubOptions")),
        "its output's scale is too small",
    ),
    "int16 of two shapes": (
        write_model(
            Op(
                "ADD",
                [T((1, 4, 4, 8), "int16"), T((8,), "int16")],
                [T((1, 4, 4, 8), "int16")],
                "AddOptions",
            )
        ),
        "it adds int16 of two shapes",
    ),
    "a scale of infinity": (
        write_model(Op("RELU", [replace(_IMAGE, scale=float("inf"))], [_IMAGE])),
        "a scale that is no number above 0",
    ),
    "a scale of a NaN that signals": (
        # A quiet NaN's bytes with the bit of signalling ones.
        write_model(Op("RELU", [replace(_IMAGE, scale=1.375)], [_IMAGE])).replace(
            b"\0\0\xb0\x3f", b"\1\0\x80\x7f"
        ),
        "a scale that is no number above 0",
    ),
    "a constant of too few bytes": (
        changed(convolution(), lambda model: setattr(model.buffers[1], "data", [1, 2, 3])),
        "has 3 bytes",
    ),
    "tensors of an earlier operator's": (
        changed(convolution(), lambda model: setattr(model.subgraphs[0], "inputs", [])),
        "reads what is not yet computed",
    ),
    "a constant that is written": (
        changed(
            convolution(), lambda model: setattr(model.subgraphs[0].operators[0], "outputs", [1])
        ),
        "writes what is there already",
    ),
    "an enormous tensor": (
        write_model(Op("RELU", [T((2**20, 2**20))], [T((2**20, 2**20))])),
        "a tensor has shape",
    ),
    "more memory than there is": (
        write_model(
            *[
                Op("TANH", [source], [T((1, 2**31 - 1), "float32")])
                for source in (T((1, 2**31 - 1), "float32"), 0)
            ]
        ),
        "more than this machine's memory",
    ),
    **{
        f"{name}, a length beyond its output's: {said}": (
            write_model(Op(name, inputs, outputs)),
            said,
        )
        for name, inputs, outputs, said in (
            (
                "RANGE",
                [integer(0), integer(2**31 - 1), integer(1)],
                [T((4,), "int32")],
                "it counts from 0 to 2147483647 by 1",
            ),
            ("RANGE", [real(0), real(1), real(0)], [T((4,), "float32")], "steps of 0"),
            (
                "SCATTER_ND",
                [integers(0), _FOUR, integers(2**31 - 1)],
                [_FOUR],
                "comes .2147483647",
            ),
            (
                "SPARSE_TO_DENSE",
                [integers(0), integers(2**31 - 1), real(1), real(0)],
                [_FOUR],
                "comes .2147483647",
            ),
            (
                "UNSORTED_SEGMENT_SUM",
                [_FOUR, integers(0, 0, 0, 0), integer(2**31 - 1)],
                [_FOUR],
                "comes .2147483647",
            ),
            (
                "MULTINOMIAL",
                [T((1, 4), "float32"), integer(2**31 - 1)],
                [T((1, 4), "int32")],
                "comes .1, 2147483647",
            ),
            (
                "NON_MAX_SUPPRESSION_V4",
                [T((4, 4), "float32"), _FOUR, integer(2**31 - 1), real(0.5), real(0.1)],
                [T((4,), "int32"), T((), "int32")],
                "comes .2147483647",
            ),
            (
                "MATRIX_DIAG",
                [T((1, 99999), "float32")],
                [T((1, 4), "float32")],
                "comes .1, 99999, 99999",
            ),
            ("DILATE", [_FOUR, integers(99999), real(0)], [_FOUR], "comes .299998"),
            (
                "BITWISE_XOR",
                [T((16384, 1), "int32"), T((1, 16384), "int32")],
                [T((4,), "int32")],
                "comes .16384, 16384",
            ),
            ("STABLEHLO_ADD", [T((99, 1), "float32"), _FOUR], [_FOUR], "of several shapes"),
            (
                "DYNAMIC_UPDATE_SLICE",
                [T((99999,), "float32"), _FOUR, integers(0)],
                [_FOUR],
                "comes .99999",
            ),
            (
                "GATHER_ND",
                [T((9, 99999), "float32"), constant([[0]] * 999, "int32")],
                [_FOUR],
                "comes .999, 99999",
            ),
            (
                "EMBEDDING_LOOKUP",
                [integers(*[0] * 999), T((9, 99999), "float32")],
                [_FOUR],
                "comes .999, 99999",
            ),
        )
    },
    **{
        f"{name}, of which nothing is known": (
            write_model(Op(name, inputs, [_FOUR], options, fields)),
            f"{name}: of what it makes, and how much of it, nothing is known",
        )
        for name, inputs, options, fields in (
            (
                "CONV_3D",
                [T((1, 9, 9, 9, 1), "float32"), constant(np.ones((1, 1, 1, 1, 256)), "float32")],
                "Conv3DOptions",
                {"strideD": 1, "strideW": 1, "strideH": 1},
            ),
            ("SEGMENT_SUM", [_FOUR, integers(0, 1, 2, 3)], None, None),
            ("STABLEHLO_PAD", [_FOUR, real(0)], None, None),
            ("WHERE", [_FOUR], None, None),
        )
    },
    "more states than memory": (
        changed(convolution(), lambda model: model.subgraphs[0].tensors.extend(_states())),
        "more than this machine's memory",
    ),
    "more memory for a type that NumPy lacks": (
        write_model(
            *(
                Op("CAST", [number - 1 if number else T(_LONG)], [T(_LONG, "bfloat16")])
                for number in range(_OF_A_MEMORY)
            ),
            outputs=range(_OF_A_MEMORY),
        ),
        "more than this machine's memory",
    ),
    "a file elsewhere": (
        changed(
            convolution(),
            lambda model: setattr(model, "externalBufferGroups", [schema.ExternalBufferGroupT()]),
        ),
        "from other files",
    ),
    "a custom operator": (
        write_model(Op("mine", [_IMAGE], [_IMAGE])),
        "no runtime has this custom operator",
    ),
    "a state": (
        write_model(Op("VAR_HANDLE", [], [T((1,), "int32")])),
        "it keeps a state",
    ),
    "metadata elsewhere": (
        changed(convolution(), lambda model: setattr(model, "metadata", [_metadata()])),
        "metadata are in a buffer that is not there",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_runtime_should_be_given_is_refused(name: str) -> None:
    content, message = REFUSED[name]
    with pytest.raises(FlatbufferError, match=message) as refusal:
        check_tflite(content)
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    "name", ["weights left out", "depthwise without a bias", "scale that ends the process"]
)
def test_the_runtime_does_crash_on_them(name: str) -> None:
    assert ended(REFUSED[name][0]) in (-signal.SIGSEGV, -signal.SIGABRT)


def test_a_name_that_is_no_text_is_refused() -> None:
    content = write_model(convolution()).replace(b"\x02\0\0\0t0\0", b"\x02\0\0\0t\xff\0")
    with pytest.raises(FlatbufferError, match="a name is no UTF-8 text"):
        check_tflite(content)


def test_every_cut_and_every_flipped_bit_is_refused_or_runs() -> None:
    """The reader of tables never raises anything else; the runtime never ends the process."""
    content = write_model(convolution(), Op("RELU", [0], [T((1, 4, 4, 2))]))
    random = np.random.default_rng(5)
    passed = []
    for length in range(0, len(content), 7):
        with pytest.raises(FlatbufferError):
            check_tflite(content[:length])
    for position in random.choice(len(content) - 8, 300, replace=False) + 8:
        changed_file = bytearray(content)
        changed_file[position] ^= 1 << int(random.integers(8))
        try:
            check_tflite(bytes(changed_file))
        except FlatbufferError:
            continue
        passed.append(bytes(changed_file))
    assert len(passed) > 20  # constants, names, scales
    assert ended(*passed) == 0
