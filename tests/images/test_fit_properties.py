"""Of any image and any network: where the fit takes pixels from and where it puts them."""

from fractions import Fraction
from math import floor

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tinyedge.images.fit import fit_pixels, reduction
from tinyedge.images.spec import FITS, Fit, InputSpec

_SIDES = st.integers(1, 70)
_FITS = st.sampled_from(FITS)


def noise(rows: int, columns: int) -> NDArray[np.uint8]:
    return np.random.default_rng(71 * rows + columns).integers(0, 256, (rows, columns, 1), np.uint8)


def fitted(pixels: NDArray[np.uint8], height: int, width: int, fit: Fit) -> NDArray[np.generic]:
    return fit_pixels(pixels, InputSpec(height, width, 1, fit))


@given(st.tuples(_SIDES, _SIDES), st.tuples(_SIDES, _SIDES), _FITS, st.integers(0, 255))
def test_an_image_of_one_colour_stays_of_that_colour(
    image: tuple[int, int], network: tuple[int, int], fit: Fit, colour: int
) -> None:
    (rows, columns), (height, width) = image, network
    found = fitted(np.full((rows, columns, 1), colour, np.uint8), height, width, fit)
    assert found.shape == (height, width, 1)
    bars = np.abs(found - 0.5) < 1e-6 if fit == "letterbox" else np.zeros(found.shape, bool)
    # The engine's rounding leaves a last row out of the sum, in float32 (see `resize`).
    inside = np.abs(found - colour / 255) < 1e-4
    assert (bars | inside)[: height - 1].all()
    assert found.min() >= 0
    assert found.max() <= 1


@given(_SIDES, _SIDES)
def test_an_image_of_the_networks_size_is_itself(rows: int, columns: int) -> None:
    pixels = noise(rows, columns)
    for fit in FITS:
        found = fitted(pixels, rows, columns, fit)
        np.testing.assert_allclose(found, pixels / 255, atol=1e-5)


@given(_SIDES, _SIDES, _SIDES, _SIDES)
def test_a_crop_is_the_largest_rectangle_in_the_middle(
    rows: int, columns: int, height: int, width: int
) -> None:
    aspect = Fraction(height, width)
    tall = max(1, min(rows, floor(columns * aspect)))
    wide = max(1, min(columns, floor(rows / aspect)))
    top, left = (rows - tall) // 2, (columns - wide) // 2
    pixels = noise(rows, columns)
    middle = pixels[top : top + tall, left : left + wide]
    np.testing.assert_array_equal(
        fitted(pixels, height, width, "crop"), fitted(middle, height, width, "stretch")
    )


@given(_SIDES, _SIDES, _SIDES, _SIDES)
def test_a_letterbox_holds_the_whole_image_between_bars(
    rows: int, columns: int, height: int, width: int
) -> None:
    scale = min(Fraction(height, rows), Fraction(width, columns))
    tall, wide = floor(rows * scale), floor(columns * scale)
    top, left = (height - tall) // 2, (width - wide) // 2
    expected = np.full((height, width, 1), 0.5, np.float32)
    pixels = noise(rows, columns)
    if tall and wide:
        inside = fitted(pixels, tall, wide, "stretch")
        expected[top : top + tall, left : left + wide] = inside
    np.testing.assert_array_equal(fitted(pixels, height, width, "letterbox"), expected)


@given(st.integers(1, 3000), st.integers(1, 3000), _SIDES, _SIDES, _FITS)
def test_a_reduced_image_keeps_two_pixels_for_each_that_is_taken(
    rows: int, columns: int, height: int, width: int, fit: Fit
) -> None:
    spec = InputSpec(height, width, 1, fit)
    divisor = reduction(rows, columns, spec)
    assert divisor in (1, 2, 4, 8)
    if divisor == 1:
        return
    # What the fit takes of the whole, and what becomes of it.
    aspect = Fraction(height, width)
    taken = (rows, columns)
    if fit == "crop":
        taken = (min(rows, floor(columns * aspect)), min(columns, floor(rows / aspect)))
    made = (height, width)
    if fit == "letterbox":
        scale = min(Fraction(height, rows), Fraction(width, columns))
        made = (floor(rows * scale), floor(columns * scale))
    for source, target in zip(taken, made, strict=True):
        assert source / divisor >= 2 * target
