"""The table of activations, against their definitions in double precision."""

import numpy as np
import pytest

from tests.support.activations import FUNCTIONS
from tinyedge.darknet.activations import ACTIVATIONS, NORMALIZING_ACTIVATIONS

# Whole numbers and the bends at -4, -1, 0, 1 and 4 are among them.
GRID = np.arange(-8, 8, 1 / 64)


def test_every_activation_is_defined() -> None:
    assert set(FUNCTIONS) == set(ACTIVATIONS)
    assert not NORMALIZING_ACTIVATIONS & set(ACTIVATIONS)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_two_straight_lines_are_those_of_the_slope(name: str) -> None:
    row = ACTIVATIONS[name]
    found = FUNCTIONS[name](GRID)
    # The second difference of a line is 0 everywhere but at its bend.
    bends = GRID[1:-1][np.abs(np.diff(found, 2)) > 1e-12]
    straight = set(bends) <= {0} and FUNCTIONS[name](np.zeros(1)) == 0
    assert row.piecewise_linear == straight
    if row.slope is not None:
        line = row.input_factor * GRID
        expected = np.where(line > 0, line, row.slope * line)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_scale_passes_those_that_are_homogeneous(name: str) -> None:
    function = FUNCTIONS[name]
    passes = all(
        np.allclose(function(scale * GRID), scale * function(GRID), rtol=1e-12)
        for scale in (0.3, 1.7)
    )
    assert ACTIVATIONS[name].homogeneous == passes


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_those_that_never_fall_change_places_with_a_max_pool(name: str) -> None:
    function = FUNCTIONS[name]
    assert ACTIVATIONS[name].monotone == bool((np.diff(function(GRID)) >= 0).all())
    windows = np.random.default_rng(1).uniform(-8, 8, (1000, 4))
    before, after = function(windows).max(axis=1), function(windows.max(axis=1))
    assert ACTIVATIONS[name].monotone == np.array_equal(before, after)


def test_an_input_factor_makes_another_function_of_it() -> None:
    tanh = FUNCTIONS["tanh"](ACTIVATIONS["loggy"].input_factor * GRID)
    np.testing.assert_allclose(FUNCTIONS["loggy"](GRID), tanh, atol=1e-15)
    factors = {name: row.input_factor for name, row in ACTIVATIONS.items() if row.input_factor != 1}
    assert factors == {"ramp": 1.1, "loggy": 0.5, "mish": -1, "hard_mish": -3}


def test_mish_and_hard_mish_of_what_goes_into_their_operators() -> None:
    mish = ACTIVATIONS["mish"].input_factor * GRID
    found = mish * np.tanh(np.log(1 / (1 + np.exp(-mish))))
    np.testing.assert_allclose(FUNCTIONS["mish"](GRID), found, atol=1e-12)
    hard = ACTIVATIONS["hard_mish"].input_factor * GRID
    found = hard * (np.clip(hard, 0, 6) / 18 - 1 / 3)
    np.testing.assert_allclose(FUNCTIONS["hard_mish"](GRID), found, atol=1e-12)
