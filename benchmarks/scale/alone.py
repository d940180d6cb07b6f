"""CPU seconds of one image's decoding and of its inferences, each alone on one core.

    python -m benchmarks.scale.alone FLOAT INT8 PHOTOS

A process of its own: it stays on one core, with one thread.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["Alone", "measure_alone"]

_PHOTOS = 50
_ROUNDS = 5


class Alone(NamedTuple):
    """CPU seconds an image."""

    decode: float
    infer: float

    @property
    def together(self) -> float:
        """What an image costs at least."""
        return self.decode + self.infer


def measure_alone(models: Sequence[Path], photos: Path) -> Alone:
    """Measure it in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.scale.alone", *map(str, models), str(photos)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return Alone(**json.loads(done.stdout))


def _measured(paths: Sequence[Path], photos: Path) -> Alone:
    from tinyedge.devices.runtime.classifier import Classifier
    from tinyedge.images.load import load_float_inputs

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    models = [Classifier(path, threads=1) for path in paths]
    specs = [model.spec for model in models]
    images = sorted(photos.iterdir())[:_PHOTOS]
    loaded = [load_float_inputs(image, specs) for image in images]
    inputs = [
        [model.spec.encode(pixels)[np.newaxis] for model, pixels in zip(models, each, strict=True)]
        for each in loaded
    ]

    def decode() -> None:
        for image in images:
            load_float_inputs(image, specs)

    def infer() -> None:
        for tensors in inputs:
            for model, tensor in zip(models, tensors, strict=True):
                model.infer(tensor)

    return Alone(_seconds(decode, len(images)), _seconds(infer, len(images)))


def _seconds(work: Callable[[], None], images: int) -> float:
    """CPU seconds an image: the least of some rounds, which other processes disturbed least."""
    work()
    rounds = []
    for _ in range(_ROUNDS):
        start = time.process_time()
        work()
        rounds.append(time.process_time() - start)
    return min(rounds) / images


if __name__ == "__main__":
    *names, folder = map(Path, sys.argv[1:])
    print(json.dumps(_measured(names, folder)._asdict()))
