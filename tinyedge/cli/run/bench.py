"""``tinyedge run --bench``: its two ways of printing what was measured."""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from tinyedge.cli.run.printing import SCHEMA

if TYPE_CHECKING:
    from tinyedge.devices.bench.bench import Bench
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
    from tinyedge.devices.bench.bench import bench
    from tinyedge.images.find import find_images

    images = find_images(sources)
    classifier = load()
    measured = bench(classifier, images, runs)
    show = _json if as_json else _text
    click.echo(show(classifier, measured))


def _json(classifier: "Classifier", measured: "Bench") -> str:
    runtime = classifier.runtime
    content: dict[str, object] = {
        "schema": SCHEMA,
        "model": str(classifier.path),
        "runtime": {"name": runtime.name, "version": runtime.version},
        "threads": classifier.threads,
        "delegate": classifier.delegate,
        "load_ms": measured.load,
        "first_preprocess_ms": measured.first_preprocess,
        "preprocess_ms": measured.preprocess._asdict(),
        "first_ms": measured.first,
        "warm_up_ms": measured.warm_up._asdict(),
        "steady_ms": measured.steady._asdict(),
        "images_per_second": measured.images_per_second,
        "photos_per_second": measured.photos_per_second,
        "peak_memory_bytes": measured.peak_memory,
        "before": measured.before._asdict(),
        "after": measured.after._asdict(),
    }
    return json.dumps(content)


def _text(classifier: "Classifier", measured: "Bench") -> str:
    runtime = classifier.runtime
    loading, warm_up, steady = measured.preprocess, measured.warm_up, measured.steady
    where = f"{runtime.name} {runtime.version}, threads {classifier.threads}"
    if classifier.delegate is not None:
        where += f", through {classifier.delegate}"
    rows = [
        ("load", measured.load, where),
        ("first photo", measured.first_preprocess, "decoded, fitted, quantized"),
        ("photo", loading.median, f"median of {loading.runs}, p90 {loading.p90:.2f}"),
        ("first", measured.first, "inference"),
        ("warm-up", warm_up.median, f"median of {warm_up.runs}"),
        ("steady", steady.median, f"median of {steady.runs}, p90 {steady.p90:.2f}"),
    ]
    lines = [f"{name:12} {milliseconds:9.2f} ms  {note}" for name, milliseconds, note in rows]
    lines.append(
        f"{'images/s':12} {measured.images_per_second:9.1f}     of steady inference;"
        f" {measured.photos_per_second:.1f} with the photo's loading"
    )
    if measured.peak_memory is not None:
        lines.append(f"{'peak memory':12} {measured.peak_memory / 1e6:9.1f} MB")
    if measured.before.temperature is not None and measured.after.temperature is not None:
        lines.append(
            f"{'temperature':12} {measured.after.temperature:9.1f} °C"
            f"  after; {measured.before.temperature:.1f} before"
        )
    if measured.after.throttling is not None:
        lines.append(f"{'throttling':12} {', '.join(measured.after.throttling) or 'none':>9}")
    return "\n".join(lines)
