"""Engines for emulated boards, and Darknet's, which nobody packs without OpenCV."""

import dataclasses
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.performance.sections import state
from tests.emulated_pi.debian import download_source
from tests.emulated_pi.installation import ensure, install_wheels
from tests.emulated_pi.releases import RELEASES

__all__ = ["DARKNET", "TFLITE", "board_wheels", "darknet_library", "installed_versions"]

TFLITE = ("tflite-runtime==2.14.0", "numpy==1.26.4")
"""The last of its kind, and the last NumPy it can be imported with."""
DARKNET = "61c9d02e"
"""The commit of Debian bookworm's source package."""

_NAMES = ("ai-edge-litert", "ncnn", "nncf", "onnxruntime", "opencv-python-headless", "openvino")


def installed_versions(python: Path) -> Mapping[str, str]:
    """Versions in an environment, by name."""
    script = (
        "import importlib.metadata as m, json, sys;"
        "print(json.dumps({name: m.version(name) for name in sys.argv[1:]}))"
    )
    done = subprocess.run(
        [python, "-c", script, *_NAMES], check=True, stdout=subprocess.PIPE, text=True
    )
    found: Mapping[str, str] = json.loads(done.stdout)
    return found


def board_wheels(requirements: Sequence[str]) -> Path:
    """A folder with those wheels alone for bookworm on a board of 64 bits, fetched once."""
    bookworm = RELEASES["bookworm"]
    # Debian 12 has glibc 2.36.
    tags = (*bookworm.wheel_tags, *(f"manylinux_2_{n}_aarch64" for n in (31, 35)))

    def build(folder: Path, scratch: Path) -> None:
        del scratch
        release = dataclasses.replace(bookworm, wheel_tags=tags)
        install_wheels(release, requirements, folder, alone=True)

    name = "-".join(requirement.replace("==", "-") for requirement in requirements)
    return ensure(state(), f"{name}-aarch64", build)


def darknet_library(compiler: str) -> Path:
    """libdarknet.so by a GCC, with its Makefile's own flags: no OpenCV, OpenMP or GPU.

    `compiler` is such as ``aarch64-linux-gnu-gcc``, of the package gcc-aarch64-linux-gnu.
    """

    def build(folder: Path, scratch: Path) -> None:
        (scratch / "package").mkdir()
        files = download_source("bookworm", "darknet", scratch / "package")
        (archive,) = (file for file in files if f"{DARKNET}.orig." in file.name)
        subprocess.run(
            ["tar", "-x", "-f", archive, "-C", folder, "--strip-components=1"], check=True
        )
        (folder / "obj").mkdir()
        # Its one file of C++ is empty without OpenCV: no compiler of C++ is needed.
        words = [f"CC={compiler}", f"CPP={compiler} -x c", "libdarknet.so"]
        subprocess.run(["make", "--quiet", *words], cwd=folder, check=True, capture_output=True)

    return ensure(state(), f"darknet-{DARKNET}-{compiler}", build) / "libdarknet.so"
