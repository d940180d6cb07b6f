"""From an image to a network's input: decoded, upright, fitted.

This is the only such code in the project: calibrating, comparing and running all call
`load_input`, so that a model meets the same pixels wherever it is fed.
"""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tinyedge.errors import ImageError
from tinyedge.images.decode import DecodedImage, decoded_file, jpeg_size
from tinyedge.images.encoded import EncodedImage
from tinyedge.images.fit import fit_pixels, reduction
from tinyedge.images.spec import InputSpec

__all__ = [
    "ImageLike",
    "load_float_input",
    "load_float_inputs",
    "load_input",
    "read_pixels",
]

# A file or the bytes of one, pixels of 0 to 255 (RGB or grey), or what Pillow opened or made.
ImageLike = str | os.PathLike[str] | EncodedImage | NDArray[np.uint8] | Image.Image


def load_input(image: ImageLike, spec: InputSpec) -> NDArray[np.generic]:
    """An image as the network of that input takes it.

    Of a file, a JPEG at least four times as large as the network needs, along both sides, is
    decoded at a half, a quarter or an eighth of its size, by averages of its pixels; see
    `tinyedge.images.fit.reduction`. So is a JPEG of more than 178,956,970 pixels, whatever the
    network needs.

    Args:
        image: the path of a file, or its bytes; an array of uint8, (height, width, 3) RGB, or
            (height, width) or (height, width, 1) grey where the network takes grey; or a PIL image
            of any mode, turned upright as a file is.
        spec: the network's input.

    Returns:
        (spec.height, spec.width, spec.channels), RGB or grey: float32 in [0, 1], or quantized
        values.

    Raises:
        ImageError: see `read_pixels`; or an array is of another type or shape.
        TypeError: `image` is nothing of that.
    """
    if isinstance(image, str | os.PathLike | EncodedImage):
        file = image if isinstance(image, EncodedImage) else Path(image)
        _check_channels(file, spec.channels)
        with decoded_file(file, spec.channels, spec) as decoded:
            return _fitted(decoded, spec, str(file))
    if isinstance(image, Image.Image):
        name = getattr(image, "filename", "") or "the image"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _fitted(DecodedImage(image, name, spec.channels), spec, name)
    if isinstance(image, np.ndarray):
        return fit_pixels(_array_pixels(image, spec.channels), spec)
    raise TypeError(f"an image is a path, a NumPy array or a PIL image, not {type(image).__name__}")


def load_float_input(image: ImageLike, spec: InputSpec) -> NDArray[np.float32]:
    """`load_input` before pixels are normalized and quantized: float32 in [0, 1]."""
    return np.asarray(load_input(image, spec.in_pixels), np.float32)


def load_float_inputs(image: ImageLike, specs: Sequence[InputSpec]) -> list[NDArray[np.float32]]:
    """`load_float_input` for several networks; those of one input share the array.

    A file is decoded once for all that take as many channels, unless it is a JPEG so large that
    it is decoded at different sizes for them: each network sees what it would see alone.
    """
    kinds: dict[InputSpec, NDArray[np.float32]] = {}
    wanted = [spec.in_pixels for spec in specs]
    for group in _decoded_alike(image, list(dict.fromkeys(wanted))):
        if len(group) == 1:
            kinds[group[0]] = load_float_input(image, group[0])
            continue
        file = image if isinstance(image, EncodedImage) else Path(cast(str, image))
        with decoded_file(file, group[0].channels, group[0]) as decoded:
            for spec in group:
                kinds[spec] = np.asarray(_fitted(decoded, spec, str(file)), np.float32)
    return [kinds[spec] for spec in wanted]


def _decoded_alike(image: ImageLike, specs: Sequence[InputSpec]) -> list[list[InputSpec]]:
    """The inputs in groups for which an image is decoded to the same pixels."""
    if len(specs) == 1 or not isinstance(image, str | os.PathLike | EncodedImage):
        return [[spec] for spec in specs]
    size = jpeg_size(image if isinstance(image, EncodedImage) else Path(image))
    groups: dict[tuple[int, int], list[InputSpec]] = {}
    for spec in specs:
        divisor = 1 if size is None else reduction(*size, spec)
        groups.setdefault((spec.channels, divisor), []).append(spec)
    return list(groups.values())


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
        ImageError: no such file, a folder, pipe or device; no image, damaged, cut short or not
            yet written to its end; decoding it would take more than three quarters of the memory
            that is free; samples of 32 bits (their range is anyone's guess); `channels` is
            neither 1 nor 3.
    """
    _check_channels(path, channels)
    with decoded_file(path, channels, reduced_for) as image:
        rows, columns = (np.arange(size) for size in image.shape[:2])
        return image.part(rows, columns)[:, :, :channels]


def _check_channels(path: Path | EncodedImage, channels: int) -> None:
    if channels not in (1, 3):
        raise ImageError(
            f"{path}: an image cannot be read with {channels} channels;"
            " networks for photos have 3 (RGB) or 1 (grey)"
        )


def _fitted(image: DecodedImage, spec: InputSpec, name: str) -> NDArray[np.generic]:
    try:
        return fit_pixels(image, spec)
    except MemoryError as error:
        raise ImageError(f"{name} takes more memory than there is") from error


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
