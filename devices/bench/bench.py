"""How long a model takes on this machine, its first answer apart from its steady ones."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinyedge.devices.bench.board_state import BoardState, board_state

if TYPE_CHECKING:
    from tinyedge.devices.runtime.classifier import Classifier

__all__ = ["Bench", "Latency", "bench", "latency", "peak_memory"]

# The runtime's first answers are slow: it packs weights, and a CPU raises its clock. They are
# over after so many, or on a slow board after so long.
_WARM_UP_RUNS = 10
_WARM_UP_SECONDS = 1.0
# Photos that are loaded in turn; each costs a net's input of memory.
_PHOTOS = 8
_STATUS = Path("/proc/self/status")


class Latency(NamedTuple):
    """Times of one piece of work done `runs` times, milliseconds."""

    runs: int
    median: float
    p90: float
    minimum: float
    maximum: float


class Bench(NamedTuple):
    """What `bench` measured; times in milliseconds.

    Attributes:
        load: from the file to a model ready to run, the import of the runtime with it.
        first_preprocess: of the first photo, Pillow's decoder loaded with it.
        preprocess: of the photos after it: decoded, fitted, quantized.
        first: the first inference.
        warm_up: of the inferences after it that are not yet steady.
        steady: of the inferences after those.
        images_per_second: of steady inference alone, their count by the time they took.
        photos_per_second: of a photo's median preprocessing and median inference in turn.
        peak_memory: the largest the process has ever been, bytes; None where unknown.
        before: the board before the first inference.
        after: the board after the last one.
    """

    load: float
    first_preprocess: float
    preprocess: Latency
    first: float
    warm_up: Latency
    steady: Latency
    images_per_second: float
    photos_per_second: float
    peak_memory: int | None
    before: BoardState
    after: BoardState


def latency(milliseconds: Sequence[float]) -> Latency:
    """Median, 90th percentile (interpolated between neighbours), smallest and largest.

    Args:
        milliseconds: at least one time.
    """
    median, p90 = np.percentile(milliseconds, [50, 90])
    return Latency(
        len(milliseconds), float(median), float(p90), min(milliseconds), max(milliseconds)
    )


def bench(
    load: Callable[[], "Classifier"], photos: Sequence[Path], runs: int
) -> tuple["Classifier", Bench]:
    """Load a model, and time it on photos.

    Inference is timed back to back, on inputs made before; a photo's preprocessing apart.

    Args:
        load: makes the classifier.
        photos: at least one; the first eight are used in turn.
        runs: how many steady inferences to time, at least 1.

    Raises:
        ImageError: one of the photos cannot be read.
        Whatever `load` raises.
    """
    load_time, classifier = _timed(load)
    photos = photos[:_PHOTOS]
    first_preprocess, _ = _timed(partial(classifier.preprocess, photos[0]))
    inputs, preprocess_times = [], []
    for photo in photos:
        milliseconds, pixels = _timed(partial(classifier.preprocess, photo))
        preprocess_times.append(milliseconds)
        inputs.append(pixels)
    # A photo's time scatters more than a net's; a few more loads cost little.
    for number in range(len(photos), min(runs, 20)):
        photo = photos[number % len(photos)]
        preprocess_times.append(_timed(partial(classifier.preprocess, photo))[0])
    before = board_state()
    first, _ = _timed(partial(classifier.logits, inputs[0]))
    warm_up: list[float] = []
    while not warm_up or (len(warm_up) < _WARM_UP_RUNS and sum(warm_up) < 1000 * _WARM_UP_SECONDS):
        warm_up.append(_inference(classifier, inputs, len(warm_up)))
    steady_times = [_inference(classifier, inputs, number) for number in range(runs)]
    after = board_state()
    steady = latency(steady_times)
    preprocess = latency(preprocess_times)
    return classifier, Bench(
        load=load_time,
        first_preprocess=first_preprocess,
        preprocess=preprocess,
        first=first,
        warm_up=latency(warm_up),
        steady=steady,
        images_per_second=1000 * runs / sum(steady_times),
        photos_per_second=1000 / (preprocess.median + steady.median),
        peak_memory=peak_memory(),
        before=before,
        after=after,
    )


def peak_memory() -> int | None:
    """The most memory this process ever had resident, bytes; None where the system keeps none."""
    try:
        status = _STATUS.read_text()
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None


def _inference(classifier: "Classifier", inputs: Sequence[Any], number: int) -> float:
    pixels = inputs[number % len(inputs)]
    return _timed(partial(classifier.logits, pixels))[0]


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """How long it took, milliseconds, and what came of it."""
    start = perf_counter()
    made = work()
    return 1000 * (perf_counter() - start), made
