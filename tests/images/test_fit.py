"""Fitting and resizing, against the C engine and against a naive second copy."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.c_images import Call, c_images
from tinyedge.errors import ImageError
from tinyedge.images.fit import fit_pixels, reduction, resize
from tinyedge.images.spec import FITS, Fit, InputSpec
from tinyedge.tflite.quantization import QuantParams

# (height, width) of an image, (height, width) of a net: growing, shrinking, one pixel wide or
# high, squares, and 256 to 224, where float32 puts the last source just before the last pixel.
SHAPES = [
    ((7, 5), (7, 5)),
    ((3, 4), (11, 9)),
    ((61, 83), (14, 10)),
    ((83, 61), (14, 10)),
    ((20, 90), (28, 28)),
    ((90, 20), (28, 28)),
    ((1, 9), (4, 6)),
    ((9, 1), (4, 6)),
    ((1, 1), (3, 3)),
    ((2, 9), (5, 1)),
    ((31, 31), (16, 16)),
    ((256, 40), (224, 20)),
    ((40, 256), (20, 224)),
]


def fitted(
    pixels: NDArray[np.uint8],
    width: int,
    height: int,
    fit: Fit,
    quantization: QuantParams | None = None,
) -> NDArray[np.generic]:
    return fit_pixels(pixels, InputSpec(height, width, pixels.shape[2], fit, quantization))


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(shape).integers(0, 256, shape, np.uint8)


def naive_resize(pixels: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """resize_image of image.c, one pixel at a time and in float32 throughout."""
    rows, columns, channels = pixels.shape
    one = np.float32(1)
    part = np.zeros((rows, width, channels), np.float32)
    for x in range(width):
        if x == width - 1 or columns == 1:
            part[:, x] = pixels[:, columns - 1]
            continue
        source = np.float32(x) * (np.float32(columns - 1) / np.float32(width - 1))
        left = int(source)
        share = source - np.float32(left)
        part[:, x] = (one - share) * pixels[:, left] + share * pixels[:, left + 1]
    resized = np.zeros((height, width, channels), np.float32)
    for y in range(height):
        source = np.float32(y) * (np.float32(rows - 1) / np.float32(height - 1))
        above = int(source)
        share = source - np.float32(above)
        resized[y] = (one - share) * part[above]
        if y < height - 1 and rows > 1:
            resized[y] += share * part[above + 1]
    return resized


# Resizing.


@pytest.mark.parametrize(("source", "target"), SHAPES)
def test_resize_is_the_naive_one(source: tuple[int, int], target: tuple[int, int]) -> None:
    pixels = noise(*source, 3).astype(np.float32) / np.float32(255)
    resized = resize(pixels, width=target[1], height=target[0])
    assert resized.dtype == np.float32
    np.testing.assert_array_equal(resized, naive_resize(pixels, target[1], target[0]))


def test_resize_goes_from_corner_to_corner() -> None:
    pixels = np.array([[0.0, 1.0], [2.0, 3.0]], np.float32)[:, :, None]
    assert resize(pixels, 3, 3)[:, :, 0].tolist() == [[0, 0.5, 1], [1, 1.5, 2], [2, 2.5, 3]]


def test_a_ramp_stays_a_ramp() -> None:
    ramp = np.broadcast_to(np.linspace(0, 1, 301, dtype=np.float32)[None, :, None], (5, 301, 1))
    resized = resize(ramp, 224, 3)
    expected = np.broadcast_to(np.linspace(0, 1, 224)[None, :], (3, 224))
    np.testing.assert_allclose(resized[:, :, 0], expected, rtol=0, atol=1e-5)


def test_a_target_one_pixel_high_takes_the_last_row() -> None:
    # C divides by zero here; the last row is what it takes along x.
    pixels = noise(6, 4, 3).astype(np.float32)
    np.testing.assert_array_equal(resize(pixels, 4, 1), pixels[-1:])


# Fitting.


def test_crop_takes_the_centred_square_of_a_wide_image() -> None:
    pixels = noise(4, 9, 3)
    np.testing.assert_array_equal(
        fitted(pixels, 4, 4, "crop"), pixels[:, 2:6].astype(np.float32) / np.float32(255)
    )


@pytest.mark.parametrize(
    ("shape", "width", "height", "rows", "columns"),
    [
        ((10, 10), 4, 2, slice(2, 7), slice(0, 10)),
        ((10, 30), 4, 2, slice(0, 10), slice(5, 25)),
        ((30, 10), 2, 4, slice(5, 25), slice(0, 10)),
        ((100, 1), 40, 4, slice(49, 50), slice(0, 1)),
    ],
)
def test_crop_takes_the_aspect_of_the_net(
    shape: tuple[int, int], width: int, height: int, rows: slice, columns: slice
) -> None:
    pixels = noise(*shape, 1)
    np.testing.assert_array_equal(
        fitted(pixels, width, height, "crop"),
        fitted(pixels[rows, columns], width, height, "stretch"),
    )


@pytest.mark.parametrize(
    ("shape", "rows", "columns"),
    [
        ((50, 100), slice(2, 7), slice(0, 10)),
        ((100, 50), slice(0, 10), slice(2, 7)),
        ((64, 64), slice(0, 10), slice(0, 10)),
        ((10, 1000), slice(5, 5), slice(0, 0)),
    ],
)
def test_letterbox_puts_the_image_between_grey_bars(
    shape: tuple[int, int], rows: slice, columns: slice
) -> None:
    pixels = noise(*shape, 3)
    boxed = fitted(pixels, 10, 10, "letterbox")
    expected = np.full((10, 10, 3), 0.5, np.float32)
    if rows.stop > rows.start:
        expected[rows, columns] = fitted(
            pixels, columns.stop - columns.start, rows.stop - rows.start, "stretch"
        )
    np.testing.assert_array_equal(boxed, expected)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_fit_fills_the_input(fit: Fit, channels: int) -> None:
    found = np.asarray(fitted(np.full((30, 50, channels), 255, np.uint8), 12, 8, fit))
    assert found.shape == (8, 12, channels)
    assert found.dtype == np.float32
    assert found.max() == 1
    assert found.min() == (0.5 if fit == "letterbox" else 1)


def test_an_unknown_fit_is_an_error() -> None:
    with pytest.raises(ImageError) as caught:
        InputSpec(2, 2, 3, "squeeze")  # type: ignore[arg-type]
    assert str(caught.value) == (
        "'squeeze' is no way to fit an image; choose one of crop, letterbox, stretch"
    )


# Against the C engine.


@pytest.mark.c_engine
def test_resize_and_fits_are_the_c_engines() -> None:
    calls, ours = [], []
    for (rows, columns), (height, width) in SHAPES:
        pixels = noise(rows, columns, 3)
        unit = pixels.astype(np.float32) / np.float32(255)
        calls.append(Call("resize_image", unit, (width, height)))
        ours.append(fitted(pixels, width, height, "stretch"))
        calls.append(Call("letterbox_image", unit, (width, height)))
        ours.append(fitted(pixels, width, height, "letterbox"))
        calls.append(Call("center_crop_image", unit, (height, height)))
        ours.append(fitted(pixels, height, height, "crop"))
    for call, expected, found in zip(calls, c_images(calls), ours, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6, err_msg=str(call))


@pytest.mark.c_engine
def test_random_shapes_are_the_c_engines() -> None:
    rng = np.random.default_rng(20260101)
    calls, ours = [], []
    for rows, columns, width, height in rng.integers(2, 200, (150, 4)).tolist():
        pixels = rng.random((rows, columns, 1), np.float32)
        calls.append(Call("resize_image", pixels, (width, height)))
        ours.append(resize(pixels, width, height))
    for resized, expected in zip(ours, c_images(calls), strict=True):
        np.testing.assert_allclose(resized, expected, rtol=0, atol=1e-6)


@pytest.mark.c_engine
def test_a_crop_for_an_oblong_net_is_the_c_engines_crop_resized() -> None:
    pixels = noise(60, 80, 3)
    # The largest 2:1 rectangle of 80x60 is 80x40, ten rows down.
    crop = Call("crop_image", pixels.astype(np.float32) / np.float32(255), (0, 10, 80, 40))
    (cropped,) = c_images([crop])
    (expected,) = c_images([Call("resize_image", cropped, (30, 15))])
    np.testing.assert_allclose(fitted(pixels, 30, 15, "crop"), expected, rtol=0, atol=1e-6)


# Straight to the quantized values of an integer input.

INPUTS = [
    QuantParams.per_tensor(1 / 255, -128, np.int8),
    QuantParams.per_tensor(1 / 255, 0, np.uint8),
    QuantParams.per_tensor(0.0078125, 0, np.int8),
    QuantParams.per_tensor(0.0031, -101, np.int8),
    QuantParams.per_tensor(0.0019607844, 3, np.uint8),
]


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("quantization", INPUTS)
def test_quantized_values_are_those_of_the_float_image(fit: Fit, quantization: QuantParams) -> None:
    kind, scale = quantization.dtype, quantization.scale
    zero_point = quantization.zero_point
    lowest, highest = (-128, 127) if kind == np.int8 else (0, 255)
    for (rows, columns), (height, width) in [*SHAPES, ((300, 401), (224, 224))]:
        pixels = noise(rows, columns, 3)
        unit = np.asarray(fitted(pixels, width, height, fit), np.float32)
        stored = np.rint(unit * np.float32(1 / scale)) + zero_point
        expected = np.clip(stored, lowest, highest)
        found = fitted(pixels, width, height, fit, quantization)
        assert found.dtype == kind
        np.testing.assert_array_equal(found, expected)


def test_an_image_of_the_nets_size_is_its_own_bytes() -> None:
    pixels = noise(40, 50, 3)
    found = fitted(pixels, 50, 40, "crop", QuantParams.per_tensor(1 / 255, -128, np.int8))
    np.testing.assert_array_equal(found, pixels.astype(int) - 128)


def test_a_tie_goes_to_the_even_integer() -> None:
    quantization = QuantParams.per_tensor(0.25, 0, np.int8)
    halves = np.array([0.125, 0.375, 0.625, 0.875], np.float32)
    assert quantization.quantize(halves).tolist() == [0, 2, 2, 4]


# How much a decoder may shrink.


@pytest.mark.parametrize(
    ("shape", "fit", "divisor"),
    [
        ((3000, 4000), "crop", 4),  # 3000 is 6.7 times 2 * 224
        ((3584, 3584), "crop", 8),
        ((3583, 3583), "crop", 4),
        ((896, 4000), "crop", 2),
        ((895, 4000), "crop", 1),
        ((896, 4000), "stretch", 2),
        ((895, 4000), "stretch", 1),
        # Letterboxed it becomes 50 rows of 224: both shrink 17.9 times.
        ((895, 4000), "letterbox", 8),
        ((375, 500), "crop", 1),
        ((576, 768), "crop", 1),
        ((1, 4000), "letterbox", 8),
        ((1, 1), "crop", 1),
    ],
)
def test_a_reduced_image_keeps_twice_what_the_net_takes(
    shape: tuple[int, int], fit: Fit, divisor: int
) -> None:
    assert reduction(*shape, InputSpec(224, 224, 3, fit)) == divisor
