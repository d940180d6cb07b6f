"""The page of a comparison: ``tinyedge compare --html``."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinyedge.accuracy import report
from tinyedge.accuracy.budgets import UNITS
from tinyedge.accuracy.compare import Comparisons
from tinyedge.accuracy.distributions import Reliability, ReliabilityBin
from tinyedge.accuracy.gates import Gate, GateName
from tinyedge.accuracy.page import figures
from tinyedge.accuracy.page.figures import Bar, IntervalFigure, LayerBar, Mark, Tick
from tinyedge.accuracy.page.layers import Layers
from tinyedge.accuracy.page.made import HowMade
from tinyedge.accuracy.page.pictures import Picture, picture
from tinyedge.accuracy.page.render import rendered
from tinyedge.accuracy.result import ClassResult, Comparison, Flip
from tinyedge.accuracy.statistics import Interval
from tinyedge.text import size_text

__all__ = ["MOST_FLIPS_LISTED", "MOST_FLIPS_SHOWN", "comparison_page"]

MOST_FLIPS_SHOWN = 100
"""With their images, on a page of one model; several share them."""
MOST_FLIPS_LISTED = 500
"""Beyond those, without images: a row each."""
_WORST_IMAGES = 10
_CLASSES = 30
_PAIRS = 30
_MATRIX_CLASSES = 12
_LEAST_SCALE = 4
"""Photos: so that a class that lost one does not fill its figure."""


class _GateShown(NamedTuple):
    title: str
    said: str
    figure: IntervalFigure | None
    described: str


class _FlipShown(NamedTuple):
    number: int
    flip: Flip
    kind: str
    picture: Picture | None


class _WorstImage(NamedTuple):
    path: Path
    kl: float
    float_answer: str
    float_probability: float
    int8_answer: str
    int8_probability: float
    flip: int | None
    picture: Picture | None


class _Pair(NamedTuple):
    float_answer: str
    int8_answer: str
    images: int
    lost: int
    gained: int


class _Matrix(NamedTuple):
    labels: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]
    most: int


class _BinRow(NamedTuple):
    low: float
    high: float
    models: tuple[ReliabilityBin | None, ReliabilityBin | None]


class _Model(NamedTuple):
    """One model's section."""

    number: int
    name: str
    found: Comparison
    said: list[str]
    gates: list[_GateShown]
    shown: list[_FlipShown]
    listed: list[_FlipShown]
    left_out: int
    classes: tuple[ClassResult, ...]
    most_change: int
    pairs: list[_Pair]
    pairs_left: int
    pairs_once: int
    matrix: _Matrix | None
    marks: tuple[tuple[Mark, ...], tuple[Mark, ...]] | None
    bins: list[_BinRow]
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    worst: list[_WorstImage]
    layers: Layers | None
    layer_bars: tuple[LayerBar, ...]


def comparison_page(found: Comparisons, made: HowMade, layers: Layers | None = None) -> bytes:
    """The page, HTML in UTF-8, complete in itself: no script, and nothing from the network.

    It holds small copies of at most `MOST_FLIPS_SHOWN` flips and some more of the greatest KL.

    Args:
        found: what was measured.
        made: how.
        layers: of one of the models, or None.

    Raises:
        ModelError: `layers` are of other files.
        MissingPackageError: jinja2 is not installed.
    """
    reference, *others = made.models
    if layers is not None:
        layers.check_is_of(reference.sha256, [each.sha256 for each in others])
    names = _names([each.path for each in others])
    models = [
        _model(
            found,
            number,
            names[number - 1],
            layers
            if layers is not None and layers.int8_sha256 == others[number - 1].sha256
            else None,
        )
        for number in range(1, len(others) + 1)
    ]
    forest = None
    if len(models) > 1 and models[0].found.labelled:
        forest = figures.interval_figure(
            [
                (each.name, each.found.drop, each.found.interval)
                for each in models
                if each.found.drop is not None and each.found.interval is not None
            ],
            budget=models[0].found.max_drop,
        )
    return rendered(
        "compare.html",
        models=models,
        forest=forest,
        verdict=found.verdict,
        float_name=reference.path.name,
        pairs=[
            (names[a - 1], names[b - 1], each) for each in found.pairs for a, b in [each.models]
        ],
        made=made,
        most_shown=MOST_FLIPS_SHOWN,
        points=report.points,
        size_text=size_text,
    )


