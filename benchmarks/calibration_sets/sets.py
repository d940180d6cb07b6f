"""The pools, and the sets that are drawn or chosen of them."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageEnhance

from benchmarks.places import imagenet
from tinyedge.calibration.choose import choose
from tinyedge.calibration.photos import look_at
from tinyedge.calibration.spread import standardized
from tinyedge.files import file_sha256
from tinyedge.images.find import read_unlabelled
from tinyedge.progress import no_progress

__all__ = ["ROWS", "SIZE", "Row", "make_pool", "make_set"]

SIZE = 50
_BURSTS = 4  # scenes that half of the bad pool shows


@dataclass(frozen=True)
class Row:
    """One export.

    Attributes:
        pool: ``good``, 800 photos of ImageNet; or ``bad``, half of them, and as many files that
            show four of these again.
        how: ``random`` for a draw, ``calib`` for what `tinyedge calib` chooses, ``farthest`` for
            the greedy k-center of the same numbers of photos: in turn that which is farthest from
            those before it.
        seed: of what is drawn.
    """

    pool: Literal["good", "bad"]
    how: Literal["random", "calib", "farthest"]
    seed: int

    @property
    def name(self) -> str:
        """Of the row's file."""
        return f"{self.pool}-{self.how}-{self.seed}"


# By importance: a run that ends early has measured the first.
ROWS = (
    *(Row("good", how, seed) for seed in range(1, 6) for how in ("random", "calib")),
    *(Row("bad", how, seed) for seed in range(1, 6) for how in ("random", "calib")),
    *(Row("good", "farthest", seed) for seed in range(1, 6)),
)


def make_pool(pool: Literal["good", "bad"], folder: Path) -> list[Path]:
    """Its files, by their sha256; those that are not ImageNet's own are made in `folder`."""
    found = [*read_unlabelled(imagenet() / "calib"), *read_unlabelled(imagenet() / "calib_more")]
    photos = sorted(found, key=file_sha256)
    if pool == "good":
        return photos
    half = photos[::2]
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(len(photos) - len(half)):
        scene = half[number % _BURSTS]
        (folder / f"{number:03}.jpg").write_bytes(_taken_again(scene, random))
    return sorted([*half, *read_unlabelled(folder)], key=file_sha256)


def make_set(row: Row, photos: Sequence[Path], pool: Path) -> list[Path]:
    """The photos of the row's export, by name; `pool` is a list to be written."""
    if row.how == "random":
        drawn = np.random.default_rng(row.seed).choice(len(photos), SIZE, replace=False)
        return sorted((photos[place] for place in drawn), key=_name)
    if row.how == "farthest":
        return sorted(_farthest(photos, row.seed), key=_name)
    pool.write_text("".join(f"{path}\n" for path in photos), encoding="utf-8")
    chosen = choose(pool, size=SIZE, seed=row.seed, progress=no_progress).chosen
    return sorted((photo.path for photo in chosen), key=_name)


def _farthest(photos: Sequence[Path], seed: int) -> list[Path]:
    looks = standardized(np.stack([look_at(path, None).features for path in photos]))
    chosen = [int(np.random.default_rng(seed).integers(len(photos)))]
    distances = np.square(looks - looks[chosen[0]]).sum(axis=1)
    while len(chosen) < SIZE:
        chosen.append(int(np.argmax(distances)))
        distances = np.minimum(distances, np.square(looks - looks[chosen[-1]]).sum(axis=1))
    return [photos[place] for place in chosen]


def _name(path: Path) -> str:
    return path.name


def _taken_again(scene: Path, random: np.random.Generator) -> bytes:
    """The photo taken again: a little brighter, nearer or coarser."""
    stream = io.BytesIO()
    with Image.open(scene) as image:
        x, y = (int(size * random.uniform(0, 0.015)) for size in image.size)
        near = image.convert("RGB").crop((x, y, image.width - x, image.height - y))
        bright = ImageEnhance.Brightness(near).enhance(random.uniform(0.85, 1.15))
        bright.save(stream, "JPEG", quality=int(random.integers(60, 96)))
    return stream.getvalue()
