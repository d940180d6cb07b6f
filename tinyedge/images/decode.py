"""An image file decoded by Pillow: within the memory there is, and no part of it copied whole.

Pillow keeps a pixel in 1 byte (grey, palette, 1 bit), 2 (grey of 16 bits) or 4 (all else). To
that comes what a decoder keeps for itself, and nothing here: an image is turned into RGB or grey
a part at a time, and only where it is looked at.
"""

import io
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin, UnidentifiedImageError

from tinyedge.errors import ImageError
from tinyedge.files import open_bytes
from tinyedge.images.encoded import MOST_BYTES, EncodedImage
from tinyedge.images.fit import reduction, take_columns
from tinyedge.images.headers import JPEG_BEGINNING, exif_orientation, read_jpeg_header, webp_size
from tinyedge.images.spec import InputSpec
from tinyedge.images.unfinished import ends_unwritten
from tinyedge.memory import available_memory
from tinyedge.text import shortened

__all__ = ["EXACT_JPEG", "DecodedImage", "decoded_file", "jpeg_size"]

EXACT_JPEG = 178_956_970
"""Pixels of the largest JPEG that may be decoded whole; a larger one always comes smaller.

As many as Pillow takes of any image."""

# Named, because Pillow also knows formats that run other programs (EPS starts Ghostscript).
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "WEBP", "TIFF")
_ORIENTATION_TAG = 0x0112
# Orientations whose stored rows are the columns of the image seen.
_SIDEWAYS = (5, 6, 7, 8)
_JPEG = "JPEG"

# To RGB and to grey; of others it is tried.
_CONVERTIBLE = frozenset(("1", "L", "P", "LA", "RGB", "RGBA", "CMYK"))
# Bytes that Pillow keeps of a pixel.
_STORED = {"1": 1, "L": 1, "P": 1}
_STORED_OTHERS, _STORED_16 = 4, 2
# Two canvases of libwebp's, a copy in Python, and Pillow's own, four bytes each; measured.
_WEBP_BYTES = 16
# These are written in Python and gather the whole image first.
_GATHERED = ("ppm", "ppm_plain", "bmp_rle")
# Less is not worth asking the system for what it has left.
_UNASKED = 32 << 20
# The system's figure is an estimate, and the process will want some for the network.
_SHARE = 0.75
# Pixels that are converted at once, 4 MB in Pillow.
_TILE = 1 << 20


class _Jpeg(JpegImagePlugin.JpegImageFile):
    """A JPEG whose resolution in print is not looked for in EXIF.

    Pillow looks there by its reader of TIFF, whose import takes a board as long as the decoding.
    Where it does so by a method of another name it does, and nothing else changes.
    """

    def _read_dpi_from_exif(self) -> None:
        pass


