"""Images that take far more memory than their files: made small, decoded large.

Each is of one colour or nearly, so that its file is small and made in seconds; what a decoder
allocates follows from the header.
"""

import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image

# The most pixels that Pillow opens an image with.
PILLOWS_MOST = 178_956_970
SIDE = 13_000
"""Of the square ones: 169 megapixels, as large as Pillow takes them."""
WIDE, HIGH = 16_320, 12_240
"""A phone's photo of 200 megapixels."""

_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_SAMPLES = {_GREY: 1, _RGB: 3, _PALETTE: 1, _GREY_ALPHA: 2, _RGBA: 4}


def write_png(
    path: Path, width: int, height: int, *, bits: int = 8, colour: int = _RGB, interlaced: int = 0
) -> None:
    """A PNG of which every sample is 0x55.., its rows made one at a time."""
    row = b"\x55" * ((width * bits * _SAMPLES[colour] + 7) // 8)
    blank = b"\0" + row
    compressor = zlib.compressobj(1)
    with path.open("wb") as stream:
        stream.write(b"\x89PNG\r\n\x1a\n")
        header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
        stream.write(_chunk(b"IHDR", header))
        if colour == _PALETTE:
            stream.write(_chunk(b"PLTE", bytes(range(256)) * 3))
        if interlaced:
            # Seven passes of an image each; together they have the pixels of the whole.
            rows: Iterable[bytes] = _adam7(width, height, bits * _SAMPLES[colour])
        else:
            rows = (blank for _ in range(height))
        for line in rows:
            if part := compressor.compress(line):
                stream.write(_chunk(b"IDAT", part))
        stream.write(_chunk(b"IDAT", compressor.flush()))
        stream.write(_chunk(b"IEND", b""))


def _adam7(width: int, height: int, bits: int) -> Iterable[bytes]:
    for left, top, right, down in (
        (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):  # fmt: skip
        columns, rows = -(-(width - left) // right), -(-(height - top) // down)
        if columns > 0:
            yield from (b"\0" + b"\x55" * ((columns * bits + 7) // 8) for _ in range(rows))


def _chunk(kind: bytes, data: bytes) -> bytes:
    checked = kind + data
    return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))


def webp_header(width: int, height: int) -> bytes:
    """34 bytes that say they are a lossless WebP of that size, and hold no pixel."""
    bits = (width - 1) | (height - 1) << 14
    data = b"\x2f" + struct.pack("<I", bits) + bytes(9)
    chunk = b"VP8L" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def write_bmp(path: Path, width: int, height: int) -> None:
    """A black BMP of 24 bits; its pixels are a hole in the file."""
    size = height * ((width * 3 + 3) // 4 * 4)
    with path.open("wb") as stream:
        stream.write(b"BM" + struct.pack("<IHHI", 54 + size, 0, 0, 54))
        stream.write(struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, size, 0, 0, 0, 0))
        stream.truncate(54 + size)


def write_ppm(path: Path, width: int, height: int, kind: bytes, most: int) -> None:
    """A black PGM (P5) or PPM (P6) whose white is `most`; its pixels are a hole in the file."""
    samples = 3 if kind == b"P6" else 1
    header = b"%s\n%d %d\n%d\n" % (kind, width, height, most)
    with path.open("wb") as stream:
        stream.write(header)
        stream.truncate(len(header) + width * height * samples * (2 if most > 255 else 1))


def save(path: Path, mode: str, size: tuple[int, int], **options: object) -> None:
    """An image of one grey, as Pillow writes it."""
    colours: dict[str, object] = {"1": 1, "RGB": (90, 90, 90), "CMYK": (90, 90, 90, 90)}
    Image.new(mode, size, colours.get(mode, 90)).save(path, **options)  # type: ignore[arg-type]


def _webp(path: Path) -> None:
    save(path, "RGB", (SIDE, SIDE), method=0)


def _header_alone(path: Path) -> None:
    path.write_bytes(webp_header(16_383, 16_383))


# What each writes, by the name of its file.
WORST: dict[str, Callable[[Path], None]] = {
    "wide_1bit.png": lambda path: write_png(path, PILLOWS_MOST, 1, bits=1, colour=_GREY),
    "1bit.png": lambda path: write_png(path, SIDE, SIDE, bits=1, colour=_GREY),
    "grey.png": lambda path: write_png(path, SIDE, SIDE, colour=_GREY),
    "grey16.png": lambda path: write_png(path, SIDE, SIDE, bits=16, colour=_GREY),
    "palette.png": lambda path: write_png(path, SIDE, SIDE, colour=_PALETTE),
    "grey_alpha.png": lambda path: write_png(path, SIDE, SIDE, colour=_GREY_ALPHA),
    "rgb.png": lambda path: write_png(path, SIDE, SIDE),
    "interlaced.png": lambda path: write_png(path, SIDE, SIDE, interlaced=1),
    "rgba.png": lambda path: write_png(path, SIDE, SIDE, colour=_RGBA),
    "rgb16.png": lambda path: write_png(path, SIDE, SIDE, bits=16),
    "wide_rgb16.png": lambda path: write_png(path, PILLOWS_MOST, 1, bits=16),
    "baseline.jpg": lambda path: save(path, "RGB", (WIDE, HIGH)),
    "progressive.jpg": lambda path: save(path, "RGB", (WIDE, HIGH), progressive=True),
    "progressive444.jpg": lambda path: save(
        path, "RGB", (WIDE, HIGH), progressive=True, subsampling=0
    ),
    "cmyk.jpg": lambda path: save(path, "CMYK", (WIDE, HIGH)),
    "progressive_cmyk.jpg": lambda path: save(path, "CMYK", (WIDE, HIGH), progressive=True),
    "grey.jpg": lambda path: save(path, "L", (WIDE, HIGH)),
    "34_bytes.webp": _header_alone,
    "lossy.webp": _webp,
    "lossless.webp": lambda path: save(path, "RGB", (SIDE, SIDE), lossless=True),
    "palette.gif": lambda path: save(path, "P", (SIDE, SIDE)),
    "rgb.bmp": lambda path: write_bmp(path, SIDE, SIDE),
    "grey.tif": lambda path: save(path, "L", (SIDE, SIDE), compression="tiff_lzw"),
    "cmyk.tif": lambda path: save(path, "CMYK", (SIDE, SIDE), compression="tiff_lzw"),
    "cmyk_one_strip.tif": lambda path: save(
        path, "CMYK", (SIDE, SIDE), compression="tiff_lzw", strip_size=1 << 30
    ),
    "1bit.tif": lambda path: save(path, "1", (SIDE, SIDE), compression="group4"),
    "grey16.pgm": lambda path: write_ppm(path, SIDE, SIDE, b"P5", 65535),
    "rgb.ppm": lambda path: write_ppm(path, SIDE, SIDE, b"P6", 255),
}
