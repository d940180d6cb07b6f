"""From a file to a net's input: decoding, and what is no image."""

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

from tests.support.c_images import Call, c_images
from tinyedge.errors import ImageError
from tinyedge.images.load import (
    load_float_input,
    load_float_inputs,
    load_input,
    read_pixels,
)
from tinyedge.images.spec import FITS, Fit, InputSpec
from tinyedge.tflite.quantization import QuantParams


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(shape).integers(0, 256, shape, np.uint8)


# From the file to the net.


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
            loaded = load_input(path, InputSpec(size, size, 3, fit))
            np.testing.assert_allclose(loaded, expected, rtol=0, atol=1e-6, err_msg=fit)


# JPEGs larger than the net has use for.


def smooth(rows: int, columns: int) -> Image.Image:
    """An image without detail at the scale of pixels, different in every corner and channel."""
    y, x = np.mgrid[0 : 1 : rows * 1j, 0 : 1 : columns * 1j]
    channels = (200 * x + 40, 200 * y + 20, 120 + 100 * np.sin(9 * x * (1 + y)))
    return Image.fromarray(np.stack(channels, axis=2).astype(np.uint8))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_large_jpeg_comes_as_averages_of_its_pixels(
    tmp_path: Path, options: dict[str, Any], mode: str, channels: int
) -> None:
    path = tmp_path / "large.jpg"
    smooth(750, 1001).convert(mode).save(path, quality=95, **options)
    whole = read_pixels(path, channels).astype(float)
    assert whole.shape == (750, 1001, channels)
    # 750 is 6.7 times 2 * 56: a quarter. The last pixels average what there is.
    reduced = read_pixels(path, channels, InputSpec(56, 56, channels, "crop"))
    assert reduced.shape == (188, 251, channels)
    blocks = whole[:748, :1000].reshape(187, 4, 250, 4, channels).mean(axis=(1, 3))
    np.testing.assert_allclose(reduced[:187, :250], blocks, atol=4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_large_jpeg_is_upright(tmp_path: Path, orientation: int) -> None:
    """An oblong image and an oblong net: sides taken for each other would change the size."""
    upright, stored = tmp_path / "upright.png", tmp_path / "stored.jpg"
    image = smooth(400, 1600)
    image.save(upright)
    # How to store an image under each orientation, so that a viewer turns it back.
    transposition = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }.get(orientation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = image if transposition is None else image.transpose(transposition)
    turned.save(stored, exif=exif, quality=95)
    # 400 is 5 times 80 and 1600 is 4 times 400: a half.
    spec = InputSpec(80, 400, 3, "stretch")
    assert read_pixels(stored, 3, spec).shape == (200, 800, 3)
    expected = load_input(upright, spec)
    np.testing.assert_allclose(load_input(stored, spec), expected, atol=0.03)


def test_a_second_image_behind_a_jpeg_changes_nothing(tmp_path: Path) -> None:
    single, double = tmp_path / "single.jpg", tmp_path / "double.jpg"
    image = smooth(800, 800)
    image.save(single, quality=95)
    image.save(double, format="MPO", save_all=True, append_images=[smooth(80, 80)], quality=95)
    spec = InputSpec(50, 50, 3, "crop")
    for path in (single, double):
        assert read_pixels(path, 3, spec).shape == (100, 100, 3)
    np.testing.assert_array_equal(load_input(double, spec), load_input(single, spec))


@pytest.mark.parametrize(
    ("suffix", "side"), [("jpg", 199), ("png", 900), ("webp", 900), ("tif", 900)]
)
def test_other_images_come_whole(tmp_path: Path, suffix: str, side: int) -> None:
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(noise(side, side + 7, 3)).save(path)
    fit = InputSpec(50, 50, 3, "crop")
    np.testing.assert_array_equal(read_pixels(path, 3, fit), read_pixels(path, 3))


def test_a_large_jpeg_cut_short_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    Image.fromarray(noise(900, 900, 3)).save(path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ImageError, match="is damaged or cut short"):
        load_input(path, InputSpec(50, 50, 3, "crop"))


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_an_integer_input_gets_the_pixels_of_the_float_one(
    tmp_path: Path, fit: Fit, suffix: str
) -> None:
    path = tmp_path / f"large.{suffix}"
    Image.fromarray(noise(470, 600, 3)).save(path)
    spec = InputSpec(50, 60, 3, fit, QuantParams.per_tensor(1 / 255, -128, np.int8))
    unit = load_float_input(path, spec)
    assert unit.dtype == np.float32
    np.testing.assert_array_equal(load_input(path, spec), np.rint(unit * np.float32(255)) - 128)


# Decoding.

UPRIGHT = [[10, 20, 30], [40, 50, 60]]
# How a camera stores UPRIGHT under each orientation, drawn from the table of CIPA DC-008: what
# the stored 0th row and 0th column are of the image seen.
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
    assert message(tmp_path) == f"{tmp_path} is a folder, not a file"
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


@pytest.mark.parametrize("side", [300, 1200, 2000])
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_several_nets_see_what_each_would_see_alone(tmp_path: Path, suffix: str, side: int) -> None:
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(noise(side, side, 3)).save(path)
    specs = [
        InputSpec(224, 224, 3, "crop"),
        InputSpec(64, 96, 3, "letterbox"),
        InputSpec(224, 224, 1, "crop"),
        InputSpec(224, 224, 3, "crop", QuantParams.pixels()),
    ]
    together = load_float_inputs(path, specs)
    for found, spec in zip(together, specs, strict=True):
        assert np.array_equal(found, load_float_input(path, spec))
    # One input, one array.
    assert together[0] is together[3]
