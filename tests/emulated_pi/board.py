"""Programs run as on a Raspberry Pi."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.emulated_pi.installation import (
    default_folder,
    ensure_qemu,
    ensure_root,
    ensure_wheels,
)
from tests.emulated_pi.releases import RELEASES, Release

__all__ = ["BOARDS", "Board", "EmulatedPi", "emulated_pi"]

_ENTER = Path(__file__).with_name("enter.sh")
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}


@dataclass(frozen=True)
class Board:
    """A board's CPU, as qemu names it, and its /proc/device-tree/model."""

    cpu: str
    model: str


BOARDS = {
    "pi-zero2w": Board("cortex-a53", "Raspberry Pi Zero 2 W Rev 1.0"),
    "pi3": Board("cortex-a53", "Raspberry Pi 3 Model B Plus Rev 1.3"),
    "pi4": Board("cortex-a72", "Raspberry Pi 4 Model B Rev 1.5"),
    "pi5": Board("cortex-a76", "Raspberry Pi 5 Model B Rev 1.0"),
}


@dataclass(frozen=True)
class EmulatedPi:
    """A board that is set up; `dataclasses.replace` makes another of it.

    Attributes:
        folder: the cache that holds it.
        root: its file system.
        qemu: the emulator.
        release: its system.
        cpu: as qemu names it.
        model: its /proc/device-tree/model; empty for a machine without a device tree.
        shared: folders and files of this machine that it sees, at the same absolute paths.
        network: whether it is on this machine's network, which is its loopback's, too.
    """

    folder: Path
    root: Path
    qemu: Path
    release: Release
    cpu: str
    model: str
    shared: tuple[Path, ...]
    network: bool = False

    def command(
        self,
        *words: object,
        directory: Path = Path("/root"),
        environment: Mapping[str, str] | None = None,
    ) -> list[str]:
        """What to type here so that `words` run there, in `directory` and with no variable of here.

        It is one process from the first word to the last: a signal reaches the program itself.
        """
        variables = {
            **_ENVIRONMENT,
            "QEMU_CPU": self.cpu,
            "QEMU_LD_PREFIX": "/board",
            **(environment or {}),
        }
        command = ["env", "-i", *(f"{name}={value}" for name, value in variables.items())]
        command += ["unshare", "--user", "--map-root-user", "--mount"]
        command += [] if self.network else ["--net"]
        command += ["sh", str(_ENTER), str(self.folder), str(self.root.relative_to(self.folder))]
        command += [str(self.qemu), self.release.elf, self.model, str(directory)]
        return [*command, *map(str, self.shared), "--", *map(str, words)]

    def wheels(self, *names: str) -> Path:
        """A folder to share and to name in PYTHONPATH: `names` and what they depend on.

        They are wheels for the board, of the versions installed here, and set up once as it is.

        Raises:
            RuntimeError: setting them up failed.
        """
        return ensure_wheels(self.release, names, self.folder)

    def run(
        self,
        *words: object,
        directory: Path = Path("/root"),
        environment: Mapping[str, str] | None = None,
        timeout: float = 600,
    ) -> subprocess.CompletedProcess[str]:
        """Run `words` there to their end, at most `timeout` seconds."""
        return subprocess.run(
            self.command(*words, directory=directory, environment=environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )


def emulated_pi(
    release: str = "bookworm",
    board: str = "pi4",
    *,
    shared: Sequence[Path] = (),
    folder: Path | None = None,
) -> EmulatedPi:
    """The board, set up in `folder` (by default the cache) if it is not there yet.

    `release` is one of `RELEASES`, `board` of `BOARDS`; on ``armhf`` every CPU is a Cortex-A7,
    the newest of 32 bits that the emulator knows.

    Raises:
        RuntimeError: setting it up failed.
    """
    folder = folder.resolve() if folder else default_folder()
    system = RELEASES[release]
    return EmulatedPi(
        folder=folder,
        root=ensure_root(system, folder),
        qemu=ensure_qemu(folder) / system.qemu,
        release=system,
        cpu="cortex-a7" if system.architecture == "armhf" else BOARDS[board].cpu,
        model=BOARDS[board].model,
        shared=tuple(path.absolute() for path in shared),
    )
