"""How long a model takes on this machine, its first answer apart from its steady ones."""

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinyedge.devices.bench.board_state import BoardState, board_state
from tinyedge.progress import Progress, no_progress

if TYPE_CHECKING:
    from tinyedge.devices.runtime.classifier import Classifier

__all__ = ["Bench", "Latency", "bench", "latency", "median_beside", "peak_memory"]

# The runtime's first answers are slow: it packs weights, and a CPU raises its clock. They are
# over after so many, or on a slow board after so long.
_WARM_UP_RUNS = 10
_WARM_UP_SECONDS = 1.0
_BESIDE_SECONDS = 1.0
# Images that are loaded in turn; each costs a network's input of memory.
_IMAGES = 8
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
        first_preprocess: of the first image, Pillow's decoder loaded with it.
        preprocess: of the images after it: decoded, fitted, quantized.
        first: the first inference.
        warm_up: of the inferences after it that are not yet steady.
        steady: of the inferences after those.
        images_per_second: of steady inference alone, their count by the time they took.
        photos_per_second: of an image's median preprocessing and median inference in turn.
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
    classifier: "Classifier",
    images: Sequence[Path],
    runs: int,
    progress: Progress = no_progress,
) -> Bench:
    """Time a model that was just loaded, and has not run yet, on images.

    Inference is timed back to back, on inputs made before; an image's preprocessing apart.

    Args:
        classifier: the model.
        images: at least one; the first eight are used in turn.
        runs: how many steady inferences to time, at least 1.
        progress: is told of photos and inferences, between those that are timed.

    Raises:
        ImageError: one of the images cannot be read.
    """
    images = images[:_IMAGES]
    loads = max(len(images), min(runs, 20))
    advance = progress("Loading photos", 1 + loads, unit="photos")
    first_preprocess = _preprocess(classifier, images[0]).milliseconds
    inputs: list[NDArray[np.generic]] = []
    preprocess_times: list[float] = []
    # An image's time scatters more than a network's; a few more loads cost little.
    for number in range(loads):
        advance()
        made = _preprocess(classifier, images[number % len(images)])
        inputs += [made.inputs] if number < len(images) else []
        preprocess_times.append(made.milliseconds)
    before = board_state()
    progress("Warming up")
    first = classifier.infer(inputs[0]).milliseconds
    warm_up = _warm_up(classifier, inputs)
    advance = progress("Timing", runs, unit="inferences")
    steady_times: list[float] = []
    for number in range(runs):
        steady_times.append(_inference(classifier, inputs, number))
        advance()
    after = board_state()
    steady = latency(steady_times)
    preprocess = latency(preprocess_times)
    return Bench(
        load=classifier.load_milliseconds,
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


def median_beside(classifier: "Classifier", image: Path, runs: int) -> float:
    """The median inference of a model that others are to be compared with, milliseconds.

    Of as many inferences as `runs`, or as many as one second has, after the warm-up; all on one
    image.
    """
    inputs = [_preprocess(classifier, image).inputs]
    classifier.infer(inputs[0])
    _warm_up(classifier, inputs)
    times: list[float] = []
    while not times or (len(times) < runs and sum(times) < 1000 * _BESIDE_SECONDS):
        times.append(_inference(classifier, inputs, 0))
    return latency(times).median


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


class _Preprocessed(NamedTuple):
    inputs: NDArray[np.generic]
    milliseconds: float


def _warm_up(classifier: "Classifier", inputs: Sequence[NDArray[np.generic]]) -> list[float]:
    times: list[float] = []
    while not times or (len(times) < _WARM_UP_RUNS and sum(times) < 1000 * _WARM_UP_SECONDS):
        times.append(_inference(classifier, inputs, len(times)))
    return times


def _preprocess(classifier: "Classifier", image: Path) -> _Preprocessed:
    start = perf_counter()
    inputs = classifier.preprocess(image)
    return _Preprocessed(inputs, 1000 * (perf_counter() - start))


def _inference(
    classifier: "Classifier", inputs: Sequence[NDArray[np.generic]], number: int
) -> float:
    return classifier.infer(inputs[number % len(inputs)]).milliseconds
