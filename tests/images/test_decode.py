"""Large images: the pixels of the whole, within the memory there is; files not yet written."""

import io
import random
import struct
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.support.huge_images import PILLOWS_MOST, SIDE, WORST, save, webp_header, write_png
from tinyedge.errors import ImageError
from tinyedge.images import decode
from tinyedge.images.evaluate import Unreadable, evaluate
from tinyedge.images.fit import fit_pixels
from tinyedge.images.headers import exif_orientation
from tinyedge.images.load import load_input, read_pixels
from tinyedge.images.spec import FITS, Fit, InputSpec

SPEC = InputSpec(224, 224, 3, "crop")


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(shape).integers(0, 256, shape, np.uint8)


# What is chosen of a large image.


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image of 2,000 pixels is large."""
    monkeypatch.setattr("tinyedge.images.fit._WHOLE", 2000)
    monkeypatch.setattr(decode, "_TILE", 700)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("shape", [(60, 90), (7, 900), (900, 7), (1, 2500), (2500, 1)])
@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "I;16"])
def test_a_large_image_gives_the_pixels_of_the_whole(
    tmp_path: Path, fit: Fit, shape: tuple[int, int], mode: str
) -> None:
    path = tmp_path / "image.tif"
    if mode == "I;16":
        Image.fromarray(noise(*shape).astype(np.uint16) * 257).save(path)
    else:
        Image.fromarray(noise(*shape, 3)).convert(mode).save(path)
    for channels, size in ((3, (20, 30)), (1, (31, 9))):
        spec = InputSpec(*size, channels, fit)
        whole = np.array(read_pixels(path, channels))
        np.testing.assert_array_equal(load_input(path, spec), fit_pixels(whole, spec))


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_large_image_is_upright(tmp_path: Path, orientation: int) -> None:
    """Held against Pillow's own turning of the same file."""
    from PIL import ImageOps

    path = tmp_path / "image.png"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(noise(50, 120, 3)).save(path, exif=exif)
    with Image.open(path) as image:
        turned = np.asarray(ImageOps.exif_transpose(image))
    spec = InputSpec(11, 17, 3, "crop")
    np.testing.assert_array_equal(load_input(path, spec), fit_pixels(turned, spec))
    np.testing.assert_array_equal(read_pixels(path, 3), turned)


def test_only_what_is_looked_at_is_converted(tmp_path: Path) -> None:
    """Of 1,500 x 2,000 pixels; the limit of what is taken whole is not moved."""
    path = tmp_path / "image.png"
    pixels = noise(1500, 2000)
    Image.fromarray(pixels).save(path)
    expected = fit_pixels(np.repeat(pixels[:, :, None], 3, axis=2), SPEC)
    np.testing.assert_array_equal(load_input(path, SPEC), expected)


# Memory.

