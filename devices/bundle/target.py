"""Which Python, on which machine, a bundle's wheels are for."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from tinyedge.devices.profile import Architecture, Profile, check_runs_models, system_architecture
from tinyedge.errors import DeviceError

__all__ = ["RELEASES", "Release", "Target", "find_target", "glibc_minor"]

Release = Literal["bookworm", "trixie"]

RELEASES: Mapping[Release, tuple[str, int]] = {"bookworm": ("3.11", 36), "trixie": ("3.13", 41)}
"""Debian's, and so Raspberry Pi OS's, releases: Python and the minor version of glibc 2."""

# tflite-runtime 2.14.0, the only runtime for 32-bit ARM, has wheels up to this one.
_LAST_32_BIT = (3, 11)
_FIRST_PYTHON = (3, 11)
# manylinux2014, below which no current package has wheels (PEP 599).
_FIRST_GLIBC = 17
_MOST_GLIBC = 999


@dataclass(frozen=True)
class Target:
    """Where wheels are to work.

    Attributes:
        architecture: of its system; `checked` where it is an `Architecture`.
        python: such as ``3.11``.
        glibc: the minor version of its glibc 2, such as 36.
    """

    architecture: str
    python: str
    glibc: int

    @property
    def platforms(self) -> list[str]:
        """The platform tags of wheels that run there, best first (PEP 600)."""
        versions = range(self.glibc, _FIRST_GLIBC - 1, -1)
        tags = [f"manylinux_2_{minor}_{self.architecture}" for minor in versions]
        return [*tags, f"manylinux2014_{self.architecture}", f"linux_{self.architecture}"]

    @property
    def abis(self) -> list[str]:
        """The ABI tags of wheels that run there."""
        return [f"cp{self.python.replace('.', '')}", "abi3", "none"]

    @property
    def bits(self) -> int:
        """Of a pointer."""
        return 32 if self.architecture == "armv7l" else 64

    def checked(self) -> "Target":
        """Itself, where tinyedge can run.

        Raises:
            DeviceError: no TFLite runtime has a wheel for it, or tinyedge does not run there.
        """
        if self.architecture == "armv6l":
            raise DeviceError(
                "no TFLite runtime has a wheel for ARMv6 (Pi Zero, Zero W, Pi 1): it takes a Pi"
                " Zero 2 W, or a Pi 2 or later"
            )
        if self.architecture not in get_args(Architecture):
            known = ", ".join(get_args(Architecture))
            raise DeviceError(f"no runtime has a wheel for {self.architecture}; known: {known}")
        if not re.fullmatch("[0-9]{1,2}[.][0-9]{1,3}", self.python):
            raise DeviceError(f"{self.python!r} is no version of Python such as 3.11")
        version = tuple(map(int, self.python.split(".")))
        if version < _FIRST_PYTHON:
            raise DeviceError(f"tinyedge needs Python 3.11 or newer, not {self.python}")
        if self.architecture == "armv7l" and version > _LAST_32_BIT:
            raise DeviceError(
                f"no TFLite runtime has a wheel for 32-bit ARM and Python {self.python}: put the"
                " 64-bit system on the board, or bookworm (Python 3.11)"
            )
        return self


def find_target(
    profile: Profile,
    *,
    architecture: Architecture | None = None,
    release: Release | None = None,
    python: str | None = None,
) -> Target:
    """What `profile`'s board runs, as far as the other arguments do not say.

    The host is this machine with this Python. A board is 64-bit and runs trixie; a 32-bit one
    bookworm, the last release with a runtime for it.

    Raises:
        DeviceError: no TFLite runtime has a wheel for it, or tinyedge does not run there.
    """
    check_runs_models(profile)
    machine = system_architecture()
    here = profile.name == "host" and architecture in (None, machine)
    system = architecture or (machine if here else profile.architecture or "aarch64")
    if here and release is None:
        default, glibc = f"{sys.version_info[0]}.{sys.version_info[1]}", _glibc_minor_here()
    else:
        default, glibc = RELEASES[release or ("bookworm" if system == "armv7l" else "trixie")]
    return Target(system, python or default, glibc).checked()


def glibc_minor(libc: str, version: str) -> int:
    """The minor version of a C library that is glibc 2; that of bookworm's for any other."""
    parts = version.split(".")
    if libc == "glibc" and parts[0] == "2" and len(parts) > 1 and parts[1].isdecimal():
        # A board says what it likes; there is no such glibc, and each has a tag of its own.
        return min(int(parts[1][:4]), _MOST_GLIBC)
    return RELEASES["bookworm"][1]


def _glibc_minor_here() -> int:
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (ValueError, OSError):
        name = version = ""
    return glibc_minor(name, version)
