"""Which layers are worth more than int8 on a board: the answers' divergence against cycles.

Each rounding adds to the divergence of the answers nearly independently of the others: measured
alone, in a file that rounds nothing else, their sum is within a few percent of what files of many
roundings have (docs/precision.md). So each is measured once, on calibration images, and all
combinations are weighed without being run: `pareto_plans` goes through the network and keeps, for
each state that later layers still see, the combinations that no other beats in both.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from tinyedge.devices.latency.instructions import (
    FileCost,
    conversion_cycles,
    file_cost,
    operator_cycles,
)
from tinyedge.devices.profile import Profile
from tinyedge.export.tflite.editor import ModelEditor
from tinyedge.export.tflite.forms import ChosenForm, Form, choose_forms, forms_of, in_forms
from tinyedge.export.tflite.mixed import (
    can_be_dequantized_before,
    can_be_hybrid,
    follows_float,
    head_operators,
    mixed_file,
)
from tinyedge.modelcard import Precision
from tinyedge.tflite.model import Subgraph, parse_tflite

__all__ = [
    "LEAST_DIVERGENCE",
    "Mixed",
    "Plan",
    "Precisions",
    "Roundings",
    "Unit",
    "UnitGraph",
    "find_units",
    "measure_roundings",
    "measurements",
    "pareto_plans",
]

Divergence = Callable[[bytes], float]

LEAST_DIVERGENCE = 1e-12
"""What stands for none at all, as of equal files, where its logarithm is taken."""
_MOST_PLANS = 64
"""Kept for each state; Tiny Darknet's best are the same with 400."""
_MOST_STATES = 243
_MOST_CANDIDATES = 4
"""Of the plans within the budget, the best by their sums: these are run."""
_MOST_WRITTEN = 64
"""Of those that are within it in cycles: to see whether they are in instructions."""
_WORTH = 0.9
"""Of the divergence: a plan that leaves more of it is not worth giving up int8 layers for."""
_TABLE_ERROR = 0.01
"""Of a whole network's instructions, as they were counted: so far below the budget these stay."""
_ALL_PLAIN: Mapping[str, ChosenForm] = MappingProxyType({})
_FIXED = -1
"""In place of a unit: what is int8 whatever the others are."""


@dataclass(frozen=True)
class Unit:
    """Layers that change precision together, since what they give out is added or concatenated.

    Attributes:
        layers: their numbers.
        choices: the precisions it may have; in ``hybrid`` those of its layers that have no hybrid
            kernel are in float.
    """

    layers: tuple[int, ...]
    choices: tuple[Precision, ...]


@dataclass(frozen=True)
class Crossing:
    """A tensor that other units read than the one that gives it out, or the head.

    Attributes:
        elements: of it.
        source: the place of its unit, or `_FIXED`.
        readers: the places of the units that read it, and `_FIXED` where something else does that
            is int8.
        head: whether the head reads it, or it is the graph's output: in float.
        layer: the number of a layer that reads it; None where none does.
        activation: position of the activation that gives it out, where that may be in float behind
            an int8 layer; None of others.
    """

    elements: int
    source: int
    readers: frozenset[int]
    head: bool
    layer: int | None
    activation: int | None


@dataclass(frozen=True)
class UnitGraph:
    """An int8 file as its units and the tensors between them.

    Attributes:
        graph: the file's.
        units: in the order they run.
        operators: of each unit, what it computes: the operator's position, and whether it has a
            hybrid kernel; None of what has no weights.
        crossings: the tensors.
        head: positions of the head's operators.
        head_layers: numbers of its layers.
    """

    graph: Subgraph
    units: tuple[Unit, ...]
    operators: tuple[tuple[tuple[int, bool | None], ...], ...]
    crossings: tuple[Crossing, ...]
    head: frozenset[int]
    head_layers: tuple[int, ...]


