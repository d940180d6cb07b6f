"""Counts the instructions a program takes on an emulated board.

Debian's qemu has no plugins, so its source package is built with them, once, in the cache folder
of tests/emulated_pi. That takes some minutes on two cores and needs

    apt-get install gcc libglib2.0-dev ninja-build pkg-config python3-venv
"""

import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.emulated_pi import EmulatedPi
from tests.emulated_pi.debian import download_source
from tests.emulated_pi.installation import ensure

__all__ = ["Marks", "build_counter", "count", "marked", "ran_by_threads"]

_MARKS = Path(__file__).with_name("marks.c")
_THREADS = Path(__file__).with_name("threads.c")

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


class Marks(NamedTuple):
    """What a program took before a mark, or between two.

    Attributes:
        instructions: of all its threads.
        cache_lines: that the first one's loads and stores did not find in the first data cache.
        memory_lines: nor in the last one.
    """

    instructions: int
    cache_lines: int
    memory_lines: int


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
        for header in source.glob("include/*/qemu-plugin.h"):
            shutil.copy2(header, target)

    return ensure(folder, "qemu-with-plugins", build)


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
    with tempfile.NamedTemporaryFile("r", suffix=".log") as log:
        counter = build_counter(pi.folder)
        plugin = f"{counter / 'libinsn.so'},inline=on"
        printed = _run_counted(pi, plugin, words, environment=environment or {}, log=log.name)
        total = re.search(r"^total insns: (\d+)$", log.read(), re.MULTILINE)
    if total is None:
        raise RuntimeError("the emulator counted nothing")
    return int(total[1]), printed


def marked(
    pi: EmulatedPi,
    words: Sequence[object],
    *,
    cache_bytes: int,
    environment: Mapping[str, str],
) -> list[Marks]:
    """What `words` had taken at each mark, a call of getppid(); see `count` and marks.c.

    `cache_bytes` are of the last cache. The first one is a Cortex-A53's, or an A76's.

    Raises:
        RuntimeError: the program failed; the message is its stderr.
    """
    first = "l1=65536,l1ways=4" if pi.cpu == "cortex-a76" else "l1=32768,l1ways=4"
    with (
        _built_plugin(pi, _MARKS) as plugin,
        tempfile.NamedTemporaryFile("r", suffix=".log") as log,
    ):
        options = f"{plugin},{first},l2={cache_bytes}"
        _run_counted(pi, options, words, environment=environment, log=log.name)
        found = re.findall(r"^mark (\d+) (\d+) (\d+)$", log.read(), re.MULTILINE)
    return [Marks(*map(int, each)) for each in found]


def ran_by_threads(
    pi: EmulatedPi, words: Sequence[object], *, environment: Mapping[str, str]
) -> str:
    """What each thread of `words` ran between marks, in the lines that threads.c describes.

    `words` as of `count`.

    Raises:
        RuntimeError: the program failed; the message is its stderr.
    """
    with (
        _built_plugin(pi, _THREADS) as plugin,
        tempfile.NamedTemporaryFile("r", suffix=".log") as log,
    ):
        _run_counted(pi, str(plugin), words, environment=environment, log=log.name)
        return log.read()


@contextlib.contextmanager
def _built_plugin(pi: EmulatedPi, source: Path) -> Iterator[Path]:
    """A plugin of the emulator that counts, while the block runs."""
    counter = build_counter(pi.folder)
    with tempfile.TemporaryDirectory(prefix="tinyedge-plugin-") as name:
        plugin = Path(name) / "libplugin.so"
        flags = subprocess.run(
            ["pkg-config", "--cflags", "glib-2.0"], check=True, capture_output=True, text=True
        ).stdout.split()
        words: list[object] = ["gcc", "-O2", "-shared", "-fPIC", *flags, "-I", counter]
        _run([*words, source, "-o", plugin], Path(name))
        yield plugin


def _run_counted(
    pi: EmulatedPi,
    plugin: str,
    words: Sequence[object],
    *,
    environment: Mapping[str, str],
    log: str,
) -> str:
    """Run `words` with a plugin, whose words go to the file `log`; what it printed."""
    counter = build_counter(pi.folder)
    program, *arguments = map(str, words)
    variables = {
        "LANG": "C.UTF-8",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        **environment,
    }
    command = ["env", "-i", *(f"{name}={value}" for name, value in variables.items())]
    command += ["setarch", "-R", str(counter / "qemu-aarch64"), "-cpu", pi.cpu, "-seed", "1"]
    command += ["-L", str(pi.root), "-d", "plugin", "-D", log, "-plugin", plugin]
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
    return done.stdout


def _run(command: list[object], folder: Path) -> None:
    done = subprocess.run(
        list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
