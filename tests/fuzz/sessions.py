"""libFuzzer started on a target: for so many executions or seconds, and what came of it."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import corpus
from tests.fuzz.target import Target
from tests.support.commands import ROOT

# A reader that takes longer for one file hangs; the machine may be busy.
_HANGS_AFTER = 20
_MEMORY_MB = 3072
# Crashes end libFuzzer; it goes on after so many at most.
_MOST_STARTS = 8


@dataclass(frozen=True)
class Session:
    """What one run of a target gave.

    Attributes:
        name: of the target.
        executions: how many files were read.
        seconds: how long that took.
        files, size: of the corpus it ends with, the size in bytes.
        finds: what the reader did that it may not, a name for each.
        complaint: why libFuzzer itself did not work, or None.
    """

    name: str
    executions: int
    seconds: float
    files: int
    size: int
    finds: tuple[str, ...]
    complaint: str | None = None


def fuzz(
    target: Target,
    *,
    runs: int,
    seconds: int | None = None,
    seed: int = 1,
    keep: bool = False,
    artifacts: Path | None = None,
) -> Session:
    """Read mutated files with `target` until `runs` of them, or `seconds`, are over.

    Args:
        target: the reader.
        runs: at most so many executions.
        seconds: at most so long.
        seed: of libFuzzer's random numbers, not 0; the same gives the same files while time
            plays no part.
        keep: whether what was learned is merged into the repository's corpus.
        artifacts: a folder for the files that were finds and what happened with them.
    """
    # In memory, where that is possible: libFuzzer writes each file it learns from.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(
        prefix="tinyedge-fuzz-", dir=memory, ignore_cleanup_errors=True
    ) as folder:
        workplace = _Workplace(Path(folder))
        for number, content in enumerate([*target.seeds(), *corpus.read_corpus(target.name)]):
            (workplace.known / f"{number}").write_bytes(content)
        for path in corpus.finds(target.name):
            shutil.copy(path, workplace.known / f"find-{path.name}")
        _write_dictionary(target, workplace.dictionary)
        start, done, complaint = time.monotonic(), 0, None
        for attempt in range(_MOST_STARTS):
            spent = time.monotonic() - start
            if done >= runs or (seconds is not None and spent >= seconds):
                break
            left = [] if seconds is None else [f"-max_total_time={max(1, int(seconds - spent))}"]
            said, code = workplace.libfuzzer(
                target,
                f"-runs={runs - done}",
                *left,
                f"-seed={seed + attempt}",
                *([f"-dict={workplace.dictionary}"] if target.words else []),
                "-print_final_stats=1",
                # A slow file is no find: beyond `_HANGS_AFTER` it is.
                "-report_slow_units=1000",
                str(workplace.learned),
                str(workplace.known),
            )
            counted = re.search(r"number_of_executed_units:\s*(\d+)", said)
            done += int(counted[1]) if counted else 0
            if counted is None or (code and not any(workplace.artifacts.iterdir())):
                complaint = said[-2000:] or f"it ended with {code}"
                break
        took = time.monotonic() - start
        if artifacts is not None:
            workplace.save_finds(artifacts / target.name)
        contents = _contents(workplace.learned, workplace.known)
        if keep:
            contents = workplace.merged(target)
            corpus.write_corpus(target.name, contents)
        return Session(
            target.name,
            done,
            took,
            len(contents),
            sum(map(len, contents)),
            workplace.found(),
            complaint,
        )


class _Workplace:
    """The folders of one session."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.known, self.learned, self.finds, self.artifacts, self.temporary = (
            root / name for name in ("known", "learned", "finds", "artifacts", "temporary")
        )
        for folder in (self.known, self.learned, self.finds, self.artifacts, self.temporary):
            folder.mkdir()
        self.dictionary = root / "dictionary"
        self._itself = root / "itself"

    def libfuzzer(self, target: Target, *arguments: str) -> tuple[str, int]:
        """What libFuzzer printed, and its exit code."""
        words = [sys.executable, "-m", "tests.fuzz.guided", target.name, str(self.finds)]
        self._itself.write_text(f'#!/bin/sh\nexec {" ".join(words)} "$0" "$@"\n')
        self._itself.chmod(0o755)
        done = subprocess.run(
            [
                *words,
                str(self._itself),
                f"-max_len={target.largest}",
                f"-timeout={_HANGS_AFTER}",
                f"-rss_limit_mb={_MEMORY_MB}",
                f"-artifact_prefix={self.artifacts}/",
                *arguments,
            ],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(self.temporary), "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        return done.stderr.decode("utf-8", "replace"), done.returncode

    def merged(self, target: Target) -> list[bytes]:
        """The fewest files that reach what all do."""
        folder = self._root / "merged"
        folder.mkdir()
        said, code = self.libfuzzer(
            target, "-merge=1", str(folder), str(self.known), str(self.learned)
        )
        contents = _contents(folder)
        if code or not contents:
            raise RuntimeError(f"libFuzzer did not merge: {said[-2000:]}")
        return contents

    def found(self) -> tuple[str, ...]:
        """The names of the finds."""
        own = [path.name for path in self.finds.iterdir() if path.suffix != ".txt"]
        return tuple(sorted([*own, *(path.name for path in self.artifacts.iterdir())]))

    def save_finds(self, folder: Path) -> None:
        """Copy the finds, and what is known of them, to `folder`."""
        for path in (*self.finds.iterdir(), *self.artifacts.iterdir()):
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / path.name)


def _contents(*folders: Path) -> list[bytes]:
    return [path.read_bytes() for folder in folders for path in sorted(folder.iterdir())]


def _write_dictionary(target: Target, path: Path) -> None:
    path.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))


def _escaped(word: str | bytes) -> str:
    content: Iterable[int] = word.encode() if isinstance(word, str) else word
    return "".join(f"\\x{byte:02x}" for byte in content)
