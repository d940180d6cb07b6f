"""The stages of loading a photo for a network of 224x224.

    python loading_guest.py PHOTO

Each stage three times, a call of getppid() before each and behind the last. Who counts the
process's instructions sees the calls. Needs tinyedge's packages, NumPy, Pillow and a TFLite
runtime.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tinyedge.devices.runtime.fast_resize import fast_resize
from tinyedge.devices.runtime.runtimes import find_runtime
from tinyedge.images.decode import DecodedImage, decoded_file
from tinyedge.images.fit import fit_pixels
from tinyedge.images.load import load_input
from tinyedge.images.spec import InputSpec
from tinyedge.tflite.quantization import QuantParams


def main() -> None:
    """Run them."""
    path = Path(sys.argv[1])
    spec = InputSpec(224, 224, 3, "crop", QuantParams.pixels())
    resize = fast_resize(find_runtime())
    fast = InputSpec(224, 224, 3, "crop", QuantParams.pixels(), resize=resize)
    _marked(lambda: _decode(path))
    with decoded_file(path, 3, spec) as image:
        needed = _every(image)
        _marked(lambda: image.part(*needed))
        pixels = image.part(*needed)[:, :, :3].copy()
        _marked(lambda: fit_pixels(image, spec))
        _marked(lambda: fit_pixels(image, fast))
    _marked(lambda: fit_pixels(pixels, spec))
    _marked(lambda: load_input(path, spec))
    _marked(lambda: load_input(path, fast))


def _every(image: DecodedImage) -> list[np.ndarray]:
    """Its rows and columns that a square crop has."""
    side = min(image.shape[:2])
    return [(size - side) // 2 + np.arange(side) for size in image.shape[:2]]


def _decode(path: Path) -> None:
    with Image.open(path) as image:
        image.load()


def _marked(stage: Callable[[], object]) -> None:
    for _ in range(3):
        os.getppid()
        stage()
    os.getppid()


main()
