"""How a command prints: its result as text or one line of JSON, and what it says besides.

Nothing else of tinyedge writes to a terminal but a progress bar. What strangers wrote, and it may
stand in any message, is escaped here.
"""

import contextlib
import functools
import sys
from collections.abc import Callable

from tinyedge.text import printable, printable_lines

__all__ = ["output_width", "say", "say_lines", "say_other_distribution", "show"]

_NARROWEST = 80


def show(as_json: bool, text: Callable[[], str], content: Callable[[], dict[str, object]]) -> None:
    """Write a result to stdout and flush: its `text`, or with `as_json` its `content` as a line."""
    import json

    if as_json:
        say(json.dumps(content(), allow_nan=False))
    else:
        say_lines(text())


def say(message: str, *, err: bool = False) -> None:
    """Write a message in one line, to stdout or with `err` to stderr, and flush.

    Raises:
        OSError: stdout cannot be written. Where stderr cannot, nothing is said.
    """
    _write(printable(message), err=err)


def say_lines(text: str, *, err: bool = False) -> None:
    """Write text whose line feeds are tinyedge's own, and flush."""
    _write(printable_lines(text), err=err)


@functools.cache
def say_other_distribution() -> None:
    """Say on stderr, once a process, where files of another distribution lie among tinyedge's."""
    from tinyedge.installation import other_distribution

    if found := other_distribution():
        say(f"note: {found}", err=True)


def _write(text: str, *, err: bool) -> None:
    # Looked up now: a progress bar puts a stream there, to be redrawn below what is written.
    stream = sys.stderr if err else sys.stdout
    # None where it was closed before Python started.
    if stream is None:
        return
    # What the terminal's encoding does not have is escaped, too. (click would write UTF-8.)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    # Whoever read stderr may have gone, or its disk be full: the command's work is not to say so.
    with contextlib.suppress(OSError) if err else contextlib.nullcontext():
        stream.write(f"{text.encode(encoding, 'backslashreplace').decode(encoding)}\n")
        stream.flush()


def output_width() -> int:
    """How many characters a line of stdout can have: a terminal's, else `tinyedge.table.WIDTH`."""
    import shutil

    from tinyedge.table import WIDTH

    # None where it was closed before Python started.
    if sys.stdout is None or not sys.stdout.isatty():
        return WIDTH
    return max(_NARROWEST, shutil.get_terminal_size().columns)
