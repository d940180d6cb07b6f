"""What each stage of long work took: its time, the processor's, and the memory at its end."""

import contextlib
import time
from typing import Any, NamedTuple

from tinyedge.progress import Advance, Progress
from tinyedge.table import Column, table

__all__ = ["StageTimes"]


class _Stage(NamedTuple):
    description: str
    seconds: float
    cpu_seconds: float
    peak: int


class StageTimes:
    """A `Progress` that hands on what it is told, and keeps how long each stage took."""

    def __init__(self, progress: Progress) -> None:
        """Tell `progress`, too."""
        self._progress = progress
        self._done: list[_Stage] = []
        self._begun: tuple[str, float, float] | None = None

    def __call__(self, description: str, steps: int | None = 1, **how: Any) -> Advance:
        """Begin a stage; see `Progress`."""
        self._end()
        self._begun = description, time.perf_counter(), _cpu_seconds()
        return self._progress(description, steps, **how)

    def as_text(self, *, width: int) -> str:
        """A row a stage and one for all; the last stage ends now. Empty where there was none.

        Processor seconds are of all threads, and of child processes that have ended; memory is the
        most that this process had so far.
        """
        self._end()
        if not self._done:
            return ""
        whole = _Stage(
            "all",
            sum(stage.seconds for stage in self._done),
            sum(stage.cpu_seconds for stage in self._done),
            self._done[-1].peak,
        )
        columns = [Column("stage", fit="shorten"), Column("seconds", "right")]
        columns += [Column("CPU seconds", "right"), Column("peak memory, MB", "right")]
        rows = [
            [
                stage.description,
                f"{stage.seconds:.1f}",
                f"{stage.cpu_seconds:.1f}",
                f"{stage.peak / 1e6:.0f}" if stage.peak else "",
            ]
            for stage in (*self._done, whole)
        ]
        return table(columns, rows, width=width)

    def _end(self) -> None:
        if self._begun is not None:
            description, started, cpu = self._begun
            took = time.perf_counter() - started, _cpu_seconds() - cpu
            self._done.append(_Stage(description, *took, _peak_memory()))
            self._begun = None


def _cpu_seconds() -> float:
    times = time.process_time()
    with contextlib.suppress(ImportError):  # a system that is not POSIX
        import resource

        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        times += ended.ru_utime + ended.ru_stime
    return times


def _peak_memory() -> int:
    """Bytes; 0 where the system does not tell."""
    with contextlib.suppress(ImportError):
        import resource

        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return 0
