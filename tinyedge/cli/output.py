"""How a command prints its result: text for people, or one line of JSON for programs."""

import sys
from collections.abc import Callable

import click

__all__ = ["output_width", "show"]

_NARROWEST = 80


def show(as_json: bool, text: Callable[[], str], content: Callable[[], dict[str, object]]) -> None:
    """Write a result to stdout and flush: its `text`, or with `as_json` its `content` as a line."""
    import json

    click.echo(json.dumps(content(), allow_nan=False) if as_json else text())


def output_width() -> int:
    """How many characters a line of stdout can have: a terminal's, else `tinyedge.table.WIDTH`."""
    import shutil

    from tinyedge.table import WIDTH

    # None where it was closed before Python started.
    if sys.stdout is None or not sys.stdout.isatty():
        return WIDTH
    return max(_NARROWEST, shutil.get_terminal_size().columns)
