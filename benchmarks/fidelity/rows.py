"""The rows of the page's tables: each measured in a process of its own, and kept in a cache."""

import json
import sys
import time
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.apart import run_apart
from tinyedge.files import file_sha256

__all__ = ["Row", "keep", "kept", "measured_apart"]

Row = dict[str, Any]
T = TypeVar("T")

_ROOT = Path(__file__).resolve().parents[2]


def kept(path: Path, otherwise: T) -> T:
    """What `keep` wrote to `path`, or `otherwise` where there is nothing."""
    if not path.is_file():
        return otherwise
    found: T = json.loads(path.read_text(encoding="utf-8"))
    return found


def keep(path: Path, content: object) -> None:
    """Write it, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps(content, indent=1), encoding="utf-8")
    unfinished.replace(path)


def measured_apart(cfg: Path, module: str, *words: str) -> Row:
    """Run a module on `cfg`: what it prints, a JSON object, with the time and memory it took.

    In place of what is printed it has a ``failure``, the last line of stderr, where that fails.
    """
    print(f"{cfg.stem} ...", end=" ", file=sys.stderr, flush=True)
    start = time.monotonic()
    # The engine's process is one that it waits for.
    ended = run_apart([sys.executable, "-m", module, cfg, *words], _ROOT)
    row: Row = {
        "cfg": cfg.stem,
        "cfg_sha256": file_sha256(cfg),
        "seconds": time.monotonic() - start,
        "peak_bytes": ended.peak,
    }
    if ended.code != 0:
        lines = ended.complaint.strip().splitlines() or [f"exit code {ended.code}"]
        return row | {"failure": lines[-1]}
    found: Row = json.loads(ended.printed.strip().splitlines()[-1])
    return row | found
