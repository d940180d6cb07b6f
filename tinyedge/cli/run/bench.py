"""``tinyedge run --bench``."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinyedge.cli.output import output_width, say, show
from tinyedge.cli.parameters import told_progress
from tinyedge.errors import TinyedgeError

if TYPE_CHECKING:
    from tinyedge.devices.runtime.classifier import Classifier

__all__ = ["bench_images"]


def bench_images(
    load: Callable[[Path], "Classifier"],
    model: Path,
    sources: Sequence[str],
    runs: int,
    *,
    operators: bool,
    as_json: bool,
) -> None:
    """Time the model on the images, and with `operators` each of those, and print the times.

    Where it is an int8 file, runs on the CPU and is slower than the float file beside it, a note
    says why.

    Raises:
        DatasetError: a name of no image.
        ImageError: one of the images cannot be read.
        DeviceError, ModelError: its operators cannot be timed here.
    """
    from tinyedge.devices.bench import report
    from tinyedge.devices.bench.bench import bench, median_beside
    from tinyedge.devices.bench.operators import check_has_profiler, time_operators
    from tinyedge.devices.runtime.int8_speed import float_beside, slower_than_float
    from tinyedge.images.find import find_images

    images = find_images(sources)
    classifier = load(model)
    if operators:
        check_has_profiler(classifier)
    times = milliseconds = None
    with told_progress() as progress:
        measured = bench(classifier, images, runs, progress)
        if operators:
            progress("Timing operators")
            times = time_operators(classifier, runs)
        float_file = float_beside(classifier)
        if float_file is not None:
            progress("Timing the float file beside it")
            # Nobody named it: what is wrong with it is nothing to what was measured.
            with contextlib.suppress(TinyedgeError, OSError):
                milliseconds = median_beside(load(float_file), images[0], runs)
    show(
        as_json,
        lambda: report.as_text(measured, classifier, times, width=output_width()),
        lambda: report.as_json(measured, classifier, times),
    )
    if milliseconds is not None:
        note = slower_than_float(classifier, measured.steady.median, milliseconds)
        if note is not None:
            say(f"note: {note}", err=True)
