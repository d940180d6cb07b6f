"""The table of docs/fidelity.md: every classifier Darknet ships, against the C engine.

    python -m benchmarks.fidelity [CFG...] [-o docs/fidelity.md]

CFG is a name such as ``resnet50``, or a path; by default all of Debian's classifiers. Each runs
in a process of its own, one at a time, whose memory is measured. Finished rows are kept in a
cache folder, so that the table can be made in pieces; --fresh measures them again.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks import run
from benchmarks.fidelity.dialect import dialect_path
from benchmarks.fidelity.limits import limits_path
from benchmarks.fidelity.table import markdown
from tests.support import c_engine
from tests.support.shipped import CFGS, DARKNETS
from tinyedge.children import child
from tinyedge.files import file_sha256

_ROOT = Path(__file__).resolve().parents[2]

MEMORY_LIMIT = 8 * 2**30
_PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "numpy", "pillow")
_Row = dict[str, Any]


def main() -> None:
    """Measure what is not measured yet and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cfgs", nargs="*", metavar="CFG", help="names or paths [default: all]")
    parser.add_argument("-o", "--output", type=Path, help="write the table there [default: stdout]")
    parser.add_argument("--fresh", action="store_true", help="measure finished rows again")
    arguments = parser.parse_args()
    if not c_engine.is_installed():
        parser.error("needs Debian's package darknet")
    rows = _load()
    for cfg in _paths(arguments.cfgs or DARKNETS):
        if arguments.fresh or not _is_finished(rows.get(cfg.stem), cfg):
            rows[cfg.stem] = _measure(cfg)
            _save(rows)
    # The table is of all there is, also of what was measured on another day.
    dialect, limits = (_kept(path(state_folder())) for path in (dialect_path, limits_path))
    text = markdown([rows[name] for name in sorted(rows)], dialect, limits)
    if arguments.output is None:
        print(text, end="")
    else:
        arguments.output.write_text(text, encoding="utf-8")


def _paths(words: Iterable[str]) -> list[Path]:
    """Each word's cfg, smallest first: what is wrong everywhere is found out soon."""
    paths = [path if (path := Path(word)).is_file() else CFGS / f"{word}.cfg" for word in words]
    return sorted(paths, key=c_engine.operations)


def _is_finished(row: _Row | None, cfg: Path) -> bool:
    """Whether the row is whole, and of this cfg and these packages."""
    return (
        row is not None
        and "failure" not in row
        and row["cfg_sha256"] == file_sha256(cfg)
        and row["versions"] == _versions()
    )


def _measure(cfg: Path) -> _Row:
    """Check `cfg` in a process of its own."""
    print(f"{cfg.stem} ...", end=" ", file=sys.stderr, flush=True)
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        command = [sys.executable, "-m", "benchmarks.fidelity.check", str(cfg)]
        with child(command, cwd=_ROOT, stdout=out, stderr=err) as process:
            # Of the process and of those it waited for, the engine's among them: the largest.
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        printed, complaint = out.read(), err.read()
    row: _Row = {
        "cfg": cfg.stem,
        "cfg_sha256": file_sha256(cfg),
        "date": datetime.date.today().isoformat(),
        "machine": f"{os.uname().machine}, {os.cpu_count()} cores",
        "versions": _versions(),
        "seconds": time.monotonic() - start,
        "peak_bytes": usage.ru_maxrss * 1024,
    }
    if process.returncode != 0:
        lines = complaint.strip().splitlines() or [f"exit code {process.returncode}"]
        row["failure"] = lines[-1]
    else:
        row |= json.loads(printed)
        if row["peak_bytes"] > MEMORY_LIMIT:
            row["failure"] = f"takes more than {MEMORY_LIMIT / 1e9:.2f} GB of memory"
    print(row.get("failure") or f"{row['seconds']:.0f} s", file=sys.stderr)
    return row


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in _PACKAGES}


def state_folder() -> Path:
    """Where what was measured is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tinyedge-benchmarks"


def _state() -> Path:
    return state_folder() / "fidelity.json"


def _load() -> dict[str, _Row]:
    path = _state()
    if not path.is_file():
        return {}
    rows: dict[str, _Row] = json.loads(path.read_text(encoding="utf-8"))
    return rows


def _kept(path: Path) -> list[_Row]:
    """What another part of the page measured."""
    rows: list[_Row] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return rows


def _save(rows: dict[str, _Row]) -> None:
    path = _state()
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    unfinished.replace(path)


if __name__ == "__main__":
    run(main)
