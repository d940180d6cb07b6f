"""The choice of precisions against every combination there is."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from tests.support.int8_chain import (
    ACTIVATED,
    BEHIND,
    FIRST,
    PIXELS,
    SECOND,
    convolution,
    integer_file,
    leaky,
    tensor,
)
from tests.support.tflite_writer import Op, T, constant, write_model
from tinyedge.devices.latency.instructions import (
    conversion_cycles,
    file_cost,
    operator_cycles,
)
from tinyedge.devices.profile import Profile, find_profile
from tinyedge.export.quantize.precision import (
    Precisions,
    Roundings,
    find_units,
    measure_roundings,
    measurements,
    pareto_plans,
)
from tinyedge.modelcard import Precision
from tinyedge.tflite.model import parse_tflite

CHOICES: tuple[Precision, ...] = ("int8", "hybrid", "float32")
PI4 = find_profile("pi4")
# Of the chain: what is rounded within each layer, in hybrid layers' inputs, and of the tensors
# that go to layers 1 and 2, once or once more.
ALONE, HYBRID = (0.5, 0.25, 0.125), (0.03, 0.07, 0.01)
ONCE, TWICE = (0.2, 0.1), (0.05, 0.02)
WEIGHTS = 0.001


class Weighed(NamedTuple):
    cycles: float
    divergence: float


def roundings() -> Roundings:
    """As `pareto_plans` wants them: the pixels' tensor comes first, and is not rounded."""
    once = [0.0, *ONCE, 0.0]
    twice = [0.0, *TWICE, 0.0]
    network = find_units(integer_file())
    places = [each.layer for each in network.crossings]
    assert places == [0, 1, 2, None]
    return Roundings(WEIGHTS, ALONE, HYBRID, once, twice)


def weighed(kinds: tuple[Precision, ...], profile: Profile) -> Weighed:
    """One combination, followed from the pixels to the scores."""
    graph = parse_tflite(integer_file()).subgraphs[0]
    convolutions = [op for op in graph.operators if op.name == "CONV_2D"]
    activations = [op for op in graph.operators if op.name == "LEAKY_RELU"]
    cycles, divergence = 0.0, WEIGHTS

    def elements(operator: object) -> int:
        return graph.tensors[operator.outputs[0]].elements  # type: ignore[attr-defined]

    in_float = False
    for number, kind in enumerate(kinds):
        wants_float = kind != "int8"
        if number:
            activation, before = activations[number - 1], kinds[number - 1]
            size = elements(activation)
            # An activation between int8 and float is in float.
            both_int8 = before == "int8" and not wants_float
            cycles += operator_cycles(
                graph, activation, "int8" if both_int8 else "float32", profile
            )
            if before == "int8" and wants_float:
                cycles += conversion_cycles(size, to_float=True, profile=profile)
            if before != "int8" and not wants_float:
                cycles += conversion_cycles(size, to_float=False, profile=profile)
                divergence += ONCE[number - 1]
            if both_int8:
                divergence += TWICE[number - 1]
        elif wants_float:
            cycles += conversion_cycles(3 * 16, to_float=True, profile=profile)
        cycles += operator_cycles(graph, convolutions[number], kind, profile)
        divergence += {"int8": ALONE, "hybrid": HYBRID, "float32": (0.0,) * 3}[kind][number]
        in_float = wants_float
    if not in_float:
        cycles += conversion_cycles(5 * 16, to_float=True, profile=profile)
    return Weighed(cycles, divergence)


@pytest.mark.parametrize("board", ["pi3", "pi4", "pi5"])
def test_the_plans_are_those_that_no_other_beats(board: str) -> None:
    profile = find_profile(board)
    every = {kinds: weighed(kinds, profile) for kinds in itertools.product(CHOICES, repeat=3)}
    best = {
        kinds
        for kinds, own in every.items()
        if not any(
            other.cycles <= own.cycles and other.divergence <= own.divergence and other != own
            for other in every.values()
        )
    }
    plans = pareto_plans(find_units(integer_file()), roundings(), [profile], [1.0])
    assert {tuple(plan.precision[n] for n in range(3)) for plan in plans} == best
    for plan in plans:
        own = every[tuple(plan.precision[n] for n in range(3))]
        assert plan.cycles[0] == pytest.approx(own.cycles)
        assert plan.divergence == pytest.approx(own.divergence)
    assert [plan.cycles for plan in plans] == sorted(plan.cycles for plan in plans)


def added() -> bytes:
    """Layer 1 is added to layer 0, and layer 2 reads the sum."""
    total = Op("ADD", [1, 3], [tensor(6, BEHIND)], "AddOptions", {})
    square = convolution(1, 1, SECOND)
    kernel = replace(
        square.inputs[1],  # type: ignore[type-var]
        shape=(6, 1, 1, 6),
        data=square.inputs[1].data[:6],  # type: ignore[union-attr]
        scale=square.inputs[1].scale[:6],  # type: ignore[union-attr]
    )
    bias = replace(
        square.inputs[2],  # type: ignore[type-var]
        shape=(6,),
        data=square.inputs[2].data[:6],  # type: ignore[union-attr]
        scale=square.inputs[2].scale[:6],  # type: ignore[union-attr]
    )
    square = replace(square, inputs=[1, kernel, bias], outputs=[tensor(6, SECOND)])
    last = replace(square, inputs=[4, kernel, replace(bias, name="2_convolutional/BiasAdd")])
    return write_model(
        convolution(0, tensor(3, PIXELS), FIRST),
        leaky(0, 6, ACTIVATED),
        square,
        leaky(2, 6, ACTIVATED),
        total,
        last,
    )


