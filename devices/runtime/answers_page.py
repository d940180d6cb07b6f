"""A contact sheet of answers: ``tinyedge run DIR --html``."""

import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tinyedge.accuracy.page.made import HowMade
from tinyedge.accuracy.page.pictures import MOST_PICTURES, Picture, picture
from tinyedge.accuracy.page.render import rendered
from tinyedge.devices.runtime.classifier import Classification, Prediction
from tinyedge.images.encoded import EncodedImage
from tinyedge.images.stream import SourceImage

__all__ = ["MOST_LISTED", "AnswersPage"]

MOST_LISTED = 2000
"""Rows without an image, beyond the `MOST_PICTURES` with one."""
_MOST_UNREADABLE = 200
_CLASSES_SHOWN = 5
_COMMONEST = 20


class _Answered(NamedTuple):
    name: str
    predictions: Sequence[Prediction]
    milliseconds: float | None
    picture: Picture | None


class AnswersPage:
    """The answers to one image after the other, and of the first of them small copies.

    It has the inferences' times where they were `timed`: while nothing else ran.

    Attributes:
        timed: whether that is so of all of them.
    """

    def __init__(self, *, timed: bool = True) -> None:
        self.timed = timed
        self._count = 0
        self._answered: list[_Answered] = []
        self._unreadable: list[str] = []
        self._milliseconds: list[float] = []
        self._first: Counter[str | None] = Counter()
        self._faults = 0

    def add(self, image: SourceImage, answer: Classification) -> None:
        """Keep an answer; the image is read once more for its small copy."""
        self._count += 1
        milliseconds = answer.milliseconds if self.timed else None
        if milliseconds is not None:
            self._milliseconds.append(milliseconds)
        self._first[answer[0].label if answer else None] += 1
        if len(self._answered) >= MOST_PICTURES + MOST_LISTED:
            return
        small = None
        if len(self._answered) < MOST_PICTURES and isinstance(image.content, Path | EncodedImage):
            small = picture(image.content)
        shown = answer.predictions[:_CLASSES_SHOWN]
        self._answered.append(_Answered(image.name, shown, milliseconds, small))

    def add_unreadable(self, reason: str) -> None:
        """Keep why an image has no answer."""
        self._faults += 1
        if len(self._unreadable) < _MOST_UNREADABLE:
            self._unreadable.append(reason)

    def page(self, made: HowMade) -> bytes:
        """The page, HTML in UTF-8, complete in itself.

        Raises:
            MissingPackageError: jinja2 is not installed.
        """
        times = self._milliseconds if self.timed else []
        return rendered(
            "answers.html",
            count=self._count,
            timed=self.timed,
            median=statistics.median(times) if times else None,
            shown=self._answered[:MOST_PICTURES],
            listed=self._answered[MOST_PICTURES:],
            left_out=self._count - len(self._answered),
            unreadable=self._unreadable,
            faults=self._faults,
            commonest=self._first.most_common(_COMMONEST),
            kinds=len(self._first),
            most=max(self._first.values(), default=1),
            made=made,
        )
