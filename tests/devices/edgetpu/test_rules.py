"""Every rule of the Edge TPU, on a model that keeps to it and on one that does not."""

import re
from dataclasses import replace
from itertools import chain

import pytest

from tests.support.edgetpu_models import EVERY, FAILING, PASSING, with_computed, with_floats
from tests.support.tflite_writer import Op, T, constant, write_model
from tinyedge.devices.edgetpu.constraints import CONSTRAINTS
from tinyedge.devices.edgetpu.partition import OpPlacement, Partition, partition
from tinyedge.devices.edgetpu.rules import edgetpu_rules
from tinyedge.tflite.model import parse_tflite

RULES = edgetpu_rules()
_CONSTRAINED = [
    (name, constraint) for name, rule in RULES.operators.items() for constraint in rule.constraints
]
_PARAMETERS = [
    (name, position)
    for name, rule in RULES.operators.items()
    for position in rule.parameters
    if position < len(PASSING[name].inputs) and PASSING[name].inputs[position] is not None
]


def partitioned(*operators: Op, runtime: int = 14) -> Partition:
    return partition(parse_tflite(write_model(*operators)), RULES, runtime=runtime)


def placed(op: Op, runtime: int = 14) -> OpPlacement:
    (found,) = partitioned(op, runtime=runtime).operators
    return found


@pytest.mark.parametrize("name", RULES.operators)
def test_a_listed_operator_maps_in_integers_and_not_in_float(name: str) -> None:
    found = placed(PASSING[name])
    assert found.operator == name
    assert (found.maps, found.on_tpu, found.constraint, found.reason) == (True, True, None, None)
    assert placed(with_floats(PASSING[name])).constraint == "eight_bit"


@pytest.mark.parametrize(("name", "constraint"), _CONSTRAINED)
def test_an_operator_that_breaks_its_constraint_does_not_map(name: str, constraint: str) -> None:
    found = placed(FAILING[name, constraint])
    assert found.operator == name
    assert (found.maps, found.on_tpu, found.constraint) == (False, False, constraint)
    assert found.reason


@pytest.mark.parametrize("constraint", RULES.every)
def test_every_operator_is_held_to_the_constraints_of_all(constraint: str) -> None:
    failing, passing = EVERY[constraint]
    assert placed(failing).constraint == constraint
    assert placed(passing).maps


@pytest.mark.parametrize(("name", "position"), _PARAMETERS)
def test_a_parameter_has_to_be_a_constant(name: str, position: int) -> None:
    found = placed(with_computed(PASSING[name], position))
    assert (found.constraint, found.maps) == ("constant_parameters", False)
    assert found.reason == f"its input {position} has to be a constant"


@pytest.mark.parametrize("name", [name for name, rule in RULES.operators.items() if rule.runtime])
def test_an_operator_needs_its_runtime(name: str) -> None:
    needed = RULES.operators[name].runtime
    assert partitioned(PASSING[name], runtime=needed).runtime == needed
    assert placed(PASSING[name], runtime=needed).maps
    assert placed(PASSING[name], runtime=needed - 1).constraint == "runtime"


@pytest.mark.parametrize("name", RULES.unreadable)
def test_a_version_that_cannot_be_parsed_keeps_the_whole_file_off(name: str) -> None:
    version = RULES.unreadable[name]
    op = PASSING.get(name, Op(name, [T((1, 4))], [T((1, 4))]))
    relu = PASSING["RELU"]
    assert partitioned(relu, replace(op, version=version - 1)).refusal is None
    refused = partitioned(relu, replace(op, version=version))
    assert refused.refusal is not None
    assert f"{name} of version {version}" in refused.refusal
    assert (refused.on_tpu, refused.on_cpu, refused.whole) == (0, 2, False)


@pytest.mark.parametrize("name", [name for name, rule in RULES.operators.items() if rule.doubt])
def test_a_large_one_is_in_doubt_and_maps_all_the_same(name: str) -> None:
    doubt = RULES.operators[name].doubt
    assert doubt is not None
    small = PASSING[name]
    large = replace(small, outputs=[T((1, 1, doubt.elements + 1))])
    assert (placed(large).maps, placed(large).doubt) == (True, doubt.reason)
    assert placed(small).doubt == (doubt.reason if doubt.elements == 0 else None)


def test_an_operator_without_a_row_does_not_map() -> None:
    leaky = Op("LEAKY_RELU", [T((1, 8))], [T((1, 8))], "LeakyReluOptions", {"alpha": 0.1})
    backwards = replace(
        PASSING["UNIDIRECTIONAL_SEQUENCE_LSTM"], name="BIDIRECTIONAL_SEQUENCE_LSTM", options=None
    )
    for op in (leaky, backwards, Op("mine", [T((1, 8))], [T((1, 8))])):
        assert (placed(op).constraint, placed(op).operator) == ("listed", op.name)


def test_a_constant_among_three_inputs_of_a_concatenation_does_not_map() -> None:
    zeros = constant([[0, 0]])
    three = Op("CONCATENATION", [T((1, 2)), T((1, 2)), zeros], [T((1, 6))], "ConcatenationOptions")
    assert placed(three).constraint == "constant_only_pads"


def test_every_row_names_constraints_and_sources_that_there_are() -> None:
    rows = RULES.operators.values()
    named = {*RULES.every, *chain.from_iterable(rule.constraints for rule in rows)}
    assert named == set(CONSTRAINTS)
    sources = chain(
        RULES.memory.source,
        *RULES.every.values(),
        *RULES.unreadable_source.values(),
        *(advice.source for advice in RULES.advice.values()),
        *(rule.source for rule in rows),
    )
    assert set(sources) == set(RULES.sources)
    for rule in rows:
        assert rule.source
    assert {advice.constraint for advice in RULES.advice.values()} <= {None, *CONSTRAINTS}
    for constraint in CONSTRAINTS.values():
        assert re.match(r"[A-Z].*\.$", constraint.__doc__ or "")
