"""What `tinyedge export` takes: processor time and memory of the command, in a process of its own.

    python -m benchmarks.performance.export_cost --calib DIR [--against FOLDER] [--rounds 3]
        -o docs/performance.md

FOLDER has the sources of an earlier tinyedge, whose exports are run in turn with this one's; it is
called by its name, such as 4541164.
"""

import argparse
import datetime
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import machine, run
from benchmarks.apart import run_apart
from benchmarks.performance import sections
from tinyedge.files import file_sha256

__all__ = ["Cost", "cost_of", "export_section", "main"]

_ROOT = Path(__file__).resolve().parents[2]
_FASHION = _ROOT / "calib_data" / "fashion"


class Cost(NamedTuple):
    """What a process took.

    Attributes:
        cpu: seconds, of the user and of the system.
        peak: bytes of memory at most.
    """

    cpu: float
    peak: int


def cost_of(words: Sequence[object], sources: Path = _ROOT, *, narrow: bool = False) -> Cost:
    """Of ``tinyedge export WORDS``.

    Args:
        words: the command's.
        sources: the folder that tinyedge is imported from.
        narrow: without AVX-512, as far as that can be had.

    Raises:
        SystemExit: it failed; what it said is shown.
    """
    environment = {"PYTHONPATH": str(sources)} | (_narrow() if narrow else {})
    ended = run_apart([sys.executable, "-m", "tinyedge", "export", *words], sources, environment)
    if ended.code:
        raise SystemExit(ended.complaint)
    return Cost(ended.cpu, ended.peak)


def measured(calib: Path, against: Path | None, rounds: int) -> dict[str, Any]:
    """Costs as `export_section` takes them; the exports of a round follow one another."""
    networks: dict[str, list[object]] = {
        "Tiny Darknet, 200 photos": ["tiny", "--calib", calib.resolve()],
        "Fashion, the demo's": [
            _FASHION / "fashion.cfg",
            *("--weights", _FASHION / "fashion.weights"),
            *("--calib", _FASHION / "calibration"),
        ],
    }
    kinds = {"this": _ROOT} | ({} if against is None else {"earlier": against.resolve()})
    found: dict[str, dict[str, list[Cost]]] = {
        title: {kind: [] for kind in kinds} for title in networks
    }
    for number in range(rounds):
        for title, words in networks.items():
            for kind, sources in kinds.items():
                with tempfile.TemporaryDirectory() as folder:
                    cost = cost_of([*words, "-o", folder], sources, narrow=True)
                    files = {path.name: file_sha256(path) for path in Path(folder).iterdir()}
                found[title][kind].append(cost)
                print(f"round {number + 1}: {title}, {kind}: {cost} {files}", file=sys.stderr)
    return {
        "date": datetime.date.today().isoformat(),
        "machine": f"{machine()}, {os.cpu_count()} cores",
        "earlier": None if against is None else against.resolve().name,
        "rows": found,
    }


def _narrow() -> dict[str, str]:
    """What keeps oneDNN, OpenBLAS and NumPy from AVX-512; LiteRT's XNNPACK has no such switch."""
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", ())
    # NumPy ignores a name that its build does not dispatch by, and these changed in 2.4.
    wide = [name for name in found if "512" in name or name == "X86_V4"]
    return {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": " ".join(wide),
    }


def export_section(found: Mapping[str, Any]) -> str:
    """Of ``rows``: by title and kind (``this``, ``earlier``) a `Cost` a round."""
    rows: Mapping[str, Mapping[str, Sequence[Sequence[float]]]] = found["rows"]
    kinds = next(iter(rows.values()))
    rounds = len(kinds["this"])
    lines = [
        "## What an export takes",
        "",
        f"Written by `python -m benchmarks.performance.export_cost`. {found['machine']}, with",
        "oneDNN, OpenBLAS and NumPy kept from AVX-512 (LiteRT's XNNPACK cannot be);",
        f"{found['date']}, {_rounds(rounds)}. Seconds are the processor's, of all threads; other",
        "work on the machine makes them more. `-v` prints what each stage took.",
    ]
    if "earlier" in kinds:
        lines += [f"The ratio is of the time to that of {found['earlier']} in the same round."]
    head = ["export", "seconds", "peak of memory", *(["ratio of time"] * ("earlier" in kinds))]
    lines += ["", f"| {' | '.join(head)} |", f"|---{'|---:' * (len(head) - 1)}|"]
    for title, kinds in rows.items():
        this = np.array(kinds["this"])
        cells = [title, _told(this[:, 0], 1), f"{_told(this[:, 1] / 1e6, 0)} MB"]
        if "earlier" in kinds:
            cells.append(_told(this[:, 0] / np.array(kinds["earlier"])[:, 0], 2))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _rounds(count: int) -> str:
    return "one round" if count == 1 else f"median (least to most) of {count} rounds"


def _told(values: Any, digits: int) -> str:
    median, least, most = np.median(values), min(values), max(values)
    if len(values) == 1:
        return f"{median:.{digits}f}"
    return f"{median:.{digits}f} ({least:.{digits}f} to {most:.{digits}f})"


def main() -> None:
    """Measure, keep what was measured, and write its section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calib", type=Path, required=True)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    found = measured(given.calib, given.against, given.rounds)
    sections.keep(sections.state(), "export", found)
    sections.write_section(given.output, "export", export_section(found))


if __name__ == "__main__":
    run(main)
