"""What a comparison has found so far, on the disk: so that `--resume` goes on with it.

The numbers are kept as they are, so that a comparison taken up again ends as one that was never
interrupted; an image that was recorded is not run again. What was compared stands in it too: a
journal of other models, options or images is refused.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tinyedge
from tinyedge.accuracy.model import ScoringModel
from tinyedge.accuracy.observations import Answer, ImageAnswers
from tinyedge.files import bytes_sha256
from tinyedge.journal import Journal, open_resumable
from tinyedge.json_values import ValueCheck, integer, optional, parse_json, real, several, truth

__all__ = ["ComparisonJournal", "compared", "open_comparison_journal"]

_VERSION, _IMAGES = "tinyedge", "the images, their order or their labels"

Recorded = tuple[int, ImageAnswers]


class ComparisonJournal:
    """A journal of one comparison; see `open_comparison_journal`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def recorded(self) -> Iterator[Recorded]:
        """The numbers of the images that it holds, and what the models answered to them.

        A damaged entry counts as none.
        """
        for entry in self._journal.entries:
            with contextlib.suppress(ValueError):
                yield from _ROWS(parse_json(str(entry.get("answers"))))

    def append(self, found: Sequence[Recorded]) -> None:
        """Keep what was found; it is on the disk then.

        Raises:
            OSError: it cannot be written.
        """
        rows = [[number, each.answers, each.divergences] for number, each in found]
        if rows:
            self._journal.append({"answers": json.dumps(rows)})


@contextlib.contextmanager
def open_comparison_journal(
    path: Path, facts: Mapping[str, str], *, resume: bool
) -> Iterator[ComparisonJournal]:
    """The journal at `path`, while the block runs.

    Args:
        path: its file; the folder must be there.
        facts: what is compared, as of `compared`.
        resume: go on with what it holds; else it begins anew.

    Raises:
        DatasetError: it is no journal of a comparison, or of another one; or somebody has it open.
        OSError: it cannot be read or written.
    """
    with open_resumable(path, "comparison", facts, resume=resume) as journal:
        yield ComparisonJournal(journal)


def compared(
    models: Sequence[ScoringModel],
    files: Sequence[str],
    hashes: NDArray[np.uint8],
    labels: Sequence[int] | None,
) -> dict[str, str]:
    """What makes two comparisons the same: models, how they are fed, images, tinyedge.

    Args:
        models: the reference first.
        files: sha256 of each one's file.
        hashes: uint8 (n, 32), the sha256 of each image, in their order.
        labels: likewise, or None.
    """
    facts = {_VERSION: tinyedge.__version__}
    for number, (model, digest) in enumerate(zip(models, files, strict=True), start=1):
        card = model.card
        told = (model.spec, card.softmax_groups, card.temperature, model.threshold)
        facts[f"model {number}, {model.path.name}"] = digest
        facts[f"how images are given to model {number}"] = _digest(repr(told))
    of_labels = b"" if labels is None else np.asarray(labels, "<i8").tobytes()
    facts[_IMAGES] = bytes_sha256(hashes.tobytes() + of_labels)
    return facts


def _digest(text: str) -> str:
    return bytes_sha256(text.encode())


def _parts(value: object, *checks: ValueCheck) -> Iterator[Any]:
    """A list's items, each as its check makes it."""
    if not isinstance(value, list) or len(value) != len(checks):
        raise ValueError(f"a list of {len(checks)}")
    return (check(item) for check, item in zip(checks, value, strict=True))


def _row(value: object) -> Recorded:
    number, answers, divergences = _parts(value, _COUNT, several(_answer), several(_DIVERGENCE))
    return number, ImageAnswers(answers, divergences)


def _answer(value: object) -> Answer:
    return Answer(*_parts(value, _COUNT, optional(_COUNT), truth, _SCORE))


_COUNT = integer(0, 2**31 - 1)
# Far beyond scores of float32 by the least temperature of a card; their cubes add up to a number.
_MOST = 1e90
_SCORE, _DIVERGENCE = real(-_MOST, _MOST), real(0.0, _MOST)
_ROWS = several(_row)
