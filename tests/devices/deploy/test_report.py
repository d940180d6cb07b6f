"""The tables of a deploy, at the widths of terminals, and what is said of several boards."""

import json
from typing import Any

import pytest

from tinyedge.devices.deploy.answers import ComparisonJson
from tinyedge.devices.deploy.board import BoardReport
from tinyedge.devices.deploy.report import as_json, as_text
from tinyedge.modelcard import CardKind


def compared(verdict: Any, drop: float = 1.25) -> ComparisonJson:
    return {
        "float": {"top1": 69.15},
        "int8": {"top1": 67.9},
        "drop": {"top1": drop, "interval": [-0.75, 3.25]},
        "agreement": 94.5,
        "milliseconds": {"float": 25.5, "int8": 10.6},
        "verdict": verdict,
    }


def board(name: str, **values: Any) -> BoardReport:
    """One that was served."""
    given = {
        "python": "3.11",
        "architecture": "aarch64",
        "memory": 3_120_000_000,
        "selftest": {"passed": True, "models": [{"passed": True, "milliseconds": 12.34}] * 2},
        "seconds": 31.2,
        "step": "compare",
        **values,
    }
    return BoardReport(name, "pi4", **given)


@pytest.mark.parametrize("kind", ["int8", "mixed"])
def test_the_column_is_called_what_was_compared(kind: CardKind) -> None:
    text = as_text([board("pi@a", comparison=compared("pass"))], kind=kind)
    (heading,) = (line for line in text.splitlines() if "agree" in line)
    assert heading.split()[:3] == ["host", "float", kind]


@pytest.mark.parametrize("width", [80, 100, 120])
def test_both_tables_fit(width: int) -> None:
    names = ["pi@kitchen.example", "pi@garden.example"]
    reports = [board(name, comparison=compared("inconclusive")) for name in names]
    text = as_text(reports, width=width)
    assert max(map(len, text.splitlines())) <= width
    first, second, kept = text.strip().split("\n\n")
    assert kept == "what was judged so stays in use there; --rollback undoes it"
    for part in (first, second):
        assert [line.split()[0] for line in part.splitlines() if "@" in line] == names
    assert "10.6" in first
    assert "3,120 MB" in first
    for cell in ("69.15 %", "67.90 %", "1.25 (-0.75", "94.50 %", "inconclusive"):
        assert cell in second


def test_without_a_comparison_each_models_time_is_told() -> None:
    (_, row, *_) = as_text([board("pi@a")], width=120).splitlines()
    assert " 12.3 / 12.3  3,120 MB  installed, 31 s" in row
    old = {"passed": True, "models": [{"passed": True}]}
    (_, row, *_) = as_text([board("pi@a", selftest=old, memory=None)], width=120).splitlines()
    assert row.split()[-5:] == ["-", "-", "installed,", "31", "s"]


def test_unreached_boards_are_in_no_table() -> None:
    lost = [BoardReport(f"pi@10.0.0.{i}", "pi4", error="it gave no answer") for i in range(3)]
    assert as_text(lost) == (
        "3 boards: connect: it gave no answer (pi@10.0.0.0, pi@10.0.0.1, pi@10.0.0.2)"
    )
    refused = BoardReport("pi@old", "pi4", error="Python is 3.9", python="3.9")
    text = as_text([board("pi@a"), *lost, refused])
    assert sum("10.0.0" in line for line in text.splitlines()) == 1
    assert text.endswith("\npi@old: connect: Python is 3.9")
    assert "failed: connect" in text


def test_what_ssh_says_of_each_boards_own_name_is_one_reason() -> None:
    hosts = ["pi@a.example", "ssh://pi@b.example:2222", "ssh://[fe80::1]:22/", "c"]
    names = ["a.example", "b.example", "fe80::1", "c"]
    lost = [
        BoardReport(host, "pi4", error=f"ssh: connect to host {name} port 22: timed out")
        for host, name in zip(hosts, names, strict=True)
    ]
    assert as_text(lost) == (
        f"4 boards: connect: ssh: connect to host ... port 22: timed out ({', '.join(hosts)})"
    )


def test_a_note_of_all_is_one_line() -> None:
    reports = [board(f"pi@{i}", notes=["this is no Raspberry Pi 4"]) for i in range(20)]
    notes = [line for line in as_text(reports).splitlines() if "note" in line]
    assert notes == [
        "20 boards: note: this is no Raspberry Pi 4 (pi@0, pi@1, pi@2, pi@3, pi@4 and 15 more)"
    ]


@pytest.mark.parametrize(
    ("verdicts", "error", "expected"),
    [
        (["pass", "pass"], None, (True, "pass")),
        (["pass", "inconclusive"], None, (False, "inconclusive")),
        (["inconclusive", "fail"], None, (False, "fail")),
        (["pass", "pass"], "it broke", (False, "pass")),
        ([None, None], None, (True, None)),
    ],
)
def test_the_worst_verdict_is_that_of_all(
    verdicts: list[Any], error: str | None, expected: tuple[bool, str | None]
) -> None:
    reports = [board(f"pi@{v}", comparison=compared(v), error=error) for v in verdicts]
    found = as_json(reports)
    assert (found["passed"], found["verdict"]) == expected
    first = json.loads(json.dumps(found))["boards"][0]
    assert (first["verdict"], first["failed_at"]) == (verdicts[0], error and "compare")
