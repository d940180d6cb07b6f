"""The measured end of docs/calib.md: sets that `tinyedge calib` chooses against random draws.

    python -m benchmarks.calibration_sets [-o docs/calib.md]

TINYEDGE_CACHE names the cache; imagenet/calib, imagenet/calib_more and imagenet/val lie beside it.
Each row is an export and a comparison by the command line, two to five minutes; rows are kept in a
folder outside the repository, and what is there is not measured again. --minutes ends the work in
time.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import run
from benchmarks.calibration_sets.sets import ROWS, SIZE, Row, imagenet, make_pool, make_set
from benchmarks.calibration_sets.table import HEADING, Result, markdown
from tinyedge.files import file_sha256


def main() -> None:
    """Measure what is not measured yet and write the end of the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, help="the page [default: stdout]")
    parser.add_argument("--minutes", type=float, default=np.inf, help="begin no row after so many")
    parser.add_argument("--folder", type=Path, default=_state(), help="[default: %(default)s]")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * arguments.minutes
    for row in ROWS:
        place = arguments.folder / f"{row.name}.json"
        if not place.is_file() and time.monotonic() < end:
            result = _measure(row, arguments.folder)
            place.write_text(json.dumps(asdict(result)), encoding="utf-8")
            print(f"{row.name}: KL {result.kl_mean:.4f}", file=sys.stderr, flush=True)
    results = {row.name: _read(arguments.folder / f"{row.name}.json") for row in ROWS}
    text = markdown({name: result for name, result in results.items() if result is not None})
    if arguments.output is None:
        print(text, end="")
        return
    page = arguments.output.read_text(encoding="utf-8").partition(HEADING)[0]
    arguments.output.write_text(f"{page}{text}", encoding="utf-8")


def _measure(row: Row, folder: Path) -> Result:
    photos = make_pool(row.pool, folder / "again")
    chosen = make_set(row, photos, folder / "pool.txt")
    calib, made = folder / "set.txt", folder / "out"
    calib.write_text("".join(f"{path}\n" for path in chosen), encoding="utf-8")
    _tinyedge("export", "tiny", "--calib", calib, "--count", SIZE, "-o", made)
    files = (made / f"tiny_{kind}.tflite" for kind in ("float", "int8"))
    found = json.loads(_tinyedge("compare", *files, "--data", imagenet() / "val", "--json"))
    return Result(
        date=datetime.date.today().isoformat(),
        calibrated=sorted(map(file_sha256, chosen)),
        evaluated=found["images"],
        kl_mean=found["kl"]["mean"],
        kl_p95=found["kl"]["p95"],
        agreement=found["agreement"],
    )


def _tinyedge(*words: object) -> str:
    command = [sys.executable, "-m", "tinyedge", *map(str, words), "-q"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def _read(path: Path) -> Result | None:
    if not path.is_file():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Result(**content)


def _state() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tinyedge-benchmarks" / "calibration_sets"


if __name__ == "__main__":
    run(main)
