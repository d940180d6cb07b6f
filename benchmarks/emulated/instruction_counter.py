"""Counts the instructions a program takes on an emulated board.

Debian's qemu has no plugins, so its source package is built with them, once, in the cache folder
of tests/emulated_pi. That takes some minutes on two cores and needs

    apt-get install gcc libglib2.0-dev ninja-build pkg-config python3-venv
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.emulated_pi import EmulatedPi
from tests.emulated_pi.debian import download_source
from tests.emulated_pi.installation import ensure

__all__ = ["build_counter", "count"]

_NEEDED = ("gcc", "ninja", "pkg-config")
# What qemu's configure asks for and Debian's source package leaves out.
_WHEELS = ("meson==1.5.0", "pycotap==1.3.1")
_CONFIGURE = (
    "--target-list=aarch64-linux-user",
    "--enable-plugins",
    "--disable-system",
    "--disable-tools",
    "--disable-docs",
    "--disable-werror",
    "--disable-capstone",
    "--disable-guest-agent",
    "--disable-install-blobs",
)


def build_counter(folder: Path) -> Path:
    """The folder with an emulator that counts, built in the cache `folder` if it is not there.

    Raises:
        RuntimeError: something it needs is not installed, or a step failed.
    """

    def build(target: Path, scratch: Path) -> None:
        missing = [name for name in _NEEDED if shutil.which(name) is None]
        if missing:
            raise RuntimeError(f"building qemu needs {', '.join(missing)}: {__doc__}")
        print("building qemu with plugins: minutes", file=sys.stderr, flush=True)
        files = download_source("trixie", "qemu", scratch)
        (archive,) = (file for file in files if ".orig." in file.name)
        source, made = scratch / "source", scratch / "made"
        source.mkdir()
        made.mkdir()
        _run(["tar", "-x", "-f", archive, "-C", source, "--strip-components=1"], scratch)
        pip = [sys.executable, "-m", "pip", "--quiet", "download", "--no-deps"]
        _run([*pip, "--dest", source / "python" / "wheels", *_WHEELS], scratch)
        _run([source / "configure", *_CONFIGURE], made)
        products = ("qemu-aarch64", "tests/tcg/plugins/libinsn.so")
        _run(["ninja", "-j2", *products], made)
        for product in products:
            shutil.copy2(made / product, target)

    return ensure(folder, "counting-qemu", build)


def count(
    pi: EmulatedPi, *words: object, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Instructions of `words`, from its first to its exit, and what it printed.

    It runs one thread; addresses and hashes are the same each time, so that counts are too. Unlike
    `EmulatedPi.run`, it sees this machine's files, and starts no other program. `words` begins
    with a path inside the board's file system, such as ``/usr/bin/python3``.

    Raises:
        RuntimeError: the program failed; the message is its stderr.
    """
    counter = build_counter(pi.folder)
    program, *arguments = map(str, words)
    variables = {
        "LANG": "C.UTF-8",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        **(environment or {}),
    }
    with tempfile.NamedTemporaryFile("r", suffix=".log") as log:
        command = ["env", "-i", *(f"{name}={value}" for name, value in variables.items())]
        command += ["setarch", "-R", str(counter / "qemu-aarch64"), "-cpu", pi.cpu, "-seed", "1"]
        command += ["-L", str(pi.root), "-d", "plugin", "-D", log.name]
        command += ["-plugin", f"{counter / 'libinsn.so'},inline=on"]
        done = subprocess.run(
            [*command, str(pi.root) + program, *arguments],
            cwd="/",  # python -m and -c look for modules in the working directory first
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, words))} failed:\n{done.stderr}")
        total = re.search(r"^total insns: (\d+)$", log.read(), re.MULTILINE)
    if total is None:
        raise RuntimeError("the emulator counted nothing")
    return int(total[1]), done.stdout


def _run(command: list[object], folder: Path) -> None:
    done = subprocess.run(
        list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
