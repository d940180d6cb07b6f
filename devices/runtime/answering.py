"""Answers to images one after the other: by this process, or by workers that open the model too."""

import contextlib
import pickle
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import tinyedge
from tinyedge.devices.runtime.classifier import Classification, Classifier
from tinyedge.devices.runtime.report import answer_lines
from tinyedge.errors import ImageError
from tinyedge.files import bytes_sha256, file_sha256
from tinyedge.images.evaluate import Unreadable, evaluate, made_once, outcome
from tinyedge.images.stream import ImageSource, SourceImage

if TYPE_CHECKING:
    from tinyedge.images.annotate import AnnotatedCopies
    from tinyedge.workers import WorkerShare

__all__ = ["Answered", "Wanted", "answers", "facts", "shared_among"]

_FEWEST_SHARED = 64
"""Images: fewer are answered before workers have started."""
_IN_A_TASK = 8
"""Images: so a task takes far longer than it takes to hand out, and answers do not wait long."""
_TASKS_A_WORKER = 4
_AHEAD = 3
"""Tasks that are handed out for each that is worked on: a worker never waits for the next."""


class Wanted(NamedTuple):
    """What is wanted of each image.

    Attributes:
        top: the most classes, at least 1.
        least: the probability below which a class is left out; None for none.
        copies: where a copy goes that has the answer on it, or None.
    """

    top: int
    least: float | None = None
    copies: "AnnotatedCopies | None" = None


class Answered(NamedTuple):
    """The answer to an image.

    Attributes:
        answer: the classes.
        saved: the copy with the answer on it; None where none is wanted, or could be made.
        unsaved: why it could not be.
    """

    answer: Classification
    saved: Path | None = None
    unsaved: str | None = None


_Outcome = Answered | Unreadable | Exception


def shared_among(
    classifier: Classifier, images: int | None, *, workers: int | None, threads: int | None
) -> "WorkerShare | None":
    """How images are to be shared among processes; None where this one answers them.

    Args:
        classifier: as it was opened here.
        images: how many there are; None where nobody knows.
        workers: how many there shall be; None for what is of use.
        threads: of the runtime in each; None for what the cores leave.

    Raises:
        ValueError: more are asked for than there are cores, or than can use what is there.
    """
    if workers == 1 or (workers is None and (images is None or images < _FEWEST_SHARED)):
        return None
    if classifier.delegate is not None:
        if workers is not None:
            raise ValueError(f"{workers} workers cannot share one accelerator")
        return None
    # Here, because a board answers few images without it.
    from tinyedge.workers import share_cores

    share = share_cores(
        images or 0, workers=workers, threads=threads, most_threads=classifier.threads
    )
    return None if share.workers == 1 else share


@contextlib.contextmanager
def answers(
    classifier: Classifier, source: ImageSource, wanted: Wanted, share: "WorkerShare | None"
) -> Iterator[Iterator[tuple[SourceImage, Answered | Unreadable]]]:
    """Each image of the source with its answer, in their order, while the block runs.

    Without a `share` an image is taken when the answer before it was taken. What taking the next
    one raises comes after the answers before it: whatever the source, but for an ImageError
    `Classifier.classify`, or saving a copy raises.

    Raises:
        WorkerError: a worker has ended.
    """
    if share is None:
        alone = ((image,) for image in source)
        with closing(evaluate(_Answering(classifier, wanted), alone)) as batches:
            yield _one_by_one(batches)
        return
    from tinyedge.workers import local_workers

    opener = classifier.opener(share.threads, named=True)
    work = _OpenedAnswering(bytes_sha256(pickle.dumps((opener, wanted))), opener, wanted)
    images = iter(source)
    # Of images that may come slowly none waits for another.
    many = 1 if source.count is None else source.count // (_TASKS_A_WORKER * share.workers)
    size = max(1, min(_IN_A_TASK, many))
    tasks = iter(lambda: tuple(islice(images, size)), ())
    with (
        local_workers(share.workers) as executor,
        closing(evaluate(work, tasks, executor, in_flight=_AHEAD * share.workers)) as batches,
    ):
        yield _one_by_one(batches)


def facts(classifier: Classifier, wanted: Wanted) -> dict[str, str]:
    """What answers depend on besides the images, by what to call it."""
    card = classifier.card
    told = (classifier.spec, card.softmax_groups, card.temperature, classifier.threshold)
    return {
        "tinyedge": tinyedge.__version__,
        f"the model, {classifier.path.name}": file_sha256(classifier.path),
        "how photos are given to the model": _digest(told),
        "the class names": _digest(card.labels),
        "--top, --min or --save": _digest(
            (wanted.top, wanted.least, wanted.copies and wanted.copies.folder.absolute())
        ),
    }


def _digest(value: object) -> str:
    return bytes_sha256(repr(value).encode())


def _one_by_one(
    batches: Generator[tuple[Sequence[SourceImage], list[_Outcome] | Unreadable], None, None],
) -> Iterator[tuple[SourceImage, Answered | Unreadable]]:
    for images, outcomes in batches:
        # What cannot be read is told of image by image.
        assert not isinstance(outcomes, Unreadable)
        # The last of them may be an error, behind which nothing was answered.
        for image, found in zip(images, outcomes, strict=False):
            if isinstance(found, Exception):
                raise found
            yield image, found


class _Answering:
    """A classifier that answers to images, the work of one process."""

    def __init__(self, classifier: Classifier, wanted: Wanted) -> None:
        self._classifier, self._wanted = classifier, wanted

    def __call__(self, images: Sequence[SourceImage]) -> list[_Outcome]:
        """What it says of each; the first error that is not of an image's file ends it."""
        found: list[_Outcome] = []
        try:
            for image in images:
                found.append(outcome(partial(self._answered, image)))
        except Exception as error:  # those before it are answered all the same
            found.append(error)
        return found

    def _answered(self, image: SourceImage) -> Answered:
        wanted = self._wanted
        answer = self._classifier.classify(image.content, wanted.top)
        if wanted.least is not None:
            answer = answer.reaching(wanted.least)
        if wanted.copies is None:
            return Answered(answer)
        try:
            return Answered(answer, wanted.copies.save(image, answer_lines(answer, wanted.least)))
        except (ImageError, FileNotFoundError) as error:
            return Answered(answer, unsaved=str(error))


class _OpenedAnswering:
    """An `_Answering` that a worker makes for itself, once: what executors are given; picklable."""

    def __init__(self, key: str, opener: Callable[[], Classifier], wanted: Wanted) -> None:
        """`key` is equal where the model, which `opener` opens, and what is wanted are."""
        self._key, self._opener, self._wanted = key, opener, wanted

    def __call__(self, images: Sequence[SourceImage]) -> list[_Outcome]:
        """As of `_Answering`."""
        return made_once(self._key, self._made)(images)

    def _made(self) -> _Answering:
        return _Answering(self._opener(), self._wanted)
