"""The table of times: medians, their spread, and ratios to tinyedge's integer file."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["boards_section", "clock_section"]


def boards_section(counted: Mapping[str, Sequence[Mapping[str, int]]]) -> str:
    """Of each row's title: ``instructions``, ``memory_lines`` and ``answer`` on A53, A72 and A76.

    The first row's answer is the one that others are held against.
    """
    base = next(iter(counted.values()))
    lines = [
        "## On emulated Raspberry Pis",
        "",
        "Written by `python -m benchmarks.performance --emulated`. Tiny Darknet, one thread,",
        "batch 1, the third inference of one photo: millions of guest instructions / thousands of",
        "64-byte lines that miss the last cache. Instructions are no time. `*`: the photo's class",
        "is not tinyedge's.",
        "",
        "| engine | A53 (Pi 3, Zero 2 W) | A72 (Pi 4) | A76 (Pi 5) |",
        "|---|---:|---:|---:|",
    ]
    for title, row in counted.items():
        cells = [
            f"{each['instructions'] / 1e6:.1f} / {each['memory_lines'] / 1e3:.0f}"
            + (" *" if each["answer"] != first["answer"] else "")
            for each, first in zip(row, base, strict=True)
        ]
        lines.append(f"| {' | '.join([title, *cells])} |")
    return "\n".join(lines) + "\n"


def clock_section(measured: Mapping[str, Any]) -> str:
    """Of ``rows``: title to ``times`` (a number a round, ms) and ``answer``; the first is the base.

    Rounds are paired: a ratio is the median over rounds of a row's time to the base's.
    """
    rows: Mapping[str, Mapping[str, Any]] = measured["rows"]
    base = next(iter(rows.values()))
    lines = [
        "## On this machine's clock",
        "",
        f"Written by `python -m benchmarks.performance`. {measured['machine']}; Tiny Darknet, one",
        f"thread, batch 1, {len(base['times'])} interleaved rounds, each engine in a process of",
        f"its own; {measured['date']}. A wide spread is other work on the machine. A ratio is the",
        "median over rounds. `*`: the photo's class is not tinyedge's. Other engines were",
        "not timed: ncnn, ONNX Runtime and OpenVINO among them. It tells nothing of a Pi.",
        "",
        "| engine | median ms | p10 to p90 | ratio |",
        "|---|---:|---:|---:|",
    ]
    lines += [_row(title, row, base) for title, row in rows.items()]
    return "\n".join(lines) + "\n"


def _row(title: str, row: Mapping[str, Any], base: Mapping[str, Any]) -> str:
    times: Sequence[float] = row["times"]
    low, median, high = np.percentile(times, (10, 50, 90))
    ratio = np.median(np.divide(times, base["times"]))
    mark = "" if row["answer"] == base["answer"] else " *"
    return f"| {title}{mark} | {median:.2f} | {low:.2f} to {high:.2f} | {ratio:.2f} |"
