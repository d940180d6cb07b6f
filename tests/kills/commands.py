"""The commands that are killed: how each is run, and what must be true of what it leaves.

Where a command writes files, runs make two sets of them in turn, so that a new one can be told from
the old one that it replaces.
"""

import json
import os
import shutil
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.private_sshd import Sshd
from tests.support.toy import Toy
from tinyedge.files import bytes_sha256

__all__ = ["Bundle", "Calib", "Command", "Compare", "Deploy", "Export", "Watch"]

Run = Callable[[Sequence[object]], None]
"""Runs ``tinyedge`` with these words to its end, which must be exit code 0."""

_PATIENCE = 120


class Command(ABC):
    """A command under fire.

    Attributes:
        name: of the command.
        ends_well: whether a signal but SIGKILL ends it with exit code 0.
        by_itself: whether it ends without a signal.
    """

    name: str
    ends_well = False
    by_itself = True

    @abstractmethod
    def words(self, run: int) -> list[object]:
        """What is typed behind ``tinyedge`` for that run."""

    def prepare(self, run: int) -> None:
        """Called before each run."""
        del run

    def finished(self, stdout: Path) -> bool:
        """Of one that does not end by itself: whether it has done all there was to do."""
        del stdout
        return True

    def half_made(self, stdout: Path) -> list[str]:
        """The outputs that are neither those of before nor those of after."""
        del stdout
        return []

    def mixed(self) -> bool:
        """Whether its outputs are whole, but not of one run."""
        return False

    def leftovers(self) -> list[str]:
        """What stands beside the outputs and is none."""
        return []


@dataclass
class _Writer(Command):
    """A command that writes into a folder of its own."""

    folder: Path
    sets: list[dict[str, str]] = field(default_factory=list)

    def learn(self, run: Run) -> None:
        """Run it for each of the two sets, whose digests are those to compare with."""
        for number in range(2):
            run(self.words(number))
            self.sets.append(_digests(self.folder))
        assert self.sets[0].keys() == self.sets[1].keys()
        assert self.sets[0] != self.sets[1]

    def half_made(self, stdout: Path) -> list[str]:
        del stdout
        known = {item for each in self.sets for item in each.items()}
        found = _digests(self.folder)
        missing = self.sets[0].keys() - found.keys()
        return sorted({name for name, _ in found.items() - known} | missing)

    def mixed(self) -> bool:
        return _digests(self.folder) not in self.sets

    def leftovers(self) -> list[str]:
        return _hidden(self.folder)


@dataclass
class Export(_Writer):
    """Float and int8 files, and a SavedModel, of a net of a few hundred weights."""

    toy: Toy | None = None
    name = "export"

    def words(self, run: int) -> list[object]:
        assert self.toy is not None
        words = ["export", *self.toy.source(), "--calib", self.toy.photos, "--saved-model"]
        return [*words, "--size", ("8x6", "10x8")[run % 2], "-o", self.folder]


@dataclass
class Bundle(_Writer):
    """A folder with a model and the wheels that pip brings."""

    models: Sequence[Path] = ()
    name = "bundle"

    def words(self, run: int) -> list[object]:
        return ["bundle", self.models[run % 2], "-o", self.folder / "bundle", "--device", "host"]


@dataclass
class Calib(_Writer):
    """A folder of copies, and a manifest, which tells by its seed of which run it is."""

    photos: Path | None = None
    name = "calib"

    def words(self, run: int) -> list[object]:
        return ["calib", self.photos, "-o", self.folder / "set", "--seed", run % 2]


@dataclass
class Compare(Command):
    """Prints, and writes no file."""

    models: Sequence[Path]
    data: Path
    name = "compare"

    def words(self, run: int) -> list[object]:
        del run
        return ["compare", *self.models, "--data", self.data, "--json"]

    def half_made(self, stdout: Path) -> list[str]:
        return _damaged_lines(stdout)


