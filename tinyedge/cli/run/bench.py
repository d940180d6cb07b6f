"""``tinyedge run --bench``."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tinyedge.cli.output import show

if TYPE_CHECKING:
    from tinyedge.devices.runtime.classifier import Classifier

__all__ = ["bench_images"]


def bench_images(
    load: Callable[[], "Classifier"], sources: Sequence[str], runs: int, *, as_json: bool
) -> None:
    """Time the model on the images and print the times.

    Raises:
        DatasetError: a name of no image.
        ImageError: one of the images cannot be read.
    """
    from tinyedge.devices.bench import report
    from tinyedge.devices.bench.bench import bench
    from tinyedge.images.find import find_images

    images = find_images(sources)
    classifier = load()
    measured = bench(classifier, images, runs)
    show(
        as_json,
        lambda: report.as_text(measured, classifier),
        lambda: report.as_json(measured, classifier),
    )
