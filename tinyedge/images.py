"""From an image file to a network's input: decode, fit, resize, as Darknet does.

This is the only such code in the project: calibrating, comparing and running all call it, so
that a model meets the same pixels wherever it is fed. The rules of fitting and resizing are
those of Darknet's ``image.c``; to float32's last bits, its numbers too.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from tinyedge.errors import ImageError

__all__ = ["FITS", "fit_pixels", "load_input", "read_pixels", "resize"]

FITS = ("crop", "letterbox", "stretch")

# Named, because Pillow also knows formats that run other programs (EPS starts Ghostscript).
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "WEBP", "TIFF")
_ORIENTATION_TAG = 0x0112
_BAR = 0.5


def load_input(
    path: Path, *, width: int, height: int, channels: int, fit: str
) -> NDArray[np.float32]:
    """The image at `path` as a network of width x height takes it.

    Returns:
        (height, width, channels), RGB or grey, in [0, 1].

    Raises:
        ImageError: see `read_pixels` and `fit_pixels`.
    """
    return fit_pixels(read_pixels(path, channels), width, height, fit)


def read_pixels(path: Path, channels: int) -> NDArray[np.uint8]:
    """Decode an image upright, after its EXIF orientation.

    Transparency is dropped, as Darknet's decoder does: what colour the file holds under it
    counts. Samples of 16 bits keep their high byte. An animation gives its first frame. Grey
    is made of colour by ITU-R BT.601 (0.299 R + 0.587 G + 0.114 B), rounded.

    Args:
        path: a JPEG, PNG, BMP, GIF, PPM, WebP or TIFF file, whatever its suffix.
        channels: 3 for RGB, 1 for grey.

    Returns:
        (height, width, channels), each side at least 1; perhaps a read-only view.

    Raises:
        ImageError: no such file, no image, damaged or cut short, too large to be honest, with
            samples of 32 bits (their range is anyone's guess), or `channels` is neither 1 nor 3.
    """
    if channels not in (1, 3):
        raise ImageError(
            f"{path}: an image cannot be read with {channels} channels;"
            " networks for photos have 3 (RGB) or 1 (grey)"
        )
    # Pillow warns about what it mends (odd EXIF, large pictures); that is not the user's concern.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _opened(path) as image:
            _load(image, path)
            pixels = np.asarray(_in_mode("RGB" if channels == 3 else "L", image, path))
            # Only now: PNG and TIFF know their orientation once they are loaded.
            orientation = _orientation(image)
    return _upright(pixels.reshape(*pixels.shape[:2], channels), orientation)


def fit_pixels(pixels: NDArray[np.uint8], width: int, height: int, fit: str) -> NDArray[np.float32]:
    """Fit a picture to a network's input.

    ``crop`` takes the largest centred rectangle of the network's aspect (``center_crop_image``
    for a square one), ``letterbox`` the whole picture between bars of 0.5
    (``letterbox_image``), ``stretch`` the whole picture whatever its aspect (``resize_image``).

    Args:
        pixels: (h, w, c) with h and w at least 1.
        width: of the network's input, at least 1.
        height: of the network's input, at least 1.
        fit: one of `FITS`.

    Returns:
        (height, width, c) in [0, 1].

    Raises:
        ImageError: `fit` is not one of `FITS`.
    """
    if fit == "crop":
        return _resample(_centre_crop(pixels, width, height), width, height)
    if fit == "letterbox":
        return _letterbox(pixels, width, height)
    if fit == "stretch":
        return _resample(pixels, width, height)
    raise ImageError(f"{fit!r} is no way to fit an image; choose one of {', '.join(FITS)}")


def resize(pixels: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Darknet's ``resize_image``: bilinear from corner to corner, (h, w, c) to (height, width, c).

    Source x = i * (w-1) / (width-1), so that the corner pixels' centres fall on each other, and
    no smoothing when shrinking. Pillow's and TensorFlow's bilinear differ in both.

    Equal to the C engine's to the last bit, one oddity included: where float32 rounding puts the
    last row's source just before the last line (256 rows to 224, say; about one height in
    twenty), C leaves out the term that nearly all the weight is on and the row is almost black.
    Kept, so that a number which differs from the engine's never comes from the pixels.
    """
    return _resample(pixels, width, height)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The image at `path` with its header read; what is wrong so far is an ImageError."""
    try:
        # A stream, not the path: of a path Pillow maps uncompressed files into memory, and so
        # scrambles a TIFF whose orientation swaps its sides.
        stream = path.open("rb")
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file") from error
    except OSError as error:
        raise ImageError(f"{path} cannot be read ({error.strerror})") from error
    with stream:
        try:
            image = Image.open(stream, formats=_FORMATS)
        except MemoryError:
            raise
        except Exception as error:  # a hostile header can set anything off
            raise ImageError(f"{path} is not an image that can be read ({_why(error)})") from error
        with image:
            yield image


def _why(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"no {', '.join(_FORMATS[:-1])} or {_FORMATS[-1]} file"
    return str(error) or type(error).__name__


def _load(image: Image.Image, path: Path) -> None:
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders let anything escape
        raise ImageError(f"{path} is damaged or cut short ({_why(error)})") from error


def _in_mode(mode: str, image: Image.Image, path: Path) -> Image.Image:
    # Pillow gives 16-bit grey in a mode I;16..., in older releases and for PGM in mode I.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ImageError(
            f"{path} has samples of 32 bits, whose range is not known; save it with 8 or 16 bits"
        )
    # To its own mode convert() would copy, and a photo is large.
    if image.mode == mode:
        return image
    try:
        return image.convert(mode)
    except ValueError as error:
        raise ImageError(f"{path} has colours that cannot be read ({error})") from error


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # an unreadable EXIF block says nothing about a picture that decodes
        return 1


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo an EXIF orientation (CIPA DC-008, tag 274) as a view, without moving a pixel."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _centre_crop(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    rows, columns = pixels.shape[:2]
    cropped_rows = max(1, min(rows, columns * height // width))
    cropped_columns = max(1, min(columns, rows * width // height))
    top, left = (rows - cropped_rows) // 2, (columns - cropped_columns) // 2
    return pixels[top : top + cropped_rows, left : left + cropped_columns]


def _letterbox(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.float32]:
    rows, columns, channels = pixels.shape
    if width * rows < height * columns:
        inner_width, inner_height = width, rows * width // columns
    else:
        inner_width, inner_height = columns * height // rows, height
    boxed = np.full((height, width, channels), _BAR, np.float32)
    # A picture more than `width` times as wide as high rounds to nothing, as in C: bars alone.
    if inner_width and inner_height:
        top, left = (height - inner_height) // 2, (width - inner_width) // 2
        boxed[top : top + inner_height, left : left + inner_width] = _resample(
            pixels, inner_width, inner_height
        )
    return boxed


class _Taps(NamedTuple):
    """For each target position the two source positions it mixes, and their weights."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    first_weight: NDArray[np.float32]
    second_weight: NDArray[np.float32]