_MEASURE = """
import sys
from pathlib import Path
from PIL import Image
from tinyedge.images.load import load_input
from tinyedge.images.spec import InputSpec
spec = InputSpec(224, 224, 3, "crop")
def status(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))
load_input(Image.new("RGB", (1100, 1100)), spec)
before = status("VmRSS")
load_input(sys.argv[1], spec)
print((status("VmHWM") - before) * 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks are read from Linux")
@pytest.mark.parametrize(
    ("name", "most"),
    [
        *(("wide_1bit.png", 2), ("1bit.png", 2), ("grey.png", 2)),
        pytest.param("palette.gif", 2, marks=pytest.mark.long),
        *(("baseline.jpg", 1),),
        pytest.param("grey16.png", 4, marks=pytest.mark.long),
        pytest.param("cmyk.jpg", 1, marks=pytest.mark.long),
        pytest.param("cmyk.tif", 4, marks=pytest.mark.long),
        pytest.param("rgba.png", 4, marks=pytest.mark.long),
        pytest.param("rgb16.png", 4, marks=pytest.mark.long),
        pytest.param("grey16.pgm", 4, marks=pytest.mark.long),
        pytest.param("interlaced.png", 4, marks=pytest.mark.long),
    ],
)
def test_a_large_image_peaks_at_so_many_bytes_a_pixel(tmp_path: Path, name: str, most: int) -> None:
    path = tmp_path / name
    WORST[name](path)
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, path], check=True, capture_output=True, text=True
    )
    pixels = {"wide_1bit.png": PILLOWS_MOST}.get(name, SIDE * SIDE)
    # And 20 MB for what is converted at once and for the interpreter.
    assert int(done.stdout) <= most * pixels + 20e6


def free(monkeypatch: pytest.MonkeyPatch, megabytes: float) -> None:
    monkeypatch.setattr(decode, "available_memory", lambda: int(megabytes * 1e6))


def message(path: Path, spec: InputSpec = SPEC) -> str:
    with pytest.raises(ImageError) as caught:
        load_input(path, spec)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_image_larger_than_the_memory_is_refused_by_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "huge.png"
    # No pixel in it: decoding would end with another error.
    path.write_bytes(png_header(13_000, 13_000))
    free(monkeypatch, 900)
    assert message(path) == (
        f"{path} has 13000 x 13000 pixels; decoding them takes 676 MB of memory, and of the"
        " 900 MB that are free at most 75 % go to an image"
    )
    free(monkeypatch, 1000)
    assert "is damaged or cut short" in message(path)


def png_header(width: int, height: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "PNG")
    import struct
    import zlib

    content = bytearray(stream.getvalue())
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


def test_a_webp_that_claims_to_be_huge_is_refused_before_libwebp_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "big.webp"
    path.write_bytes(webp_header(16_383, 16_383))
    assert path.stat().st_size == 34
    free(monkeypatch, 5000)
    assert message(path).startswith(
        f"{path} has 16383 x 16383 pixels; decoding them takes 4,294 MB of memory"
    )


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("extended", [False, True])
def test_the_size_of_a_webp_is_read_from_its_beginning(*, lossless: bool, extended: bool) -> None:
    from tinyedge.images.headers import webp_size

    stream = io.BytesIO()
    options: dict[str, Any] = {"exif": b"Exif\0\0"} if extended else {}
    Image.new("RGB", (1234, 777)).save(stream, "WEBP", lossless=lossless, **options)
    assert webp_size(stream.getvalue()[:30]) == (1234, 777)


@pytest.mark.parametrize(
    ("options", "coefficients"),
    [
        ({}, 0),
        # 20 x 13 pixels are 2 x 1 units of 16 x 16: four blocks of grey and two of colour each.
        ({"progressive": True}, 2 * (4 + 2) * 64 * 2),
        # 3 x 2 blocks of each of three.
        ({"progressive": True, "subsampling": 0}, 6 * 3 * 64 * 2),
    ],
)
def test_what_libjpeg_keeps_until_the_last_scan(options: dict[str, Any], coefficients: int) -> None:
    from tinyedge.images.headers import read_jpeg_header

    stream = io.BytesIO()
    Image.new("RGB", (20, 13)).save(stream, "JPEG", exif=b"Exif\0\0" + bytes(999), **options)
    header = read_jpeg_header(stream)
    assert header is not None
    assert header.coefficients == coefficients
    assert stream.getvalue()[: header.first_scan].count(b"\xff\xda") == 1


def test_a_progressive_jpeg_needs_its_coefficients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4,000 x 4,000: three bytes a pixel, though it is decoded at an eighth."""
    path = tmp_path / "large.jpg"
    save(path, "RGB", (4000, 4000), progressive=True)
    free(monkeypatch, 60)
    assert "takes 49 MB" in message(path)
    free(monkeypatch, 70)
    assert load_input(path, SPEC).shape == (224, 224, 3)
    save(path, "RGB", (4000, 4000))
    free(monkeypatch, 1)
    assert load_input(path, SPEC).shape == (224, 224, 3)


def test_a_jpeg_of_200_megapixels_is_read(tmp_path: Path) -> None:
    """More than Pillow opens; grey, and of one colour, to be quick."""
    path = tmp_path / "photo.jpg"
    save(path, "L", (16_320, 12_240))
    assert load_input(path, SPEC).shape == (224, 224, 3)
    # A network that needs it whole gets it as large as may be.
    wide = InputSpec(12_000, 12_000, 1, "crop")
    assert read_pixels(path, 1, wide).shape == (6120, 8160, 1)
    assert Image.MAX_IMAGE_PIXELS is not None


