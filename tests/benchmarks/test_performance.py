"""The page of performance: its parts are written one by one."""

from itertools import permutations
from pathlib import Path

import pytest

from benchmarks.performance.sections import (
    SECTIONS,
    keep,
    load,
    replace_section,
    write_section,
)
from benchmarks.performance.table import clock_section


def test_sections_stand_in_one_order_however_they_are_written() -> None:
    pages = set()
    for names in permutations(SECTIONS):
        page = ""
        for name in names:
            page = replace_section(page, name, f"## {name}\n\nold\n")
        pages.add(page)
    (page,) = pages
    assert page.startswith("# Performance\n\n<!-- begin")
    assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == [*SECTIONS]


def test_a_section_is_written_again_and_nothing_else_changes(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("# Title\n\nBy hand.\n")
    for name in SECTIONS:
        write_section(path, name, f"## {name}\n\\1 first\n")
    before = path.read_text()
    write_section(path, "clock", "## clock\n\\1 second\n")
    assert path.read_text() == before.replace("## clock\n\\1 first\n", "## clock\n\\1 second\n")
    assert before.startswith("# Title\n\nBy hand.\n")


def test_an_unknown_section_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        replace_section("", "nothing", "")


def test_what_is_kept_is_there_again(tmp_path: Path) -> None:
    assert load(tmp_path / "new", "clock") is None
    keep(tmp_path / "new", "clock", {"rounds": [1, 2.5]})
    assert load(tmp_path / "new", "clock") == {"rounds": [1, 2.5]}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["clock.json"]


def test_times_are_compared_round_by_round() -> None:
    measured = {
        "date": "2026-01-02",
        "machine": "a machine",
        "rows": {
            "ours": {"answer": 7, "times": [1.0, 2.0, 4.0]},
            "theirs": {"answer": 8, "times": [3.0, 2.0, 8.0]},
        },
    }
    lines = clock_section(measured).splitlines()
    assert "| ours | 2.00 | 1.20 to 3.60 | 1.00 |" in lines
    # 3, 1 and 2 times as long; the medians alone would say 1.5.
    assert "| theirs * | 3.00 | 2.20 to 7.00 | 2.00 |" in lines