def test_layers_whose_outputs_are_added_change_together() -> None:
    network = find_units(added())
    assert [sorted(unit.layers) for unit in network.units] == [[0, 1], [2]]


def test_each_rounding_is_measured_in_a_file_that_rounds_nothing_else() -> None:
    """By a divergence that counts a file's roundings: each kind of operator has its own number."""
    content = integer_file()
    network = find_units(content)
    steps: list[int] = []
    seen: list[bytes] = []

    def divergence(file: bytes) -> float:
        seen.append(file)
        graph = parse_tflite(file).subgraphs[0]
        names = [op.name for op in graph.operators if graph.computed_inputs(op)]
        hybrid = sum(
            op.name == "CONV_2D"
            and graph.tensors[op.inputs[0]].type == "float32"
            and graph.tensors[op.inputs[1]].type == "int8"
            for op in graph.operators
        )
        int8 = sum(
            op.name == "CONV_2D" and graph.tensors[op.outputs[0]].type == "int8"
            for op in graph.operators
        )
        return 1.0 + names.count("QUANTIZE") + 10 * hybrid + 100 * int8

    found = measure_roundings(content, network, divergence, lambda: steps.append(1))
    assert found.weights == 1.0
    assert found.once == [0.0, 1.0, 1.0, 0.0]
    assert found.int8 == [100.0, 100.0, 100.0]
    assert found.hybrid == [10.0, 10.0, 10.0]
    # Behind an int8 layer whose activation is in float, rounded anew.
    assert found.twice == [0.0, 1.0, 1.0, 0.0]
    assert len(steps) == len(seen) <= measurements(network)


def precisions(content: bytes, divergence: Callable[[bytes], float]) -> Precisions:
    units = find_units(content)
    measured = measure_roundings(content, units, divergence, lambda: None)
    return Precisions(content, units, measured, divergence, [PI4])


@pytest.mark.parametrize("budget", [0.5, 1.0, 1.1, 2.0])
def test_the_file_keeps_the_budget(budget: float) -> None:
    """By its cost as it is finished; only the head's conversion is in every file."""
    content = integer_file()
    rng = np.random.default_rng(0)
    noise = {kind: rng.uniform(0.1, 1) for kind in CHOICES}

    def divergence(file: bytes) -> float:
        graph = parse_tflite(file).subgraphs[0]
        return noise["int8"] * sum(t.type == "int8" for t in graph.tensors) + len(file) * 1e-9

    made = precisions(content, divergence).choose(budget)
    whole, own = (
        file_cost(parse_tflite(each).subgraphs[0], PI4).cycles for each in (content, made.content)
    )
    assert made.ratio == pytest.approx(own / whole)
    assert made.of(content).content == made.content
    assert not made.precision or own <= budget * whole
    if budget == 2.0:
        assert set(made.precision.values()) == {"float32"}


def test_the_curve_falls_from_the_integer_file() -> None:
    """To the file that rounds least; each point is a finished file's."""
    content = integer_file()

    def divergence(file: bytes) -> float:
        graph = parse_tflite(file).subgraphs[0]
        return 1e-3 + sum(t.type == "int8" and not t.constant for t in graph.tensors)

    curve = precisions(content, divergence).curve(6)
    ratios, divergences = ([getattr(p, name) for p in curve] for name in ("ratio", "divergence"))
    assert ratios == sorted(ratios)
    assert divergences == sorted(divergences, reverse=True)
    assert all(point.divergence == divergence(point.content) for point in curve)
    assert set(curve[-1].precision.values()) == {"float32"}


def wide_file() -> bytes:
    """Two convolutions that take longer in float: 1x1, of 64 channels, on 16x16 pixels."""
    source: T | int = T((1, 16, 16, 64), scale=PIXELS.scale, zero_point=PIXELS.zero_point)
    ops = []
    for layer in range(2):
        kernel, bias = np.ones((64, 1, 1, 64), np.int8), np.zeros(64, np.int32)
        inputs = [
            source,
            replace(constant(kernel), scale=(0.01,) * 64),
            replace(
                constant(bias, "int32"),
                scale=(0.01 * PIXELS.scale,) * 64,
                name=f"{layer}_convolutional/BiasAdd",
            ),
        ]
        outputs = [T((1, 16, 16, 64), scale=PIXELS.scale, zero_point=PIXELS.zero_point)]
        options = {"strideW": 1, "strideH": 1}
        ops.append(Op("CONV_2D", inputs, outputs, "Conv2DOptions", options, version=3))
        source = layer
    return write_model(*ops)


@pytest.mark.parametrize("least", [0.0, 1e-3])
def test_the_curve_goes_on_to_a_file_without_any_divergence(least: float) -> None:
    """As of a network so sure of its answers that the rounding of weights changes none."""

    def divergence(file: bytes) -> float:
        graph = parse_tflite(file).subgraphs[0]
        return least + sum(t.type == "int8" and not t.constant for t in graph.tensors[3:])

    curve = precisions(wide_file(), divergence).curve(6)
    assert len(curve) > 2
    assert curve[-1].divergence == least