def test_memory_that_runs_out_is_that_images_error(tmp_path: Path) -> None:
    """Addresses limited to 300 MB more than the process has, and a system said to have plenty."""
    huge, small = tmp_path / "huge.png", tmp_path / "small.png"
    write_png(huge, 11_000, 11_000)
    write_png(small, 30, 30)
    code = """
import resource, sys
from pathlib import Path
from PIL import Image
from tinyedge.images import decode
from tinyedge.images.evaluate import evaluate
from tinyedge.images.load import load_input
from tinyedge.images.spec import InputSpec
spec = InputSpec(224, 224, 3, "crop")
load_input(sys.argv[2], spec)
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + 300_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
if sys.argv[1] == "unasked":
    decode.available_memory = lambda: 10**12
for path, result in evaluate(lambda path: load_input(path, spec), sys.argv[2:]):
    print(getattr(result, "reason", "read"))
"""
    for asked, reason in (("asked", "75 % go to an image"), ("unasked", "takes more memory")):
        done = subprocess.run(
            [sys.executable, "-c", code, asked, small, huge, small, huge, small],
            check=True,
            capture_output=True,
            text=True,
        )
        lines = done.stdout.splitlines()
        assert [line == "read" for line in lines] == [True, False, True, False, True]
        assert all(line.startswith(str(huge)) and reason in line for line in lines[1::2])