@dataclass
class Deploy(Command):
    """A bundle, installed on this machine through a real sshd."""

    prefix: Path
    sshd: Sshd
    models: Sequence[Path]
    name = "deploy"
    installed: list[str] = field(default_factory=list)

    def words(self, run: int) -> list[object]:
        # Of that which is there already nothing would be copied.
        if len(self.installed) == 2:
            run = 1 - self.installed.index(self._sums())
        host = ["--host", self.sshd.host, *self.sshd.words, "--device", "host"]
        return ["deploy", self.models[run % 2], *host, "--prefix", self.prefix]

    def learn(self, run: Run) -> None:
        """Install both bundles; their lists of sums are those that may be found."""
        for number in range(2):
            run(self.words(number))
            self.installed.append(self._sums())

    def half_made(self, stdout: Path) -> list[str]:
        from tests.support.bundles import installed

        del stdout
        self._wait_for_the_board()
        done = installed(self.prefix, "selftest")
        right = self._sums() in self.installed and done.returncode == 0
        return [] if right else [f"{self.prefix}: {done.stdout} {done.stderr}"]

    def leftovers(self) -> list[str]:
        versions = [path.name for path in (self.prefix / "versions").iterdir()]
        # That before the current one is kept for services that still run from it.
        return [*_hidden(self.prefix), *sorted(versions)[2:]]

    def _sums(self) -> str:
        return bytes_sha256((self.prefix / "current" / "SHA256SUMS").read_bytes())

    def _wait_for_the_board(self) -> None:
        """Until nothing there works on it any more: it is told by a broken connection alone."""
        deadline = time.monotonic() + _PATIENCE
        while any(str(self.prefix) in line for line in _command_lines()):
            assert time.monotonic() < deadline, "the board goes on"
            time.sleep(0.05)


@dataclass
class Watch(Command):
    """A folder into which photos come, before each run and during it, answered with a journal.

    Between two runs each photo takes the name of one before it, as in a camera's rotation.
    """

    model: Path
    folder: Path
    photo: Path
    answers: Path
    count: int = 0
    # The number of the photo that has a name now, the answers read, and how often each photo was.
    named: dict[str, int] = field(default_factory=dict)
    read: int = 0
    times: Counter[int] = field(default_factory=Counter)
    name = "watch"
    ends_well = True
    by_itself = False

    def words(self, run: int) -> list[object]:
        del run
        watch = ["--watch", self.folder, "--existing", "--interval", 0.1, "--json", "--top", 1]
        return ["run", self.model, *watch, "--journal", self.folder.parent / "journal"]

    def prepare(self, run: int) -> None:
        """Have those that are there take other names, and put others that nobody saw come."""
        del run
        self.times_answered()
        names = [f"{number}.png" for number in range(len(self.named) + 3)]
        for before, after in zip(names[-4::-1], names[:2:-1], strict=True):
            (self.folder / before).rename(self.folder / after)
            self.named[after] = self.named.pop(before)
        self._put(names[:3])

    def more(self) -> None:
        """Have three more photos appear."""
        self._put([f"{len(self.named) + number}.png" for number in range(3)])

    def _put(self, names: Sequence[str]) -> None:
        for name in names:
            shutil.copy(self.photo, self.folder / ".part")
            self.named[name] = self.count
            (self.folder / ".part").rename(self.folder / name)
            self.count += 1

    def finished(self, stdout: Path) -> bool:
        del stdout
        return len(self.times_answered()) == self.count

    def half_made(self, stdout: Path) -> list[str]:
        return _damaged_lines(stdout)

    def times_answered(self) -> Counter[int]:
        """How often each photo was answered in all runs, by its number."""
        content = self.answers.read_bytes() if self.answers.exists() else b""
        for line in content[self.read :].splitlines(keepends=True):
            if line.endswith(b"\n"):
                self.read += len(line)
                self.times[self.named[Path(json.loads(line)["image"]).name]] += 1
        return self.times

    def leftovers(self) -> list[str]:
        return [*_hidden(self.folder), *_hidden(self.folder.parent)]


def _digests(folder: Path) -> dict[str, str]:
    """Of every file that is no temporary one, by its path."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            found[str(name)] = bytes_sha256(path.read_bytes())
    return found


def _hidden(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.startswith(".")]


def _damaged_lines(stdout: Path) -> list[str]:
    content = stdout.read_text()
    damaged = [] if content.endswith("\n") or not content else [content[-80:]]
    for line in content.splitlines():
        try:
            json.loads(line)
        except ValueError:
            damaged.append(line[:80])
    return damaged


def _command_lines() -> list[str]:
    """Of every process but this one and sshd's own."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            found.append(" ".join(word.decode("utf-8", "replace") for word in words))
    return found
