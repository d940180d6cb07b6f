"""Fashion-MNIST as Debian's package dataset-fashion-mnist has it."""

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_FOLDER = Path("/usr/share/datasets/fashion-mnist")


def is_installed() -> bool:
    """Whether the package is there."""
    return (_FOLDER / "t10k-images-idx3-ubyte.gz").is_file()


def official(split: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The dataset's images (n, 28, 28) and classes (n,), behind headers of 16 and 8 bytes."""
    images, classes = (
        np.frombuffer(
            gzip.decompress((_FOLDER / f"{split}-{kind}-ubyte.gz").read_bytes()), np.uint8
        )
        for kind in ("images-idx3", "labels-idx1")
    )
    return images[16:].reshape(-1, 28, 28), classes[8:]
