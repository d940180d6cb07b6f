"""Tables and paragraphs for a terminal, or a file, of a given width in characters."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tinyedge.text import cut, printable

__all__ = ["WIDTH", "Column", "folded", "paragraph", "table"]

WIDTH = 100
"""The width of what is written to a pipe or a file, characters."""

_GAP = 2


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        heading: its first line.
        align: where a cell stands in it.
        fit: what becomes of its cells where the table would be too wide: they stay ``whole``, go
            on in the next line (``wrap``), or lose their end (``shorten``).
        most: its greatest width, or None for no limit. A cell of the first
            column that is longer has a line of its own.
        least: its smallest width where it gives way.
        leave_out: 0 for a column that always stays; else, where the table is too wide though all
            columns gave way, the one of the greatest number is left out, and then the next.
    """

    heading: str
    align: Literal["left", "right"] = "left"
    fit: Literal["whole", "wrap", "shorten"] = "whole"
    most: int | None = None
    least: int = 8
    leave_out: int = 0


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, width: int) -> str:
    """The headings and one line per row, more where cells are wrapped; no final newline.

    Columns are as wide as their longest cells as long as all fit into `width`; else those that
    can give way do, the widest first; then those that can be left out are, which a last line says;
    at last all others give way too. The last cell of a row that has fewer cells than there are
    columns takes what is left of the line, and is wrapped: the columns of the cells before it
    must stay. What a terminal would obey is escaped.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    left_out: list[str] = []
    while True:
        widths = _widths(columns, rows, width)
        leaving = max(range(len(columns)), key=lambda place: columns[place].leave_out, default=0)
        if _width(widths) <= width or not columns[leaving].leave_out:
            break
        left_out.append(columns[leaving].heading.strip())
        whole = len(columns)
        columns = [*columns[:leaving], *columns[leaving + 1 :]]
        rows = [[*row[:leaving], *row[leaving + 1 :]] if len(row) == whole else row for row in rows]
    if _width(widths) > width:
        columns = [_giving(column, is_first=not place) for place, column in enumerate(columns)]
        widths = _widths(columns, rows, width)
    heading = [column.heading for column in columns]
    lines = [line for row in (heading, *rows) for line in _lines(row, columns, widths, width)]
    if left_out:
        told = f"(left out at this width, --json has them: {', '.join(left_out)})"
        lines += paragraph(told, width=width)
    return "\n".join(lines)


def folded(text: str, *, width: int) -> str:
    """`text` with every line that is too long wrapped; what goes on is indented two more."""
    lines = []
    for line in text.split("\n"):
        indent = " " * (len(line) - len(line.lstrip()))
        if len(line) <= width:
            lines.append(line)
        else:
            lines += _wrapped(line.strip(), width, indent, f"{indent}  ")
    return "\n".join(lines)


def paragraph(text: str, *, width: int, first: str = "", indent: int = 0) -> list[str]:
    """The lines of `text`: the first begins with `first`, the others are indented.

    A word that is longer than a line, such as a path that somebody will copy, stays in one piece.
    """
    return _wrapped(text, width, first.ljust(indent), " " * indent)


def _wrapped(text: str, width: int, first: str, others: str) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    widths = [len(column.heading) for column in columns]
    for row in rows:
        for place, cell in enumerate(row if len(row) == len(columns) else row[:-1]):
            most = columns[place].most
            long = len(cell) if most is None else min(len(cell), most)
            widths[place] = max(widths[place], long)
    while _width(widths) > width:
        giving = [
            place
            for place, column in enumerate(columns)
            if column.fit != "whole" and widths[place] > max(column.least, len(column.heading))
        ]
        if not giving:
            break
        widths[max(giving, key=lambda place: widths[place])] -= 1
    cells = [row for row in rows if len(row) == len(columns)]
    return [
        _balanced(column, width, [row[place] for row in cells])
        for place, (column, width) in enumerate(zip(columns, widths, strict=True))
    ]


def _giving(column: Column, *, is_first: bool) -> Column:
    """The column of a table that is too wide without it giving way."""
    if column.fit != "whole":
        return replace(column, least=1)
    if is_first:
        return replace(column, most=max(len(column.heading), column.least))
    # Half a number would be another.
    return replace(column, fit="wrap" if column.align == "right" else "shorten")


def _width(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _balanced(column: Column, width: int, cells: Sequence[str]) -> int:
    """The least width in which wrapped `cells` have no more lines than in `width`."""
    wrapped = [cell for cell in cells if column.fit == "wrap" and len(cell) > width]
    most = [len(_cell(cell, column, width)) for cell in wrapped]
    others = [len(cell) for cell in cells if len(cell) <= width]
    while wrapped and width > max([len(column.heading), *others]):
        parts = [_cell(cell, column, width - 1) for cell in wrapped]
        if [*map(len, parts)] != most or any(len(line) >= width for part in parts for line in part):
            break
        width -= 1
    return width


def _lines(
    row: Sequence[str], columns: Sequence[Column], widths: Sequence[int], width: int
) -> list[str]:
    """The lines of one row."""
    if row and columns[0].fit == "whole" and len(row[0]) > widths[0]:
        return [row[0], *_lines(["", *row[1:]], columns, widths, width)]
    cells = [_cell(*each) for each in zip(row, columns, widths, strict=False)]
    if len(row) < len(columns):
        left = width - sum(widths[: len(row) - 1]) - _GAP * (len(row) - 1)
        cells[-1] = paragraph(row[-1], width=left)
    lines = []
    for number in range(max(map(len, cells), default=0)):
        parts = []
        for column, size, cell in zip(columns, widths, cells, strict=False):
            text = cell[number] if number < len(cell) else ""
            parts.append(text.rjust(size) if column.align == "right" else text.ljust(size))
        lines.append((" " * _GAP).join(parts).rstrip())
    return lines


def _cell(text: str, column: Column, width: int) -> list[str]:
    if len(text) <= width or column.fit == "whole":
        return [text]
    if column.fit == "shorten":
        words = textwrap.shorten(text, width, placeholder=" ...", break_on_hyphens=False)
        return [words if len(words) > len("...") else cut(text, width)]
    return paragraph(text, width=width)
