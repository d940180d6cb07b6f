"""What an image file says of itself before it is decoded, where Pillow does not tell it."""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

__all__ = [
    "JPEG_BEGINNING",
    "JpegHeader",
    "WebpChunk",
    "exif_orientation",
    "read_jpeg_header",
    "webp_chunks",
    "webp_size",
]

JPEG_BEGINNING = b"\xff\xd8\xff"
"""Of every JPEG's bytes."""

# ITU-T T.81, table B.1. 0xC4, 0xC8 and 0xCC among the frames' codes are no frames.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
_SCAN = 0xDA
# Without a length behind them: TEM, RST0 to RST7, SOI, EOI.
_ALONE = frozenset((0x01, *range(0xD0, 0xDA)))
_EXIF = b"Exif\0\0"
# By TIFF 6.0, section 2: the byte order, 42, and where the first directory is.
_TIFF = {b"II*\0": "<", b"MM\0*": ">"}
_ORIENTATION, _SHORT = 0x0112, 3
# Bytes of a number of each type, 16 of BigTIFF.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
_BLOCK = 8
_COEFFICIENT_BYTES = 2


class JpegHeader(NamedTuple):
    """What decides how much memory a JPEG decoder needs.

    Attributes:
        coefficients: bytes of the coefficients that the decoder keeps until the last scan is
            read: two a sample, all samples, where there is more than one scan; else 0.
        first_scan: where the entropy-coded data begins in the file, a byte's position.
    """

    coefficients: int
    first_scan: int


class WebpChunk(NamedTuple):
    """A chunk of a WebP file: its four letters, where its data begin, and how many there are."""

    kind: bytes
    start: int
    size: int


def read_jpeg_header(stream: BinaryIO) -> JpegHeader | None:
    """The header of a JPEG, from the stream's position at its beginning; None of a damaged one.

    A progressive file, and one whose components come in scans of their own, has the decoder keep
    every coefficient of the image, however small it is asked to decode it.
    """
    components: list[tuple[int, int]] = []
    samples, progressive = 0, False
    stream.seek(2)
    while (marker := _next_marker(stream)) is not None:
        if marker in _ALONE:
            continue
        length = stream.read(2)
        data = stream.read(max(0, struct.unpack(">H", length)[0] - 2)) if len(length) == 2 else b""
        if marker in _FRAMES and len(data) >= 6:
            progressive = marker in _PROGRESSIVE
            rows, columns, count = struct.unpack_from(">HHB", data, 1)
            factors = data[7 : 6 + 3 * count : 3]
            components = [(max(1, factor >> 4), max(1, factor & 15)) for factor in factors]
            samples = _samples(rows, columns, components)
        if marker == _SCAN and components and data:
            several = progressive or data[0] < len(components)
            return JpegHeader(samples * _COEFFICIENT_BYTES if several else 0, stream.tell())
    return None


def exif_orientation(exif: bytes) -> int | None:
    """The orientation in an EXIF block that is plain; None of any other, and of one without it.

    Plain is one whose first directory is all there, with the values it refers to, and where the
    orientation is one number of 16 bits (CIPA DC-008, section 4.6.2) and stands once.
    """
    order = _TIFF.get(exif[6:10])
    if order is None or not exif.startswith(_EXIF):
        return None
    tiff, values = exif[len(_EXIF) :], []
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        directory = tiff[start + 2 : start + 2 + 12 * count]
        for tag, kind, numbers, data in struct.iter_unpack(f"{order}HHI4s", directory):
            size = _SIZES.get(kind, 0) * numbers
            if size > len(data) and struct.unpack(f"{order}I", data)[0] + size > len(tiff):
                return None
            if tag == _ORIENTATION:
                values.append((kind, numbers, *struct.unpack_from(f"{order}H", data)))
    except struct.error:
        return None
    if len(directory) != 12 * count or len(values) != 1 or values[0][:2] != (_SHORT, 1):
        return None
    return int(values[0][2])


def webp_size(beginning: bytes) -> tuple[int, int] | None:
    """Width and height by the first 30 bytes of a WebP file; None where they do not tell.

    RFC 9649, sections 2.5 to 2.7.
    """
    if beginning[:4] != b"RIFF" or beginning[8:12] != b"WEBP" or len(beginning) < 30:
        return None
    kind, data = beginning[12:16], beginning[20:30]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[4:7], "little"), 1 + int.from_bytes(data[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 6)
        return width & 0x3FFF, height & 0x3FFF
    return None


def webp_chunks(stream: BinaryIO) -> Iterator[WebpChunk]:
    """The chunks of a WebP file, as far as its first bytes say that it reaches."""
    stream.seek(4)
    end = 8 + int.from_bytes(stream.read(4), "little")
    start = 12
    while start + 8 <= end:
        stream.seek(start)
        head = stream.read(8)
        if len(head) < 8:
            return
        size = int.from_bytes(head[4:], "little")
        yield WebpChunk(head[:4], start + 8, min(size, end - start - 8))
        start += 8 + size + size % 2


def _next_marker(stream: BinaryIO) -> int | None:
    """The code of the next marker; bytes between markers are passed over, as libjpeg does."""
    byte = stream.read(1)
    while byte and byte != b"\xff":
        byte = stream.read(1)
    while byte == b"\xff":
        byte = stream.read(1)
    return byte[0] if byte else None


def _samples(rows: int, columns: int, components: list[tuple[int, int]]) -> int:
    """How many samples the components have, each in whole blocks and padded to whole units."""
    across = max((wide for wide, _ in components), default=1)
    down = max((high for _, high in components), default=1)
    units = -(-columns // (across * _BLOCK)) * -(-rows // (down * _BLOCK))
    return units * _BLOCK * _BLOCK * sum(wide * high for wide, high in components)
