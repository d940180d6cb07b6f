"""How far long work is: one protocol to tell it by, drawn on a terminal and nowhere else.

Work is told in stages. Each says how many steps it has and what part of the whole it is likely
to take, so that one remaining time can be shown for all of them.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Protocol

__all__ = ["Advance", "Progress", "no_progress", "progress_shown"]


class Advance(Protocol):
    """Tells that steps of a stage are done."""

    def __call__(self, steps: int = 1, /) -> None:
        """So many more."""


class Progress(Protocol):
    """Tells a person how far the work is."""

    def __call__(
        self, description: str, steps: int | None = 1, *, weight: float = 1.0, unit: str = ""
    ) -> Advance:
        """Begin a stage.

        Args:
            description: what is done, for people.
            steps: how many it has; None where that is not known.
            weight: how long it is likely to take beside the other stages of the same work.
            unit: what is counted where that should be shown, such as ``B`` of a download.

        Returns:
            What to call after each step.
        """


def no_progress(
    description: str, steps: int | None = 1, *, weight: float = 1.0, unit: str = ""
) -> Advance:
    """A `Progress` that shows nothing."""
    del description, steps, weight, unit
    return _nothing


def _nothing(steps: int = 1, /) -> None:
    del steps


@contextlib.contextmanager
def progress_shown(*, on_terminal: bool) -> Iterator[Progress]:
    """A `Progress` that draws on the terminal that stderr is, or nothing at all.

    With rich, a bar for each stage; without it, as on a board, a line for each stage.
    """
    if not on_terminal:
        yield no_progress
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars
    except ModuleNotFoundError:
        yield _line
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
    )
    # A descriptor of its own, so that the bars live on while TensorFlow's output is hidden.
    with (
        open(os.dup(2), "w", encoding="utf-8") as terminal,
        Bars(*columns, console=Console(file=terminal)) as display,
    ):

        def stage(
            description: str, steps: int | None = 1, *, weight: float = 1.0, unit: str = ""
        ) -> Advance:
            del weight, unit
            task = display.add_task(description, total=steps)
            return lambda count=1, /: display.advance(task, count)

        yield stage


def _line(
    description: str, steps: int | None = 1, *, weight: float = 1.0, unit: str = ""
) -> Advance:
    del steps, weight, unit
    print(description, file=sys.stderr)
    return _nothing
