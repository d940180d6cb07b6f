"""In how many bits the fingerprints of photos differ: of different ones, and of one saved anew.

    python -m benchmarks.calibration_sets.alike

prints what docs/calib.md says of it. Photos are those of the other tables.
"""

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from benchmarks import run
from benchmarks.places import imagenet
from tinyedge.calibration.photos import look_at
from tinyedge.images.find import evenly_spaced, read_unlabelled

_SAVED_ANEW = 200


def _cut(share: float) -> Callable[[Image.Image], Image.Image]:
    def cut(image: Image.Image) -> Image.Image:
        x, y = (int(share * size) for size in image.size)
        return image.crop((x, y, image.width - x, image.height - y))

    return cut


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "quality 30": lambda image: image,
    "half as large": lambda image: image.resize(
        (max(1, image.width // 2), max(1, image.height // 2)), Image.Resampling.LANCZOS
    ),
    "256 x 256, whatever its aspect": lambda image: image.resize((256, 256)),
    "grey": lambda image: image.convert("L"),
    "contrast times 0.7": lambda image: ImageEnhance.Contrast(image).enhance(0.7),
    "brightness times 0.7": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    "brightness times 1.3": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "turned by 2 degrees": lambda image: image.rotate(2),
    "2 % cut off at each side": _cut(0.02),
    "5 % cut off at each side": _cut(0.05),
}
"""What is done to a photo before it is saved as JPEG, of quality 90 but for the first."""


def main() -> None:
    """Print how many pairs differ in few bits, and a row for each change."""
    folders = [imagenet() / name for name in ("calib", "calib_more", "val")]
    paths = [path for folder in folders for path in read_unlabelled(folder)]
    fingerprints = [look_at(path, None).fingerprint for path in paths]
    apart = Counter(
        (one ^ other).bit_count()
        for place, one in enumerate(fingerprints)
        for other in fingerprints[:place]
    )
    nearest = sorted(apart.items())[:3]
    print(f"{len(paths):,} photos, {apart.total():,} pairs; nearest (bits, pairs): {nearest}\n")
    print("| | median | 95 of 100 | all |\n|---|---:|---:|---:|")
    known = dict(zip(paths, fingerprints, strict=True))
    chosen = evenly_spaced(paths, _SAVED_ANEW)
    with tempfile.TemporaryDirectory() as folder:
        for name, change in CHANGES.items():
            quality = 30 if name.startswith("quality") else 90
            bits = [
                (known[path] ^ _anew(path, change, quality, Path(folder))).bit_count()
                for path in chosen
            ]
            cells = (f"{np.percentile(bits, share):.0f}" for share in (50, 95, 100))
            print(f"| {name} | {' | '.join(cells)} |")


def _anew(
    path: Path, change: Callable[[Image.Image], Image.Image], quality: int, folder: Path
) -> int:
    with Image.open(path) as image:
        change(image.convert("RGB")).save(folder / "anew.jpg", quality=quality)
    return look_at(folder / "anew.jpg", None).fingerprint


if __name__ == "__main__":
    run(main)
