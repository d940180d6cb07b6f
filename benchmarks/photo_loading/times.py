"""What loading one JPEG costs, decoded whole and decoded reduced."""

import io
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.images.fit import fit_pixels
from tinyedge.images.load import read_pixels

__all__ = ["Times", "times"]

_ROUNDS = 25


@dataclass(frozen=True)
class Times:
    """CPU times of one photo, medians, milliseconds.

    Attributes:
        size: of the JPEG, bytes.
        rounds: how often each was measured, in turn.
        whole: decoded whole, fitted as floats, quantized.
        reduced: as `Classifier.preprocess` does it.
        smallest: the decoder alone, at an eighth of each side.
        inference: of the model.
    """

    size: int
    rounds: int
    whole: float
    reduced: float
    smallest: float
    inference: float


def times(model: Classifier, jpeg: bytes) -> Times:
    """Measure `jpeg` for the input of `model`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"
        path.write_bytes(jpeg)
        inputs = model.preprocess(path)

        def whole() -> None:
            pixels = read_pixels(path, model.spec.channels)
            unit = np.asarray(fit_pixels(pixels, model.spec.in_pixels), np.float32)
            model.spec.encode(unit)[np.newaxis]

        def smallest() -> None:
            with Image.open(io.BytesIO(jpeg)) as image:
                image.draft(None, (image.width // 8, image.height // 8))
                image.load()

        works: list[Callable[[], object]] = [
            whole,
            lambda: model.preprocess(path),
            smallest,
            lambda: model.logits(inputs),
        ]
        rounds = [[_cpu_time(work) for work in works] for _ in range(_ROUNDS + 1)]
    # The first round is of cold caches.
    medians = [statistics.median(column) for column in zip(*rounds[1:], strict=True)]
    return Times(len(jpeg), _ROUNDS, *medians)


def _cpu_time(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return 1000 * (time.process_time() - start)