@dataclass(frozen=True)
class Roundings:
    """What roundings add to the divergence, each measured alone, the same over all images.

    Attributes:
        weights: of a file whose layers are all in float: what int8 weights alone cost.
        int8: by unit, of what it rounds within itself in int8, if what it gives out is read in
            float.
        hybrid: by unit, of what its hybrid layers make of their input.
        once: by crossing, of its tensor rounded where float is read in int8.
        twice: by crossing, of its tensor rounded behind an int8 layer's own rounding.
    """

    weights: float
    int8: Sequence[float]
    hybrid: Sequence[float]
    once: Sequence[float]
    twice: Sequence[float]


class Plan(NamedTuple):
    """Precisions for all layers.

    Attributes:
        precision: of each layer, by its number.
        divergence: by the sum of its roundings.
        cycles: of each of the boards.
    """

    precision: Mapping[int, Precision]
    divergence: float
    cycles: tuple[float, ...]


class Mixed(NamedTuple):
    """A file in mixed precision.

    Attributes:
        content: the .tflite, its convolutions in plain form.
        precision: of each layer that is not in int8, by its number.
        costs: of an inference, on each of the boards, with the forms chosen for them.
        ratio: the most of its cycles on one of the boards, as a part of the integer file's.
        divergence: from the float file's answers, of the images it was chosen on.
    """

    content: bytes
    precision: Mapping[int, Precision]
    costs: tuple[FileCost, ...]
    ratio: float
    divergence: float

    def of(self, int8: bytes) -> "Mixed":
        """The same precisions of another int8 file of the network; not run again."""
        return self._replace(content=mixed_file(int8, self.precision))


