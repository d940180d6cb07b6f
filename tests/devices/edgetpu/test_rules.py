"""Every rule of the Edge TPU, on a model that keeps to it and on one that does not."""

import re
from dataclasses import replace
from itertools import chain

import pytest

from tests.support.edgetpu_models import EVERY, FAILING, PASSING, with_computed, with_floats
from tests.support.tflite_writer import Op, T, constant, write_model
from tinyedge.devices.edgetpu.constraints import LIMITS
from tinyedge.devices.edgetpu.partition import Placement, Verdict, place
from tinyedge.devices.edgetpu.rules import edgetpu_rules
from tinyedge.tflite.model import parse_tflite

RULES = edgetpu_rules()
_LIMITED = [(name, limit) for name, rule in RULES.operators.items() for limit in rule.limits]
_PARAMETERS = [
    (name, position)
    for name, rule in RULES.operators.items()
    for position in rule.parameters
    if position < len(PASSING[name].inputs) and PASSING[name].inputs[position] is not None
]


def placed(*operators: Op, runtime: int = 14) -> Placement:
    return place(parse_tflite(write_model(*operators)), RULES, runtime=runtime)


def verdict(op: Op, runtime: int = 14) -> Verdict:
    (found,) = placed(op, runtime=runtime).verdicts
    return found


@pytest.mark.parametrize("name", RULES.operators)
def test_a_listed_operator_maps_in_integers_and_not_in_float(name: str) -> None:
    found = verdict(PASSING[name])
    assert found.operator == name
    assert (found.maps, found.on_tpu, found.limit, found.reason) == (True, True, None, None)
    assert verdict(with_floats(PASSING[name])).limit == "eight_bit"


@pytest.mark.parametrize(("name", "limit"), _LIMITED)
def test_an_operator_that_breaks_its_limit_does_not_map(name: str, limit: str) -> None:
    found = verdict(FAILING[name, limit])
    assert found.operator == name
    assert (found.maps, found.on_tpu, found.limit) == (False, False, limit)
    assert found.reason


@pytest.mark.parametrize("limit", RULES.every)
def test_every_operator_is_held_to_the_limits_of_all(limit: str) -> None:
    failing, passing = EVERY[limit]
    assert verdict(failing).limit == limit
    assert verdict(passing).maps


@pytest.mark.parametrize(("name", "position"), _PARAMETERS)
def test_a_parameter_has_to_be_a_constant(name: str, position: int) -> None:
    found = verdict(with_computed(PASSING[name], position))
    assert (found.limit, found.maps) == ("constant_parameters", False)
    assert found.reason == f"its input {position} has to be a constant"


@pytest.mark.parametrize("name", [name for name, rule in RULES.operators.items() if rule.runtime])
def test_an_operator_needs_its_runtime(name: str) -> None:
    needed = RULES.operators[name].runtime
    assert placed(PASSING[name], runtime=needed).runtime == needed
    assert verdict(PASSING[name], runtime=needed).maps
    assert verdict(PASSING[name], runtime=needed - 1).limit == "runtime"


@pytest.mark.parametrize("name", RULES.unreadable)
def test_a_version_that_cannot_be_parsed_keeps_the_whole_file_off(name: str) -> None:
    version = RULES.unreadable[name]
    op = PASSING.get(name, Op(name, [T((1, 4))], [T((1, 4))]))
    relu = PASSING["RELU"]
    assert placed(relu, replace(op, version=version - 1)).refusal is None
    refused = placed(relu, replace(op, version=version))
    assert refused.refusal is not None
    assert f"{name} of version {version}" in refused.refusal
    assert (refused.on_tpu, refused.on_cpu, refused.whole) == (0, 2, False)


@pytest.mark.parametrize("name", [name for name, rule in RULES.operators.items() if rule.doubt])
def test_a_large_one_is_in_doubt_and_maps_all_the_same(name: str) -> None:
    doubt = RULES.operators[name].doubt
    assert doubt is not None
    small = PASSING[name]
    large = replace(small, outputs=[T((1, 1, doubt.elements + 1))])
    assert (verdict(large).maps, verdict(large).doubt) == (True, doubt.reason)
    assert verdict(small).doubt == (doubt.reason if doubt.elements == 0 else None)


def test_an_operator_without_a_row_does_not_map() -> None:
    leaky = Op("LEAKY_RELU", [T((1, 8))], [T((1, 8))], "LeakyReluOptions", {"alpha": 0.1})
    backwards = replace(
        PASSING["UNIDIRECTIONAL_SEQUENCE_LSTM"], name="BIDIRECTIONAL_SEQUENCE_LSTM", options=None
    )
    for op in (leaky, backwards, Op("mine", [T((1, 8))], [T((1, 8))])):
        assert (verdict(op).limit, verdict(op).operator) == ("listed", op.name)


def test_a_constant_among_three_that_are_joined_does_not_map() -> None:
    zeros = constant([[0, 0]])
    three = Op("CONCATENATION", [T((1, 2)), T((1, 2)), zeros], [T((1, 6))], "ConcatenationOptions")
    assert verdict(three).limit == "constant_only_pads"


def test_every_row_names_limits_and_sources_that_there_are() -> None:
    rows = RULES.operators.values()
    named = {*RULES.every, *chain.from_iterable(rule.limits for rule in rows)}
    assert named == set(LIMITS)
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
    assert {advice.limit for advice in RULES.advice.values()} <= {None, *LIMITS}
    for limit in LIMITS.values():
        assert re.match(r"[A-Z].*\.$", limit.__doc__ or "")
