"""Pieces of text for people: counts, values from files, and what strangers wrote, made harmless."""

import os
import re
import reprlib
from typing import NamedTuple

__all__ = [
    "MESSAGE",
    "MOST_LABEL_BYTES",
    "Option",
    "counted",
    "cut",
    "is_plain_name",
    "printable",
    "printable_lines",
    "shortened",
    "shown_name",
    "size_text",
]

# What moves a terminal's cursor, sets its title or ends a line (C0, DEL, C1, U+2028, U+2029), what
# turns the direction of writing (Unicode TR 9, section 2) and so shows one text for another, and
# bytes that are no text, as os.fsdecode hands them on.
_HARMFUL = (
    "[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028\\u2029"
    "\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)

MESSAGE = 200
"""Characters that are shown of a library's message, which may quote what it stumbled over."""
MOST_LABEL_BYTES = 2**24
"""Of a list of labels: the 21,842 names of Darknet's longest take half a million."""
_MOST_OF_A_NAME = 1000
_MOST_BITS = 64
# No shell, unit file or archive takes any of it for something else.
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


class Option(NamedTuple):
    """What a line ``name=value`` gives an option, and the number of the line, from 1."""

    value: str
    line: int


def counted(number: int, noun: str) -> str:
    """``1 thread``, ``2 threads``: the number and the noun, with an s but after 1."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def size_text(count: int) -> str:
    """So many bytes, such as ``4.2 MB`` or, of less than one, ``98.8 kB``."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def cut(text: str, most: int) -> str:
    """The text, or as much of it as makes `most` characters with the ``...`` behind it."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def printable(text: str | os.PathLike[str]) -> str:
    r"""A stranger's text, or a path, in one line that a terminal only shows: the rest is escaped.

    ``\x1b``, ``\u202e``, and ``\xff`` for a byte of a file's name that is no text. A line end is
    escaped, too, and a tab; a backslash is not.
    """
    text = os.fspath(text)
    # Most texts, and a board's first answer, do without it: it takes long to compile.
    if text.isascii() and text.isprintable():
        return text
    return re.sub(_HARMFUL, _escape, text)


def printable_lines(text: str) -> str:
    """`printable`, line by line: for text whose line feeds are tinyedge's own."""
    return "\n".join(map(printable, text.split("\n")))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    short = {0x09: r"\t", 0x0A: r"\n", 0x0D: r"\r"}
    return short.get(code) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def is_plain_name(name: str) -> bool:
    """Whether it is letters, digits, ``. _ -`` alone: fit for a script, a path, a host.

    One that begins with ``.`` or ``-`` is not: it would be hidden, or taken for an option.
    """
    return name[:1] not in ("", ".", "-") and _PLAIN.issuperset(name)


def shortened(value: object) -> str:
    """A value from a file as Python writes it, in one line of some 100 characters at most.

    Whatever it is: text of megabytes, an integer of more digits than Python converts, lists
    inside lists without end.
    """
    return _SHORT.repr(value)


def shown_name(name: str) -> str:
    """A file's name, or a pattern, for a message: as it is, but `shortened` if it is a long one."""
    return shortened(name) if len(name) > _MOST_OF_A_NAME else name


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 60
        self.maxlevel = 2
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = 3

    def repr(self, x: object) -> str:
        return cut(super().repr(x), 100)

    def repr_int(self, x: int, level: int) -> str:
        del level
        # Python refuses to write thousands of digits.
        return repr(x) if x.bit_length() <= _MOST_BITS else f"an integer of {x.bit_length()} bits"

    def repr_bytes(self, x: bytes, level: int) -> str:
        return self.repr_instance(x[: self.maxother], level)


_SHORT = _Short()
