"""The page of a deploy: a row and a section for each board, whatever it said."""

from pathlib import Path
from typing import Any

from click.testing import CliRunner

from tests.support.html_page import ParsedPage
from tinyedge.cli import main
from tinyedge.devices.deploy.board import BoardReport
from tinyedge.devices.deploy.page import boards_page
from tinyedge.modelcard import CardKind

HOSTILE = '"><script>alert(1)</script>\x1b[2J'


def compared(verdict: str | None) -> Any:
    return {
        "float": {"top1": 69.15},
        "int8": {"top1": 67.9},
        "drop": {"top1": 1.25, "interval": [-0.75, 3.25]},
        "agreement": 94.5,
        "milliseconds": {"float": 25.5, "int8": 10.6},
        "verdict": verdict,
    }


def page_of(
    *reports: BoardReport, max_drop: float | None = 2, kind: CardKind = "int8"
) -> ParsedPage:
    content = boards_page(
        reports,
        command="tinyedge deploy",
        time="2026-01-02T03:04:05+00:00",
        files=[("a.tflite", "b" * 64)],
        max_drop=max_drop,
        kind=kind,
    )
    page = ParsedPage(content)
    assert page.faults == []
    assert "script" not in {name for name, _ in page.elements}
    assert len(page.attributes("id")) == len(set(page.attributes("id")))
    return page


def test_each_board_has_a_row_linked_to_its_section() -> None:
    known: Any = {"python": "3.11", "architecture": "aarch64", "memory": 3_120_000_000}
    selftest: Any = {"passed": True, "models": [{"passed": True, "milliseconds": 12.34}] * 2}
    page = page_of(
        BoardReport("pi@a", "pi4", comparison=compared("pass"), selftest=selftest, **known),
        BoardReport("pi@b", "pi5", comparison=compared("fail"), notes=["a note"], **known),
        BoardReport("pi@c", "pi5", selftest=selftest, **known),
        BoardReport("pi@d", "pi5", error="no route to host"),
    )
    text = " ".join(page.text.split())
    assert {"#b1", "#b2", "#b3", "#b4"} <= set(page.attributes("href"))
    assert "✗ failed on 1 of 4" in text
    assert "failed: connect: no route to host" in text
    assert "1.25 (-0.75 to 3.25)" in text
    assert "10.60 3,120 MB 2 of 2 passed" in text.replace(" – ", " ")
    assert "12.34 / 12.34" in text
    assert "a note" in text
    assert "67.90 %" in text
    assert "b" * 64 in text


def test_a_mixed_file_is_called_so() -> None:
    page = page_of(BoardReport("pi@a", "pi4", comparison=compared("pass")), kind="mixed")
    assert "mixed against float on this board" in page.text
    assert "int8" not in page.text


def test_what_a_board_says_stays_text() -> None:
    page = page_of(
        BoardReport(HOSTILE, HOSTILE, error=HOSTILE, notes=[HOSTILE], board=HOSTILE),
        max_drop=None,
    )
    assert page.text.count("<script>alert(1)</script>\\x1b[2J") >= 4
    assert "\x1b" not in page.text


def test_a_rollback_has_no_page(tmp_path: Path) -> None:
    words = ["deploy", "--rollback", "--host", "a.invalid", "--html", str(tmp_path / "a.html")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert "--html shows what was installed: not with --rollback" in done.stderr
