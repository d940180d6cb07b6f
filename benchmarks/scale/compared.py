"""`tinyedge compare` as a user starts it, with its time and the memory of all its processes."""

import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["Compared", "compared", "tree_memory"]

_EVERY = 0.05


class Compared(NamedTuple):
    """What a comparison took.

    Attributes:
        seconds: from start to end.
        cpu: seconds of CPU of all its processes.
        memory: the most that all its processes had resident at a time, bytes: pages that several
            share are counted once (PSS). Looked at 20 times a second.
    """

    seconds: float
    cpu: float
    memory: int


def compared(models: Sequence[Path], photos: Path, *words: str, watched: bool = False) -> Compared:
    """Compare, without labels; `words` are more options.

    Memory is looked at where `watched`, which takes the processes some of their time; else it is 0.

    Raises:
        subprocess.CalledProcessError: it ended otherwise than with 0.
    """
    command = [sys.executable, "-m", "tinyedge", "compare", *map(str, models)]
    command += ["--data", str(photos), "--unlabelled", "--json", *words]
    begin, cpu = time.monotonic(), _cpu_of_children()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        memory = 0
        while True:
            memory = max(memory, tree_memory(process.pid)) if watched else 0
            try:
                process.wait(_EVERY if watched else None)
            except subprocess.TimeoutExpired:
                continue
            break
        seconds = time.monotonic() - begin
        assert process.stderr is not None
        said = process.stderr.read().decode(errors="replace")
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=said)
    return Compared(seconds, _cpu_of_children() - cpu, memory)


def _cpu_of_children() -> float:
    """Of those that have ended, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def tree_memory(process: int) -> int:
    """Bytes resident of a process and of all that it started, shared pages counted once."""
    return sum(map(_memory, _tree(process)))


def _tree(process: int) -> Iterator[int]:
    yield process
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        for child in _text(children).split():
            yield from _tree(int(child))


def _memory(process: int) -> int:
    for line in _text(Path(f"/proc/{process}/smaps_rollup")).splitlines():
        if line.startswith("Pss:"):
            return 1024 * int(line.split()[1])
    return 0


def _text(path: Path) -> str:
    """Nothing of a process that has ended."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
