"""Calibration error and histograms, by numbers worked by hand and by a plain loop."""

import itertools
import math

import numpy as np
import pytest

from tinyedge.accuracy.distributions import (
    BINS,
    Histogram,
    ReliabilityBin,
    kl_histogram,
    reliability,
)


def test_the_calibration_error_worked_by_hand() -> None:
    """Two answers in the bin (13/15, 14/15], one of them right; one wrong in the first bin."""
    found = reliability(np.array([0.88, 0.92, 0.05]), np.array([True, False, False]))
    first, second = found.bins
    assert first == ReliabilityBin(0, 1 / 15, 1, 0.05, 0.0)
    assert (second.low, second.high, second.images) == (13 / 15, 14 / 15, 2)
    assert (second.confidence, second.accuracy) == (pytest.approx(0.9), 0.5)
    # One of three is off by 0.05, two by 0.4.
    assert found.ece == pytest.approx((0.05 + 2 * 0.4) / 3)


def test_a_bins_edges_are_closed_above() -> None:
    found = reliability(np.array([0.0, 1 / 15, 1.0, 0.2]), np.ones(4, bool))
    assert [(each.low, each.images) for each in found.bins] == [
        (0, 2),
        (2 / 15, 1),
        (14 / 15, 1),
    ]


def test_the_calibration_error_is_that_of_a_plain_loop() -> None:
    random = np.random.default_rng(1)
    probability = random.uniform(0, 1, 500)
    right = random.uniform(0, 1, 500) < probability**2
    error = 0.0
    for number in range(BINS):
        inside = [
            (p, r)
            for p, r in zip(probability.tolist(), right.tolist(), strict=True)
            if number / BINS < p <= (number + 1) / BINS
        ]
        error += abs(sum(p for p, _ in inside) - sum(r for _, r in inside))
    assert reliability(probability, right).ece == pytest.approx(error / 500)


def test_a_histogram_has_three_bins_a_decade_and_counts_every_value() -> None:
    values = np.array([0.0, 1e-12, 0.011, 0.02, 0.05, 0.3])
    found = kl_histogram(values)
    assert found.below == 2
    assert found.counts == (2, 0, 1, 0, 1)
    assert found.edges == pytest.approx([10 ** (power / 3) for power in range(-6, 0)])
    assert all(b / a == pytest.approx(math.cbrt(10)) for a, b in itertools.pairwise(found.edges))


def test_values_beyond_the_bins_are_counted_all_the_same() -> None:
    assert kl_histogram(np.zeros(3)) == Histogram((1e-9,), (), 3)
    assert sum(kl_histogram(np.array([1e7, 1e3, 999.0])).counts) == 3
