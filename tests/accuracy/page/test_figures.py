"""Places in figures, worked by hand."""

import pytest

from tinyedge.accuracy.distributions import Histogram, Reliability, ReliabilityBin
from tinyedge.accuracy.page.figures import (
    histogram_bars,
    histogram_ticks,
    interval_figure,
    layer_bars,
    reliability_marks,
    ticks,
)
from tinyedge.accuracy.page.layers import LayerNoise
from tinyedge.accuracy.statistics import Interval


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-1.27, 2.1, [-1, 0, 1, 2]),
        (92.6, 96.1, [93, 94, 95, 96]),
        (0, 0.0232, [0, 0.005, 0.01, 0.015, 0.02]),
    ],
)
def test_ticks_are_round_and_inside(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_an_interval_from_minus_1_to_3_with_a_budget_of_4() -> None:
    """The axis spans -1 to 4 and 6 % of that at both ends: -1.3 to 4.3."""
    figure = interval_figure([("m", 1.5, Interval(-1, 3))], budget=4)
    (row,) = figure.rows
    assert row.low == pytest.approx(100 * 0.3 / 5.6)
    assert row.measured == pytest.approx(50)
    assert row.high == pytest.approx(100 * 4.3 / 5.6)
    assert figure.budget == pytest.approx(100 * 5.3 / 5.6)
    assert figure.over == (figure.budget, 100.0)
    assert [tick.text for tick in figure.ticks] == ["0", "2", "4"]
    assert figure.ticks[0].place == pytest.approx(100 * 1.3 / 5.6)


def test_where_the_least_is_asked_the_left_is_over_and_the_axis_ends_at_100() -> None:
    figure = interval_figure(
        [("m", 99.0, Interval(98, 100))], budget=96, least=True, ends=Interval(0, 100)
    )
    assert figure.rows[0].high == 100
    assert figure.over == (0.0, figure.budget)


def test_an_interval_of_no_width_has_a_place_all_the_same() -> None:
    figure = interval_figure([("m", 0.0, Interval(0, 0))], budget=None)
    assert figure.rows[0][1:] == (50, 50, 50)
    assert figure.over is None


def test_a_bins_point_lies_where_its_numbers_are() -> None:
    bins = (ReliabilityBin(0, 0.1, 25, 0.05, 0.2), ReliabilityBin(0.9, 1, 100, 0.95, 0.9))
    small, large = reliability_marks(Reliability(bins, 0.1))
    assert (small.x, small.y) == pytest.approx((5, 80))
    assert (large.x, large.y) == pytest.approx((95, 10))
    # A quarter of the photos: half of what the radius grows by.
    assert small.radius - 2.5 == pytest.approx((large.radius - 2.5) / 2)


def test_bars_and_powers_of_ten_of_a_histogram() -> None:
    edges = tuple(10 ** (power / 3) for power in range(-7, 0))
    found = Histogram(edges, (1, 0, 4, 2, 0, 2), 3)
    bars = histogram_bars(found)
    assert [bar.height for bar in bars] == [25, 0, 100, 50, 0, 50]
    assert bars[2].left == pytest.approx(100 / 3)
    first, second = histogram_ticks(found)
    assert (first.text, second.text) == ("0.01", "0.1")
    assert (first.place, second.place) == pytest.approx((100 / 6, 400 / 6))


def test_a_histogram_within_a_decade_has_its_ends_told() -> None:
    found = Histogram((10 ** (1 / 3), 10 ** (2 / 3)), (5,), 0)
    assert [tick.text for tick in histogram_ticks(found)] == ["2.2", "4.6"]
    assert histogram_bars(Histogram((1e-9,), (), 4)) == ()
    assert histogram_ticks(Histogram((1e-9,), (), 4)) == ()


def test_small_powers_are_written_as_powers() -> None:
    edges = tuple(10.0**power for power in range(-5, -1))
    texts = [tick.text for tick in histogram_ticks(Histogram(edges, (1, 1, 1), 0))]
    assert texts == ["10⁻⁵", "10⁻⁴", "10⁻³", "0.01"]


def test_layers_share_an_axis_that_holds_their_errors() -> None:
    def layer(alone: float | None, back: float | None) -> LayerNoise:
        return LayerNoise("1 conv", 1, 1, alone, 1.0, back, 1.0, 0, worst=False)

    first, second = layer_bars([layer(3, -1), layer(6, 7)])
    # From -2 to 8.
    assert first.zero == second.zero == pytest.approx(20)
    assert (first.alone, second.alone) == pytest.approx((30, 60))
    assert second.alone_error == pytest.approx((70, 90))
    assert first.back == pytest.approx(10)
    assert second.back_error == pytest.approx((80, 100))
    assert layer_bars([layer(None, None)]) == ()