class Precisions:
    """What the precisions of an int8 file's layers cost, in answers and on boards."""

    def __init__(
        self,
        int8: bytes,
        units: UnitGraph,
        roundings: Roundings,
        divergence: Divergence,
        profiles: Sequence[Profile],
    ) -> None:
        """Weigh the file itself.

        Args:
            int8: a full-integer file as the quantizer makes it.
            units: as `find_units` finds them in it.
            roundings: as `measure_roundings` measures them.
            divergence: of a file's answers from the float file's, the mean over images that nothing
                was calibrated on, if there are any.
            profiles: the boards that it is for, all at once; see
                `tinyedge.devices.latency.instructions.counted_boards`.
        """
        self._int8, self._units, self._roundings = int8, units, roundings
        self._divergence, self._profiles = divergence, tuple(profiles)
        self._chosen = choose_forms(int8, self._profiles)
        self._costs_of_int8 = self._costs(int8)
        self._cycles = tuple(cost.cycles for cost in self._costs_of_int8)
        self._plans: list[Plan] | None = None

    @property
    def forms(self) -> dict[str, Form]:
        """Of the int8 file's convolutions on the boards; see `choose_forms`."""
        return forms_of(self._chosen)

    def plans(self) -> list[Plan]:
        """Combinations that no other beats, the least divergence first; see `pareto_plans`.

        For several boards, those by their cycles alike and with one of them counting for more.
        """
        if self._plans is None:
            found: dict[tuple[Precision, ...], Plan] = {}
            for weights in _weighings(self._cycles):
                for plan in pareto_plans(
                    self._units, self._roundings, self._profiles, weights, self._chosen
                ):
                    found.setdefault(tuple(plan.precision.values()), plan)
            self._plans = sorted(found.values(), key=lambda each: each.divergence)
        return self._plans

    def choose(self, budget: float) -> Mixed:
        """The mixed file of the least divergence within a budget; at least its head is in float.

        `budget` is the most that it may take on each board, cycles and instructions, as a part of
        what the integer file takes.
        """
        found = [self.head_alone()]
        within = (plan for plan in self.plans() if self._ratio(plan.cycles) <= budget)
        for plan in islice(within, _MOST_WRITTEN):
            content = mixed_file(self._int8, plan.precision)
            costs = self._costs(content)
            # By the finished file, too: sums leave out which tensors a cache still holds.
            if self._are_within(costs, budget):
                found.append(self._weighed(content, costs, plan.precision))
            if len(found) > _MOST_CANDIDATES:
                break
        best = min(found, key=lambda each: each.divergence)
        return best if best.divergence < _WORTH * found[0].divergence else found[0]

    def curve(self, points: int) -> list[Mixed]:
        """Files from the integer one to the least divergence, the fewest cycles first.

        About so many, spread evenly by the logarithm of what they foretell, each run; those that
        another beats in cycles and divergence are left out.
        """
        plans = self.plans()
        foretold = np.log([max(plan.divergence, LEAST_DIVERGENCE) for plan in plans])
        wanted = np.linspace(foretold[0], foretold[-1], points)
        places = sorted({int(np.abs(foretold - each).argmin()) for each in wanted})
        integer = Mixed(self._int8, {}, self._costs_of_int8, 1.0, self._divergence(self._int8))
        found = [integer, self.head_alone()]
        found += [self.written(plans[place].precision) for place in places]
        kept: list[Mixed] = []
        for each in sorted(found, key=lambda each: (each.ratio, each.divergence)):
            if not kept or each.divergence < kept[-1].divergence:
                kept.append(each)
        return kept

    def head_alone(self) -> Mixed:
        """The file whose head alone is in float."""
        return self.written({})

    def all_float(self) -> Mixed:
        """The file all of whose layers are in float."""
        units = self._units.units
        return self.written({number: "float32" for unit in units for number in unit.layers})

    def written(self, precision: Mapping[int, Precision]) -> Mixed:
        """The file in these precisions, weighed and run."""
        content = mixed_file(self._int8, precision)
        return self._weighed(content, self._costs(content), precision)

    def _weighed(
        self, content: bytes, costs: tuple[FileCost, ...], precision: Mapping[int, Precision]
    ) -> Mixed:
        kinds = {number: kind for number, kind in precision.items() if kind != "int8"}
        kinds |= dict.fromkeys(self._units.head_layers, "float32")
        ratio = self._ratio(cost.cycles for cost in costs)
        return Mixed(content, kinds, costs, ratio, self._divergence(content))

    def _are_within(self, costs: tuple[FileCost, ...], budget: float) -> bool:
        instructions = max(
            cost.instructions / integer.instructions
            for cost, integer in zip(costs, self._costs_of_int8, strict=True)
        )
        in_cycles = self._ratio(cost.cycles for cost in costs) <= budget
        return in_cycles and instructions <= budget - _TABLE_ERROR

    def _costs(self, content: bytes) -> tuple[FileCost, ...]:
        graph = parse_tflite(in_forms(content, self.forms)).subgraphs[0]
        return tuple(file_cost(graph, profile) for profile in self._profiles)

    def _ratio(self, cycles: Iterable[float]) -> float:
        return max(own / whole for own, whole in zip(cycles, self._cycles, strict=True))


def measurements(units: UnitGraph) -> int:
    """How many files `measure_roundings` runs, at most."""
    return 1 + 3 * len(units.units) + len(units.crossings)


def _weighings(integer: Sequence[float]) -> Iterator[tuple[float, ...]]:
    """What a cycle of each board counts: each alike, and each four times the others."""
    plain = tuple(1 / cycles for cycles in integer)
    yield plain
    if len(plain) > 1:
        for place in range(len(plain)):
            yield tuple(4 * w if n == place else w for n, w in enumerate(plain))


