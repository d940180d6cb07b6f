"""TOML of strangers: read within limits, whatever the parser stumbles over."""

import re
from pathlib import Path
from typing import Any

from tinyedge.errors import TinyedgeError
from tinyedge.files import read_text
from tinyedge.text import MESSAGE, cut

__all__ = ["read_toml"]

# A profile or an inventory of a hundred boards has a few KB.
_MOST_BYTES = 2**18
# The parser's time grows with the square of them.
_MOST_DOTS = 20
# Strings and comments, an unfinished one to its end: each letter is looked at once.
_NO_KEY = re.compile(
    r"""\"{3}(?:[^\\]|\\.?)*?(?:\"{3,5}|\Z)|'{3}.*?(?:'{3,5}|\Z)"""
    r"""|"(?:[^"\\\n]|\\[^\n])*(?:"|$)|'[^'\n]*(?:'|$)|\#[^\n]*""",
    re.DOTALL | re.MULTILINE,
)
_RUN = re.compile(r"""[\w\-. \t"]+""")


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
    import tomllib

    text = read_text(path, limit=_MOST_BYTES, what=what, error=error)
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
    return max((run.count(".") for run in _RUN.findall(_NO_KEY.sub('"', text))), default=0)
