"""Whether a file's last bytes were not written yet: it has its size, and ends in zeros.

Who reserves a file's place before writing it leaves zeros. JPEG, PNG, GIF and compressed TIFF
say where they end, or fail to decode; zeros in the others are a picture, black or flat.
"""

from itertools import pairwise
from typing import BinaryIO, NamedTuple

from PIL import Image

from tinyedge.images.headers import read_jpeg_header, webp_chunks

__all__ = ["ends_unwritten"]

_CHUNK = 1 << 16
_END_OF_JPEG = b"\xff\xd9"
_END_OF_PNG = b"IEND\xaeB`\x82"
# libwebp ends an image of one colour in zeros: of every size, quality and effort tried at most one
# byte for 315 pixels and none of 16 beyond. (With its default effort it is one for 10,000.)
_WEBP_ZEROS, _WEBP_PIXELS_A_ZERO = 16, 250
# What of a row must still be missing, and how much of the row before it may be zeros.
_LEAST_TORN = 16
_MOST_DARK = 0.5
# Files are written in multiples of it; a black part begins anywhere.
_SECTOR = 512


class _Rows(NamedTuple):
    """Rows of pixels that stand in a file as they are, one behind the other.

    Attributes:
        start: of the first one, bytes from the beginning of the file.
        stride: bytes from one to the next.
        number: how many there are.
    """

    start: int
    stride: int
    number: int


def ends_unwritten(stream: BinaryIO, image: Image.Image) -> bool:
    """Whether the file ends in zeros that are none of its image's.

    A JPEG or PNG that ends in a zero must have its end mark before. A WebP's data must not end
    in more zeros than an image of one colour does. Where pixels are stored as they are (BMP, PPM,
    TIFF) a black part is told from an unwritten one by its beginning: in the midst of a row whose
    neighbour goes on, or at the end of a row and of a sector (512 bytes). An image that is black
    from the first row on is taken for black.

    Args:
        stream: the file; its position changes.
        image: as Pillow opened it, before it is decoded.
    """
    end = _end(stream)
    if not end or _read(stream, end - 1, 1) != b"\0":
        return False
    if image.format == "JPEG":
        header = read_jpeg_header(stream)
        return header is not None and not _holds(stream, header.first_scan, _END_OF_JPEG)
    if image.format == "PNG":
        return not _holds(stream, 0, _END_OF_PNG)
    if image.format == "WEBP":
        return _webp_unwritten(stream, image.width * image.height)
    rows = _stored_rows(image)
    return rows is not None and _rows_unwritten(stream, rows, end)


def _webp_unwritten(stream: BinaryIO, pixels: int) -> bool:
    last = None
    for chunk in webp_chunks(stream):
        if chunk.kind == bytes(4):
            return True
        last = chunk
    # Behind the image there may be metadata, with zeros of its own.
    if last is None or last.kind not in (b"VP8 ", b"VP8L", b"ANMF"):
        return False
    end = min(last.start + last.size, _end(stream))
    zeros = end - max(_written(stream, end), last.start)
    return zeros > _WEBP_ZEROS + pixels // _WEBP_PIXELS_A_ZERO


def _rows_unwritten(stream: BinaryIO, rows: _Rows, end: int) -> bool:
    end = min(end, rows.start + rows.stride * rows.number)
    written = _written(stream, end)
    row, place = divmod(written - rows.start, rows.stride)
    if written <= rows.start + rows.stride or written >= end:
        return False
    before = _read(stream, rows.start + (row - 1) * rows.stride, rows.stride)
    if rows.stride - place < _LEAST_TORN or place < _LEAST_TORN:
        return written % _SECTOR == 0 and _share_of_zeros(before) < _MOST_DARK
    return _share_of_zeros(before[place:]) < _MOST_DARK


def _stored_rows(image: Image.Image) -> _Rows | None:
    """The rows of an image that is not compressed, where they stand one behind the other."""
    tiles = sorted(getattr(image, "tile", ()), key=lambda tile: tile[2])
    if not tiles or any(tile[0] != "raw" for tile in tiles):
        return None
    # A TIFF may say its rows by a number that is no integer.
    if any(type(number) is not int for tile in tiles for number in (*tile[1], tile[2])):
        return None
    _, (left, top, right, bottom), start, arguments = tiles[0]
    if right - left != image.width or not image.height:
        return None
    given = arguments[1] if isinstance(arguments, tuple) and len(arguments) > 1 else 0
    stride = given or _stride(image, arguments if isinstance(arguments, str) else arguments[0])
    for one, after in pairwise(tiles):
        if after[2] - one[2] != stride * (one[1][3] - one[1][1]):
            return None
    return _Rows(start, stride, image.height if len(tiles) > 1 else bottom - top)


def _stride(image: Image.Image, raw_mode: str) -> int:
    """Bytes of a packed row."""
    if raw_mode.startswith("1"):
        return (image.width + 7) // 8
    samples = {"RGB": 3, "BGR": 3, "RGBA": 4, "RGBX": 4, "BGRX": 4, "CMYK": 4, "LA": 2}
    kind, _, bits = raw_mode.partition(";")
    wide = 2 if bits.startswith("16") else 1
    return max(1, image.width * samples.get(kind, 1) * wide)


def _share_of_zeros(part: bytes) -> float:
    return part.count(0) / len(part) if part else 1.0


def _end(stream: BinaryIO) -> int:
    return stream.seek(0, 2)


def _read(stream: BinaryIO, start: int, size: int) -> bytes:
    stream.seek(start)
    return stream.read(size)


def _written(stream: BinaryIO, end: int) -> int:
    """Where the zeros before `end` begin."""
    while end > 0:
        start = max(0, end - _CHUNK)
        if rest := _read(stream, start, end - start).rstrip(b"\0"):
            return start + len(rest)
        end = start
    return 0


def _holds(stream: BinaryIO, start: int, mark: bytes) -> bool:
    """Whether the mark stands anywhere behind `start`."""
    stream.seek(start)
    before = b""
    while part := stream.read(_CHUNK):
        if mark in before + part:
            return True
        before = part[-len(mark) :]
    return False
