"""Every command that README and docs show is run, and what it prints is what they show."""

from pathlib import Path

import pytest

from tests.docs.transcripts import ELSEWHERE, PAGES, alike, commands, lay_out, output
from tests.support.commands import ROOT
from tests.support.exports import Exported


def test_no_page_with_commands_is_forgotten() -> None:
    pages = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
    assert {page for page in pages if commands(page)} == set(PAGES)


def test_what_is_tested_elsewhere_is_shown_and_tested_there() -> None:
    typed = [command.typed for page in PAGES for command in commands(page)]
    for start, where in ELSEWHERE.items():
        assert any(command.startswith(start) for command in typed), start
        named = where.split(", ")[0].split(" ")
        assert all((ROOT / part).exists() for part in named if part.startswith("tests/")), where


# Minutes each, of commands that tests of their own run: left to `make test-slow`.
SLOW = (
    "docs/compare.md",
    "docs/deploy.md",
    "docs/export.md",
    "docs/when_int8_is_not_good_enough.md",
)


@pytest.mark.long
@pytest.mark.real_data
@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] * (page in SLOW)) for page in PAGES],
)
def test_a_page_shows_what_its_commands_print(
    page: str, tmp_path: Path, exported: Exported
) -> None:
    lay_out(page, tmp_path, exported)
    for command in commands(page):
        if command.elsewhere is None:
            printed = output(command, tmp_path)
            shown = command.printed
            assert shown is None or alike(shown, printed), f"$ {command.typed}\n{printed}"


def test_alike_is_no_other() -> None:
    shown = "top-1   67.69 %   0.11 ms\nfile   1.16 MB\nlost most  a\n"
    assert alike(shown, "top-1    68.1 %  12.5 ms\nfile    1.17 MB\nlost most  b; c\n")
    assert not alike(shown, "top-1   67.69 %   0.11 ms\nfile   1.26 MB\nlost most  a\n")
    assert not alike(shown, "top-5   67.69 %   0.11 ms\nfile   1.16 MB\nlost most  a\n")
    assert not alike(shown, "top-1   67.69 %   0.11 ms\nfile   1.16 MB\n")
    worst = "worst flips  by KL\n             {}.jpg\n               {} became cat\nverdict  a\n"
    assert alike(worst.format("a", "dog"), worst.format("b", "cow"))
    assert not alike(worst.format("a", "dog"), worst.format("a", "dog")[:-2] + "b\n")
    assert alike("a\n...\nz\n", "a\nb\nc\nz\n")
    assert not alike("a\n...\nz\n", "a\nb\nc\ny\n")
