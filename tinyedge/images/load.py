"""From an image to a network's input: decoded, upright, fitted.

This is the only such code in the project: calibrating, comparing and running all call
`load_input`, so that a model meets the same pixels wherever it is fed.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from tinyedge.errors import ImageError
from tinyedge.images.fit import fit_pixels, reduction
from tinyedge.images.spec import InputSpec

__all__ = ["ImageLike", "load_float_input", "load_input", "read_pixels"]

# A file, pixels of 0 to 255 (RGB or grey), or what Pillow opened or made.
ImageLike = str | os.PathLike[str] | NDArray[np.uint8] | Image.Image

# Named, because Pillow also knows formats that run other programs (EPS starts Ghostscript).
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "WEBP", "TIFF")
_ORIENTATION_TAG = 0x0112
# Orientations whose stored rows are the columns of the image seen.
_SIDEWAYS = (5, 6, 7, 8)
# MPO is what Pillow calls a JPEG with a second one, such as a preview, behind it.
_JPEG = ("JPEG", "MPO")


def load_input(image: ImageLike, spec: InputSpec) -> NDArray[np.generic]:
    """An image as the network of that input takes it.

    Of a file, a JPEG at least four times as large as the network needs, along both sides, is
    decoded at a half, a quarter or an eighth of its size, by averages of its pixels; see
    `tinyedge.images.fit.reduction`.

    Args:
        image: the path of a file; an array of uint8, (height, width, 3) RGB, or (height, width)
            or (height, width, 1) grey where the network takes grey; or a PIL image of any mode,
            turned upright as a file is.
        spec: the network's input.

    Returns:
        (spec.height, spec.width, spec.channels), RGB or grey: float32 in [0, 1], or quantized
        values.

    Raises:
        ImageError: see `read_pixels`; or an array is of another type or shape.
        TypeError: `image` is nothing of that.
    """
    return fit_pixels(_pixels_of(image, spec), spec)


def load_float_input(image: ImageLike, spec: InputSpec) -> NDArray[np.float32]:
    """`load_input` before quantization: float32 in [0, 1]."""
    return np.asarray(load_input(image, spec.in_float), np.float32)


def read_pixels(
    path: Path, channels: int, reduced_for: InputSpec | None = None
) -> NDArray[np.uint8]:
    """Decode an image upright, after its EXIF orientation.

    Transparency is dropped, as Darknet's decoder does: what colour the file holds under it
    counts. Samples of 16 bits keep their high byte. An animation gives its first frame. Grey
    is made of colour by ITU-R BT.601 (0.299 R + 0.587 G + 0.114 B), rounded.

    Args:
        path: a JPEG, PNG, BMP, GIF, PPM, WebP or TIFF file, whatever its suffix.
        channels: 3 for RGB, 1 for grey.
        reduced_for: what the image is for; a JPEG much larger than that comes smaller, and
            faster.

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
    # Pillow warns about what it mends (odd EXIF, large images); that is not the user's concern.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _opened(path) as image:
            if reduced_for is not None and image.format in _JPEG:
                _reduce(image, reduced_for)
            return _decoded(image, str(path), channels)


def _pixels_of(image: ImageLike, spec: InputSpec) -> NDArray[np.uint8]:
    """The upright pixels of any image, (height, width, spec.channels)."""
    if isinstance(image, np.ndarray):
        return _array_pixels(image, spec.channels)
    if isinstance(image, Image.Image):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decoded(image, getattr(image, "filename", "") or "the image", spec.channels)
    if isinstance(image, str | os.PathLike):
        return read_pixels(Path(image), spec.channels, spec)
    raise TypeError(f"an image is a path, a NumPy array or a PIL image, not {type(image).__name__}")


def _array_pixels(pixels: NDArray[np.generic], channels: int) -> NDArray[np.uint8]:
    """An array from outside with the channels of a network; grey is made of RGB as a file's is."""
    if pixels.dtype != np.uint8:
        raise ImageError(f"an array of {pixels.dtype} is no image: pixels are uint8, 0 to 255")
    found = np.asarray(pixels, np.uint8)
    if found.ndim == 2:
        found = found[:, :, np.newaxis]
    if found.ndim != 3 or found.shape[2] not in (1, 3) or 0 in found.shape:
        raise ImageError(
            f"an array of shape {pixels.shape} is no image: it has (height, width, 3), RGB, or"
            " (height, width), grey, and no side of 0"
        )
    if found.shape[2] == channels:
        return found
    if channels == 3:
        raise ImageError(
            f"an array of shape {pixels.shape} is grey and the network takes RGB: give it"
            " (height, width, 3)"
        )
    return np.asarray(Image.fromarray(found).convert("L"))[:, :, np.newaxis]


def _decoded(image: Image.Image, name: str, channels: int) -> NDArray[np.uint8]:
    """The pixels of an image that is open, upright: (height, width, channels)."""
    _load(image, name)
    pixels = np.asarray(_in_mode("RGB" if channels == 3 else "L", image, name))
    if 0 in pixels.shape:
        raise ImageError(f"{name} has no pixels")
    # Only now: PNG and TIFF know their orientation once they are loaded.
    return _upright(pixels.reshape(*pixels.shape[:2], channels), _orientation(image))


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
    except ValueError as error:  # a null byte, which a line on stdin may hold
        raise ImageError(f"{str(path)!r} is no name of a file ({error})") from error
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


def _reduce(image: Image.Image, spec: InputSpec) -> None:
    """Have a JPEG decoded no larger than the network has use for."""
    columns, rows = image.size
    if _orientation(image) in _SIDEWAYS:
        rows, columns = columns, rows
    divisor = reduction(rows, columns, spec)
    if divisor > 1:
        image.draft(None, (image.width // divisor, image.height // divisor))


def _load(image: Image.Image, name: str) -> None:
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders let anything escape
        raise ImageError(f"{name} is damaged or cut short ({_why(error)})") from error


def _in_mode(mode: str, image: Image.Image, name: str) -> Image.Image:
    # Pillow gives 16-bit grey in a mode I;16..., in older releases and for PGM in mode I.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ImageError(
            f"{name} has samples of 32 bits, whose range is not known; save it with 8 or 16 bits"
        )
    # To its own mode convert() would copy, and an image may be large.
    if image.mode == mode:
        return image
    try:
        return image.convert(mode)
    except ValueError as error:
        raise ImageError(f"{name} has colours that cannot be read ({error})") from error


def _orientation(image: Image.Image) -> int:
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
