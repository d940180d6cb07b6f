"""How a command prints: its result as text or one line of JSON, and what it says besides.

Nothing else of tinyedge writes to a terminal but a progress bar. What strangers wrote, and it may
stand in any message, is escaped here.
"""

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator
from typing import Literal, TextIO

from tinyedge.system import show_native_output
from tinyedge.text import printable, printable_lines

__all__ = [
    "Verbosity",
    "output_width",
    "say",
    "say_error",
    "say_lines",
    "say_other_distribution",
    "set_verbosity",
    "show",
    "verbosity",
    "verbosity_kept",
    "write_nowhere",
]

_NARROWEST = 40

Verbosity = Literal["quiet", "normal", "verbose"]


class _Chosen:
    verbosity: Verbosity = "normal"


def verbosity() -> Verbosity:
    """How much the command that runs says besides its results and errors."""
    return _Chosen.verbosity


def set_verbosity(chosen: Verbosity) -> None:
    """Say nothing but errors from now on, or notes, or what other libraries print as well."""
    _Chosen.verbosity = chosen
    show_native_output(chosen == "verbose")


@contextlib.contextmanager
def verbosity_kept() -> Iterator[None]:
    """Undo what the block changes of it: a command may run another, and a test many."""
    before = _Chosen.verbosity
    try:
        yield
    finally:
        set_verbosity(before)


def show(as_json: bool, text: Callable[[], str], content: Callable[[], dict[str, object]]) -> None:
    """Write a result to stdout and flush: its `text`, or with `as_json` its `content` as a line."""
    import json

    if as_json:
        say(json.dumps(content(), allow_nan=False))
    else:
        say_lines(text())


def say(message: str, *, err: bool = False) -> None:
    """Write a message in one line and flush: to stdout, or with `err` to stderr unless quiet."""
    if not (err and _Chosen.verbosity == "quiet"):
        _write(printable(message), err=err)


def say_error(message: str) -> None:
    """Write why something failed to stderr in one line, however quiet the command is."""
    _write(printable(message), err=True)


def say_lines(text: str) -> None:
    """Write text whose line feeds are tinyedge's own to stdout, and flush."""
    _write(printable_lines(text), err=False)


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
    try:
        stream.write(f"{text.encode(encoding, 'backslashreplace').decode(encoding)}\n")
        stream.flush()
    except OSError:
        if not err:
            raise
        # Who does not hear what is said besides still gets the results, and the exit code.
        write_nowhere(stream)


def write_nowhere(stream: TextIO) -> None:
    """Have a stream that cannot be written to lose what it is given.

    Else Python finds at its end that it cannot flush it, says so and ends with a code of its own.
    """
    with (
        contextlib.suppress(AttributeError, OSError, ValueError),
        open(os.devnull, "wb") as nowhere,
    ):
        os.dup2(nowhere.fileno(), stream.fileno())


def output_width() -> int:
    """How many characters a line of stdout can have.

    ``$COLUMNS`` where it is exported, else a terminal's, else `tinyedge.table.WIDTH`.
    """
    import shutil

    from tinyedge.table import WIDTH

    # stdout is None where it was closed before Python started.
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    if not (is_terminal or os.environ.get("COLUMNS", "").isdecimal()):
        return WIDTH
    return max(_NARROWEST, shutil.get_terminal_size().columns)
