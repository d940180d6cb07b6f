"""What a bench measured, for people and for programs."""

from tinyedge.devices.bench.bench import Bench
from tinyedge.devices.bench.operators import OperatorTimes
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.devices.runtime.report import running_on
from tinyedge.table import Column, paragraph, table

__all__ = ["as_json", "as_text"]

_COLUMNS = (
    Column("layer", fit="shorten", least=16),
    Column("operator", fit="shorten", least=18),
    Column("ms", align="right"),
    Column("share", align="right"),
)


def as_json(
    measured: Bench, classifier: Classifier, operators: OperatorTimes | None
) -> dict[str, object]:
    """What the text says and more, not rounded: milliseconds, bytes."""
    runtime = classifier.runtime
    content: dict[str, object] = {
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
    if operators is not None:
        content["operators"] = {
            "runs": operators.runs,
            "inference_ms": operators.inference,
            "fastest_ms": operators.fastest,
            "sum_ms": operators.sum,
            "rows": [
                {
                    "layer": each.layer and {"index": each.layer[0], "kind": each.layer[1]},
                    "operator": each.profiled.type,
                    "xnnpack": each.profiled.xnnpack,
                    "ms": each.profiled.milliseconds,
                }
                for each in operators.operators
            ],
        }
    return content


def as_text(
    measured: Bench, classifier: Classifier, operators: OperatorTimes | None, *, width: int
) -> str:
    """One line per time, then what else was measured, then a table of the operators."""
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
    if operators is not None:
        lines += ["", *_operators(operators, width)]
    return "\n".join(lines)


def _operators(times: OperatorTimes, width: int) -> list[str]:
    rows = []
    for layer, timed in ((each.layer, each.profiled) for each in times.operators):
        named = "" if layer is None else f"{layer[0]} {layer[1]}"
        # The profiler counts microseconds: a tiny network may take none.
        share = timed.milliseconds / times.sum if times.sum else 0.0
        rows.append([named, timed.type, f"{timed.milliseconds:.3f}", f"{share:.1%}"])
    told = (
        f"{len(rows)} operators, medians of {times.runs}: {times.sum:.3f} ms in all,"
        f" {times.sum / times.fastest:.0%} of the fastest inference that was not profiled,"
        f" {times.fastest:.3f} ms (median {times.inference:.3f})"
    )
    return [table(_COLUMNS, rows, width=width), *paragraph(told, width=width)]
