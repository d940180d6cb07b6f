"""TOML of strangers: read within limits, whatever the parser stumbles over."""

from pathlib import Path
from typing import Any

from tinyedge.errors import TinyedgeError
from tinyedge.files import read_text

__all__ = ["read_toml"]

# A profile or an inventory of a hundred boards has a few KB. The parser's time grows with the
# square of a key's dots.
_MOST_BYTES = 2**18


def read_toml(path: Path, *, what: str, error: type[TinyedgeError]) -> dict[str, Any]:
    """The tables of the TOML file at `path`.

    Args:
        path: see `tinyedge.files.read_bytes`.
        what: the kind of file, for messages.
        error: the class of what is raised.

    Raises:
        TinyedgeError: of the class `error`: it is no file, too large, no TOML, or holds an
            integer of thousands of digits or tables nested too deep for Python.
        OSError: there is none, or it cannot be read.
    """
    import tomllib

    text = read_text(path, limit=_MOST_BYTES, what=what, error=error)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise error(f"{path}: its values are nested too deep") from None
    except (ValueError, OverflowError) as fault:
        raise error(f"{path}: {_shown(str(fault))}") from fault


def _shown(message: str) -> str:
    return message if len(message) <= 200 else f"{message[:200]}..."
