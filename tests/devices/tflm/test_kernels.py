"""What TFLite Micro has kernels for: the rules, and the package asked for each of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.support.micro_models import ONE_TYPE, TYPES, micro_says, typed
from tests.support.peers import need_package
from tests.support.tflite_writer import Op, T, constant, write_model
from tinyedge.devices.tflm.kernels import OperatorKernel, find_kernels, tensor_arena_bytes
from tinyedge.devices.tflm.rules import tflm_rules
from tinyedge.tflite.model import parse_tflite

RULES = tflm_rules()
_V = T((1, 8))


def kernels(*operators: Op, copies: int = 1) -> list[OperatorKernel]:
    return find_kernels(parse_tflite(write_model(*operators, copies=copies)), RULES)


def reason(operator: Op) -> str | None:
    (found,) = kernels(operator)
    return found.reason


@pytest.mark.peers
def test_every_operator_of_the_schema_is_listed_where_the_package_has_it(tmp_path: Path) -> None:
    need_package("tflite_micro")
    names = [name for name, number in vars(schema.BuiltinOperator).items() if type(number) is int]
    assert len(names) > 200
    said = micro_says({name: Op(name, [_V], [_V]) for name in names}, tmp_path)
    registered = {name for name, text in said.items() if "Didn't find op" not in text}
    assert registered - {"CUSTOM"} == set(RULES.types)


@pytest.mark.peers
@pytest.mark.parametrize("kind", TYPES)
def test_each_type_is_taken_where_the_package_takes_it(kind: str, tmp_path: Path) -> None:
    need_package("tflite_micro")
    said = micro_says({name: typed(name, kind) for name in ONE_TYPE}, tmp_path)
    assert {name for name, text in said.items() if not text} == {
        name for name in ONE_TYPE if reason(typed(name, kind)) is None
    }


def test_the_types_of_every_operator_with_types_are_asked_for() -> None:
    listed = {name for name, types in RULES.types.items() if types is not None}
    assert listed - set(ONE_TYPE) == {"DEQUANTIZE", "QUANTIZE"}


def hybrid(name: str) -> Op:
    """The operator in float, its weights in int8."""
    whole, integers = typed(name, "float32"), typed(name, "int8")
    return replace(whole, inputs=[whole.inputs[0], integers.inputs[1], *whole.inputs[2:]])


@pytest.mark.parametrize("name", sorted(RULES.weighted))
def test_weights_of_int8_under_floats_have_no_kernel(name: str) -> None:
    assert reason(typed(name, "float32")) is None
    assert reason(hybrid(name)) == (
        "its input is float32 and its weights are int8: hybrid, which TFLite Micro has no"
        " kernels for"
    )


@pytest.mark.peers
def test_the_package_says_so_too(tmp_path: Path) -> None:
    need_package("tflite_micro")
    said = micro_says({name: hybrid(name) for name in RULES.weighted}, tmp_path)
    assert all("not supported" in text for text in said.values()), said


def test_what_is_missing_is_said_of_each_operator_of_each_graph() -> None:
    found = kernels(
        Op("RELU", [_V], [_V]), Op("RELU_N1_TO_1", [0], [_V]), Op("Mine", [1], [_V]), copies=2
    )
    assert [(each.graph, each.index, each.custom) for each in found] == [
        *((0, 0, False), (0, 1, False), (0, 2, True)),
        *((1, 0, False), (1, 1, False), (1, 2, True)),
    ]
    assert [each.reason for each in found[:3]] == [
        None,
        "TFLite Micro has no kernel for it",
        "custom: the firmware would have to bring its kernel",
    ]


def test_a_type_without_a_kernel_names_those_that_have_one() -> None:
    assert reason(typed("RELU", "uint8")) == (
        "its input is uint8; it has kernels for float32, int8 and int16"
    )
    pixels = Op("QUANTIZE", [T((1, 8), "uint8")], [_V])
    assert reason(pixels) is None


def arena(*operators: Op) -> int:
    return tensor_arena_bytes(parse_tflite(write_model(*operators)).subgraphs[0])


def test_the_arena_is_of_the_tensors_that_live_at_the_same_time() -> None:
    large, small, odd = T((1, 100, 16)), T((1, 10, 16)), T((1, 17))
    # 1600 and 160 bytes; then 160 and 17, which is rounded up to 32.
    assert arena(Op("RELU", [large], [small]), Op("RELU", [0], [odd])) == 1760
    assert arena(Op("RELU", [small], [odd])) == 160 + 32
    # An input that is read again at the end lives as long.
    twice = Op("ADD", [small, small], [small])
    assert arena(twice) == 3 * 160
    kept = Op("ADD", [0, 1], [small])
    assert arena(Op("RELU", [small], [small]), Op("RELU", [0], [large]), kept) == 160 + 1600 + 160


def test_constants_and_states_take_nothing_of_it() -> None:
    weights = constant(np.ones((4, 8)))
    dense = Op("FULLY_CONNECTED", [_V, weights, None], [T((1, 4))], "FullyConnectedOptions")
    assert arena(dense) == 16 + 16
    state = replace(_V, variable=True)
    assert arena(Op("ADD", [_V, state], [_V])) == 16 + 16


def test_another_type_takes_its_own_width() -> None:
    assert arena(Op("DEQUANTIZE", [_V], [T((1, 8), "float32")])) == 16 + 32


def softmax(classes: int) -> Op:
    scores, shares = T((1, classes)), T((1, classes), scale=1 / 256, zero_point=-128)
    return Op("SOFTMAX", [scores], [shares], "SoftmaxOptions", {"beta": 1.0})


@pytest.mark.parametrize(("classes", "doubtful"), [(511, False), (512, True)])
def test_a_softmax_of_many_classes_is_in_doubt(classes: int, doubtful: bool) -> None:
    (found,) = kernels(softmax(classes))
    assert found.reason is None
    assert (found.doubt is not None) == doubtful
    (floats,) = kernels(
        Op("SOFTMAX", [T((1, classes), "float32")], [T((1, classes), "float32")], "SoftmaxOptions")
    )
    assert floats.doubt is None


@pytest.mark.peers
def test_so_many_equal_scores_end_the_package(tmp_path: Path) -> None:
    need_package("tflite_micro")
    # Times 0, for what an arena holds at first is not said.
    models = {}
    for classes in (511, 512):
        zeros = constant(np.zeros((1, classes)))
        scores = T((1, classes))
        summed = Op("MUL", [scores, zeros], [scores], "MulOptions")
        last = softmax(classes)
        models[f"{classes}"] = (summed, Op("SOFTMAX", [0], last.outputs, last.options, last.fields))
    said = micro_says(models, tmp_path)
    assert said["511"] == ""
    assert said["512"].startswith("crashed")
