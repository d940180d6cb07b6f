"""Decoding, fitting and resizing, against the C engine and against a naive second copy."""

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.c_images import Call, c_images
from tinyedge.errors import ImageError
from tinyedge.images import FITS, fit_pixels, load_input, read_pixels, resize

# (height, width) of a picture, (height, width) of a net: growing, shrinking, one pixel wide or
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
    expected = naive_resize(pixels, target[1], target[0])
    np.testing.assert_allclose(resized, expected, rtol=0, atol=1e-6)


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


def test_crop_takes_the_centred_square_of_a_wide_picture() -> None:
    pixels = noise(4, 9, 3)
    np.testing.assert_array_equal(
        fit_pixels(pixels, 4, 4, "crop"), pixels[:, 2:6].astype(np.float32) / np.float32(255)
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
        fit_pixels(pixels, width, height, "crop"),
        fit_pixels(pixels[rows, columns], width, height, "stretch"),
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
def test_letterbox_puts_the_picture_between_grey_bars(
    shape: tuple[int, int], rows: slice, columns: slice
) -> None:
    pixels = noise(*shape, 3)
    boxed = fit_pixels(pixels, 10, 10, "letterbox")
    expected = np.full((10, 10, 3), 0.5, np.float32)
    if rows.stop > rows.start:
        expected[rows, columns] = fit_pixels(
            pixels, columns.stop - columns.start, rows.stop - rows.start, "stretch"
        )
    np.testing.assert_array_equal(boxed, expected)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_fit_fills_the_input(fit: str, channels: int) -> None:
    fitted = fit_pixels(np.full((30, 50, channels), 255, np.uint8), 12, 8, fit)
    assert fitted.shape == (8, 12, channels)
    assert fitted.dtype == np.float32
    assert fitted.max() == 1
    assert fitted.min() == (0.5 if fit == "letterbox" else 1)


def test_an_unknown_fit_is_an_error() -> None:
    with pytest.raises(ImageError) as caught:
        fit_pixels(noise(2, 2, 3), 2, 2, "squeeze")
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
        ours.append(fit_pixels(pixels, width, height, "stretch"))
        calls.append(Call("letterbox_image", unit, (width, height)))
        ours.append(fit_pixels(pixels, width, height, "letterbox"))
        calls.append(Call("center_crop_image", unit, (height, height)))
        ours.append(fit_pixels(pixels, height, height, "crop"))
    for call, expected, fitted in zip(calls, c_images(calls), ours, strict=True):
        np.testing.assert_allclose(fitted, expected, rtol=0, atol=1e-6, err_msg=str(call))


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
    np.testing.assert_allclose(fit_pixels(pixels, 30, 15, "crop"), expected, rtol=0, atol=1e-6)


@pytest.mark.c_engine
@pytest.mark.real_data
@pytest.mark.parametrize("name", ["dog.png", "eagle.png"])
def test_a_photo_reaches_the_net_as_in_the_c_engine(photos: Path, name: str) -> None:
    """From the file on: the engine decodes, scales to [0, 1] and fits with its own code."""
    path = photos / name
    functions = {
        "letterbox": "letterbox_image",
        "crop": "center_crop_image",
        "stretch": "resize_image",
    }
    for size in (224, 227, 256):
        answers = c_images([Call(functions[fit], path, (size, size)) for fit in FITS])
        for fit, expected in zip(FITS, answers, strict=True):
            loaded = load_input(path, width=size, height=size, channels=3, fit=fit)
            np.testing.assert_allclose(loaded, expected, rtol=0, atol=1e-6, err_msg=fit)


# Decoding.

UPRIGHT = [[10, 20, 30], [40, 50, 60]]
# How a camera stores UPRIGHT under each orientation, drawn from the table of CIPA DC-008: what
# the stored 0th row and 0th column are of the picture seen.
STORED = {
    1: [[10, 20, 30], [40, 50, 60]],  # top, left
    2: [[30, 20, 10], [60, 50, 40]],  # top, right
    3: [[60, 50, 40], [30, 20, 10]],  # bottom, right
    4: [[40, 50, 60], [10, 20, 30]],  # bottom, left
    5: [[10, 40], [20, 50], [30, 60]],  # left, top
    6: [[30, 60], [20, 50], [10, 40]],  # right, top
    7: [[60, 30], [50, 20], [40, 10]],  # right, bottom
    8: [[40, 10], [50, 20], [60, 30]],  # left, bottom
}


@pytest.mark.parametrize("suffix", ["png", "tiff"])
@pytest.mark.parametrize("orientation", STORED)
def test_orientation_is_applied(tmp_path: Path, orientation: int, suffix: str) -> None:
    path = tmp_path / f"photo.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.array(STORED[orientation], np.uint8)).save(path, exif=exif)
    assert read_pixels(path, 1)[:, :, 0].tolist() == UPRIGHT


@pytest.mark.parametrize("orientation", STORED)
def test_orientation_is_applied_to_a_jpeg(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[0x0112] = orientation
    # Whole 8x8 blocks of one grey survive a JPEG but for rounding.
    blocks = np.kron(np.array(STORED[orientation], np.uint8), np.ones((8, 8), np.uint8))
    Image.fromarray(blocks).save(path, exif=exif, quality=100)
    seen = read_pixels(path, 3)[4::8, 4::8, 0].astype(int)
    np.testing.assert_allclose(seen, UPRIGHT, atol=1)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage that is no TIFF", b"Exif\0\0II*\0\xff\xff\xff\xff"]
)
def test_a_broken_exif_block_is_ignored(tmp_path: Path, exif: bytes) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(np.array(UPRIGHT, np.uint8)).save(path, exif=exif)
    assert read_pixels(path, 1)[:, :, 0].tolist() == UPRIGHT


def test_an_orientation_that_does_not_exist_is_ignored(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 9
    path = tmp_path / "photo.png"
    Image.fromarray(np.array(UPRIGHT, np.uint8)).save(path, exif=exif)
    assert read_pixels(path, 1)[:, :, 0].tolist() == UPRIGHT


def read_saved(
    tmp_path: Path, image: Image.Image, channels: int, suffix: str, **options: Any
) -> NDArray[np.uint8]:
    path = tmp_path / f"image.{suffix}"
    image.save(path, **options)
    return read_pixels(path, channels)


def test_rgb_and_grey(tmp_path: Path) -> None:
    pixels = noise(5, 7, 3)
    colour = read_saved(tmp_path, Image.fromarray(pixels), 3, "png")
    assert colour.dtype == np.uint8
    np.testing.assert_array_equal(colour, pixels)
    grey = read_saved(tmp_path, Image.fromarray(pixels), 1, "png")
    assert grey.shape == (5, 7, 1)
    np.testing.assert_allclose(grey[:, :, 0], pixels @ [0.299, 0.587, 0.114], atol=0.51)


@pytest.mark.parametrize("suffix", ["png", "bmp", "pgm", "tif", "gif"])
def test_grey_files(tmp_path: Path, suffix: str) -> None:
    pixels = noise(5, 7)
    image = Image.fromarray(pixels)
    np.testing.assert_array_equal(read_saved(tmp_path, image, 1, suffix), pixels[:, :, None])
    np.testing.assert_array_equal(
        read_saved(tmp_path, image, 3, suffix), np.stack([pixels] * 3, axis=2)
    )


@pytest.mark.parametrize("suffix", ["bmp", "ppm", "tif"])
def test_colour_files(tmp_path: Path, suffix: str) -> None:
    pixels = noise(5, 7, 3)
    np.testing.assert_array_equal(read_saved(tmp_path, Image.fromarray(pixels), 3, suffix), pixels)


def test_webp(tmp_path: Path) -> None:
    pixels = noise(5, 7, 3)
    read = read_saved(tmp_path, Image.fromarray(pixels), 3, "webp", lossless=True)
    np.testing.assert_array_equal(read, pixels)


def test_one_bit(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 255, 0], [255, 255, 0]], np.uint8)).convert("1")
    assert read_saved(tmp_path, image, 1, "png")[:, :, 0].tolist() == [[0, 255, 0], [255, 255, 0]]
    assert read_saved(tmp_path, image, 3, "png")[1, 2].tolist() == [0, 0, 0]