def find_units(int8: bytes) -> UnitGraph:
    """The units of a full-integer file, its head apart."""
    editor, graph = ModelEditor(int8), parse_tflite(int8).subgraphs[0]
    numbers = {id(operator): number for number, operator in editor.layer_operators().items()}
    head = set(map(id, head_operators(editor)))
    # Of each tensor, the position of a weighted operator that decides its precision.
    deciders: dict[int, int] = dict.fromkeys(editor.inputs, _FIXED)
    joined: dict[int, int] = {}

    def root(position: int) -> int:
        while joined.get(position, position) != position:
            position = joined[position]
        return position

    owners: dict[int, int] = {}
    for position, operator in enumerate(editor.operators):
        if id(operator) in head:
            continue
        computed = [int(index) for index in operator.inputs if int(index) in deciders]
        if id(operator) in numbers:
            owner = position
        elif follows_float(editor, operator, computed):
            roots = {
                root(deciders[index]) if deciders[index] >= 0 else _FIXED for index in computed
            }
            owner = _FIXED if _FIXED in roots else min(roots)
            if owner != _FIXED:
                joined.update(dict.fromkeys(roots, owner))
        else:
            owner = _FIXED
        owners[position] = owner
        deciders.update(dict.fromkeys(map(int, operator.outputs), owner))
    owners = {p: root(owner) if owner != _FIXED else _FIXED for p, owner in owners.items()}
    deciders = {i: root(owner) if owner != _FIXED else _FIXED for i, owner in deciders.items()}
    places = {owner: n for n, owner in enumerate(sorted(set(owners.values()) - {_FIXED}))}
    places[_FIXED] = _FIXED
    members: list[list[tuple[int, bool | None]]] = [[] for _ in range(len(places) - 1)]
    layers: list[list[int]] = [[] for _ in members]
    for position, owner in owners.items():
        if owner == _FIXED:
            continue
        operator = editor.operators[position]
        number = numbers.get(id(operator))
        weighted = number is not None
        place = places[owner]
        members[place].append((position, can_be_hybrid(editor, operator) if weighted else None))
        if number is not None:
            layers[place].append(number)
    units = tuple(
        Unit(
            tuple(layers[place]),
            ("int8", "hybrid", "float32") if any(h for _, h in each) else ("int8", "float32"),
        )
        for place, each in enumerate(members)
    )
    crossings = _crossings(editor, owners, deciders, places, numbers)
    of_head = frozenset(
        position for position, operator in enumerate(editor.operators) if id(operator) in head
    )
    of_head_layers = tuple(numbers[each] for each in head if each in numbers)
    return UnitGraph(graph, units, tuple(map(tuple, members)), crossings, of_head, of_head_layers)


def _crossings(
    editor: ModelEditor,
    owners: Mapping[int, int],
    deciders: Mapping[int, int],
    places: Mapping[int, int],
    numbers: Mapping[int, int],
) -> tuple[Crossing, ...]:
    found = []
    makers = {
        int(index): position
        for position, operator in enumerate(editor.operators)
        for index in operator.outputs
        if can_be_dequantized_before(editor, operator)
    }
    for index, decider in deciders.items():
        source = places[decider]
        # What the graph gives out is float.
        readers, head, layer = set[int](), editor.is_output(index), None
        for position, operator in enumerate(editor.operators):
            if index not in operator.inputs:
                continue
            if position not in owners:
                head = True
                continue
            reader = places[owners[position]]
            number = numbers.get(id(operator))
            # What follows in the same precision converts nothing.
            if reader == source and number is None:
                continue
            layer = layer if number is None else number
            readers.add(reader)
        elements = 1
        for side in editor.shape(index):
            elements *= side
        if readers or head:
            maker = makers.get(index)
            found.append(Crossing(elements, source, frozenset(readers), head, layer, maker))
    return tuple(found)


