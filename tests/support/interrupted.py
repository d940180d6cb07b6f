"""A command that Ctrl-C ends in the midst of its work."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

__all__ = ["interrupted"]

_PATIENCE = 60


def interrupted(
    *words: object,
    when: Callable[[], bool],
    during: AbstractContextManager[object] | None = None,
    stdout: Path | None = None,
) -> tuple[int, str, str]:
    """Run ``tinyedge`` and end it, as a terminal does, once it is so far.

    Args:
        words: behind ``tinyedge``.
        when: whether it is so far; asked again and again.
        during: entered before the signal and left when it has been sent.
        stdout: a file for it, which is appended to; a pipe where not given.

    Returns:
        Its exit code, and what it wrote to stdout, if that is a pipe, and to stderr.
    """
    with nullcontext(subprocess.PIPE) if stdout is None else stdout.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "tinyedge", *map(str, words)],
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            # Ctrl-C is for a whole group, the workers too.
            start_new_session=True,
            # A shell's background jobs, and so perhaps these tests, ignore it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
    deadline = time.monotonic() + _PATIENCE
    while not when():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with during or nullcontext():
        os.killpg(process.pid, signal.SIGINT)
    said, complained = process.communicate(timeout=_PATIENCE)
    return process.returncode, said or "", complained