def test_transparency_is_dropped_not_mixed(tmp_path: Path) -> None:
    pixels = noise(4, 6, 4)
    pixels[0, 0] = (200, 100, 50, 0)
    read = read_saved(tmp_path, Image.fromarray(pixels), 3, "png")
    np.testing.assert_array_equal(read, pixels[:, :, :3])
    with_alpha = noise(4, 6, 2)
    image = Image.merge("LA", [Image.fromarray(with_alpha[:, :, i].copy()) for i in (0, 1)])
    np.testing.assert_array_equal(read_saved(tmp_path, image, 1, "png"), with_alpha[:, :, :1])
    np.testing.assert_array_equal(
        read_saved(tmp_path, image, 3, "png"), np.repeat(with_alpha[:, :, :1], 3, axis=2)
    )


@pytest.mark.parametrize("transparency", [None, 1, b"\x80\x00\xff"])
def test_palette(tmp_path: Path, transparency: int | bytes | None) -> None:
    palette = [[250, 10, 20], [30, 240, 40], [50, 60, 230]]
    indices = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    image = Image.fromarray(indices).convert("P")
    image.putdata(indices.ravel().tolist())
    image.putpalette([value for colour in palette for value in colour])
    options = {} if transparency is None else {"transparency": transparency}
    read = read_saved(tmp_path, image, 3, "png", **options)
    np.testing.assert_array_equal(read, np.array(palette, np.uint8)[indices])
    grey = read_saved(tmp_path, image, 1, "png", **options)
    np.testing.assert_allclose(grey[0, :, 0], palette @ np.array([0.299, 0.587, 0.114]), atol=1)