def measure_roundings(
    int8: bytes, network: UnitGraph, divergence: Divergence, advance: Callable[[], None]
) -> Roundings:
    """Measure each rounding alone.

    Args:
        int8: the file.
        network: its units.
        divergence: of a file's answers from the float file's, the mean over images.
        advance: is told of each file that was run.
    """
    every: dict[int, Precision] = {n: "float32" for unit in network.units for n in unit.layers}

    def measured(changed: Mapping[int, Precision], rounded: Collection[int] = ()) -> float:
        found = divergence(mixed_file(int8, {**every, **changed}, rounded))
        advance()
        return found

    weights = measured({})
    once = [
        0.0
        if each.layer is None or each.source == _FIXED
        else max(0.0, measured({}, (each.layer,)) - weights)
        for each in network.crossings
    ]
    alone, hybrid, behind = [], [], {}
    for place, unit in enumerate(network.units):
        in_int8: dict[int, Precision] = dict.fromkeys(unit.layers, "int8")
        reads = [
            cost
            for each, cost in zip(network.crossings, once, strict=True)
            if place in each.readers
        ]
        rest = weights + sum(reads)
        alone.append(max(0.0, measured(in_int8) - rest))
        given = [each for each in network.crossings if each.source == place]
        for each in given:
            if each.layer is not None and each.activation is not None:
                found = measured(in_int8, (each.layer,)) - rest - alone[-1]
                behind[each] = max(0.0, found)
        found = 0.0
        if "hybrid" in unit.choices:
            found = measured(dict.fromkeys(unit.layers, "hybrid")) - weights
        hybrid.append(max(0.0, found))
    twice = [behind.get(each, 0.0) for each in network.crossings]
    return Roundings(weights, alone, hybrid, once, twice)


def pareto_plans(
    network: UnitGraph,
    roundings: Roundings,
    profiles: Sequence[Profile],
    weights: Sequence[float],
    forms: Mapping[str, ChosenForm] = _ALL_PLAIN,
) -> list[Plan]:
    """Plans that no other beats in both divergence and cycles, the fewest cycles first.

    Args:
        network: the int8 file's.
        roundings: of it.
        profiles: the boards.
        weights: what a cycle of each counts.
        forms: of the int8 file's convolutions, as `choose_forms` finds them for the boards.
    """
    last = _last_uses(network)
    live: list[int] = []
    start = _start(network, roundings, profiles, weights)
    partial: dict[tuple[Precision, ...], list[_Partial]] = {(): [start]}
    for place, unit in enumerate(network.units):
        costs = {kind: _unit_cycles(network, place, kind, profiles, forms) for kind in unit.choices}
        resolved = [n for n, when in enumerate(last) if when == place]
        seen = [*live, place]
        live = [each for each in seen if _is_needed(network, last, each, after=place)]
        found: dict[tuple[Precision, ...], list[_Partial]] = {}
        for state, plans in partial.items():
            for kind in unit.choices:
                known = dict(zip(seen, (*state, kind), strict=True))
                added = roundings.int8[place] if kind == "int8" else 0.0
                added += roundings.hybrid[place] if kind == "hybrid" else 0.0
                cycles = list(costs[kind])
                for number in resolved:
                    more, rounds = _crossing_costs(network, number, known, profiles)
                    cycles = [a + b for a, b in zip(cycles, more, strict=True)]
                    added += (0.0, roundings.once[number], roundings.twice[number])[rounds]
                weighed = sum(w * c for w, c in zip(weights, cycles, strict=True))
                key = tuple(known[each] for each in live)
                found.setdefault(key, []).extend(
                    _Partial(
                        each.weighed + weighed,
                        each.divergence + added,
                        tuple(a + b for a, b in zip(each.cycles, cycles, strict=True)),
                        (*each.kinds, kind),
                    )
                    for each in plans
                )
        partial = {key: _undominated(plans) for key, plans in found.items()}
        if len(partial) > _MOST_STATES:
            best = sorted(partial, key=lambda key: min(p.divergence for p in partial[key]))
            partial = {key: partial[key] for key in best[:_MOST_STATES]}
    final = _undominated([plan for plans in partial.values() for plan in plans])
    return [
        Plan(
            {
                number: kind
                for unit, kind in zip(network.units, plan.kinds, strict=True)
                for number in unit.layers
            },
            plan.divergence,
            plan.cycles,
        )
        for plan in final
    ]


