"""What is known of a photo before any network sees it: its hashes, and four things one sees.

A photo is decoded once, a JPEG perhaps at a fraction of its size, and averaged down to a
thumbnail; nothing larger is kept.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import ImageError
from tinyedge.files import file_sha256
from tinyedge.images.decode import DecodedImage, decoded_file
from tinyedge.images.spec import InputSpec

__all__ = ["FEATURES", "Photo", "fingerprint", "look_at"]

FEATURES = ("brightness", "contrast", "colourfulness", "red-green", "yellow-blue", "sharpness")
"""The names of a photo's `features`."""

_SIDE = 128  # of the thumbnail, pixels
_SPEC = InputSpec(_SIDE, _SIDE, 3, "stretch")
_LUMA = np.array((0.299, 0.587, 0.114))  # ITU-R BT.601
_BAND = 1 << 20  # pixels that are averaged at once
_FLAT = 1 / 255  # a deviation below that of rounding
_WAVES = 8  # lowest frequencies along each side that a fingerprint is made of
_AREAS = 32  # along each side of what they are taken of
_NOTHING = 6  # decimals of a coefficient beyond which there is rounding alone


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo that was looked at.

    Attributes:
        path: its file.
        label: the class it shows; None where that is not known.
        bytes: of its file.
        sha256: of its file, hexadecimal.
        fingerprint: its perceptual hash, 64 bits; see `fingerprint`.
        features: float64, as `FEATURES`: of a thumbnail of pixels from 0 to 1, the mean and the
            deviation of its luma (BT.601); how colourful it is (Hasler and Süsstrunk, Measuring
            colourfulness in natural images, 2003) and the means of the two opponent colours
            that is made of, R - G and (R + G) / 2 - B; the logarithm of the deviation of the
            luma's Laplacian over the luma's.
    """

    path: Path
    label: str | None
    bytes: int
    sha256: str
    fingerprint: int
    features: NDArray[np.float64]


def look_at(path: Path, label: str | None) -> Photo:
    """Hash a photo and measure it.

    Raises:
        ImageError: it cannot be read; see `tinyedge.images.load.read_pixels`.
    """
    with decoded_file(path, 3, _SPEC) as image:
        pixels = _averaged(image) / 255
    try:
        size, sha256 = path.stat().st_size, file_sha256(path)
    except OSError as error:
        raise ImageError(f"{path} cannot be read ({error.strerror})") from error
    luma = pixels @ _LUMA
    return Photo(path, label, size, sha256, fingerprint(luma), _features(pixels, luma))


def fingerprint(luma: NDArray[np.float64]) -> int:
    """The perceptual hash of a photo, 64 bits: which of its lowest frequencies are strong.

    Of the discrete cosine transform of 32 x 32 areas, the 8 x 8 lowest frequencies, each against
    the median of them (pHash: Zauner, Implementation and benchmarking of perceptual image hash
    functions, 2010). The mean is no part of it: its bit, the first, is 0. A photo of one colour
    has no bit.

    Args:
        luma: (side, side) of the whole photo, whatever its aspect.
    """
    areas = _averages(luma.shape[0]) @ luma @ _averages(luma.shape[1]).T
    found = np.round(_cosines() @ areas @ _cosines().T, _NOTHING).reshape(-1)
    bits = found > np.median(found[1:])
    bits[0] = False
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


@cache
def _cosines() -> NDArray[np.float64]:
    """The lowest frequencies of the DCT-II, (frequencies, areas)."""
    at = np.arange(_AREAS) + 0.5
    return np.cos(np.pi / _AREAS * np.arange(_WAVES)[:, None] * at)


@cache
def _averages(size: int) -> NDArray[np.float64]:
    """The share of each of `size` pixels in each of 32 equal areas, (areas, size)."""
    ends = np.arange(_AREAS + 1) * size / _AREAS
    pixels = np.arange(size)
    inside = np.minimum(ends[1:, None], pixels + 1) - np.maximum(ends[:-1, None], pixels)
    return np.asarray(np.maximum(inside, 0) * _AREAS / size)


def _features(pixels: NDArray[np.float64], luma: NDArray[np.float64]) -> NDArray[np.float64]:
    red, green, blue = np.moveaxis(pixels, 2, 0)
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    colourfulness = np.hypot(red_green.std(), yellow_blue.std()) + 0.3 * np.hypot(
        red_green.mean(), yellow_blue.mean()
    )
    inner = luma[1:-1, 1:-1]
    around = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    edges = (around - 4 * inner).std()
    return np.array(
        (
            luma.mean(),
            luma.std(),
            colourfulness,
            red_green.mean(),
            yellow_blue.mean(),
            np.log((edges + _FLAT) / (luma.std() + _FLAT)),
        )
    )


def _averaged(image: DecodedImage) -> NDArray[np.float64]:
    """A thumbnail, (side, side, 3): each of its pixels the mean of those it stands for."""
    height, width, channels = image.shape
    down, across = _edges(height, _SIDE), _edges(width, _SIDE)
    found = np.empty((_SIDE, _SIDE, channels))
    step = max(1, int(_BAND * _SIDE / (height * width)))
    for start in range(0, _SIDE, step):
        part = down[start : start + step]
        top = int(part[0, 0])
        pixels = image.part(np.arange(top, part[-1, 1]), np.arange(width))[:, :, :channels]
        rows = _means(pixels, part - top)
        found[start : start + step] = _means(rows.swapaxes(0, 1), across).swapaxes(0, 1)
    return found


def _edges(size: int, areas: int) -> NDArray[np.intp]:
    """The first row and the one behind the last of each area, (areas, 2), at least one in each."""
    ends = np.arange(areas + 1) * size // areas
    first = np.minimum(ends[:-1], size - 1)
    return np.stack((first, np.maximum(ends[1:], first + 1)), axis=1)


def _means(rows: NDArray[np.generic], edges: NDArray[np.intp]) -> NDArray[np.float64]:
    """The means of runs of rows."""
    if np.all(edges[1:, 0] == edges[:-1, 1]):
        sums = np.add.reduceat(rows, edges[:, 0], axis=0, dtype=np.float64)
        counts = (edges[:, 1] - edges[:, 0]).reshape(-1, *(1,) * (rows.ndim - 1))
        return np.asarray(sums / counts)
    return np.stack([rows[first:last].mean(axis=0) for first, last in edges])
