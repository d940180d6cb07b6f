"""What became of the boards, as a page: ``tinyedge deploy --html``."""

from collections.abc import Sequence
from typing import NamedTuple

from tinyedge.accuracy.gates import worst_verdict
from tinyedge.accuracy.page import figures
from tinyedge.accuracy.page.figures import IntervalFigure
from tinyedge.accuracy.page.render import rendered
from tinyedge.accuracy.report import points
from tinyedge.accuracy.statistics import Interval
from tinyedge.devices.deploy.board import BoardReport
from tinyedge.modelcard import CardKind

__all__ = ["boards_page"]


class _Board(NamedTuple):
    number: int
    report: BoardReport
    models: list[tuple[bool, float | None]]
    drop: IntervalFigure | None


def boards_page(
    reports: Sequence[BoardReport],
    *,
    command: str,
    time: str,
    files: Sequence[tuple[str, str]],
    max_drop: float | None,
    kind: CardKind = "int8",
) -> bytes:
    """The page, HTML in UTF-8, complete in itself: a row a board, and a section each.

    Args:
        reports: of the boards.
        command: as a shell takes it.
        time: ISO 8601, UTC.
        files: name and sha256 of each model.
        max_drop: the budget, points; None without one.
        kind: what the model is called that was compared with the float one.

    Raises:
        MissingPackageError: jinja2 is not installed.
    """
    boards = [_board(number, report, max_drop) for number, report in enumerate(reports, start=1)]
    compared = [
        (report.host, report.comparison["drop"]["top1"], _interval(report))
        for report in reports
        if report.comparison is not None
    ]
    return rendered(
        "boards.html",
        boards=boards,
        forest=figures.interval_figure(compared, budget=max_drop) if compared else None,
        verdict=worst_verdict(report.verdict for report in reports),
        failed=sum(report.error is not None for report in reports),
        kind=kind,
        command=command,
        time=time,
        files=files,
        points=points,
    )


def _interval(report: BoardReport) -> Interval:
    assert report.comparison is not None
    return Interval(*report.comparison["drop"]["interval"])


def _board(number: int, report: BoardReport, max_drop: float | None) -> _Board:
    outcomes = [] if report.selftest is None else report.selftest["models"]
    drop = None
    if report.comparison is not None:
        row = ("", report.comparison["drop"]["top1"], _interval(report))
        drop = figures.interval_figure([row], budget=max_drop)
    return _Board(
        number,
        report,
        [(each["passed"], each.get("milliseconds")) for each in outcomes],
        drop,
    )
