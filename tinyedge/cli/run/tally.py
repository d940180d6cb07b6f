"""What came of many images, said in two lines when all are answered."""

import time
from array import array
from collections import Counter
from typing import TYPE_CHECKING

from tinyedge.text import counted, cut, printable

if TYPE_CHECKING:
    from tinyedge.devices.runtime.classifier import Classification

__all__ = ["Tally"]

_COMMONEST = 5
_LONGEST_LABEL = 40


class Tally:
    """How many images were answered, with what and how fast, since it was made.

    The median of their inferences is told where they were `timed`: while nothing else ran.

    Attributes:
        timed: whether that is so of all of them.
        answered, skipped, failed: how many images had an answer, could not be read, and could
            not be read although they were named.
    """

    def __init__(self, *, timed: bool = True) -> None:
        self.timed = timed
        self.answered = self.skipped = self.failed = 0
        self._start = time.monotonic()
        self._milliseconds = array("d")
        # None for an image none of whose classes is likely enough.
        self._first: Counter[str | None] = Counter()

    def add(self, answer: "Classification") -> None:
        """Count an answer."""
        self.answered += 1
        if self.timed:
            self._milliseconds.append(answer.milliseconds)
        self._first[answer[0].label if answer else None] += 1

    @property
    def images(self) -> int:
        """All of them."""
        return self.answered + self.skipped + self.failed

    def lines(self) -> list[str]:
        """The counts and times, and the commonest answers, the commonest first."""
        counts = [f"{self.answered} answered"]
        counts += [f"{self.skipped} skipped"] if self.skipped else []
        counts += [f"{counted(self.failed, 'error')}"] if self.failed else []
        seconds = time.monotonic() - self._start
        lines = [f"{', '.join(counts)} in {seconds:.1f} s"]
        if self.timed and self._milliseconds:
            # Here, because one image has no median, and it brings fractions and decimals.
            import statistics

            lines[0] += f"; median inference {statistics.median(self._milliseconds):.1f} ms"
        if self._first:
            common = [
                f"{'no class' if label is None else cut(printable(label), _LONGEST_LABEL)} {count}"
                for label, count in self._first.most_common(_COMMONEST)
            ]
            others = len(self._first) - len(common)
            more = f" and {counted(others, 'other')}" if others else ""
            lines.append(f"commonest answers: {', '.join(common)}{more}")
        return lines
