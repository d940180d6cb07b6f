"""What a bench measured, for people and for programs."""

from tinyedge.devices.bench.bench import Bench
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.devices.runtime.report import running_on

__all__ = ["as_json", "as_text"]


def as_json(measured: Bench, classifier: Classifier) -> dict[str, object]:
    """What the text says and more, not rounded: milliseconds, bytes."""
    runtime = classifier.runtime
    return {
        "schema": "tinyedge.run/1",
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


def as_text(measured: Bench, classifier: Classifier) -> str:
    """One line per time, then what else was measured."""
    loading, warm_up, steady = measured.preprocess, measured.warm_up, measured.steady
    rows = [
        ("load", measured.load, running_on(classifier)),
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
