"""Pieces of text for people: counts and paths."""

import os

__all__ = ["counted", "displayed"]


def counted(number: int, noun: str) -> str:
    """``1 thread``, ``2 threads``: the number and the noun, with an s but after 1."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def displayed(path: str | os.PathLike[str]) -> str:
    """A path as text; bytes of a file's name that are not UTF-8 are replaced."""
    return os.fsencode(path).decode(errors="replace")
