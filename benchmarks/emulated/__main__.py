"""What tinyedge does on emulated Raspberry Pis: the last section of docs/boards.md.

    python -m benchmarks.emulated [PART...] --models DIR --photos DIR [-o docs/boards.md]

PART is outputs, instructions, start or install; by default all. ``page`` measures nothing and
writes what is known. DIR of the models holds
``tiny``, ``squeezenet`` and ``fashion``, each ``_float.tflite`` and ``_int8.tflite`` as
``tinyedge export`` made them, and ``tiny_default_int8.tflite``, of ``--quantizer default``.
``--photos`` is any folder of photos; 50 of them, evenly spread, are used.

Results are kept in a cache folder, so that the section can be made in pieces. Counting
instructions builds qemu once; see instruction_counter.py.
"""

import argparse
import datetime
import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks import run
from benchmarks.emulated import measures
from benchmarks.emulated.cores import CORES
from benchmarks.emulated.outputs import compare_outputs
from benchmarks.emulated.table import markdown
from benchmarks.places import state
from tinyedge.images.find import find_images

_ROOT = Path(__file__).resolve().parents[2]

_PARTS = ("outputs", "instructions", "start", "install")
_NETWORKS = ("fashion", "tiny", "squeezenet")
_PHOTOS = 50
_BEGIN = "<!-- begin: benchmarks/emulated writes what follows -->\n"
_END = "<!-- end: benchmarks/emulated -->\n"


def main() -> None:
    """Measure the parts that were asked for and write the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(_PARTS)}")
    parser.add_argument("--models", type=Path, required=True, metavar="DIR")
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--before", action="append", default=[], metavar="COMMIT", help="of `start`: count it too"
    )
    parser.add_argument(
        "--only", action="append", choices=_NETWORKS, help="of `outputs`: this network"
    )
    parser.add_argument("-o", "--output", type=Path, help="the page [default: stdout]")
    arguments = parser.parse_args()
    parts = [part for part in arguments.parts or _PARTS if part != "page"]
    unknown = set(parts) - set(_PARTS)
    if unknown:
        parser.error(f"unknown part {unknown.pop()}; known: {', '.join(_PARTS)}, page")
    if parts:
        _measure(parts, arguments)
    section = f"{_BEGIN}{markdown(_load())}{_END}"
    if arguments.output is None:
        print(section, end="")
        return
    page = arguments.output.read_text(encoding="utf-8")
    before, begin, rest = page.partition(_BEGIN)
    after = rest.partition(_END)[2] if begin else ""
    arguments.output.write_text(f"{before.rstrip()}\n\n{section}{after}", encoding="utf-8")


def _measure(parts: list[str], arguments: argparse.Namespace) -> None:
    models: Path = arguments.models.resolve()
    photos = _spread(find_images([str(arguments.photos.resolve())]))
    with tempfile.TemporaryDirectory() as folder:
        # Of HEAD: pip would leave what it builds in a checkout, and build from it the next time.
        checkout, packages = _checkout("HEAD", Path(folder) / "HEAD"), Path(folder) / "packages"
        measures.install_alone(checkout, packages)
        for part in parts:
            match part:
                case "outputs":
                    for name in arguments.only or _NETWORKS:
                        _keep_outputs(name, models, photos, packages)
                case "instructions":
                    _keep(part, _instructions(models))
                case "start":
                    _keep(part, _starts(models, photos[0], arguments.before))
                case _:
                    files = [models / f"tiny_{kind}.tflite" for kind in ("float", "int8")]
                    peaks = {
                        f"`{file.stem}`": measures.peak_memory(packages, file, photos[0])
                        for file in files
                    }
                    alone = measures.script_peak_memory(files[1], photos[0])
                    peaks[f"`{files[1].stem}`, smallest.py"] = alone
                    _keep(part, {"packages": measures.board_install(checkout), "peaks": peaks})


def _spread(photos: Sequence[Path]) -> list[Path]:
    return [photos[i * len(photos) // _PHOTOS] for i in range(_PHOTOS)]


def _keep_outputs(name: str, models: Path, photos: list[Path], packages: Path) -> None:
    """The network's two files on every system; each result is kept as soon as it is there."""
    if name == "fashion":
        photos = _spread(find_images([str(_ROOT / "calib_data" / "fashion" / "test")]))
    files = [models / f"{name}_{kind}.tflite" for kind in ("int8", "float")]
    for row in compare_outputs(files, photos, packages, _known_outputs()):
        place = [row[key] for key in ("model", "release", "board")]
        others = [
            known
            for known in _known_outputs()
            if [known[key] for key in ("model", "release", "board")] != place
        ]
        _keep("outputs", [*others, row])


def _known_outputs() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _load().get("outputs", {"measured": []})["measured"]
    return rows


def _instructions(models: Path) -> dict[str, dict[str, int]]:
    return {
        stem: {
            board: measures.inference_instructions(board, models / f"{stem}.tflite")
            for board in CORES
        }
        for stem in ("tiny_float", "tiny_default_int8", "tiny_int8")
    }


def _starts(models: Path, photo: Path, commits: list[str]) -> list[dict[str, Any]]:
    """Of the photo, and of the same enlarged to what a camera takes, by commits and the script."""
    rows = []
    model = models / "tiny_int8.tflite"
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "large.jpg"
        with Image.open(photo) as image:
            sizes = (image.size, (4000, 3000))
            image.convert("RGB").resize(sizes[1], Image.Resampling.BICUBIC).save(large)
        photos = {
            f"{width}x{height}": path
            for path, (width, height) in zip((photo, large), sizes, strict=True)
        }
        for number, commit in enumerate([*commits, "HEAD"]):
            packages = Path(folder) / f"packages{number}"
            measures.install_alone(_checkout(commit, Path(folder) / f"{number}"), packages)
            by = " (".join(_git("show", "-s", "--format=%h %cs", commit).split()) + ")"
            for size, path in photos.items():
                taken = {
                    board: measures.run_instructions(board, packages, model, path)
                    for board in CORES
                }
                rows.append({"by": by, "photo": size, "instructions": taken})
        for size, path in photos.items():
            taken = {board: measures.script_instructions(board, model, path) for board in CORES}
            rows.append({"by": "smallest.py", "photo": size, "instructions": taken})
    return rows


def _checkout(commit: str, folder: Path) -> Path:
    """`folder`, filled with the files of `commit`."""
    folder.mkdir()
    with tempfile.NamedTemporaryFile(suffix=".tar") as archive:
        _git("archive", "-o", archive.name, commit)
        subprocess.run(["tar", "-x", "-f", archive.name, "-C", folder], check=True)
    return folder


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=_ROOT, check=True, capture_output=True, text=True
    ).stdout


def _store() -> Path:
    return state() / "emulated_board.json"


def _load() -> dict[str, Any]:
    return json.loads(_store().read_text()) if _store().is_file() else {}


def _keep(part: str, measured: Any) -> None:
    date = datetime.date.today().isoformat()
    results = {**_load(), part: {"date": date, "measured": measured}}
    _store().parent.mkdir(parents=True, exist_ok=True)
    temporary = _store().with_suffix(".new")
    temporary.write_text(json.dumps(results, indent=1))
    temporary.replace(_store())


if __name__ == "__main__":
    run(main)
