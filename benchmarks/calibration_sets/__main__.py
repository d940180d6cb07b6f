"""The measured end of docs/calib.md: sets that `tinyedge calib` chooses against random draws.

    python -m benchmarks.calibration_sets [-o docs/calib.md]

TINYEDGE_CACHE names the cache; imagenet/calib, imagenet/calib_more and imagenet/val lie beside it.
Each row is an export and a comparison by the command line, two to five minutes; rows are kept in a
folder outside the repository, and what is there is not measured again. --minutes ends the work in
time.
"""

import datetime
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

from benchmarks import run
from benchmarks.calibration_sets.sets import ROWS, SIZE, Row, make_pool, make_set
from benchmarks.calibration_sets.table import HEADING, Result, markdown
from benchmarks.places import imagenet
from benchmarks.rows import measured, row_arguments
from tinyedge.files import file_sha256


def main() -> None:
    """Measure what is not measured yet and write the end of the page."""
    arguments = row_arguments(__doc__.splitlines()[0], "calibration_sets").parse_args()
    measure = partial(_measure, folder=arguments.folder)
    text = markdown(measured(ROWS, Result, measure, arguments.folder, minutes=arguments.minutes))
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
    result = Result(
        date=datetime.date.today().isoformat(),
        calibrated=sorted(map(file_sha256, chosen)),
        evaluated=found["images"],
        kl_mean=found["kl"]["mean"],
        kl_p95=found["kl"]["p95"],
        agreement=found["agreement"],
    )
    print(f"{row.name}: KL {result.kl_mean:.4f}", file=sys.stderr, flush=True)
    return result


def _tinyedge(*words: object) -> str:
    command = [sys.executable, "-m", "tinyedge", *map(str, words), "-q"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    run(main)
