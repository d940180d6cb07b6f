"""Images that come to an end, without those that an interrupted run has answered already.

An image is the one that was answered if its path, size and time of change are the same: one that
was changed since is answered anew.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from tinyedge.images.identity import state_at
from tinyedge.images.stream import ImageSource, SourceImage
from tinyedge.journal import Entry, Journal, open_resumable

__all__ = ["ResumedImages", "resumed_images"]

_Answered = tuple[str, int, int]


class ResumedImages(ImageSource):
    """The images of a source that a journal does not hold; see `resumed_images`.

    Attributes:
        before: how many images the journal held.
    """

    def __init__(self, source: ImageSource, journal: Journal) -> None:
        self._source, self._journal = source, journal
        self._before = Counter(_read(journal.entries))
        # By the object that was given: an image that is named twice is two.
        self._given: dict[int, _Answered] = {}
        self.before = self._before.total()
        self.count = None if source.count is None else max(0, source.count - self.before)

    def __iter__(self) -> Iterator[SourceImage]:
        """The images; one that was named twice and answered once comes once more."""
        return filter(self._is_to_answer, self._source)

    def waiting(self) -> int:
        """Those of the source, with those that were answered."""
        return self._source.waiting()

    def take_waiting(self) -> SourceImage | None:
        """The next of them that was not answered."""
        return next(filter(self._is_to_answer, iter(self._source.take_waiting, None)), None)

    def _is_to_answer(self, image: SourceImage) -> bool:
        found = _state(image)
        if found is not None:
            if self._before[found]:
                self._before[found] -= 1
                return False
            # As it is before it is read: what is written into it meanwhile counts as a change.
            self._given[id(image)] = found
        return True

    def answered(self, image: SourceImage) -> None:
        """Write it into the journal.

        Raises:
            OSError: that cannot be.
        """
        if (found := self._given.pop(id(image), None)) is not None:
            name, size, modified = found
            self._journal.append({"image": name, "size": size, "modified": modified})


@contextlib.contextmanager
def resumed_images(
    source: ImageSource, path: Path, facts: Mapping[str, str], *, resume: bool
) -> Iterator[ResumedImages]:
    """The images of `source` without those that the journal at `path` holds, which goes on.

    Args:
        source: images that come to an end.
        path: of the journal; its folder must be there.
        facts: what the answers depend on besides the images, by what to call it.
        resume: go on with what it holds; else it begins anew.

    Raises:
        DatasetError, OSError: see `tinyedge.journal.open_resumable`.
    """
    with open_resumable(path, "run", facts, resume=resume) as journal:
        yield ResumedImages(source, journal)


def _state(image: SourceImage) -> _Answered | None:
    """None of what is no file, or cannot be found: whoever reads it says so."""
    if isinstance(image.content, Path):
        with contextlib.suppress(OSError):
            return os.path.abspath(image.name), *state_at(image.name).content
    return None


def _read(entries: list[Entry]) -> Iterator[_Answered]:
    for entry in entries:
        match entry:
            case {"image": str(name), "size": int(size), "modified": int(modified)}:
                yield name, size, modified