def test_grey_and_rgb_with_a_transparent_colour(tmp_path: Path) -> None:
    pixels = noise(4, 6)
    read = read_saved(tmp_path, Image.fromarray(pixels), 3, "png", transparency=int(pixels[0, 0]))
    np.testing.assert_array_equal(read, np.stack([pixels] * 3, axis=2))
    colour = noise(4, 6, 3)
    key = tuple(int(value) for value in colour[0, 0])
    read = read_saved(tmp_path, Image.fromarray(colour), 1, "png", transparency=key)
    assert read.shape == (4, 6, 1)


def test_cmyk(tmp_path: Path) -> None:
    # Ink over white: no cyan, all magenta, half the yellow, no black.
    image = Image.new("CMYK", (8, 8), (0, 255, 128, 0))
    read = read_saved(tmp_path, image, 3, "jpg", quality=100)
    np.testing.assert_allclose(read.astype(int), np.tile([255, 0, 127], (8, 8, 1)), atol=3)
    assert read_saved(tmp_path, image, 1, "tiff").shape == (8, 8, 1)


SIXTEEN_BITS = np.array([[0x0000, 0x00FF, 0x0100], [0x7FFF, 0xFF00, 0xFFFF]], np.uint16)
HIGH_BYTES = [[0, 0, 1], [0x7F, 0xFF, 0xFF]]


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_sixteen_bit_grey_keeps_the_high_byte(tmp_path: Path, suffix: str) -> None:
    image = Image.fromarray(SIXTEEN_BITS)
    assert read_saved(tmp_path, image, 1, suffix)[:, :, 0].tolist() == HIGH_BYTES
    assert read_saved(tmp_path, image, 3, suffix)[1, 2].tolist() == [255, 255, 255]


