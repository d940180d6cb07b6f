"""What became of the boards, for people and for programs."""

import dataclasses
import re
from collections.abc import Iterable, Sequence

from tinyedge.accuracy.gates import worst_verdict
from tinyedge.accuracy.report import points
from tinyedge.devices.deploy.board import BoardReport
from tinyedge.modelcard import CardKind
from tinyedge.table import WIDTH, Column, table
from tinyedge.text import printable

__all__ = ["as_json", "as_text"]

_COLUMNS = (
    Column("host"),
    Column("device"),
    Column("system", fit="wrap"),
    Column("self-test", fit="wrap"),
    Column("ms", align="right"),
    Column("free", align="right"),
    Column("result", fit="wrap"),
)
_COMPARED = (
    Column("host"),
    Column("float", align="right"),
    Column("", align="right"),
    Column("drop, 95 %", fit="wrap"),
    Column("agree", align="right"),
    Column("verdict"),
)
# Boards of which something is said together, by their names.
_NAMED = 5


def as_json(reports: Sequence[BoardReport]) -> dict[str, object]:
    """``passed``, and the fields of the `BoardReport` of each board but ``step`` and ``fault``.

    ``failed_at`` is the step where it failed, and null where it did not. ``verdict`` of all is the
    worst of the boards': fail, inconclusive, pass; null where there was no budget.
    """
    return {
        "schema": "tinyedge.deploy/1",
        "passed": all(
            report.error is None and report.verdict in (None, "pass") for report in reports
        ),
        "verdict": worst_verdict(report.verdict for report in reports),
        "boards": [_board_as_json(report) for report in reports],
    }


def as_text(reports: Sequence[BoardReport], *, kind: CardKind = "int8", width: int = WIDTH) -> str:
    """A table with a line per board, and one of their comparisons; then notes and errors.

    `kind` is what the model is called that was compared with the float one.

    A board that was not reached is in no table. What is said of several boards is one line.
    """
    reached = [report for report in reports if report.failed_at != "connect" or report.python]
    lines = [table(_COLUMNS, [_row(each) for each in reached], width=width)] if reached else []
    compared = [row for each in reached if (row := _comparison(each)) is not None]
    if compared:
        columns = [dataclasses.replace(each, heading=each.heading or kind) for each in _COMPARED]
        if not any(row[-1] for row in compared):
            del columns[-1]
        cells = [row[: len(columns)] for row in compared]
        lines += ["", table(columns, cells, width=width), ""]
    lines += _together((each, f"note: {note}") for each in reports for note in each.notes)
    if any(each.verdict in ("fail", "inconclusive") for each in reports):
        lines.append("what was judged so stays in use there; --rollback undoes it")
    lines += _together((each, f"{each.failed_at}: {each.error}") for each in reports if each.error)
    return "\n".join(lines)


def _board_as_json(report: BoardReport) -> dict[str, object]:
    found = dataclasses.asdict(dataclasses.replace(report, fault=None))
    del found["fault"], found["step"]
    return {**found, "failed_at": report.failed_at, "verdict": report.verdict}


def _row(report: BoardReport) -> list[str]:
    system = f"Python {report.python}, {report.architecture}" if report.python else "-"
    memory = "-" if report.memory is None else f"{report.memory / 1e6:,.0f} MB"
    row = [report.host, report.device, system, _selftest(report), _milliseconds(report), memory]
    if report.error:
        return [*row, f"failed: {report.failed_at}"]
    if report.rolled_back is not None:
        models = ", ".join(report.rolled_back["models"])
        return [*row, f"back to {report.rolled_back['back_to']}: {models}"]
    was = "was installed" if report.already_installed else "installed"
    return [*row, f"{was}, {report.seconds:.0f} s"]


def _selftest(report: BoardReport) -> str:
    if report.selftest is None:
        return "-"
    outcomes = report.selftest["models"]
    good = sum(outcome["passed"] for outcome in outcomes)
    return f"{good} of {len(outcomes)} passed"


def _milliseconds(report: BoardReport) -> str:
    """Of the file that is not float where both were compared; else of each model in turn."""
    if report.comparison is not None:
        return _rounded(report.comparison["milliseconds"]["int8"])
    outcomes = [] if report.selftest is None else report.selftest["models"]
    times = [each.get("milliseconds") for each in outcomes]
    return " / ".join("-" if each is None else _rounded(each) for each in times) or "-"


def _rounded(milliseconds: float) -> str:
    return f"{milliseconds:.{1 if milliseconds >= 10 else 2}f}"


def _comparison(report: BoardReport) -> list[str] | None:
    found = report.comparison
    if found is None:
        return None
    return [
        report.host,
        f"{found['float']['top1']:.2f} %",
        f"{found['int8']['top1']:.2f} %",
        f"{found['drop']['top1']:.2f} ({points(*found['drop']['interval'])})",
        f"{found['agreement']:.2f} %",
        found["verdict"] or "",
    ]


def _together(said: Iterable[tuple[BoardReport, str]]) -> list[str]:
    """A line for each thing that is said of boards, with those it is said of."""
    boards: dict[str, list[tuple[str, str]]] = {}
    for report, text in said:
        shared = _without_host(report.host, text) if report.error else text
        boards.setdefault(shared, []).append((report.host, text))
    lines = []
    for shared, each in boards.items():
        names = [host for host, _ in each]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        lines.append(
            f"{len(names)} boards: {shared} ({', '.join(names[:_NAMED])}{more})"
            if len(names) > 1
            else f"{names[0]}: {each[0][1]}"
        )
    return [printable(line) for line in lines]


def _without_host(host: str, text: str) -> str:
    """The text with ... in the place of the board's own name, as ssh says it."""
    name = host.removeprefix("ssh://").rstrip("/").rpartition("@")[2]
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    for each in (host, name):
        text = re.sub(rf"(?<![\w.-]){re.escape(each)}(?![\w-]|\.\w)", "...", text)
    return text
