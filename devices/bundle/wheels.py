"""The wheels a board needs beside tinyedge's own, chosen and downloaded by pip."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from tinyedge import children
from tinyedge.devices.bundle.target import Target
from tinyedge.errors import FetchError, MissingPackageError
from tinyedge.files import bytes_sha256
from tinyedge.installation import is_externally_managed

__all__ = ["BoardWheels", "download_wheels", "requirement_lines", "wheel_project"]

_RUNTIME = "ai-edge-litert"
_RUNTIME_32_BIT = "tflite-runtime==2.14.0"
# Debian's packages of what PyPI has no 32-bit ARM wheel of.
_DEBIAN = {"numpy": "python3-numpy", "pillow": "python3-pil"}


@dataclass(frozen=True)
class BoardWheels:
    """What pip found for a board.

    Attributes:
        files: file name -> content, pip's own wheel included.
        debian_packages: what the board must have of its own, because there is no wheel.
    """

    files: Mapping[str, bytes]
    debian_packages: tuple[str, ...] = ()


def download_wheels(target: Target) -> BoardWheels:
    """The runtime, click, numpy, Pillow and all they need, and pip to install them.

    The versions are those installed here where `target` has wheels of them, so that the board
    runs what was tried on this computer; else the newest. pip's own configuration applies.

    Raises:
        FetchError: pip found no wheel of something, or cannot download.
        MissingPackageError: this Python has no pip.
    """
    if find_spec("pip") is None:
        # Debian's own Python refuses ensurepip, too.
        typed = "sudo apt install python3-pip" if is_externally_managed() else "python -m ensurepip"
        raise MissingPackageError(f"choosing a board's wheels needs the package pip: {typed}")
    if target.architecture == "armv7l":
        return _download_32_bit(target)
    names = [_RUNTIME, "click", "numpy", "Pillow"]
    try:
        files = _download(target, [*names, "pip"], constraints=_installed(names))
    except FetchError:
        files = _download(target, [*names, "pip"])
    return BoardWheels(files)


def _download_32_bit(target: Target) -> BoardWheels:
    try:
        # There are some where pip is told of an index that has them.
        return BoardWheels(
            _download(target, [_RUNTIME_32_BIT, "click", "numpy>=1.24,<2", "Pillow", "pip"])
        )
    except FetchError:
        files = _download(target, [_RUNTIME_32_BIT, "click", "pip"], dependencies=False)
        return BoardWheels(files, tuple(_DEBIAN.values()))


def _installed(names: Sequence[str]) -> list[str]:
    """``name==version`` of those that are installed here."""
    found = []
    for name in names:
        try:
            found.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            continue
    return found


def _download(
    target: Target,
    requirements: Sequence[str],
    *,
    constraints: Sequence[str] = (),
    dependencies: bool = True,
) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="tinyedge-wheels-") as name:
        folder = Path(name)
        limits = folder / "constraints.txt"
        limits.write_text("".join(f"{line}\n" for line in constraints), encoding="utf-8")
        words = [
            *("--disable-pip-version-check", "--no-input", "--quiet"),
            *("--only-binary", ":all:", "--implementation", "cp"),
            *("--python-version", target.python),
            *(word for abi in target.abis for word in ("--abi", abi)),
            *(word for tag in target.platforms for word in ("--platform", tag)),
            *("--constraint", str(limits), "--dest", str(folder / "wheels")),
            *(() if dependencies else ("--no-deps",)),
        ]
        done = children.run(children.python("-m", "pip", "download", *words, *requirements))
        if done.returncode != 0:
            raise FetchError(
                f"pip has no wheels for Python {target.python} on {target.architecture}:"
                f" {_reason(done.stderr)}"
            )
        paths = sorted((folder / "wheels").glob("*.whl"))
        return {path.name: path.read_bytes() for path in paths}


def _reason(output: str) -> str:
    lines = [line.removeprefix("ERROR: ") for line in output.splitlines() if "ERROR" in line]
    return lines[-1] if lines else " ".join(output.split()) or "it says nothing"


def wheel_project(name: str) -> tuple[str, str]:
    """Project and version of a wheel's file name (PEP 427), such as ``("numpy", "2.4.6")``."""
    project, release, *_ = name.split("-")
    return project.replace("_", "-").lower(), release


def requirement_lines(files: Mapping[str, bytes]) -> str:
    """A requirements file that admits exactly these wheels, by version and sha256."""
    lines = []
    for name, content in files.items():
        project, release = wheel_project(name)
        digest = bytes_sha256(content)
        lines.append(f"{project}=={release} --hash=sha256:{digest}\n")
    return "".join(sorted(lines))
