"""Fashion-MNIST as Debian's package ``dataset-fashion-mnist`` installs it."""

import gzip
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FOLDER = Path("/usr/share/datasets/fashion-mnist")
_PREFIXES = {"train": "train", "test": "t10k"}


class Split(NamedTuple):
    """Images (n, 28, 28), white on black, and the class of each (n,)."""

    images: NDArray[np.uint8]
    classes: NDArray[np.uint8]


def read_split(split: str, folder: Path = FOLDER) -> Split:
    """The ``train`` (60,000 images) or ``test`` (10,000) part, in its official order."""
    prefix = _PREFIXES[split]
    return Split(
        _read_idx(folder / f"{prefix}-images-idx3-ubyte.gz"),
        _read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz"),
    )


def _read_idx(path: Path) -> NDArray[np.uint8]:
    """An IDX file: two zero bytes, type 8 (uint8), the number of axes, their lengths, the data."""
    content = gzip.decompress(path.read_bytes())
    zeros, kind, axes = struct.unpack_from(">HBB", content)
    if zeros != 0 or kind != 8:
        raise SystemExit(f"{path}: is no IDX file of bytes")
    shape = struct.unpack_from(f">{axes}I", content, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
