"""A tinyedge command that goes on while a test talks to it."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import IO

# Long enough for the slowest machine; a test that waits for it has failed.
_PATIENCE = 60


class Running:
    """``tinyedge`` in a process of its own; ended, at the latest, with the ``with`` block."""

    def __init__(
        self, *words: object, stdout: IO[bytes] | None = None, program: str | None = None
    ) -> None:
        """Start it with these words, or a Python `program` in its place."""
        what = ["-m", "tinyedge"] if program is None else ["-c", program]
        self._process = subprocess.Popen(
            [sys.executable, *what, *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=stdout or subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Unbuffered, so that select tells of every line.
            bufsize=0,
            # Of its own, which a signal can be sent to.
            process_group=0,
            # A shell's background jobs, and so perhaps these tests, ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )

    def __enter__(self) -> "Running":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def answer(self) -> str:
        """The next line of stdout."""
        return _line(self._process.stdout)

    def said(self, words: str) -> str:
        """The next line of stderr that has these words in it."""
        while words not in (line := _line(self._process.stderr)):
            assert line, f"stderr ended without {words!r}"
        return line

    def type(self, line: str | Path) -> None:
        """Give the command a line on its stdin, which stays open."""
        assert self._process.stdin is not None
        self._process.stdin.write(os.fsencode(f"{line}\n"))

    def close_stderr(self) -> None:
        """Stop reading it, so that whoever writes there finds a broken pipe."""
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._process.stderr = None

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def send_to_all(self, number: signal.Signals) -> None:
        """Send a signal to it and to all that it started, at once, as a terminal does."""
        os.killpg(self._process.pid, number)

    def end(self) -> tuple[int, str, str]:
        """Close stdin and wait: the exit code, and the rest of stdout and stderr."""
        stdout, stderr = self._process.communicate(timeout=_PATIENCE)
        return self._process.returncode, (stdout or b"").decode(), (stderr or b"").decode()


def _line(stream: IO[bytes] | None) -> str:
    assert stream is not None
    line, end = b"", time.monotonic() + _PATIENCE
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([stream], [], [], end - time.monotonic())
        assert ready, f"nothing came after {line!r}"
        byte = stream.read(1)
        if not byte:
            break
        line += byte
    return line.decode()
