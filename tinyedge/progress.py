"""How far an export is, shown by stage on a terminal and nowhere else."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Protocol

from tinyedge.errors import MissingPackageError

__all__ = ["Stage", "stages_shown"]


class Stage(Protocol):
    """Tells a person how far the work is."""

    def __call__(self, description: str, steps: int = 1) -> Callable[[], None]:
        """Begin a stage of so many steps; the result is to be called after each of them."""


@contextlib.contextmanager
def stages_shown(*, on_terminal: bool) -> Iterator[Stage]:
    """A `Stage` that draws progress bars on the terminal that stderr is, or nothing at all.

    Raises:
        MissingPackageError: bars are to be drawn, and rich is not installed.
    """
    if not on_terminal:
        yield _nothing_shown
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "this command needs the package rich: pip install 'tinyedge[export]'"
        ) from error
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    # A descriptor of its own, so that the bars live on while TensorFlow's output is hidden.
    with (
        open(os.dup(2), "w", encoding="utf-8") as terminal,
        Progress(*columns, console=Console(file=terminal)) as display,
    ):

        def stage(description: str, steps: int = 1) -> Callable[[], None]:
            task = display.add_task(description, total=steps)
            return lambda: display.advance(task)

        yield stage


def _nothing_shown(description: str, steps: int = 1) -> Callable[[], None]:
    del description, steps
    return lambda: None
