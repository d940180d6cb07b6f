"""Programs whose stderr is a terminal."""

import os
import pty
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

# Cursor movements, colours, and a window's title (ECMA-48).
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")


@dataclass(frozen=True)
class Shown:
    """What a program wrote.

    Attributes:
        code: its exit code.
        stdout: a pipe's content.
        lines: what the terminal was sent, one after the other, without control sequences; of a
            line that was drawn again every state.
    """

    code: int
    stdout: str
    lines: list[str]


def run_on_a_terminal(
    command: Sequence[object],
    *,
    environment: dict[str, str] | None = None,
    columns: int = 100,
    with_stdout: bool = False,
) -> Shown:
    """Run `command` with a terminal of so many columns for its stderr, or for all it writes."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=theirs if with_stdout else subprocess.PIPE,
        stderr=theirs,
        text=True,
        env={
            **os.environ,
            "TERM": "xterm",
            "COLUMNS": str(columns),
            "LINES": "40",
            **(environment or {}),
        },
    ) as process:
        os.close(theirs)
        received = b""
        try:
            while block := os.read(ours, 1 << 16):
                received += block
        except OSError:
            pass  # EIO: nobody has the other end open any more
        finally:
            os.close(ours)
        stdout = "" if process.stdout is None else process.stdout.read()
    text = _CONTROL.sub("", received.decode())
    return Shown(process.returncode, stdout, [line for line in re.split(r"[\r\n]+", text) if line])