def _start(
    network: UnitGraph,
    roundings: Roundings,
    profiles: Sequence[Profile],
    weights: Sequence[float],
) -> "_Partial":
    """What all plans have: the head, and what is int8 in all of them."""
    planned = {position for each in network.operators for position, _ in each}
    cycles = [0.0 for _ in profiles]
    for position, operator in enumerate(network.graph.operators):
        if position not in planned:
            kind: Precision = "float32" if position in network.head else "int8"
            for n, profile in enumerate(profiles):
                cycles[n] += operator_cycles(network.graph, operator, kind, profile)
    weighed = sum(w * c for w, c in zip(weights, cycles, strict=True))
    return _Partial(weighed, roundings.weights, tuple(cycles), ())


class _Partial(NamedTuple):
    weighed: float
    divergence: float
    cycles: tuple[float, ...]
    kinds: tuple[Precision, ...]


def _undominated(plans: Iterable[_Partial]) -> list[_Partial]:
    """Those that no other beats in both, the cheapest first; of very many, evenly spread ones."""
    kept: list[_Partial] = []
    for plan in sorted(plans, key=lambda each: (each.weighed, each.divergence)):
        if not kept or plan.divergence < kept[-1].divergence:
            kept.append(plan)
    if len(kept) <= _MOST_PLANS:
        return kept
    places = {round(n * (len(kept) - 1) / (_MOST_PLANS - 1)) for n in range(_MOST_PLANS)}
    return [kept[place] for place in sorted(places)]


def _involved(crossing: Crossing) -> set[int]:
    return {crossing.source, *crossing.readers} - {_FIXED}


def _last_uses(network: UnitGraph) -> list[int]:
    """Of each crossing, the last unit that has to do with it."""
    return [max(_involved(each), default=0) for each in network.crossings]


def _is_needed(network: UnitGraph, last: Sequence[int], place: int, *, after: int) -> bool:
    return any(
        when > after and place in _involved(each)
        for each, when in zip(network.crossings, last, strict=True)
    )


def _crossing_costs(
    network: UnitGraph, number: int, known: Mapping[int, Precision], profiles: Sequence[Profile]
) -> tuple[list[float], int]:
    """Cycles of a crossing's conversions; how often its tensor is rounded if read in int8, or 0."""
    crossing, graph = network.crossings[number], network.graph
    in_int8 = known.get(crossing.source, "int8") == "int8"
    kinds = [known.get(reader, "int8") for reader in crossing.readers]
    read_in_int8 = "int8" in kinds
    rounded = not in_int8 and read_in_int8
    dequantized = in_int8 and (crossing.head or any(kind != "int8" for kind in kinds))
    cycles = [0.0 for _ in profiles]
    for n, profile in enumerate(profiles):
        if rounded or dequantized:
            cycles[n] += conversion_cycles(crossing.elements, to_float=dequantized, profile=profile)
        if dequantized and not read_in_int8 and crossing.activation is not None:
            activation = graph.operators[crossing.activation]
            cycles[n] += operator_cycles(graph, activation, "float32", profile)
            cycles[n] -= operator_cycles(graph, activation, "int8", profile)
    return cycles, (2 if in_int8 else 1) if read_in_int8 else 0


def _unit_cycles(
    network: UnitGraph,
    place: int,
    kind: Precision,
    profiles: Sequence[Profile],
    forms: Mapping[str, ChosenForm],
) -> tuple[float, ...]:
    graph = network.graph
    totals = [0.0 for _ in profiles]
    for position, hybrid in network.operators[place]:
        operator = graph.operators[position]
        precision: Precision = kind
        if kind == "hybrid" and not hybrid:
            precision = "float32"
        for n, profile in enumerate(profiles):
            totals[n] += operator_cycles(graph, operator, precision, profile)
        chosen = forms.get(graph.tensors[operator.outputs[0]].name)
        if chosen is not None and kind == "int8":
            totals = [whole - saved for whole, saved in zip(totals, chosen.saved, strict=True)]
    return tuple(totals)
