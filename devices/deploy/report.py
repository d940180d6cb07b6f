"""What became of the boards, for people and for programs."""

import dataclasses
from collections.abc import Sequence

from tinyedge.devices.deploy.board import BoardReport
from tinyedge.table import WIDTH, Column, table
from tinyedge.text import printable

__all__ = ["as_json", "as_text"]

_COLUMNS = (Column("host"), Column("device"), Column("system", fit="wrap"), Column("self-test"))
_COMPARED = (Column("float"), Column("int8"), Column("drop, 95 %", fit="wrap"))
_RESULT = Column("result", fit="wrap")


def as_json(reports: Sequence[BoardReport]) -> dict[str, object]:
    """``passed``, and the fields of the `BoardReport` of each board but ``fault``."""
    return {
        "schema": "tinyedge.deploy/1",
        "passed": all(report.error is None for report in reports),
        "boards": [_board_as_json(report) for report in reports],
    }


def as_text(reports: Sequence[BoardReport], *, width: int = WIDTH) -> str:
    """A table with one line per board, then the notes and the errors, each a line."""
    compared = any(report.comparison for report in reports)
    rows = [_row(report, compared=compared) for report in reports]
    columns = [*_COLUMNS, *(_COMPARED if compared else ()), _RESULT]
    lines = [table(columns, rows, width=width)]
    lines += [printable(f"{each.host}: note: {note}") for each in reports for note in each.notes]
    lines += [
        printable(f"{each.host}: {each.failed_at}: {each.error}") for each in reports if each.error
    ]
    return "\n".join(lines)


def _board_as_json(report: BoardReport) -> dict[str, object]:
    found = dataclasses.asdict(dataclasses.replace(report, fault=None))
    del found["fault"]
    return found


def _row(report: BoardReport, *, compared: bool) -> list[str]:
    system = f"Python {report.python}, {report.architecture}" if report.python else "-"
    row = [report.host, report.device, system, _selftest(report)]
    if compared:
        row += _comparison(report)
    if report.error:
        return [*row, f"failed: {report.failed_at}"]
    was = "was installed" if report.already_installed else "installed"
    return [*row, f"{was}, {report.seconds:.0f} s"]


def _selftest(report: BoardReport) -> str:
    if report.selftest is None:
        return "-"
    outcomes = report.selftest["models"]
    good = sum(outcome["passed"] for outcome in outcomes)
    return f"{good} of {len(outcomes)} passed"


def _comparison(report: BoardReport) -> list[str]:
    if report.comparison is None:
        return ["-", "-", "-"]
    found = report.comparison
    low, high = found["drop"]["interval"]
    return [
        f"{found['float']['top1']:.2f} %",
        f"{found['int8']['top1']:.2f} %",
        f"{found['drop']['top1']:.2f} ({low:.2f} to {high:.2f})",
    ]
