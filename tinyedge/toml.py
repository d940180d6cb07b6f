"""TOML of strangers: read within limits, whatever the parser stumbles over."""

import re
from pathlib import Path
from typing import Any

from tinyedge.errors import TinyedgeError
from tinyedge.files import read_text
from tinyedge.text import MESSAGE, cut

__all__ = ["MOST_BYTES", "read_toml"]

MOST_BYTES = 2**18
"""Of a TOML file: a profile or an inventory of a hundred boards has a few KB."""
# The parser's time grows with the square of them.
_MOST_DOTS = 20
_MOST_DIGITS = 18
_BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
# Strings and comments, an unfinished one to its end: each letter is looked at once.
_NO_KEY = (
    r"""(?sm)\"{3}(?:[^\\]|\\.?)*?(?:\"{3,5}|\Z)|'{3}.*?(?:'{3,5}|\Z)"""
    r"""|"(?:[^"\\\n]|\\[^\n])*(?:"|$)|'[^'\n]*(?:'|$)|\#[^\n]*"""
)
_RUN = r"""[\w\-. \t"]+"""


def read_toml(path: Path, *, what: str, error: type[TinyedgeError]) -> dict[str, Any]:
    """The tables of the TOML file at `path`.

    Args:
        path: see `tinyedge.files.read_bytes`.
        what: the kind of file, for messages.
        error: the class of what is raised.

    Raises:
        TinyedgeError: of the class `error`: it is no file, too large, no TOML, or holds an
            integer of thousands of digits, a key of many dots or tables nested too deep for Python.
        OSError: there is none, or it cannot be read.
    """
    text = read_text(path, limit=MOST_BYTES, what=what, error=error)
    plain = _plain(text)
    if plain is not None:
        return plain
    import tomllib

    if _longest_key(text) > _MOST_DOTS:
        raise error(f"{path}: a key of more than {_MOST_DOTS} dots")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise error(f"{path}: its values are nested too deep") from None
    except tomllib.TOMLDecodeError as fault:
        raise error(f"{path}: {cut(str(fault), MESSAGE)}") from fault
    except (ValueError, OverflowError):
        # Python's own, of int(), which every other error of the parser is not.
        raise error(f"{path}: it holds an integer of thousands of digits") from None


def _longest_key(text: str) -> int:
    """The most dots of a key in the text of a TOML file; a number has one."""
    return max((run.count(".") for run in re.findall(_RUN, re.sub(_NO_KEY, '"', text))), default=0)


def _plain(text: str) -> dict[str, Any] | None:
    """The keys of a text that needs no parser, as the profiles that ship do; None of any other.

    A line is blank, a comment, or a bare key and a string without escapes, an integer without a
    sign, true, false or a list of those; a comment may stand behind. A board that answers one photo
    should not wait for tomllib to be imported.
    """
    found: dict[str, Any] = {}
    for line in text.split("\n"):
        if not line or (line.startswith("#") and line.isprintable()):
            continue
        key, _, written = line.partition(" = ")
        alone = _before_comment(written)
        value = None if alone is None else _plain_value(alone)
        if value is None or not key or not _BARE.issuperset(key) or key in found:
            return None
        found[key] = value
    return found


def _before_comment(written: str) -> str | None:
    """A value as it is written, without the comment behind it; None where that takes a parser."""
    close = {'"': '"', "[": "]"}.get(written[:1])
    if close is None:
        end = len(written.partition("#")[0].rstrip(" "))
    else:
        end = written.find(close, 1) + 1
    behind = written[end:].lstrip(" ")
    if not behind.isprintable() or (behind and not behind.startswith("#")):
        return None
    return written[:end]


def _plain_value(written: str) -> object:
    """What a value stands for; None where that takes a parser."""
    if written in ("true", "false"):
        return written == "true"
    if len(written) > 1 and written[0] in '"[':
        within = written[1:-1]
        if not within.isprintable() or "\\" in within:
            return None
        return within if written[0] == '"' else _plain_items(within)
    parts = written.split("_")
    if len(written) > _MOST_DIGITS or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    return int("".join(parts)) if written == "0" or written[0] != "0" else None


def _plain_items(within: str) -> list[object] | None:
    items = within.split(", ") if within else []
    # Each a whole value without a comment, and none a list.
    if any(item[:1] in ("", "[") or _before_comment(item) != item for item in items):
        return None
    values = [_plain_value(item) for item in items]
    return None if None in values else values
