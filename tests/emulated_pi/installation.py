"""Sets the emulated boards up in a cache folder, each whole or not at all."""

import functools
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.emulated_pi.debian import SOURCES, download, unpack
from tests.emulated_pi.releases import Release, as_here, with_dependencies
from tests.support.once import made_once

__all__ = [
    "can_be_set_up",
    "default_folder",
    "ensure",
    "ensure_qemu",
    "ensure_root",
    "ensure_wheels",
    "install_wheels",
]

# Debian's qemu of bookworm shows programs this machine's /proc/cpuinfo, and LiteRT crashes on it.
_QEMU_SUITE = "trixie"
_QEMUS = ("qemu-aarch64", "qemu-arm")
# Counts changes of the steps below: what an earlier recipe made is made again.
_RECIPE = 1


@functools.cache
def can_be_set_up() -> bool:
    """Whether this machine can run the emulated boards."""
    if sys.platform != "linux" or platform.machine() != "x86_64" or not SOURCES.is_file():
        return False
    if not all(map(shutil.which, ("apt-get", "dpkg-deb", "unshare"))):
        return False
    # A private binfmt_misc came with Linux 6.7; some systems allow no user namespaces at all.
    trial = "mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc"
    command = ["unshare", "--user", "--map-root-user", "--mount", "--net", "sh", "-c", trial]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def default_folder() -> Path:
    """``TINYEDGE_EMULATED_PI``, or a folder in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("TINYEDGE_EMULATED_PI") or cache / "tinyedge-emulated-pi").resolve()


def ensure_qemu(folder: Path) -> Path:
    """The folder with the emulators, set up in `folder` if it is not there.

    Raises:
        RuntimeError: a step failed; the message is its own.
    """

    def build(target: Path, scratch: Path) -> None:
        _say("the emulator")
        (archive,) = download(_QEMU_SUITE, "amd64", ["qemu-user"], scratch, alone=True)
        unpack(archive, scratch, *(f"./usr/bin/{name}" for name in _QEMUS))
        for name in _QEMUS:
            (scratch / "usr" / "bin" / name).rename(target / name)

    return ensure(folder, f"qemu-{_digest(_QEMU_SUITE)}", build)


def ensure_root(release: Release, folder: Path) -> Path:
    """The root of `release`'s file system, set up in `folder` if it is not there.

    Raises:
        RuntimeError: a step failed; the message is its own.
    """
    qemu = ensure_qemu(folder) / release.qemu

    def build(target: Path, scratch: Path) -> None:
        _say(f"{release.name}: packages")
        archives = download(release.suite, release.architecture, release.packages, scratch)
        for name in ("bin", "lib", "sbin"):
            (target / "usr" / name).mkdir(parents=True)
            (target / name).symlink_to(f"usr/{name}")
        for archive in archives:
            unpack(archive, target)
        _do_what_packages_scripts_do(target)
        _say(f"{release.name}: wheels")
        # Where Debian's Python looks for what its administrator installed.
        site = target / "usr" / "local" / "lib" / f"python{release.python}" / "dist-packages"
        install_wheels(release, release.wheels, site, alone=not release.wheel_dependencies)
        _say(f"{release.name}: compiling Python")
        library = target / "usr" / "lib" / f"python{release.python}"
        python = [str(qemu), "-L", str(target), str(target / "usr" / "bin" / "python3")]
        site_packages = target / "usr" / "lib" / "python3", target / "usr" / "local" / "lib"
        _compile(release, python, target, library, *site_packages)
        if not list(library.glob("__pycache__/os.*.pyc")):
            raise RuntimeError(f"{library}: nothing was compiled")

    return ensure(folder, f"{release.name}-{_digest(repr(release))}", build)


def ensure_wheels(release: Release, names: Sequence[str], folder: Path) -> Path:
    """A folder of wheels for `release` beside its root: `names` and what they depend on.

    Raises:
        RuntimeError: a step failed; the message is its own.
    """
    wanted = as_here(*with_dependencies(names))
    root, qemu = ensure_root(release, folder), ensure_qemu(folder) / release.qemu

    def build(target: Path, scratch: Path) -> None:
        del scratch
        _say(f"{release.name}: wheels of {', '.join(names)}")
        install_wheels(release, wanted, target, alone=True)
        python = [str(qemu), "-L", str(root), str(root / "usr" / "bin" / "python3")]
        _compile(release, python, target.parent, target)

    return ensure(folder, f"{release.name}-wheels-{_digest(repr((release, wanted)))}", build)


def install_wheels(
    release: Release, requirements: Sequence[str], site: Path, *, alone: bool
) -> None:
    """Into the folder `site`, by pip; `alone` without what they depend on.

    Raises:
        RuntimeError: pip failed; the message is its own.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install"]
    command += ["--quiet", "--no-compile", "--only-binary=:all:", "--target", str(site)]
    command += ["--implementation", "cp", "--python-version", release.python]
    for abi in (f"cp{release.python.replace('.', '')}", "abi3", "none"):
        command += ["--abi", abi]
    for tag in release.wheel_tags:
        command += ["--platform", tag]
    if alone:
        command.append("--no-deps")
    _run([*command, *requirements])


def ensure(folder: Path, name: str, build: Callable[[Path, Path], None]) -> Path:
    """`folder`/`name`, built under another name first; others who want it wait meanwhile.

    `build` is given the empty folder to fill and another for what is not kept.
    """
    target = folder / name

    def make(made: Path) -> None:
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=".scratch.", dir=folder) as scratch:
            build(made, Path(scratch))
        _say(f"{name}: set up in {time.monotonic() - start:.0f} s")

    return made_once(target, make)


def _do_what_packages_scripts_do(root: Path) -> None:
    """The little of the packages' install scripts that a board cannot do without."""
    (root / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
    (root / "etc" / "group").write_text("root:x:0:\n")
    # update-alternatives names the one BLAS there is.
    for library in root.glob("usr/lib/*/*/lib*.so.3"):
        if library.parent.name in ("blas", "lapack"):
            link = library.parents[1] / library.name
            link.symlink_to(library.relative_to(link.parent))


def _compile(release: Release, python: list[str], strip: Path, *folders: Path) -> None:
    """The .pyc files that dpkg and pip leave on a board; without them each start compiles."""
    if release.python == "{}.{}".format(*sys.version_info):
        python = [sys.executable]  # one version writes the same on every machine, and this is fast
    unused = r"/(tests?|f2py|lib2to3|idlelib)/"
    command = [*python, "-m", "compileall", "-q", "-x", unused, "-s", str(strip)]
    # Side by side; compileall's own -j starts the board's Python, which only runs on the board.
    compiling = [
        subprocess.Popen(
            [*command, str(folder)],
            env={"LANG": "C.UTF-8"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for folder in folders
    ]
    # Not every file of a wheel is valid Python: the exit code says nothing.
    for process in compiling:
        process.wait()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")


def _digest(recipe: str) -> str:
    return hashlib.sha256(f"{_RECIPE} {recipe}".encode()).hexdigest()[:8]


def _say(what: str) -> None:
    print(f"emulated Pi: {what}", file=sys.stderr, flush=True)