def _taps(source: int, target: int) -> _Taps:
    if source == 1 or target == 1:
        last = np.full(target, source - 1, np.intp)
        return _Taps(last, last, np.ones(target, np.float32), np.zeros(target, np.float32))
    # In float32 as in C: the rounding decides which pixels are mixed.
    scale = np.float32(source - 1) / np.float32(target - 1)
    position = np.arange(target, dtype=np.float32) * scale
    first = position.astype(np.intp)
    fraction = position - first.astype(np.float32)
    return _Taps(first, np.minimum(first + 1, source - 1), 1 - fraction, fraction)


def _resample(pixels: NDArray[Any], width: int, height: int) -> NDArray[np.float32]:
    """`resize`, of float32 or of uint8 to be scaled to [0, 1].

    Touches only the pixels that some target mixes: of a large photo a small part, and no copy
    of the whole is made.
    """
    columns, rows = _column_taps(pixels.shape[1], width), _row_taps(pixels.shape[0], height)
    needed, place = np.unique(np.concatenate([rows.first, rows.second]), return_inverse=True)
    strip = _unit(pixels[np.ix_(needed, columns.first)])
    strip *= columns.first_weight[:, None]
    strip += _unit(pixels[np.ix_(needed, columns.second)]) * columns.second_weight[:, None]
    resized = strip[place[:height]] * rows.first_weight[:, None, None]
    resized += strip[place[height:]] * rows.second_weight[:, None, None]
    return resized


def _column_taps(source: int, target: int) -> _Taps:
    taps = _taps(source, target)
    taps.first[-1] = source - 1
    taps.first_weight[-1] = 1
    taps.second_weight[-1] = 0
    return taps


def _row_taps(source: int, target: int) -> _Taps:
    taps = _taps(source, target)
    taps.second_weight[-1] = 0
    return taps


def _unit(pixels: NDArray[Any]) -> NDArray[np.float32]:
    unit = pixels.astype(np.float32)
    if pixels.dtype == np.uint8:
        unit /= 255
    return unit
