"""What tinyedge costs on an emulated board: instructions, memory, disk."""

import importlib.metadata
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.emulated.instruction_counter import count
from tests.emulated_pi import EmulatedPi, emulated_pi
from tests.emulated_pi.installation import install_wheels
from tests.emulated_pi.releases import RELEASES

__all__ = [
    "board_install",
    "guest_words",
    "inference_instructions",
    "install_alone",
    "peak_memory",
    "run_instructions",
    "script_instructions",
    "script_peak_memory",
    "site_packages",
]

_GUEST = Path(__file__).with_name("guest.py")
_SMALLEST = Path(__file__).with_name("smallest.py")
# A program, a module or a script, and where its process ends the most memory it ever had.
_PEAK = """
import atexit, os, runpy, sys
def tell():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM:"):
            print(line.split()[1], file=sys.stderr)
atexit.register(tell)
os._exit = sys.exit
sys.argv = sys.argv[1:]
run = runpy.run_path if sys.argv[0].endswith(".py") else runpy.run_module
run(sys.argv[0], run_name="__main__")
"""


def guest_words(files: Sequence[Path], *, threads: int, unmarked: int, marked: int) -> list[object]:
    """The command on a board that runs inferences of each file; see guest.py."""
    return ["/usr/bin/python3", _GUEST, threads, unmarked, marked, *files]


def inference_instructions(board: str, model: Path) -> int:
    """Of one inference of `model`, one thread, on bookworm: a third of 4 inferences less 1."""
    pi = emulated_pi("bookworm", board)

    def total(inferences: int) -> int:
        words = guest_words([model], threads=1, unmarked=inferences, marked=0)
        return count(pi, *words, environment={"PYTHONPATH": str(site_packages(pi))})[0]

    return round((total(4) - total(1)) / 3)


def run_instructions(board: str, packages: Path, model: Path, photo: Path) -> int:
    """Of the whole command ``tinyedge run MODEL PHOTO --threads 1``, Python's start included."""
    pi = emulated_pi("bookworm", board)
    words = ["/usr/bin/python3", "-m", "tinyedge", "run", model, photo, "--threads", 1]
    return count(pi, *words, environment={"PYTHONPATH": f"{packages}:{site_packages(pi)}"})[0]


def script_instructions(board: str, model: Path, photo: Path) -> int:
    """Of smallest.py in the place of the command."""
    pi = emulated_pi("bookworm", board)
    words = ["/usr/bin/python3", _SMALLEST, model, photo]
    return count(pi, *words, environment={"PYTHONPATH": str(site_packages(pi))})[0]


def peak_memory(packages: Path, model: Path, photo: Path) -> dict[str, int]:
    """Bytes at most of ``tinyedge run MODEL PHOTO``, ``here`` and ``there`` on bookworm's Pi 4.

    There it is the emulator's process: its own memory and its translation of the program count.
    """
    return _peaks(["tinyedge", "run", model, photo], [packages, model, photo], packages)


def script_peak_memory(model: Path, photo: Path) -> dict[str, int]:
    """Of smallest.py in the place of the command."""
    return _peaks([_SMALLEST, model, photo], [_SMALLEST.parent, model, photo], _SMALLEST.parent)


def _peaks(program: Sequence[object], shared: Sequence[Path], packages: Path) -> dict[str, int]:
    variables = {"PYTHONPATH": str(packages), "OPENBLAS_NUM_THREADS": "1"}
    words = ["-c", _PEAK, *map(str, program)]
    here = subprocess.run(
        [sys.executable, *words],
        cwd="/",  # -c looks for modules in the working directory first
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    pi = emulated_pi("bookworm", "pi4", shared=shared)
    there = pi.run("python3", *words, environment=variables)
    return {
        place: 1024 * int(done.stderr.splitlines()[-1])
        for place, done in (("here", here), ("there", there))
    }


def install_alone(source: Path, folder: Path) -> None:
    """Tinyedge of the checkout `source` into `folder`, compiled, without what it depends on."""
    _pip("install", "--no-deps", "--no-compile", "--target", folder, source)
    subprocess.run([sys.executable, "-m", "compileall", "-q", folder], check=True)


def board_install(source: Path) -> list[dict[str, Any]]:
    """Each distribution that pip brings of `source` to a 64-bit bookworm.

    `source` is a checkout; a row has a name, a version, and the bytes of its files, bytecode
    left out. Dependencies are of the newest versions.
    """
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        _pip("wheel", "--no-deps", "--wheel-dir", folder, source)
        (wheel,) = Path(folder).glob("*.whl")
        site = Path(folder) / "site"
        install_wheels(RELEASES["bookworm"], [str(wheel)], site, alone=False)
        for found in importlib.metadata.distributions(path=[str(site)]):
            files = [Path(str(found.locate_file(file))) for file in found.files or ()]
            size = sum(file.stat().st_size for file in files if file.is_file())
            rows.append({"name": found.name, "version": found.version, "bytes": size})
    return sorted(rows, key=lambda row: str(row["name"]).lower())


def site_packages(pi: EmulatedPi) -> Path:
    """The wheels of bookworm's board."""
    return pi.root / "usr" / "local" / "lib" / "python3.11" / "dist-packages"


def _pip(*words: object) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", *map(str, words)]
    subprocess.run(command, check=True, capture_output=True)
