"""Engines on emulated Raspberry Pis, in guest instructions and lines missed in the last cache."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.emulated.instruction_counter import marked
from benchmarks.emulated.measures import site_packages
from benchmarks.performance.ncnn_files import NcnnFiles, read_blobs, write_ncnn
from benchmarks.performance.sections import state
from tests.emulated_pi import emulated_pi
from tests.emulated_pi.installation import ensure
from tinyedge.darknet.network import read_network
from tinyedge.darknet.weights import read_weights
from tinyedge.devices.profile import find_profile
from tinyedge.export.build.fold import fold
from tinyedge.images.load import load_float_input
from tinyedge.images.spec import InputSpec
from tinyedge.zoo.fetch import locate
from tinyedge.zoo.models import MODELS

__all__ = ["counted"]

_ENGINES = Path(__file__).with_name("engines.py")
_BOARDS = ("pi3", "pi4", "pi5")
_NCNN = "1.0.20261020"
_INPUT = InputSpec(224, 224, 3, "crop")
_PHOTOS = 40
"""To find the ranges of ncnn's int8 file."""


def counted(models: Path, photo: Path, calib: Path, peers: Path) -> dict[str, list[dict[str, int]]]:
    """What all engines take on all cores, as `table.boards_section` takes it.

    Args:
        models: the folder with tinyedge's files; absolute.
        photo: an image file.
        calib: a folder of photos.
        peers: Python of an environment with ncnn; its wheel for the boards is fetched.
    """
    with tempfile.TemporaryDirectory(prefix="tinyedge-performance-") as name:
        folder = Path(name)
        pixels = folder / "photo.npy"
        np.save(pixels, load_float_input(photo, _INPUT))
        floating, integer = _ncnn_models(folder, calib, peers)
        rows: dict[str, list[object]] = {
            "tinyedge int8, LiteRT": ["litert", pixels, models / "tiny_int8.tflite"],
            "tinyedge float, LiteRT": ["litert", pixels, models / "tiny_float.tflite"],
            f"ncnn {_NCNN} int8": ["ncnn", pixels, *integer],
            f"ncnn {_NCNN}, its defaults": ["ncnn", pixels, *floating],
        }
        packages = _ncnn_wheel()
        return {
            title: [_counted(board, row, packages, folder / "answer") for board in _BOARDS]
            for title, row in rows.items()
        }


def _counted(board: str, row: list[object], packages: Path, answer: Path) -> dict[str, int]:
    """The third inference's instructions, the lines it missed in the last cache, and its class."""
    pi, cache = emulated_pi("bookworm", board), find_profile(board).cache
    assert cache is not None
    begun, ended = marked(
        pi,
        ["/usr/bin/python3", _ENGINES, "marks", answer, *row],
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
    words: list[Any] = [peers, _ENGINES, "ranges", folder / "photos.npy", *floating[:2]]
    done = subprocess.run(
        list(map(str, [*words, *blobs.values()])), check=True, capture_output=True, text=True
    )
    largest = dict(zip(blobs, json.loads(done.stdout.splitlines()[-1]), strict=True))
    return floating, write_ncnn(network, weights, folder, "int8", largest)


def _ncnn_wheel() -> Path:
    """A folder with ncnn for a board of 64 bits, fetched once."""

    def build(folder: Path, scratch: Path) -> None:
        del scratch
        words = ["-m", "pip", "install", "--quiet", "--no-compile", "--no-deps", "--target", folder]
        words += ["--implementation", "cp", "--python-version", "3.11", "--only-binary", ":all:"]
        for platform in ("manylinux2014_aarch64", "manylinux_2_28_aarch64"):
            words += ["--platform", platform]
        words.append(f"ncnn=={_NCNN}")
        subprocess.run([sys.executable, *map(str, words)], check=True, capture_output=True)

    state().mkdir(parents=True, exist_ok=True)
    return ensure(state(), f"ncnn-{_NCNN}-aarch64", build)
