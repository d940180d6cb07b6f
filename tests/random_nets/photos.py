"""Smooth random photos: colours, shapes and a little grain, so that nets tell them apart."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tinyedge.darknet.layers import Shape

__all__ = ["random_photos", "write_photos"]


def random_photos(shape: Shape, count: int, seed: int) -> NDArray[np.uint8]:
    """(count, height, width, channels)."""
    rng = np.random.default_rng([seed, 34])
    return np.stack([_photo(shape, rng) for _ in range(count)])


def _photo(shape: Shape, rng: np.random.Generator) -> NDArray[np.uint8]:
    height, width, channels = shape
    # The contrast differs from photo to photo as the brightness does.
    shapes = rng.normal(rng.uniform(60, 195, channels), rng.uniform(20, 70), (4, 4, channels))
    smooth = [
        Image.fromarray(plane.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
        for plane in np.moveaxis(shapes, -1, 0)
    ]
    pixels = np.stack([np.asarray(plane) for plane in smooth], axis=-1)
    grain = rng.normal(0, 8, shape)
    return np.clip(pixels + grain, 0, 255).astype(np.uint8)


def write_photos(folder: Path, photos: NDArray[np.uint8]) -> None:
    """As PNG files, 00.png and so on."""
    folder.mkdir()
    for number, photo in enumerate(photos):
        Image.fromarray(photo.squeeze(-1) if photo.shape[-1] == 1 else photo).save(
            folder / f"{number:02}.png"
        )
