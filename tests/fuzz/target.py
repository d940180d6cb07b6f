"""A reader that is fuzzed, and what it may do."""

import atexit
import functools
import hashlib
import os
import shutil
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.forked import DiedError
from tinyedge.errors import TinyedgeError, TinyedgeWarning

# No message needs more; one that quotes the file whole would.
_LONGEST_MESSAGE = 4000


@dataclass(frozen=True, kw_only=True)
class Target:
    """One reader.

    Attributes:
        name: what the command line calls it.
        read: gives a file's bytes to the reader, and uses what comes back as the program does.
        seeds: files to begin with, good ones and bad ones.
        words: pieces of the format, for libFuzzer's dictionary.
        largest: bytes of the longest file that is made.
        runs: executions of it in a campaign.
        memory: bytes that the process may take beyond what it begins with; None for what libFuzzer
            allows.
        mutate: a file, the most bytes and a seed -> another file; libFuzzer's alone where None.
        alone: whether tests read it in a process of its own, for it may crash.
    """

    name: str
    read: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    words: tuple[str | bytes, ...] = ()
    largest: int = 4096
    runs: int = 1_000_000
    memory: int | None = None
    mutate: Callable[[bytes, int, int], bytes] | None = None
    alone: bool = False


@dataclass(frozen=True)
class Find:
    """What a reader did that it may not.

    Attributes:
        content: the file.
        place: the exception's type and the line that raised it: equal for the same fault.
        trace: the whole traceback.
    """

    content: bytes
    place: str
    trace: str

    @property
    def name(self) -> str:
        """For the file's name: the fault, then the content."""
        fault = self.place.replace("/", ".").replace(" ", "_")
        return f"{fault}-{hashlib.sha256(self.content).hexdigest()[:12]}"


def allow_own_warnings() -> None:
    """Make of every warning an error but of tinyedge's own, which are for the user."""
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", TinyedgeWarning)


def find_in(target: Target, content: bytes) -> Find | None:
    """What `target` does with `content` that it may not; its warnings must be set up."""
    try:
        try:
            target.read(content)
        except TinyedgeError as error:
            check_message(str(error))
    except Exception as error:  # any at all is what is looked for
        return Find(content, _place(error), traceback.format_exc())
    return None


def check_message(message: str) -> None:
    """That an error's text is one line, and not endless."""
    if not message or "\n" in message:
        raise AssertionError(f"a message is one line: {message[:200]!r}")
    if len(message) > _LONGEST_MESSAGE:
        raise AssertionError(f"a message of {len(message)} characters: {message[:200]!r}...")


def _place(error: BaseException) -> str:
    if isinstance(error, DiedError):
        return error.place
    frames = traceback.extract_tb(error.__traceback__)
    last = next((f for f in reversed(frames) if "tinyedge" in f.filename), frames[-1])
    return f"{type(error).__name__} {Path(last.filename).stem} {last.lineno}"


@functools.cache
def scratch() -> Path:
    """A folder of this process for readers that take a path: in memory, or in TMPDIR."""
    memory = "/dev/shm" if "TMPDIR" not in os.environ and os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="tinyedge-fuzz-", dir=memory))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def written(name: str, content: bytes) -> Path:
    """The path of a file of `scratch` with that content."""
    path = scratch() / name
    with open(path, "wb", buffering=0) as stream:
        stream.write(content)
    return path