def _names(paths: Sequence[Path]) -> list[str]:
    """The files' names, or paths where two have one name."""
    names = [path.name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _model(found: Comparisons, number: int, name: str, layers: Layers | None) -> _Model:
    c = found.each[number - 1]
    most = MOST_FLIPS_SHOWN // len(found.each)
    flips = [
        _FlipShown(place, flip, _kind(flip), picture(flip.path) if place <= most else None)
        for place, flip in enumerate(c.flips[: most + MOST_FLIPS_LISTED], start=1)
    ]
    divergence = c.divergence
    shown_classes = _shown_classes(c.changed_classes)
    all_pairs = _pairs(c.flips)
    pairs = [pair for pair in all_pairs if pair.images > 1]
    float_reliability, int8_reliability = c.float_model.reliability, c.int8_model.reliability
    return _Model(
        number=number,
        name=name,
        found=c,
        said=report.said_of_gates(c),
        gates=[_gate(gate) for gate in c.gates],
        shown=flips[:most],
        listed=flips[most:],
        left_out=len(c.flips) - len(flips),
        classes=shown_classes,
        most_change=max((_LEAST_SCALE, *(abs(_change(each)) for each in shown_classes))),
        pairs=pairs[:_PAIRS],
        pairs_left=max(0, len(pairs) - _PAIRS),
        pairs_once=len(all_pairs) - len(pairs),
        matrix=_matrix(c.flips),
        marks=None
        if float_reliability is None or int8_reliability is None
        else (
            figures.reliability_marks(float_reliability),
            figures.reliability_marks(int8_reliability),
        ),
        bins=_bin_rows(float_reliability, int8_reliability),
        bars=() if divergence is None else figures.histogram_bars(divergence.histogram),
        ticks=() if divergence is None else figures.histogram_ticks(divergence.histogram),
        worst=[] if divergence is None else _worst_images(found, number, c, len(flips)),
        layers=layers,
        layer_bars=() if layers is None else figures.layer_bars(layers.layers),
    )


_TITLES: dict[GateName, str] = {
    "max_drop": "Drop of top-1",
    "min_agreement": "Agreement",
    "max_kl": "Mean KL divergence",
}


def _gate(gate: Gate) -> _GateShown:
    title, unit = _TITLES[gate.name], f" {UNITS[gate.name]}"
    measured = f"{gate.measured:.3g}" if gate.name == "max_kl" else f"{gate.measured:.2f}"
    if gate.interval is None:
        return _GateShown(title, f"{measured}{unit}; too few images for an interval", None, "")
    low = report.rounded(gate.name, gate.interval.low, up=False)
    high = report.rounded(gate.name, gate.interval.high, up=True)
    least = gate.name == "min_agreement"
    budget = "no budget"
    if gate.budget is not None:
        budget = f"budget at {'least' if least else 'most'} {gate.budget:.15g}{unit}"
    figure = figures.interval_figure(
        [("", gate.measured, gate.interval)],
        budget=gate.budget,
        least=least,
        ends=Interval(0, 100) if least else None,
    )
    said = f"{measured}{unit}, 95 % interval {low} to {high}; {budget}"
    return _GateShown(title, said, figure, f"{title}: {said}")


def _kind(flip: Flip) -> str:
    if flip.truth is None:
        return ""
    if flip.float_answer.index == flip.truth.index:
        return "right to wrong"
    return "wrong to right" if flip.int8_answer.index == flip.truth.index else "both wrong"


def _change(each: ClassResult) -> int:
    return each.int8_correct - each.float_correct


def _shown_classes(classes: tuple[ClassResult, ...]) -> tuple[ClassResult, ...]:
    """Some from both ends: those that lost most, and those that gained most."""
    if len(classes) <= _CLASSES:
        return classes
    gained = sorted((each for each in classes if _change(each) > 0), key=_change, reverse=True)
    lost = [each for each in classes if _change(each) < 0]
    few = min(len(gained), max(_CLASSES // 3, _CLASSES - len(lost)))
    return (*lost[: _CLASSES - few], *gained[:few])


def _bin_rows(float_: Reliability | None, int8: Reliability | None) -> list[_BinRow]:
    if float_ is None or int8 is None:
        return []
    found = [{each.low: each for each in model.bins} for model in (float_, int8)]
    edges = sorted({(each.low, each.high) for model in (float_, int8) for each in model.bins})
    return [_BinRow(low, high, (found[0].get(low), found[1].get(low))) for low, high in edges]


def _pairs(flips: Sequence[Flip]) -> list[_Pair]:
    """How often which answer became which, the most frequent first."""
    images: Counter[tuple[int, int]] = Counter()
    lost: Counter[tuple[int, int]] = Counter()
    gained: Counter[tuple[int, int]] = Counter()
    labels: dict[tuple[int, int], tuple[str, str]] = {}
    for flip in flips:
        pair = flip.float_answer.index, flip.int8_answer.index
        labels[pair] = flip.float_answer.label, flip.int8_answer.label
        images[pair] += 1
        lost[pair] += _kind(flip) == "right to wrong"
        gained[pair] += _kind(flip) == "wrong to right"
    return [
        _Pair(*labels[pair], count, lost[pair], gained[pair])
        for pair, count in images.most_common()
    ]


def _matrix(flips: Sequence[Flip]) -> _Matrix | None:
    """Of few classes: rows are float's answers, columns int8's."""
    names = {
        answer.index: answer.label
        for flip in flips
        for answer in (flip.float_answer, flip.int8_answer)
    }
    if not 2 <= len(names) <= _MATRIX_CLASSES:
        return None
    order = sorted(names)
    counts = Counter((flip.float_answer.index, flip.int8_answer.index) for flip in flips)
    return _Matrix(
        tuple(names[index] for index in order),
        tuple(tuple(counts[row, column] for column in order) for row in order),
        max(counts.values()),
    )


def _worst_images(
    found: Comparisons, number: int, c: Comparison, flips_on_page: int
) -> list[_WorstImage]:
    """Those of the greatest KL; a flip's image stands with the flip."""
    observed = found.observed.pair(number)
    order = np.argsort(-observed.divergence[0], kind="stable")[:_WORST_IMAGES]
    places = {flip.path: place for place, flip in enumerate(c.flips, start=1)}
    labels = found.labels

    def said(model: int, image: int) -> str:
        index = int(observed.top1[model, image])
        return str(index) if labels is None else labels[index]

    worst = []
    for image in order.tolist():
        path = observed.paths[image]
        place = places.get(path)
        worst.append(
            _WorstImage(
                path,
                float(observed.divergence[0, image]),
                said(0, image),
                float(observed.probability[0, image]),
                said(1, image),
                float(observed.probability[1, image]),
                place if place is not None and place <= flips_on_page else None,
                picture(path) if place is None else None,
            )
        )
    return worst
