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
from tinyedge.errors import ImageError, WorkerError
from tinyedge.files import bytes_sha256, file_sha256
from tinyedge.images.evaluate import Unreadable, evaluate, evaluate_waiting, made_once, outcome
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
    if classifier.only_here is not None:
        if workers is not None:
            raise ValueError(f"{workers} workers {classifier.only_here}")
        return None
    # Here, because a board answers few images without it.
    from tinyedge.workers import share_cores

    share = share_cores(
        images or 0, workers=workers, threads=threads, most_threads=classifier.threads
    )
    return None if share.workers == 1 else share


@contextlib.contextmanager
def answers(
    classifier: Classifier,
    source: ImageSource,
    wanted: Wanted,
    share: "WorkerShare | None",
    share_waiting: "Callable[[int], WorkerShare | None] | None" = None,
) -> Iterator[Iterator[tuple[SourceImage, Answered | Unreadable]]]:
    """Each image of the source with its answer, in their order, while the block runs.

    Without a `share` an image is taken when the answer before it was taken. What taking the next
    one raises comes after the answers before it: whatever the source, but for an ImageError
    `Classifier.classify`, or saving a copy raises.

    Args:
        classifier: as it was opened here.
        source: of the images.
        wanted: of each.
        share: how all of them are shared.
        share_waiting: without a `share`, says how so many images are that wait at once, if they
            are: workers start, and end when none waits any more.

    Raises:
        WorkerError: a worker has ended.
    """
    if share is None and share_waiting is not None:
        with closing(_as_they_come(classifier, source, wanted, share_waiting)) as answered:
            yield answered
        return
    if share is None:
        alone = ((image,) for image in source)
        with closing(evaluate(_Answering(classifier, wanted), alone)) as batches:
            yield _one_by_one(batches)
        return
    from tinyedge.workers import local_workers

    # Of images that may come slowly none waits for another.
    tasks = _tasks(iter(source), source.count or 0, share)
    work, in_flight = _opened_answering(classifier, wanted, share), _AHEAD * share.workers
    with (
        local_workers(share.workers) as executor,
        closing(evaluate(work, tasks, executor, in_flight=in_flight)) as batches,
    ):
        yield _one_by_one(batches)


def _as_they_come(
    classifier: Classifier,
    source: ImageSource,
    wanted: Wanted,
    share_waiting: "Callable[[int], WorkerShare | None]",
) -> Generator[tuple[SourceImage, Answered | Unreadable], None, None]:
    """The answers by this process, but to many images that wait at once, which workers share."""
    alone = _Answering(classifier, wanted)
    images = iter(source)
    while True:
        waiting = source.waiting()
        many = waiting >= _FEWEST_SHARED
        share = share_waiting(waiting) if many else None
        if share is not None:
            with closing(_burst(classifier, source, wanted, share)) as answered:
                yield from answered
        # Those that wait are not shared: that need not be asked of each.
        taken = islice(images, waiting if many and share is None else 1)
        batches = evaluate(alone, ((image,) for image in taken))
        count = 0
        with closing(batches):
            for each in _one_by_one(batches):
                yield each
                count += 1
        if not count:
            return


def _burst(
    classifier: Classifier, source: ImageSource, wanted: Wanted, share: "WorkerShare"
) -> Generator[tuple[SourceImage, Answered | Unreadable], None, None]:
    """The answers of workers to the images that wait, until none does."""
    from tinyedge.workers import local_workers

    tasks = _tasks(iter(source.take_waiting, None), source.waiting(), share)
    work, in_flight = _opened_answering(classifier, wanted, share), _AHEAD * share.workers
    try:
        with (
            local_workers(share.workers) as executor,
            closing(evaluate_waiting(work, tasks, executor, in_flight=in_flight)) as batches,
        ):
            yield from _one_by_one(batches)
    except WorkerError:
        # A signal to the whole process group asks this process to end, and ends the workers.
        if not source.asked_to_end:
            raise


def _tasks(
    images: Iterator[SourceImage], count: int, share: "WorkerShare"
) -> Iterator[tuple[SourceImage, ...]]:
    """The images, about `count`, in tasks: few enough that all workers have some."""
    size = max(1, min(_IN_A_TASK, count // (_TASKS_A_WORKER * share.workers)))
    return iter(lambda: tuple(islice(images, size)), ())


def _opened_answering(
    classifier: Classifier, wanted: Wanted, share: "WorkerShare"
) -> "_OpenedAnswering":
    opener = classifier.opener(share.threads, named=True)
    return _OpenedAnswering(bytes_sha256(pickle.dumps((opener, wanted))), opener, wanted)


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
