"""The systems of a Raspberry Pi that are emulated, and what is installed on each."""

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["RELEASES", "Release", "as_here", "with_dependencies"]

# What an install script may use, and the venv that Raspberry Pi OS has.
_SYSTEM = (
    "base-files",
    "bash",
    "coreutils",
    "dash",
    "findutils",
    "grep",
    "gzip",
    "libstdc++6",
    "python3",
    "python3-venv",
    "sed",
    "tar",
)
_AARCH64_TAGS = (
    "manylinux2014_aarch64",
    "manylinux_2_17_aarch64",
    "manylinux_2_27_aarch64",
    "manylinux_2_28_aarch64",
    "manylinux_2_34_aarch64",
)
# ELF's header up to the machine: class, little endian, version; EXEC or DYN; the architecture.
_AARCH64_ELF = (
    r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
    r":\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
)
_ARM_ELF = (
    r"\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00"
    r":\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
)


@dataclass(frozen=True)
class Release:
    """One system.

    Attributes:
        name: what `emulated_pi` calls it.
        suite: Debian's name of the release.
        architecture: as Debian names it, ``arm64`` or ``armhf``.
        python: the version of its Python, such as ``3.11``.
        packages: of Debian; what they depend on comes with them.
        wheels: distributions to install beside them, each as an exact requirement.
        wheel_tags: platforms of wheels that run there.
        wheel_dependencies: whether what the wheels depend on is to be installed as wheels too.
        qemu: the emulator's file name.
        elf: magic and mask of its programs, as binfmt_misc takes them.
    """

    name: str
    suite: str
    architecture: str
    python: str
    packages: tuple[str, ...]
    wheels: tuple[str, ...]
    wheel_tags: tuple[str, ...]
    wheel_dependencies: bool
    qemu: str
    elf: str


def as_here(*names: str) -> tuple[str, ...]:
    """The versions installed here, so that a difference is the architecture's."""
    return tuple(f"{name}=={importlib.metadata.version(name)}" for name in names)


def with_dependencies(names: Sequence[str]) -> tuple[str, ...]:
    """Distributions installed here, and all that they depend on here; sorted."""
    # Imported here, because only those who develop have it.
    from packaging.requirements import Requirement

    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name in found:
            continue
        found.add(name)
        needs = map(Requirement, importlib.metadata.requires(name) or ())
        left += [
            need.name.lower().replace("_", "-")
            for need in needs
            if need.marker is None or need.marker.evaluate({"extra": ""})
        ]
    return tuple(sorted(found))


def _arm64(suite: str, python: str) -> Release:
    return Release(
        name=suite,
        suite=suite,
        architecture="arm64",
        python=python,
        packages=_SYSTEM,
        wheels=as_here("ai-edge-litert", "click", "numpy", "pillow"),
        wheel_tags=_AARCH64_TAGS,
        wheel_dependencies=True,
        qemu="qemu-aarch64",
        elf=_AARCH64_ELF,
    )


RELEASES = {
    "bookworm": _arm64("bookworm", "3.11"),
    "trixie": _arm64("trixie", "3.13"),
    "armhf": Release(
        name="armhf",
        suite="bookworm",
        architecture="armhf",
        python="3.11",
        packages=(*_SYSTEM, "python3-click", "python3-numpy", "python3-pil"),
        wheels=("tflite-runtime==2.14.0",),
        wheel_tags=("manylinux_2_34_armv7l",),
        wheel_dependencies=False,
        qemu="qemu-arm",
        elf=_ARM_ELF,
    ),
}
