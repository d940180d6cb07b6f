"""Pieces of text for people: counts, paths, and values from files."""

import os
import reprlib

__all__ = ["counted", "displayed", "shortened"]

_MOST_BITS = 64


def counted(number: int, noun: str) -> str:
    """``1 thread``, ``2 threads``: the number and the noun, with an s but after 1."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def displayed(path: str | os.PathLike[str]) -> str:
    """A path as text; bytes of a file's name that are not UTF-8 are replaced."""
    return os.fsencode(path).decode(errors="replace")


def shortened(value: object) -> str:
    """A value from a file as Python writes it, in one line of some 100 characters at most.

    Whatever it is: text of megabytes, an integer of more digits than Python converts, lists
    inside lists without end.
    """
    return _SHORT.repr(value)


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 60
        self.maxlevel = 2
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = 3

    def repr(self, x: object) -> str:
        text = super().repr(x)
        return text if len(text) <= 100 else f"{text[:97]}..."

    def repr_int(self, x: int, level: int) -> str:
        del level
        # Python refuses to write thousands of digits.
        return repr(x) if x.bit_length() <= _MOST_BITS else f"an integer of {x.bit_length()} bits"

    def repr_bytes(self, x: bytes, level: int) -> str:
        return self.repr_instance(x[: self.maxother], level)


_SHORT = _Short()
