"""Where things lie in a figure: places are percent of its width or height, from its top left.

So a figure is as wide as the screen and its letters keep their size.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from tinyedge.accuracy.distributions import Histogram, Reliability
from tinyedge.accuracy.page.layers import LayerNoise
from tinyedge.accuracy.statistics import Interval

__all__ = [
    "Bar",
    "IntervalFigure",
    "IntervalRow",
    "LayerBar",
    "Mark",
    "Tick",
    "histogram_bars",
    "histogram_ticks",
    "interval_figure",
    "layer_bars",
    "reliability_marks",
    "ticks",
]

_MARGIN = 0.06


class Tick(NamedTuple):
    """A place on an axis, percent, and what is written there."""

    place: float
    text: str


class IntervalRow(NamedTuple):
    """One interval: its ends and what was measured, percent of the width."""

    name: str
    low: float
    high: float
    measured: float


class IntervalFigure(NamedTuple):
    """Intervals of one measure on one axis.

    Attributes:
        rows: a line each.
        ticks: of the axis.
        budget: where it is; None without one.
        over: from where to where the budget is broken, percent; None without one.
    """

    rows: tuple[IntervalRow, ...]
    ticks: tuple[Tick, ...]
    budget: float | None
    over: tuple[float, float] | None


class Mark(NamedTuple):
    """A point, percent, and its radius in pixels."""

    x: float
    y: float
    radius: float


class Bar(NamedTuple):
    """A bar that stands on the axis, percent."""

    left: float
    width: float
    height: float


class LayerBar(NamedTuple):
    """A layer's KL as a bar from zero, percent of the width.

    Attributes:
        zero: where zero is.
        alone: how wide the bar of the layer alone in int8 is.
        alone_error: the ends of its standard error.
        back: where what it gives back is.
        back_error: the ends of that's standard error.
    """

    zero: float
    alone: float
    alone_error: tuple[float, float]
    back: float
    back_error: tuple[float, float]


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from `low` to `high`, at most so many: steps of 1, 2 or 5 times a power."""
    span = high - low
    step = 10.0 ** math.floor(math.log10(span / (most - 1)))
    step *= next(factor for factor in (1, 2, 5, 10) if span <= (most - 1 + 1e-9) * step * factor)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def interval_figure(
    rows: Sequence[tuple[str, float, Interval]],
    *,
    budget: float | None,
    least: bool = False,
    unit: str = "",
    ends: Interval | None = None,
) -> IntervalFigure:
    """Intervals that have ends, with the budget they are judged by.

    Args:
        rows: a name, what was measured, and its interval; at least one.
        budget: in their unit; the axis reaches it.
        least: whether the budget is the least, not the most, that passes.
        unit: written at the ticks.
        ends: what the measure cannot be beyond, such as 0 to 100; the axis ends there.
    """
    values = [value for _, measured, (low, high) in rows for value in (measured, low, high)]
    if budget is not None:
        values.append(budget)
    if not least:
        values.append(0.0)
    low, high = min(values), max(values)
    margin = _MARGIN * ((high - low) or abs(high) or 1.0)
    low, high = low - margin, high + margin
    if ends is not None:
        low, high = max(low, ends.low), min(high, ends.high)

    def place(value: float) -> float:
        return 100 * (value - low) / (high - low)

    over = None
    if budget is not None:
        over = (0.0, place(budget)) if least else (place(budget), 100.0)
    return IntervalFigure(
        tuple(
            IntervalRow(name, place(interval.low), place(interval.high), place(measured))
            for name, measured, interval in rows
        ),
        tuple(Tick(place(value), f"{value:.10g}{unit}") for value in ticks(low, high)),
        None if budget is None else place(budget),
        over,
    )


def reliability_marks(found: Reliability) -> tuple[Mark, ...]:
    """A point a bin: confidence to the right, accuracy up, its area as the images in it."""
    most = max(each.images for each in found.bins)
    return tuple(
        Mark(
            100 * each.confidence,
            100 - 100 * each.accuracy,
            2.5 + 6 * math.sqrt(each.images / most),
        )
        for each in found.bins
    )


def histogram_bars(found: Histogram) -> tuple[Bar, ...]:
    """A bar a bin, the highest as high as the figure."""
    most = max(found.counts, default=1)
    width = 100 / max(len(found.counts), 1)
    return tuple(
        Bar(number * width, width, 100 * count / most) for number, count in enumerate(found.counts)
    )


def histogram_ticks(found: Histogram, most: int = 6) -> tuple[Tick, ...]:
    """At powers of ten among the edges, where there is one, else at the ends; at most so many."""
    low, high = (math.log10(found.edges[place]) for place in (0, -1))
    powers = list(range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1))
    powers = powers[:: -(-len(powers) // most)] if powers else []
    if low == high:
        return ()
    if not powers:
        return tuple(
            Tick(place, f"{edge:.2g}")
            for place, edge in zip((0.0, 100.0), (found.edges[0], found.edges[-1]), strict=True)
        )
    return tuple(Tick(100 * (power - low) / (high - low), _power_of_ten(power)) for power in powers)


def _power_of_ten(power: int) -> str:
    """As a number where that is short."""
    if power >= -2:
        return f"{10.0**power:g}"
    return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def layer_bars(layers: Sequence[LayerNoise]) -> tuple[LayerBar, ...]:
    """A bar a layer on one axis; nothing where the layers have no KL."""
    found = [
        (each.alone, each.alone_error or 0.0, each.gives_back or 0.0, each.gives_back_error or 0.0)
        for each in layers
        if each.alone is not None
    ]
    if len(found) != len(layers) or not found:
        return ()
    low = min(0.0, *(back - error for _, _, back, error in found))
    high = max(
        *(alone + error for alone, error, _, _ in found),
        *(back + error for _, _, back, error in found),
    )
    span = (high - low) or 1.0

    def place(value: float) -> float:
        return 100 * (value - low) / span

    return tuple(
        LayerBar(
            place(0.0),
            100 * max(alone, 0.0) / span,
            (place(alone - alone_error), place(alone + alone_error)),
            place(back),
            (place(back - back_error), place(back + back_error)),
        )
        for alone, alone_error, back, back_error in found
    )
