"""The section of docs/performance.md by guest instructions on emulated Raspberry Pis.

    python -m benchmarks.performance.boards --models DIR --photo FILE --calib DIR --peers PYTHON
        [-o docs/performance.md]

DIR of models holds ``tiny_float.tflite`` and ``tiny_int8.tflite`` of `tinyedge export tiny`. PYTHON
is of an environment with ncnn, which finds the ranges of its int8 file; its wheel for the boards is
fetched.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import run
from benchmarks.emulated.instruction_counter import marked
from benchmarks.emulated.measures import site_packages
from benchmarks.performance import sections
from benchmarks.performance.ncnn_files import NcnnFiles, read_blobs, write_ncnn
from benchmarks.performance.table import boards_section
from tests.emulated_pi import emulated_pi
from tinyedge.darknet.network import read_network
from tinyedge.darknet.weights import read_weights
from tinyedge.devices.profile import find_profile
from tinyedge.export.build.fold import fold
from tinyedge.images.load import load_float_input
from tinyedge.images.spec import InputSpec
from tinyedge.zoo.fetch import locate
from tinyedge.zoo.models import MODELS

_GUEST = Path(__file__).with_name("guest.py")
_BOARDS = ("pi3", "pi4", "pi5")
_NCNN = "1.0.20261020"
_INPUT = InputSpec(224, 224, 3, "crop")
_PHOTOS = 40
"""To find the ranges of ncnn's int8 file."""


def main() -> None:
    """Count all engines on all cores, keep the counts, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--photo", type=Path, required=True)
    parser.add_argument("--calib", type=Path, required=True)
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tinyedge-performance-") as name:
        folder = Path(name)
        photo = folder / "photo.npy"
        np.save(photo, load_float_input(arguments.photo, _INPUT))
        floating, integer = _ncnn_models(folder, arguments.calib, arguments.peers)
        rows: dict[str, list[object]] = {
            "tinyedge int8, LiteRT": ["litert", photo, arguments.models / "tiny_int8.tflite"],
            "tinyedge float, LiteRT": ["litert", photo, arguments.models / "tiny_float.tflite"],
            f"ncnn {_NCNN} int8": ["ncnn", photo, *integer],
            f"ncnn {_NCNN}, its defaults": ["ncnn", photo, *floating],
        }
        packages = _ncnn_wheel()
        counted = {
            title: [_counted(board, row, packages, folder / "answer") for board in _BOARDS]
            for title, row in rows.items()
        }
    sections.keep(sections.state(), "boards", counted)
    sections.write_section(arguments.output, "boards", boards_section(counted))


def _counted(board: str, row: list[object], packages: Path, answer: Path) -> dict[str, int]:
    """The third inference's instructions, the lines it missed in the last cache, and its class."""
    pi, cache = emulated_pi("bookworm", board), find_profile(board).cache
    assert cache is not None
    kind, *files = row
    words = [
        "/usr/bin/python3",
        _GUEST,
        kind,
        answer,
        *(Path(str(f)).resolve() for f in files[:-1]),
    ]
    last = files[-1]
    words.append(last.resolve() if isinstance(last, Path) else last)
    begun, ended = marked(
        pi,
        words,
        stdin="",
        cache_bytes=cache,
        environment={"PYTHONPATH": f"{packages}:{site_packages(pi)}", "OMP_NUM_THREADS": "1"},
    )
    return {
        "instructions": ended.instructions - begun.instructions,
        "memory_lines": ended.memory_lines - begun.memory_lines,
        "answer": int(answer.read_text(encoding="utf-8")),
    }


def _ncnn_models(folder: Path, calib: Path, peers: Path) -> tuple[NcnnFiles, NcnnFiles]:
    files = locate(MODELS["tiny"])
    assert files.weights is not None
    network = read_network(files.cfg)
    weights = fold(network, read_weights(files.weights, network))
    floating = write_ncnn(network, weights, folder, "float")
    photos = sorted(calib.iterdir())[:_PHOTOS]
    np.save(folder / "photos.npy", np.stack([load_float_input(each, _INPUT) for each in photos]))
    blobs = read_blobs(network)
    words: list[Any] = [peers, _GUEST, "ranges", folder / "photos.npy", *floating[:2]]
    done = subprocess.run(
        list(map(str, [*words, *blobs.values()])), check=True, capture_output=True, text=True
    )
    largest = dict(zip(blobs, json.loads(done.stdout.splitlines()[-1]), strict=True))
    return floating, write_ncnn(network, weights, folder, "int8", largest)


def _ncnn_wheel() -> Path:
    """A folder with ncnn for a board of 64 bits, fetched once."""
    folder = sections.state() / f"ncnn-{_NCNN}-aarch64"
    if not folder.is_dir():
        words = ["-m", "pip", "install", "--quiet", "--no-compile", "--no-deps", "--target", folder]
        words += ["--implementation", "cp", "--python-version", "3.11", "--only-binary", ":all:"]
        for platform in ("manylinux2014_aarch64", "manylinux_2_28_aarch64"):
            words += ["--platform", platform]
        words.append(f"ncnn=={_NCNN}")
        subprocess.run([sys.executable, *map(str, words)], check=True, capture_output=True)
    return folder


if __name__ == "__main__":
    run(main)
