"""Photos to compare on, as many as wanted: a few are made, the others are links to them."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["make_photos"]

_DIFFERENT = 50
_SIZE = 500, 375
"""Width and height, as most of ImageNet's photos have them; their files are some 70 kB."""
_QUALITY = 94


def make_photos(folder: Path, count: int) -> Path:
    """A folder of so many JPEGs with names of their own, `_DIFFERENT` of them different.

    Args:
        folder: made, or made larger: photos that are there are kept.
        count: how many.
    """
    originals = folder.parent / "originals"
    originals.mkdir(parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    for number in range(min(count, _DIFFERENT)):
        original = originals / f"{number}.jpg"
        if not original.is_file():
            _photo(number).save(original, quality=_QUALITY)
    for number in range(count):
        link = folder / f"{number:06}.jpg"
        if not link.exists():
            os.link(originals / f"{number % _DIFFERENT}.jpg", link)
    return folder


def _photo(seed: int) -> Image.Image:
    """Noise of all sizes, coarse more than fine, which costs a JPEG what a photo does."""
    random = np.random.default_rng(seed)
    total = np.zeros((_SIZE[1], _SIZE[0], 3))
    for cells in (2, 4, 8, 16, 32, 64, 128, 375):
        noise = random.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        layer = Image.fromarray(noise).resize(_SIZE, Image.Resampling.BICUBIC)
        total += np.asarray(layer, np.float64) / cells**0.3
    total -= total.min()
    return Image.fromarray((255 * total / total.max()).astype(np.uint8))
