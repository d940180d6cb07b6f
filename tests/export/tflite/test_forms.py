"""Convolutions in other forms against the plain ones, in both of LiteRT's sets of kernels."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from tests.emulated_pi import EmulatedPi
from tests.support.tflite_writer import Op, T, constant, write_model
from tinyedge.devices.latency.instructions import file_cost
from tinyedge.devices.profile import find_profile
from tinyedge.errors import ModelError
from tinyedge.export.inspection.graph import read_graph
from tinyedge.export.inspection.simulate import Simulation
from tinyedge.export.tflite.editor import ModelEditor
from tinyedge.export.tflite.forms import IM2COL, Form, choose_forms, in_forms
from tinyedge.export.tflite.mixed import mixed_file
from tinyedge.tflite.check import check_tflite
from tinyedge.tflite.model import parse_tflite
from tinyedge.tflite.quantization import QuantParams

NAME = "network/3_convolutional/BiasAdd;fused"
OUTPUT = QuantParams.per_tensor(0.05, 4)
SAME, VALID = 0, 1
RELU = 1


class Case(NamedTuple):
    """A convolution: its image, kernel and what stands around it."""

    height: int
    width: int
    channels: int
    filters: int
    size: int
    stride: int = 1
    border: tuple[int, int] | None = None  # of a PAD before, above and below; None: SAME
    pooled: bool = False
    activation: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Of what it gives out."""
        if self.border is None:
            return -(-self.height // self.stride), -(-self.width // self.stride)
        added = sum(self.border) - self.size
        return (
            (self.height + added) // self.stride + 1,
            (self.width + added) // self.stride + 1,
        )


CASES = (
    Case(8, 8, 3, 4, 3, pooled=True),
    Case(8, 12, 3, 4, 3),
    Case(7, 9, 1, 5, 3, activation=RELU),
    Case(6, 10, 16, 8, 3),
    Case(9, 7, 5, 3, 3, border=(0, 0)),
    Case(8, 8, 3, 4, 3, border=(1, 1), pooled=True),
    Case(11, 13, 3, 6, 5),
    Case(12, 12, 1, 4, 5, border=(2, 2), pooled=True),
    Case(14, 15, 3, 8, 7, stride=2, border=(3, 3)),
    Case(16, 16, 3, 8, 7, stride=2),
    Case(23, 27, 3, 5, 11, stride=4, border=(0, 0)),
    Case(8, 8, 3, 4, 3, stride=2, border=(1, 1)),
    Case(8, 8, 3, 4, 3, stride=2, border=(0, 1), pooled=True),
    Case(5, 5, 2, 3, 2),
)
FORMS = (IM2COL, *(Form("space_to_depth", o, p) for o in (1, 2, 3, 4) for p in (2, 3, 4)))


def file_of(case: Case) -> bytes:
    rng = np.random.default_rng(case.height * case.width + case.filters)
    image = T((1, case.height, case.width, case.channels), scale=0.02, zero_point=-7)
    kernel = rng.integers(-127, 128, (case.filters, case.size, case.size, case.channels))
    scales = tuple(float(each) for each in rng.uniform(0.001, 0.01, case.filters))
    weights = replace(constant(kernel), scale=scales)
    bias = rng.integers(-2000, 2000, case.filters)
    biases = replace(
        constant(bias, "int32"),
        scale=tuple(0.02 * each for each in scales),
        name="3_convolutional/BiasAdd/ReadVariableOp",
    )
    operators = []
    source: T | int = image
    if case.border is not None and any(case.border):
        sides = (case.height + sum(case.border), case.width + sum(case.border))
        padded = replace(image, shape=(1, *sides, case.channels))
        widths = constant([(0, 0), case.border, case.border, (0, 0)], "int32")
        operators.append(Op("PAD", [image, widths], [padded], "PadOptions", version=2))
        source = 0
    output = T(
        (1, *case.shape, case.filters),
        scale=OUTPUT.scale,
        zero_point=OUTPUT.zero_point,
        name=NAME,
    )
    fields = {
        "strideH": case.stride,
        "strideW": case.stride,
        "padding": SAME if case.border is None else VALID,
        "fusedActivationFunction": case.activation,
    }
    inputs = [source, weights, biases]
    operators.append(Op("CONV_2D", inputs, [output], "Conv2DOptions", fields, version=3))
    if case.pooled:
        rows, columns = (side // 2 for side in case.shape)
        pooled = replace(output, shape=(1, rows, columns, case.filters), name="pooled")
        fields = dict.fromkeys(("strideH", "strideW", "filterHeight", "filterWidth"), 2)
        pool = [len(operators) - 1]
        operators.append(Op("MAX_POOL_2D", pool, [pooled], "Pool2DOptions", fields, version=2))
    return write_model(*operators)


def answers(content: bytes, images: NDArray[np.int8]) -> Iterator[NDArray[np.int8]]:
    """By XNNPACK's kernels, then by TFLite's own."""
    for kernels in (OpResolverType.AUTO, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES):
        interpreter = Interpreter(model_content=content, experimental_op_resolver_type=kernels)
        interpreter.allocate_tensors()
        (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
        for image in images:
            interpreter.set_tensor(source["index"], image)
            interpreter.invoke()
            yield interpreter.get_tensor(target["index"])


def names(content: bytes) -> list[str]:
    return [operator.name for operator in parse_tflite(content).subgraphs[0].operators]


def computed_by_the_plain_graph(content: bytes, image: NDArray[np.int8]) -> NDArray[np.float64]:
    """What the convolution that is read back makes of an image, by TensorFlow."""
    graph = read_graph(content, "x")
    (convolution,) = (each for each in graph.operators if each.name == "CONV_2D")
    assert {each.name for each in graph.operators} <= {"PAD", "CONV_2D", "MAX_POOL_2D"}
    assert graph.tensors[convolution.outputs[0]].name.partition(";")[0] == NAME.partition(";")[0]
    qparams = graph.tensors[graph.input].qparams
    assert qparams is not None
    simulation = Simulation(graph, {}, "x")
    run = simulation.run(qparams.dequantize(image).astype(np.float32), float_ops=())
    return simulation.values(run, graph.output)


def weights_of(content: bytes) -> list[NDArray[np.generic] | None]:
    """Kernel and bias of the convolution that is read back."""
    graph = read_graph(content, "x")
    (convolution,) = (each for each in graph.operators if each.name == "CONV_2D")
    return [graph.tensors[index].data() for index in convolution.inputs[1:]]


@pytest.mark.parametrize("case", CASES)
def test_every_form_gives_the_same_integers_and_is_read_back_as_the_plain_convolution(
    case: Case,
) -> None:
    plain = file_of(case)
    shape = (3, 1, case.height, case.width, case.channels)
    images = np.random.default_rng(1).integers(-128, 128, shape).astype(np.int8)
    expected = list(answers(plain, images))
    assert len({each.tobytes() for each in expected}) >= 3  # they tell images apart
    written = 0
    for form in FORMS:
        content = in_forms(plain, {NAME: form})
        if names(content) == names(plain):
            continue
        written += 1
        check_tflite(content)
        for found, wanted in zip(answers(content, images), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
        for found, wanted in zip(weights_of(content), weights_of(plain), strict=True):
            np.testing.assert_array_equal(found, wanted)
        found = computed_by_the_plain_graph(content, images[0])
        np.testing.assert_allclose(found, OUTPUT.dequantize(expected[0]), rtol=1e-6)
    assert written >= 2


def test_forms_are_chosen_by_what_the_core_takes() -> None:
    """The first layer of Tiny Darknet, and one of its later ones; a Pi 4 gains most."""
    first = file_of(Case(224, 224, 3, 16, 3, pooled=True))
    later = file_of(Case(56, 56, 16, 128, 3))
    pi3, pi4, pi5 = (find_profile(name) for name in ("pi3", "pi4", "pi5"))
    assert choose_forms(first, [pi4])[NAME].form == Form("space_to_depth", 1, 4)
    assert choose_forms(later, [pi4])[NAME].form == IM2COL
    assert choose_forms(later, [pi3]) == {}
    for content, board in ((first, pi4), (later, pi4), (first, pi5), (later, pi5)):
        (chosen,) = choose_forms(content, [board]).values()
        before, after = (
            file_cost(parse_tflite(each).subgraphs[0], board).cycles
            for each in (content, in_forms(content, {NAME: chosen.form}))
        )
        assert chosen.saved == (pytest.approx(before - after),)
        assert after < 0.98 * before


def test_of_several_boards_a_form_is_weighed_on_all() -> None:
    first = file_of(Case(224, 224, 3, 16, 3, pooled=True))
    boards = [find_profile(name) for name in ("pi3", "pi4", "pi5")]
    (chosen,) = choose_forms(first, boards).values()
    assert chosen.saved[0] < 0 < min(chosen.saved[1:])


@pytest.mark.parametrize(
    "case",
    [
        Case(56, 56, 16, 32, 1, border=(0, 0)),  # one tap
        Case(28, 28, 512, 64, 3),  # channels enough
    ],
)
def test_what_gains_nothing_stays(case: Case) -> None:
    assert choose_forms(file_of(case), [find_profile("pi3")]) == {}


def test_without_a_board_nothing_is_chosen() -> None:
    content = file_of(CASES[0])
    assert choose_forms(content, []) == {}
    assert in_forms(content, {}) is content


def test_what_computes_in_float_stays_in_plain_form() -> None:
    content = mixed_file(file_of(CASES[3]), {3: "float32"})
    assert in_forms(content, {NAME: IM2COL}).count(b"im2col") == 0


def test_a_tensor_that_others_read_is_not_taken_into_a_form() -> None:
    """The pool behind is, but not where the convolution's own output is an output."""
    content = file_of(CASES[0])
    editor = ModelEditor(content)
    editor.set_output(int(editor.operators[0].outputs[0]))
    both = editor.content()
    graph = parse_tflite(in_forms(both, {NAME: Form("space_to_depth", 1, 4)})).subgraphs[0]
    assert [operator.name for operator in graph.operators].count("MAX_POOL_2D") == 1
    (output,) = graph.outputs
    assert graph.tensors[output].name == NAME


def test_a_file_that_only_names_its_tensors_so_is_refused() -> None:
    image = T((1, 4, 4, 3), scale=0.02)
    named = replace(image, name="3_convolutional/im2col/patches")
    operator = Op("LEAKY_RELU", [image], [named], "LeakyReluOptions", {"alpha": 0.5}, version=2)
    with pytest.raises(ModelError, match="not in the form im2col that its tensors' names say"):
        read_graph(write_model(operator), "x")


ON_THE_BOARD = """
import sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter

def answers(path):
    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    for seed in range(3):
        rng = np.random.default_rng(seed)
        image = rng.integers(-128, 128, source["shape"]).astype(np.int8)
        interpreter.set_tensor(source["index"], image)
        interpreter.invoke()
        yield interpreter.get_tensor(target["index"]).tobytes()

for pair in open(sys.argv[1]):
    plain, written = map(list, map(answers, pair.split()))
    print(len(set(plain)), plain == written)
"""


@pytest.mark.pi_emulated
@pytest.mark.parametrize(("release", "board"), [("bookworm", "pi4"), ("trixie", "pi5")])
def test_a_board_computes_the_same_in_every_form(
    emulated_pi: Callable[..., EmulatedPi], tmp_path: Path, release: str, board: str
) -> None:
    pairs = []
    for number, case in enumerate(CASES):
        plain = tmp_path / f"{number}.tflite"
        plain.write_bytes(file_of(case))
        for form in FORMS:
            written = tmp_path / f"{number}-{form.kind}-{form.outputs}-{form.parts}.tflite"
            written.write_bytes(in_forms(plain.read_bytes(), {NAME: form}))
            if names(written.read_bytes()) != names(plain.read_bytes()):
                pairs.append(f"{plain} {written}")
    pi = emulated_pi(release, board, shared=[tmp_path])
    listed = tmp_path / "pairs.txt"
    listed.write_text("".join(f"{pair}\n" for pair in pairs))
    done = pi.run("python3", "-c", ON_THE_BOARD, listed)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["3 True"] * len(pairs)
    assert len(pairs) > 2 * len(CASES)