class DecodedImage:
    """An image in memory, upright, in the channels of a network; an `images.fit.Pixels`."""

    def __init__(self, image: Image.Image, name: str, channels: int) -> None:
        """Decode what Pillow has opened.

        Args:
            image: of any mode.
            name: of the image, for messages.
            channels: 3 for RGB, 1 for grey.

        Raises:
            ImageError: it is damaged or cut short, there is not the memory, it has no pixels, or
                samples of 32 bits, or colours that do not convert.
        """
        _load(image, name)
        if 0 in image.size:
            raise ImageError(f"{name} has no pixels")
        self._image = image
        self._mode = "RGB" if channels == 3 else "L"
        # Pillow gives 16-bit grey in a mode I;16..., in older releases and for PGM in mode I.
        self._high_bytes = image.mode.startswith("I;16") or (
            image.mode == "I" and image.format in ("PNG", "PPM")
        )
        if image.mode in ("I", "F") and not self._high_bytes:
            raise ImageError(
                f"{name} has samples of 32 bits, whose range is not known;"
                " save it with 8 or 16 bits"
            )
        # Only now: PNG and TIFF know their orientation once they are loaded.
        self._orientation = _orientation(image)
        columns, rows = image.size
        if self._orientation in _SIDEWAYS:
            rows, columns = columns, rows
        self.shape = rows, columns, channels
        if image.mode not in _CONVERTIBLE and not self._high_bytes:
            try:
                self._tile(0, 0, 1, 1)
            except ValueError as error:
                raise ImageError(f"{name} has colours that cannot be read ({error})") from error

    def part(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.uint8]:
        """The pixels where these rows and columns meet, both at least one and ascending.

        Returns:
            (len(rows), len(columns), channels), but four of RGB, the last of which says nothing;
            perhaps a read-only view.
        """
        across, down = self.shape[1] - 1, self.shape[0] - 1
        if self._orientation in (3, 4, 7, 8):
            rows = down - rows[::-1]
        if self._orientation in (2, 3, 6, 7):
            columns = across - columns[::-1]
        if self._orientation in _SIDEWAYS:
            rows, columns = columns, rows
        return _upright(self._stored_part(rows, columns), self._orientation)

    def _stored_part(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.uint8]:
        found: NDArray[np.uint8] | None = None
        for across in _spans(columns, _TILE):
            left, right = int(columns[across][0]), int(columns[across][-1]) + 1
            for down in _spans(rows, max(1, _TILE // (right - left))):
                top, bottom = int(rows[down][0]), int(rows[down][-1]) + 1
                tile = self._tile(left, top, right, bottom)
                if len(rows[down]) < bottom - top:
                    tile = tile[rows[down] - top]
                if len(columns[across]) < right - left:
                    tile = take_columns(tile, columns[across] - left)
                if len(tile) == len(rows) and tile.shape[1] == len(columns):
                    return tile
                if found is None:
                    found = np.empty((len(rows), len(columns), tile.shape[2]), np.uint8)
                found[down, across] = tile
        assert found is not None
        return found

    def _tile(self, left: int, top: int, right: int, bottom: int) -> NDArray[np.uint8]:
        """A rectangle of the image as it is stored, converted."""
        tile = self._image
        if (left, top, right, bottom) != (0, 0, *tile.size):
            tile = tile.crop((left, top, right, bottom))
        if self._high_bytes:
            tile = Image.fromarray((np.asarray(tile) >> 8).astype(np.uint8))
        if tile.mode != self._mode:
            tile = tile.convert(self._mode)
        # RGBX is how Pillow has RGB in memory: nothing is rearranged.
        packed = tile.tobytes("raw", "RGBX" if self._mode == "RGB" else "L")
        return np.frombuffer(packed, np.uint8).reshape(tile.height, tile.width, -1)


@contextmanager
def decoded_file(
    path: Path | EncodedImage, channels: int, reduced_for: InputSpec | None = None
) -> Iterator[DecodedImage]:
    """The image of a file, or of its bytes, upright, while the block runs.

    See `tinyedge.images.load.read_pixels`.

    Raises:
        ImageError: see there; or decoding it would take more memory than there is.
    """
    # Pillow warns about what it mends (odd EXIF, large images); that is not the user's concern.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _opened(path, reduced_for) as image:
            yield DecodedImage(image, str(path), channels)


def jpeg_size(path: Path | EncodedImage) -> tuple[int, int] | None:
    """(rows, columns) of a JPEG, upright, which may be decoded smaller; None of other formats.

    Raises:
        ImageError: it is no image that can be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _stream(path) as stream, _header(stream, path) as image:
            return _upright_size(image) if image.format == _JPEG else None


def _upright_size(image: Image.Image) -> tuple[int, int]:
    columns, rows = image.size
    return (columns, rows) if _orientation(image) in _SIDEWAYS else (rows, columns)


@contextmanager
def _opened(path: Path | EncodedImage, reduced_for: InputSpec | None) -> Iterator[Image.Image]:
    """The image with its header read; what is wrong so far is an ImageError."""
    with _stream(path) as stream:
        image = _header(stream, path)
        try:
            _prepare(image, stream, path, reduced_for)
            yield image
        finally:
            # Frees the pixels now, whoever may hold the image.
            image.close()


def _stream(path: Path | EncodedImage) -> BinaryIO:
    if isinstance(path, EncodedImage):
        return io.BytesIO(path.content)
    try:
        # A stream, not the path: of a path Pillow maps uncompressed files into memory, and so
        # scrambles a TIFF whose orientation swaps its sides.
        return cast(BinaryIO, open_bytes(path, limit=MOST_BYTES, what="an image", error=ImageError))
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file") from error
    except OSError as error:
        raise ImageError(f"{path} cannot be read ({error.strerror})") from error
    except MemoryError as error:  # what comes on a pipe is kept
        raise ImageError(f"{path} takes more memory than there is") from error


def _prepare(
    image: Image.Image,
    stream: BinaryIO,
    path: Path | EncodedImage,
    reduced_for: InputSpec | None,
) -> None:
    """Refuse an opened image whose decoding takes too much memory, or that is not all there.

    Raises:
        ImageError: it is such an image, or its header contradicts itself.
    """
    size = image.size
    try:
        if image.format == _JPEG:
            _reduce(image, reduced_for)
        needed, unwritten = _decoding_bytes(image, stream), ends_unwritten(stream, image)
        stream.seek(0)
    except Exception as error:  # what a header says of rows and strips may be of any type
        raise ImageError(f"{path} is damaged (its header: {shortened(str(error))})") from error
    _check_memory(str(path), size, needed)
    if unwritten:
        raise ImageError(
            f"{path} is damaged or cut short (it ends in zeros, as a file does that is"
            " still being written)"
        )


def _header(stream: BinaryIO, path: Path | EncodedImage) -> Image.Image:
    """The image in the stream, not decoded."""
    beginning = stream.read(30)
    stream.seek(0)
    # libwebp takes its memory as soon as it is opened.
    if (size := webp_size(beginning)) is not None:
        _check_memory(str(path), size, _WEBP_BYTES * size[0] * size[1])
    try:
        if beginning.startswith(JPEG_BEGINNING):
            # Image.open refuses large ones, which can be decoded smaller.
            return _Jpeg(stream, "")
        return Image.open(stream, formats=_FORMATS)
    except MemoryError as error:
        raise ImageError(f"{path} takes more memory to decode than there is") from error
    except Exception as error:  # a hostile header can set anything off
        raise ImageError(f"{path} is not an image that can be read ({_why(error)})") from error


def _why(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"no {', '.join(_FORMATS[:-1])} or {_FORMATS[-1]} file"
    return str(error) or type(error).__name__


def _reduce(image: Image.Image, spec: InputSpec | None) -> None:
    """Have a JPEG decoded no larger than the network has use for, nor than may be decoded."""
    rows, columns = _upright_size(image)
    divisor = 1 if spec is None else reduction(rows, columns, spec)
    while divisor < 8 and rows * columns > EXACT_JPEG * divisor**2:
        divisor *= 2
    if divisor > 1:
        image.draft(None, (max(1, image.width // divisor), max(1, image.height // divisor)))


def _decoding_bytes(image: Image.Image, stream: BinaryIO) -> int:
    """The memory that decoding an opened image takes at most."""
    width, height = image.size
    sixteen = image.mode.startswith("I;16")
    stored = _STORED_16 if sixteen else _STORED.get(image.mode, _STORED_OTHERS)
    if image.format == "WEBP":
        stored = _WEBP_BYTES
    # With two rows as they are in the file, which matter where there are few.
    needed = stored * width * (height + 2)
    if image.format == _JPEG and (header := read_jpeg_header(stream)) is not None:
        needed += header.coefficients
    tiles = getattr(image, "tile", ())
    decoder = tiles[0][0] if tiles else ""
    if decoder in _GATHERED:
        needed += 2 * stored * width * height
    if decoder == "libtiff":
        needed += _strip_bytes(image)
    return needed


def _strip_bytes(image: Image.Image) -> int:
    """What libtiff decodes at once of a TIFF: a strip or a tile, perhaps the whole image."""
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(258, (8,))
    depth = sum(bits) if isinstance(bits, tuple) else bits
    columns = tags.get(322, image.width)
    rows = tags.get(323, min(tags.get(278, image.height), image.height))
    return int(columns * rows * depth) // 8


def _check_memory(name: str, size: tuple[int, int], needed: int) -> None:
    if needed <= _UNASKED:
        return
    free = available_memory()
    if free is not None and needed > _SHARE * free:
        raise ImageError(
            f"{name} has {size[0]} x {size[1]} pixels; decoding them takes {needed / 1e6:,.0f} MB"
            f" of memory, and of the {free / 1e6:,.0f} MB that are free at most"
            f" {100 * _SHARE:.0f} % go to an image"
        )


def _load(image: Image.Image, name: str) -> None:
    try:
        image.load()
    except MemoryError as error:
        traceback.clear_frames(error.__traceback__)
        raise ImageError(f"{name} takes more memory to decode than there is") from error
    except Exception as error:  # Pillow's decoders let anything escape
        raise ImageError(f"{name} is damaged or cut short ({_why(error)})") from error


def _orientation(image: Image.Image) -> int:
    if image.format == _JPEG:
        if not {"exif", "xmp"} & image.info.keys():
            return 1
        plain = exif_orientation(image.info.get("exif", b""))
        if plain is not None:
            return plain
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # an unreadable EXIF block says nothing about an image that decodes
        return 1


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo an EXIF orientation (CIPA DC-008, tag 274) as a view, without moving a pixel."""
    if orientation in _SIDEWAYS:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _spans(positions: NDArray[np.intp], most: int) -> Iterator[slice]:
    """The ascending positions in runs, each from its first to its last no longer than `most`."""
    start = 0
    while start < len(positions):
        stop = int(np.searchsorted(positions, positions[start] + most))
        yield slice(start, stop)
        start = stop
