"""The progress of long work: one protocol to tell it by, drawn on a terminal and nowhere else.

Work is told in stages, one after the other. Each says how many steps it has and its weight, how
long it is likely to take beside the others; where the first tells the weight of all, one line
shows the time that is left for the whole.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from tinyedge.text import printable

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

__all__ = ["Advance", "Progress", "no_progress", "progress_of_each", "progress_shown"]

# Remaining times are by the mean speed since the beginning, not by that of the last seconds:
# in a stage of one step nothing moves for long.
_WHOLE_TIME = 1e6


class Advance(Protocol):
    """Tells that steps of a stage are done."""

    def __call__(self, steps: int = 1, /) -> None:
        """Count `steps` more of them as done."""


class Progress(Protocol):
    """Tells a person how far the work is."""

    def __call__(
        self,
        description: str,
        steps: int | None = 1,
        *,
        weight: float = 1.0,
        total: float | None = None,
        unit: str = "",
    ) -> Advance:
        """Begin a stage; the one before it is over.

        Args:
            description: what is done, for people.
            steps: how many it has; None where that is not known.
            weight: how long it is likely to take beside the other stages of the same work.
            total: with the first stage of a work, the weights of all its stages together.
            unit: what is counted where that should be shown, such as ``B`` of a download.

        Returns:
            What to call after each step.
        """


def no_progress(
    description: str,
    steps: int | None = 1,
    *,
    weight: float = 1.0,
    total: float | None = None,
    unit: str = "",
) -> Advance:
    """A `Progress` that shows nothing."""
    del description, steps, weight, total, unit
    return _nothing


def _nothing(steps: int = 1, /) -> None:
    del steps


@contextlib.contextmanager
def progress_shown(*, on_terminal: bool) -> Iterator[Progress]:
    """A `Progress` that draws one line on the terminal that stderr is, or nothing at all.

    The line says which stage is done now, and is gone at the end. Its bar and the time that is
    left are the whole work's where the total of the weights was told, else the stage's. Without
    rich, as on a board, there is one line per stage, and those stay.
    """
    with progress_of_each(on_terminal=on_terminal) as progress_of:
        yield progress_of("")


@contextlib.contextmanager
def progress_of_each(*, on_terminal: bool) -> Iterator[Callable[[str], Progress]]:
    """As `progress_shown`, for works side by side: for each name a `Progress` with its own line.

    They may be made and told from several threads.
    """
    if not on_terminal:
        yield lambda _: no_progress
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars
    except ModuleNotFoundError:
        yield _Lines
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TextColumn("{task.fields[amount]}"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
    )
    encoding = sys.stderr.encoding if sys.stderr is not None else "utf-8"
    # A descriptor of its own, so that the bars live on while TensorFlow's output is hidden.
    with (
        open(os.dup(2), "w", encoding=encoding, errors="backslashreplace") as terminal,
        Bars(
            *columns,
            console=Console(file=terminal),
            transient=True,
            speed_estimate_period=_WHOLE_TIME,
        ) as display,
    ):
        yield lambda name: _Bar(display, name)


class _Bar:
    """A line with the stage that is done now, and a bar: the stage's, or that of the whole."""

    def __init__(self, display: "Bars", name: str) -> None:
        self._display = display
        self._prefix = f"{printable(name)}: " if name else ""
        self._total: float | None = None
        self._past = self._weight = 0.0
        self._stages = 0
        self._task: TaskID | None = None
        self._lock = threading.Lock()

    def __call__(
        self,
        description: str,
        steps: int | None = 1,
        *,
        weight: float = 1.0,
        total: float | None = None,
        unit: str = "",
    ) -> Advance:
        with self._lock:
            self._stages += 1
            stage, done = self._stages, 0
            text = self._prefix + printable(description)
            amount = _amount(0, steps, unit)
            if total is None and self._total is not None:
                self._past += self._weight
                past = min(self._past, self._total)
                assert self._task is not None
                task = self._task
                self._display.update(task, description=text, completed=past, amount=amount)
            else:
                self._total, self._past = total, 0.0
                task = self._from_zero(text, steps if total is None else total, amount)
            self._weight = weight

        def advance(count: int = 1, /) -> None:
            nonlocal done
            with self._lock:
                done += count
                if stage != self._stages:
                    return
                completed: float = done
                if self._total is not None:
                    share = min(1.0, done / steps) if steps else 0.0
                    completed = min(self._past + weight * share, self._total)
                amount = _amount(done, steps, unit)
                self._display.update(task, completed=completed, amount=amount)

        return advance

    def _from_zero(self, text: str, total: float | None, amount: str) -> "TaskID":
        """The line's bar, with nothing done of `total`."""
        if self._task is None:
            self._task = self._display.add_task(text, total=total, amount=amount)
            return self._task
        self._display.reset(self._task, total=total, description=text, amount=amount)
        # A total of None is one to keep, for rich.
        next(task for task in self._display.tasks if task.id == self._task).total = total
        return self._task


class _Lines:
    """A line for the beginning of each stage, where rich is not installed."""

    def __init__(self, name: str) -> None:
        self._prefix = f"{printable(name)}: " if name else ""

    def __call__(
        self,
        description: str,
        steps: int | None = 1,
        *,
        weight: float = 1.0,
        total: float | None = None,
        unit: str = "",
    ) -> Advance:
        del steps, weight, total, unit
        # In one piece: others write too. The terminal may have closed.
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{self._prefix}{printable(description)}\n")
        return _nothing


def _amount(done: int, steps: int | None, unit: str) -> str:
    """Such as ``3.1 of 4.2 MB`` or ``12 of 50 images``; nothing where the unit is not named."""
    if not unit:
        return ""
    if unit == "B":
        whole = "" if steps is None else f" of {steps / 1e6:.1f}"
        return f"{done / 1e6:.1f}{whole} MB"
    whole = "" if steps is None else f" of {steps}"
    return f"{done}{whole} {unit}"
