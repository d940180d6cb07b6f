"""The table of docs/fidelity.md: every classifier Darknet ships, against the C engine.

    python -m benchmarks.fidelity [CFG...] [-o docs/fidelity.md]

CFG is a name such as ``resnet50``, or a path; by default all of Debian's classifiers. Each runs
in a process of its own, one at a time, whose memory is measured. Finished rows are kept in a
cache folder, so that the table can be made in pieces; --fresh measures them again.
"""

import argparse
import datetime
import importlib.metadata
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks import run
from benchmarks.fidelity.dialect import dialect_path
from benchmarks.fidelity.limits import limits_path
from benchmarks.fidelity.rows import Row, keep, kept, measured_apart
from benchmarks.fidelity.table import markdown
from benchmarks.places import state
from tests.support import c_engine
from tests.support.shipped import CFGS, DARKNETS
from tinyedge.files import file_sha256

MEMORY_LIMIT = 8 * 2**30
_PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "numpy", "pillow")


def main() -> None:
    """Measure what is not measured yet and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cfgs", nargs="*", metavar="CFG", help="names or paths [default: all]")
    parser.add_argument("-o", "--output", type=Path, help="write the table there [default: stdout]")
    parser.add_argument("--fresh", action="store_true", help="measure finished rows again")
    arguments = parser.parse_args()
    if not c_engine.is_installed():
        parser.error("needs Debian's package darknet")
    path = state() / "fidelity.json"
    rows: dict[str, Row] = kept(path, {})
    for cfg in _paths(arguments.cfgs or DARKNETS):
        if arguments.fresh or not _is_finished(rows.get(cfg.stem), cfg):
            rows[cfg.stem] = _measure(cfg)
            keep(path, rows)
    # The table is of all there is, also of what was measured on another day.
    dialect: list[Row] = kept(dialect_path(state()), [])
    limits: list[Row] = kept(limits_path(state()), [])
    text = markdown([rows[name] for name in sorted(rows)], dialect, limits)
    if arguments.output is None:
        print(text, end="")
    else:
        arguments.output.write_text(text, encoding="utf-8")


def _paths(words: Iterable[str]) -> list[Path]:
    """Each word's cfg, smallest first: what is wrong everywhere is found out soon."""
    paths = [path if (path := Path(word)).is_file() else CFGS / f"{word}.cfg" for word in words]
    return sorted(paths, key=c_engine.operations)


def _is_finished(row: Row | None, cfg: Path) -> bool:
    """Whether the row is whole, and of this cfg and these packages."""
    return (
        row is not None
        and "failure" not in row
        and row["cfg_sha256"] == file_sha256(cfg)
        and row["versions"] == _versions()
    )


def _measure(cfg: Path) -> Row:
    """Check `cfg` in a process of its own."""
    row = measured_apart(cfg, "benchmarks.fidelity.check") | {
        "date": datetime.date.today().isoformat(),
        "machine": f"{os.uname().machine}, {os.cpu_count()} cores",
        "versions": _versions(),
    }
    if "failure" not in row and row["peak_bytes"] > MEMORY_LIMIT:
        row["failure"] = f"takes more than {MEMORY_LIMIT / 1e9:.2f} GB of memory"
    print(row.get("failure") or f"{row['seconds']:.0f} s", file=sys.stderr)
    return row


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in _PACKAGES}


if __name__ == "__main__":
    run(main)
