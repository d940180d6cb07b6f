"""The tables: counts on boards, and times by the clock with what they are held against."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.performance.rows import FLOAT

__all__ = ["boards_section", "clock_section"]

_IDLE = 0.5
_BUSY = " (other work ran beside it)"


def boards_section(counted: Mapping[str, Any], plot: str) -> str:
    """Of ``rows``: of each title's ``instructions``, ``memory_lines`` and ``answer`` on the cores.

    ``litert`` is the version on the boards. Answers are held against `FLOAT`'s on the same core.
    `plot` is the file's name of the same, drawn.
    """
    rows: Mapping[str, Sequence[Mapping[str, Any]]] = counted["rows"]
    base = rows[FLOAT]
    said = f"""Written by `python -m benchmarks.performance --emulated`. Tiny Darknet, one thread,
        batch 1, the third inference of one photo: millions of guest instructions, of all threads /
        thousands of 64-byte lines that miss the last cache. Instructions are no time. LiteRT
        {counted["litert"]} runs tinyedge's files and TFLiteConverter's; of tinyedge's int8 and
        mixed ones each core has that of its `export --device`. *Answer*: the photo's first class
        and its probability, the least and the most of the three cores. `*`: the class is not that
        of {FLOAT}."""
    lines = [
        "## On emulated Raspberry Pis",
        "",
        *_wrapped(said),
        "",
        f"![Instructions of each engine on three cores]({plot})",
        "",
        "| engine | A53 (Pi 3, Zero 2 W) | A72 (Pi 4) | A76 (Pi 5) | answer |",
        "|---|---:|---:|---:|---|",
    ]
    for title, row in rows.items():
        cells = [
            f"{each['instructions'] / 1e6:.1f} / {each['memory_lines'] / 1e3:.0f}"
            + _mark(each["answer"], expected["answer"])
            for each, expected in zip(row, base, strict=True)
        ]
        cells.append(_answers([each["answer"] for each in row]))
        lines.append(f"| {' | '.join([title, *cells])} |")
    return "\n".join(lines) + "\n"


def _mark(answer: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    return "" if answer["class"] == expected["class"] else " *"


def _answers(answers: Sequence[Mapping[str, Any]]) -> str:
    """Such as "252: 39.8 to 40.1 %"."""
    found: dict[int, list[float]] = {}
    for answer in answers:
        found.setdefault(answer["class"], []).append(answer["probability"])
    return ", ".join(f"{first}: {_range(chances)}" for first, chances in found.items())


def _range(chances: Sequence[float]) -> str:
    ends = dict.fromkeys(f"{100 * each:.1f}" for each in (min(chances), max(chances)))
    return f"{' to '.join(ends)} %"


def clock_section(measured: Mapping[str, Any]) -> str:
    """What `benchmarks.performance.clock.timed` measured.

    A ratio is to the first row; it and the share of the peak are of the least times, which other
    work on the machine changes least.
    """
    rows: Mapping[str, Mapping[str, Any]] = measured["rows"]
    speeds = {
        kind: peak["macs"] / min(peak["times"]) / 1e6 for kind, peak in measured["peaks"].items()
    }
    base = next(iter(rows.values()))
    said = f"""Written by `python -m benchmarks.performance`. {measured["cpu"]}; {measured["date"]};
        load {measured["load"]:.1f} before it began{_BUSY if measured["load"] > _IDLE else ""}. Tiny
        Darknet ({measured["macs"] / 1e6:.0f} M MAC), batch 1, {len(base["times"])} interleaved
        rounds, each engine in a process of its own. LiteRT {measured["litert"]} runs tinyedge's
        files and TFLiteConverter's. Ratios and shares are of the least times: other work stretches
        long inferences more than short ones. *Peak*: the share of the {speeds["int8"]:.0f} GMAC/s
        of int8, or {speeds["float"]:.0f} of float32, that one core did in the same rounds with
        vectors that stay in registers. Fewer MAC than are counted here do Winograd and, by a
        twentieth, tinyedge's files, which average before the last convolution; OpenVINO's default
        is bfloat16 where a CPU has it. *Answer*: the photo's first class and its
        probability; `*`: the class is not that of {FLOAT}. It tells nothing of a Pi."""
    lines = [
        "## On this machine's clock",
        "",
        *_wrapped(said),
        "",
        "| engine | median ms | p10 to p90 | least | ratio | peak | two threads: least | ratio "
        "| answer |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for title, row in rows.items():
        low, median, high = np.percentile(row["times"], (10, 50, 90))
        speed = measured["macs"] / min(row["times"]) / 1e6
        cells = [
            f"{median:.2f}",
            f"{low:.2f} to {high:.2f}",
            *_least(row["times"], base["times"]),
            f"{speed / speeds[row['arithmetic']]:.0%}",
            *_least(row["two_threads"], base["two_threads"]),
            _answers([row["answer"]]) + _mark(row["answer"], rows[FLOAT]["answer"]),
        ]
        lines.append(f"| {' | '.join([title, *cells])} |")
    return "\n".join(lines) + "\n"


def _least(times: Sequence[float] | None, base: Sequence[float]) -> tuple[str, str]:
    """The least time and its ratio to the other's; nothing of an engine that was not timed."""
    return ("", "") if times is None else (f"{min(times):.2f}", f"{min(times) / min(base):.2f}")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), 100, break_on_hyphens=False)
