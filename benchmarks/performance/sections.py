"""docs/performance.md: parts that are written each alone, between marks of their own."""

import json
import re
from pathlib import Path
from typing import Any

from benchmarks import places

__all__ = ["SECTIONS", "keep", "load", "replace_section", "state", "write_section"]

SECTIONS = ("boards", "clock", "growth", "export")
"""In the page's order: emulated boards, this machine's clock, growth, what an export takes."""

_PAGE = "# Performance\n"


def replace_section(page: str, name: str, text: str) -> str:
    """The page with the section `name` as `text`, at its place in the order of `SECTIONS`.

    What stands outside the marks stays. A page without any content gets a title.

    Raises:
        ValueError: `name` is none of `SECTIONS`.
    """
    place = _place(name)
    begin, end = _marks(name)
    section = f"{begin}{text.strip()}\n{end}"
    page = page or _PAGE
    old = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if old.search(page):
        return old.sub(lambda _: section, page)
    for later in SECTIONS[place + 1 :]:
        before, mark, after = page.partition(_marks(later)[0])
        if mark:
            return f"{before.rstrip()}\n\n{section}\n{mark}{after}"
    return f"{page.rstrip()}\n\n{section}"


def write_section(path: Path, name: str, text: str) -> None:
    """`replace_section` of the file there, which need not be there yet."""
    page = path.read_text(encoding="utf-8") if path.is_file() else ""
    path.write_text(replace_section(page, name, text), encoding="utf-8")


def state() -> Path:
    """The folder for what is measured and made, in the user's cache."""
    return places.state() / "performance"


def load(folder: Path, name: str) -> Any:
    """What `keep` wrote there, or None."""
    place = folder / f"{name}.json"
    return json.loads(place.read_text(encoding="utf-8")) if place.is_file() else None


def keep(folder: Path, name: str, measured: Any) -> None:
    """Write `measured` as `folder`/`name`.json, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{name}.new"
    temporary.write_text(json.dumps(measured, indent=1), encoding="utf-8")
    temporary.replace(folder / f"{name}.json")


def _marks(name: str) -> tuple[str, str]:
    return (
        f"<!-- begin: benchmarks/performance writes {name} -->\n",
        f"<!-- end: {name} -->\n",
    )


def _place(name: str) -> int:
    if name not in SECTIONS:
        raise ValueError(f"the page has no section {name!r}; it has {', '.join(SECTIONS)}")
    return SECTIONS.index(name)
