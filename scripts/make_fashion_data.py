"""Write the images of calib_data/fashion: 200 to calibrate with and 1,000 to test on.

    apt-get install dataset-fashion-mnist
    python scripts/make_fashion_data.py

calibration/ holds the first 20 images of each class in the official training set, test/ the
first 100 of each class in the official test set. A file is named after its class and its row in
that set, from 0: test/Bag/00018.png is row 18. The pixels are unchanged.
"""

import argparse
import io
import shutil
from pathlib import Path

import numpy as np
from fashion_mnist import read_split
from numpy.typing import NDArray
from PIL import Image

MODEL = Path(__file__).resolve().parents[1] / "calib_data" / "fashion"


def main() -> None:
    parser = argparse.ArgumentParser(description="Write calibration and test images.")
    parser.add_argument("--output", type=Path, default=MODEL)
    folder = parser.parse_args().output

    labels = (MODEL / "fashion.labels").read_text(encoding="utf-8").split()
    write_images(folder / "calibration", "train", labels, per_class=20)
    write_images(folder / "test", "test", labels, per_class=100)


def write_images(folder: Path, split: str, labels: list[str], per_class: int) -> None:
    """The first `per_class` images of each class of `split`, as ``folder/<label>/<row>.png``."""
    images, classes = read_split(split)
    shutil.rmtree(folder, ignore_errors=True)
    total = 0
    for index, label in enumerate(labels):
        (folder / label).mkdir(parents=True)
        for row in np.flatnonzero(classes == index)[:per_class]:
            content = png(images[row])
            (folder / label / f"{row:05}.png").write_bytes(content)
            total += len(content)
    print(f"{folder}: {per_class * len(labels):,} images, {total:,} bytes")


def png(pixels: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    return stream.getvalue()


if __name__ == "__main__":
    main()
