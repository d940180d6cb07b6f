"""The limits that docs/security.md tells are those of the code, and it leaves none out."""

import ast
import importlib
import re
from pathlib import Path

from tests.support.commands import ROOT

_PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
_ROW = re.compile(r"^\|[^|]*\| ([\d,]+) \w+ \| `([\w/]+)\.py`, `(\w+)` \|$", re.MULTILINE)
_READERS = ("read_bytes", "read_text", "open_bytes")


def limits() -> dict[tuple[str, str], int]:
    """The page's numbers, by the module and the constant that they are said to be."""
    found = {}
    for number, path, name in _ROW.findall(_PAGE):
        module = path.replace("/", ".")
        module = module if module.startswith("tinyedge") else f"tinyedge.{module}"
        found[module, name] = int(number.replace(",", ""))
    return found


def test_the_numbers_are_those_of_the_code() -> None:
    said = limits()
    assert len(said) > 5
    in_code = {
        (module, name): getattr(importlib.import_module(module), name) for module, name in said
    }
    assert said == in_code


def test_every_limit_of_a_reader_is_told() -> None:
    used = set()
    for folder, package in (("tinyedge", ""), ("devices", "tinyedge."), ("export", "tinyedge.")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            module = package + ".".join(path.relative_to(ROOT).with_suffix("").parts)
            used |= {limit for limit in _limits_in(path, module) if _is_limit(*limit)}
    assert len(used) > 5
    assert sorted(used - set(limits())) == []


def _is_limit(module: str, name: str) -> bool:
    """Whether it is one: a sum is made of a file of any size, piece by piece."""
    value: int = getattr(importlib.import_module(module), name)
    return value < 2**60


def _limits_in(path: Path, module: str) -> set[tuple[str, str]]:
    """The constants that a file gives to the readers of `tinyedge.files`, by where they stand."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    }
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in _READERS
    ]
    values = [word.value for call in calls for word in call.keywords if word.arg == "limit"]
    names = {value.id for value in values if isinstance(value, ast.Name) and value.id.isupper()}
    return {(imported.get(name, module), name) for name in names}
