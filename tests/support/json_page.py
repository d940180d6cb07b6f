"""docs/json.md as a definition: what keys a command's JSON has, of which types."""

import itertools
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

__all__ = ["Key", "faults", "sections"]

PAGE = Path(__file__).parents[2] / "docs" / "json.md"

_ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \|([^|]*)\| (.+) \|$", re.MULTILINE)
_LINK = re.compile(r"\[([\w -]+)\]\(#[\w-]+\)")
_STEP = re.compile(r"\[\]|\{\w+\}|[^.\[{]+")
_TYPES = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
    "null": type(None),
}


@dataclass
class Key:
    """What the page says of a value, and of the values inside it.

    Attributes:
        types: its types, or names of sections whose objects it can be.
        optional: whether it may be missing.
        inside: by key; ``[]`` of the items of an array, ``{}`` of each value of an object whose
            keys are names of something.
    """

    types: tuple[str, ...] = ("object",)
    optional: bool = False
    inside: dict[str, "Key"] = field(default_factory=dict)


@cache
def sections() -> dict[str, Key]:
    """The object that each section of the page describes, by the section's heading."""
    found = {}
    _, *parts = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for heading, text in zip(parts[::2], parts[1::2], strict=True):
        root = Key()
        for path, kind, _, meaning in _ROW.findall(text):
            if path == "key":
                continue
            steps = ["{}" if step[0] == "{" else step for step in _STEP.findall(path)]
            place = root
            for step, following in itertools.pairwise(steps):
                holder = Key(("array",) if following == "[]" else ("object",))
                place = place.inside.setdefault(step, holder)
            assert steps[-1] not in place.inside, f"{heading}: {path} stands there twice"
            place.inside[steps[-1]] = _key(kind, optional=meaning.startswith("(only"))
        found[heading.strip("`")] = root
    return found


def _key(kind: str, *, optional: bool = False) -> Key:
    """Of a cell such as ``array of integer or null`` or ``[times](#times)``."""
    types, inside = [], {}
    for each in _LINK.sub(r"\1", kind).strip().split(" or "):
        name, _, items = each.partition(" of ")
        types.append(name)
        if items:
            inside["[]"] = _key(items)
    return Key(tuple(types), optional, inside)


def faults(section: str, value: object) -> list[str]:
    """What of an object is not as the page's section says."""
    return list(_faults(sections()[section], value, section))


def _faults(key: Key, value: object, place: str) -> list[str]:
    for name in key.types:
        if name not in _TYPES and isinstance(value, dict):
            # An object that another section describes.
            return _faults(sections()[name], value, f"{place} ({name})")
    known = [_TYPES[name] for name in key.types if name in _TYPES]
    is_known = any(isinstance(value, each) for each in known)  # type: ignore[arg-type]
    if not is_known or (isinstance(value, bool) and "boolean" not in key.types):
        return [f"{place} is {value!r}, no {' or '.join(key.types)}"]
    if isinstance(value, list):
        items = [("[]", item) for item in value]
        missing = []
    elif isinstance(value, dict):
        items = [(f".{name}", item) for name, item in value.items()]
        missing = [
            f"{place}.{name} is missing"
            for name, inner in key.inside.items()
            if not (name in value or name in ("{}", "[]") or inner.optional)
        ]
    else:
        return []
    found = []
    for name, item in items:
        inside = key.inside.get(name.removeprefix("."), key.inside.get("{}"))
        if inside is None:
            found.append(f"{place}{name} is not documented")
        else:
            found += _faults(inside, item, f"{place}{name}")
    return found + missing
