"""A program in a process of its own, and what it took."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tinyedge.children import child

__all__ = ["Ended", "run_apart"]


class Ended(NamedTuple):
    """What a program left.

    Attributes:
        code: that it exited with.
        printed: on stdout.
        complaint: on stderr.
        cpu: seconds of the processor, of the user and of the system, all threads.
        peak: bytes of memory at most, of it or of one that it waited for.
    """

    code: int
    printed: str
    complaint: str
    cpu: float
    peak: int


def run_apart(
    command: Sequence[object], folder: Path, environment: Mapping[str, str] | None = None
) -> Ended:
    """Run it to its end; it ends with this process.

    Args:
        command: the program and its arguments.
        folder: where it runs.
        environment: variables that it has beside those of this process.
    """
    variables = [f"{name}={value}" for name, value in (environment or {}).items()]
    words = ["env", *variables, *map(str, command)]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with child(words, cwd=folder, stdout=out, stderr=err) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        printed, complaint = (file.read().decode(errors="replace") for file in (out, err))
    cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
    return Ended(process.returncode, printed, complaint, cpu, peak)