def test_what_is_half_decoded_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that somebody keeps holds no pixels."""
    path = tmp_path / "cut.png"
    Image.fromarray(noise(300, 300, 3)).save(path)
    path.write_bytes(path.read_bytes()[:-5000])
    opened: list[Image.Image] = []
    header = decode._header

    def noted(*arguments: Any) -> Image.Image:
        opened.append(header(*arguments))
        return opened[-1]

    monkeypatch.setattr(decode, "_header", noted)
    ((_, result),) = evaluate(lambda path: load_input(path, SPEC), [path])
    assert isinstance(result, Unreadable)
    with pytest.raises(ValueError, match="closed image"):
        opened[0].getpixel((0, 0))


# Files whose end is not written yet.


def photo(rows: int, columns: int) -> Image.Image:
    y, x = np.mgrid[0 : 1 : rows * 1j, 0 : 1 : columns * 1j]
    channels = (200 * x + 40, 200 * y + 20, 120 + 100 * np.sin(9 * x * (1 + y)))
    pixels = np.stack(channels, axis=2) + np.random.default_rng(1).normal(0, 12, (rows, columns, 3))
    return Image.fromarray(pixels.clip(1, 255).astype(np.uint8))


FILES: dict[str, dict[str, Any]] = {
    "jpg": {"format": "JPEG"},
    "progressive.jpg": {"format": "JPEG", "progressive": True},
    "png": {"format": "PNG"},
    "gif": {"format": "GIF"},
    "webp": {"format": "WEBP"},
    "lossless.webp": {"format": "WEBP", "lossless": True},
    "exif.webp": {"format": "WEBP", "exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"},
    "bmp": {"format": "BMP"},
    "grey.bmp": {"format": "BMP", "mode": "L"},
    "ppm": {"format": "PPM"},
    "pgm": {"format": "PPM", "mode": "L"},
    "tif": {"format": "TIFF"},
    "cmyk.tif": {"format": "TIFF", "mode": "CMYK"},
    "lzw.tif": {"format": "TIFF", "compression": "tiff_lzw"},
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.9])
def test_a_file_that_ends_in_zeros_is_not_read(tmp_path: Path, name: str, share: float) -> None:
    """Its place was reserved, and a part of it was written."""
    options = dict(FILES[name])
    image = photo(301, 403).convert(options.pop("mode", "RGB"))
    path = tmp_path / name
    image.save(path, **options)
    content = path.read_bytes()
    load_input(path, SPEC)
    for written in (int(len(content) * share), int(len(content) * share) // 512 * 512):
        path.write_bytes(content[:written] + bytes(len(content) - written))
        assert message(path).startswith(f"{path} is ")


@pytest.mark.parametrize("suffix", ["bmp", "ppm", "tif", "webp", "png", "gif", "jpg"])
@pytest.mark.parametrize("lossless", [False, True])
def test_what_is_black_is_read(tmp_path: Path, suffix: str, *, lossless: bool) -> None:
    """All of it; bars above and below; around a disc, around a slanted square; at night."""
    y, x = np.mgrid[0:300, 0:401]
    picture = np.array(photo(300, 401))
    scenes = {
        "black": np.zeros_like(x, bool),
        "bars": (y > 40) & (y < 259),
        "disc": (x - 200) ** 2 + (y - 150) ** 2 < 90**2,
        "slanted": (abs(x - 200 + 0.1 * y) < 90) & (abs(y - 150 - 0.1 * x) < 70),
        "night": np.random.default_rng(2).random(x.shape) < 0.02,
    }
    for name, seen in scenes.items():
        path = tmp_path / f"{name}.{suffix}"
        options: dict[str, Any] = {"lossless": lossless} if suffix == "webp" else {}
        Image.fromarray(np.where(seen[:, :, None], picture, 0).astype(np.uint8)).save(
            path, **options
        )
        assert load_input(path, SPEC).shape == (224, 224, 3)


@pytest.mark.parametrize("colour", ["black", "white", "grey"])
@pytest.mark.parametrize("quality", [10, 80, 100])
def test_a_webp_of_one_colour_is_read(tmp_path: Path, colour: str, quality: int) -> None:
    path = tmp_path / "flat.webp"
    Image.new("RGB", (2000, 2000), colour).save(path, quality=quality, method=0)
    assert load_input(path, SPEC).shape == (224, 224, 3)


def test_zeros_behind_an_image_are_none_of_it(tmp_path: Path) -> None:
    for suffix in ("jpg", "png", "bmp", "webp", "gif", "tif", "ppm"):
        path = tmp_path / f"padded.{suffix}"
        photo(120, 160).save(path)
        path.write_bytes(path.read_bytes() + bytes(5000))
        assert load_input(path, SPEC).shape == (224, 224, 3)


def test_pillow_is_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    photo(50, 60).save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_input(path, SPEC)
    assert Image.MAX_IMAGE_PIXELS == PILLOWS_MOST // 2


@pytest.mark.parametrize("length", [0, 1])
def test_a_jpeg_whose_segment_is_shorter_than_its_length_is_damaged(
    tmp_path: Path, length: int
) -> None:
    from tinyedge.images.headers import read_jpeg_header

    path = tmp_path / "damaged.jpg"
    path.write_bytes(bytes((0xFF, 0xD8, 0xFF, 0xE0, 0, length)) + b"JFIF")
    # Of a file, unlike one in memory, no negative number of bytes can be read.
    with path.open("rb") as stream:
        assert read_jpeg_header(stream) is None


def exif_block(rng: random.Random) -> bytes:
    """An EXIF block as a camera may write one, or as a bad program does."""
    order = rng.choice("<>")
    entries = b"".join(
        struct.pack(
            f"{order}HHIHH",
            rng.choice((0x0112, 0x0112, 0x010F, 0x011A)),
            rng.choice((3, 3, 3, 1, 2, 4, 5, 99)),
            rng.choice((1, 1, 1, 0, 2, 5)),
            rng.randrange(12),
            rng.choice((0, 0, 7)),
        )
        for _ in range(rng.randrange(4))
    )
    count, start = len(entries) // 12 + rng.choice((0, 0, 0, 1, -1)), rng.choice((8, 8, 20, 1000))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", start)
    directory = bytes(max(0, min(start, 20) - 8)) + struct.pack(f"{order}H", count & 0xFFFF)
    block = bytearray(b"Exif\0\0" + head + directory + entries + bytes(rng.choice((0, 4, 40))))
    if rng.random() < 0.2:
        block[rng.randrange(len(block))] = rng.randrange(256)
    return bytes(block)


def test_a_plain_orientation_is_what_pillow_reads() -> None:
    rng, plain = random.Random(0), 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(20_000):
            block = exif_block(rng)
            found = exif_orientation(block)
            if found is not None:
                exif = Image.Exif()
                exif.load(block)
                assert found == exif[0x0112], block
                plain += 1
    assert plain > 300


def test_a_jpeg_with_exif_is_read_without_pillows_reader_of_tiff(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    Image.new("RGB", (4, 2)).save(tmp_path / "photo.jpg", exif=exif)
    code = (
        "import sys; from pathlib import Path; from tinyedge.images.load import read_pixels;"
        f" assert read_pixels(Path({str(tmp_path / 'photo.jpg')!r}), 3).shape == (4, 2, 3);"
        " assert 'PIL.TiffImagePlugin' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