def test_sixteen_bit_colour_keeps_the_high_byte(tmp_path: Path) -> None:
    samples = noise(3, 4, 6)
    path = tmp_path / "deep.png"
    path.write_bytes(png(4, 3, bits=16, colour_type=2, rows=[row.tobytes() for row in samples]))
    np.testing.assert_array_equal(read_pixels(path, 3), samples[:, :, ::2])


def png(width: int, height: int, *, bits: int, colour_type: int, rows: list[bytes]) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (4, 3), colour) for colour in ("red", "blue"))
    read = read_saved(tmp_path, first, 3, "gif", save_all=True, append_images=[second])
    np.testing.assert_array_equal(read, np.tile([255, 0, 0], (3, 4, 1)))


def test_the_suffix_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    pixels = noise(3, 4, 3)
    Image.fromarray(pixels).save(path, format="PNG")
    np.testing.assert_array_equal(read_pixels(path, 3), pixels)


# What is no image.


def message(path: Path, channels: int = 3) -> str:
    with pytest.raises(ImageError) as caught:
        read_pixels(path, channels)
    return str(caught.value)


def test_missing_folder_and_empty(tmp_path: Path) -> None:
    missing = tmp_path / "missing.jpg"
    assert message(missing) == f"{missing}: no such file"
    assert message(tmp_path) == f"{tmp_path} cannot be read (Is a directory)"
    empty = tmp_path / "empty.jpg"
    empty.touch()
    assert message(empty).startswith(f"{empty} is not an image that can be read (no JPEG")


def test_a_text_is_no_image(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("not pixels")
    assert message(path) == (
        f"{path} is not an image that can be read (no JPEG, PNG, BMP, GIF, PPM, WEBP or TIFF file)"
    )


def test_postscript_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")
    assert message(path).startswith(f"{path} is not an image that can be read (no JPEG")


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "webp", "tif", "ppm"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_cut_short_is_named(tmp_path: Path, suffix: str, share: float) -> None:
    stream = io.BytesIO()
    kinds = {"jpg": "JPEG", "tif": "TIFF"}
    Image.fromarray(noise(60, 60, 3)).save(stream, format=kinds.get(suffix, suffix))
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(stream.getvalue()[: int(len(stream.getvalue()) * share)])
    assert message(path).startswith(f"{path} is ")


def test_truncated_says_so(tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    Image.fromarray(noise(60, 60, 3)).save(path)
    path.write_bytes(path.read_bytes()[:-2000])
    assert message(path).startswith(f"{path} is damaged or cut short (image file is truncated")


@pytest.mark.parametrize("mode", ["I", "F"])
def test_samples_of_32_bits_have_no_known_range(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "deep.tif"
    Image.new(mode, (3, 2)).save(path)
    assert message(path) == (
        f"{path} has samples of 32 bits, whose range is not known; save it with 8 or 16 bits"
    )


def test_colours_that_do_not_convert(tmp_path: Path) -> None:
    path = tmp_path / "lab.tif"
    Image.new("LAB", (3, 2)).save(path)
    assert message(path, 1).startswith(
        f"{path} has colours that cannot be read (conversion from LAB"
    )


@pytest.mark.parametrize("channels", [0, 2, 4])
def test_only_one_or_three_channels(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "photo.png"
    Image.new("RGB", (2, 2)).save(path)
    assert message(path, channels) == (
        f"{path}: an image cannot be read with {channels} channels;"
        " networks for photos have 3 (RGB) or 1 (grey)"
    )


def test_a_decompression_bomb_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(20_000, 20_000, bits=8, colour_type=2, rows=[]))
    assert message(path).startswith(
        f"{path} is not an image that can be read (Image size (400000000 pixels) exceeds limit"
    )


def test_a_large_photo_warns_of_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.png"
    Image.new("L", (100, 15)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(path).close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_pixels(path, 1).shape == (15, 100, 1)
