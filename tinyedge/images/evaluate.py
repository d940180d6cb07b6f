"""From images to results: the one loop, in this thread or over the workers of an executor."""

import os
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from tinyedge.errors import ImageError

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future
    from queue import SimpleQueue

__all__ = ["Unreadable", "evaluate", "evaluate_waiting", "made_once", "outcome"]

Image = TypeVar("Image")
Result = TypeVar("Result")


class Unreadable(NamedTuple):
    """Stands for the result of an image that could not be read."""

    error: ImageError

    @property
    def reason(self) -> str:
        """Which image it is and why it could not be read."""
        return str(self.error)


def evaluate(
    work: Callable[[Image], Result],
    images: Iterable[Image],
    executor: "Executor | None" = None,
    *,
    in_flight: int | None = None,
) -> Generator[tuple[Image, Result | Unreadable], None, None]:
    """Each image with its result, in the order of the images, as soon as those before it are out.

    `images` may come slowly and have no end: a result never waits for the image after it. Close
    the generator (`contextlib.closing`) to cancel what has not begun; an error does the same.

    Args:
        work: makes a result of an image; an ImageError of it becomes an `Unreadable`. What an
            executor of processes is given, and gives back, must be picklable.
        images: without an executor one is taken when the result before it was taken; with one
            they are taken in a thread of their own.
        executor: where the work is done; None for this thread. It stays open.
        in_flight: how many images at most are taken before their results are, at least 1
            [default: twice the processors of this machine]. Says nothing without an executor.

    Raises:
        ValueError: `in_flight` is less than 1.
        Whatever `images` or, but for an ImageError, `work` raises: after the results before it.
    """
    if in_flight is None:
        in_flight = 2 * (os.cpu_count() or 1)
    if in_flight < 1:
        raise ValueError(f"{in_flight} images in flight; at least 1 is needed")
    if executor is None:
        return _one_by_one(work, images)
    return _over_executor(work, images, executor, in_flight)


def evaluate_waiting(
    work: Callable[[Image], Result],
    images: Iterable[Image],
    executor: "Executor",
    *,
    in_flight: int,
) -> Generator[tuple[Image, Result | Unreadable], None, None]:
    """Each image with its result, as of `evaluate`, of images none of which is waited for.

    They are taken in this thread, so that what they come from need not know of another.
    """
    submitted: deque[tuple[Image, Future[Result]]] = deque()
    try:
        for image in images:
            submitted.append((image, executor.submit(work, image)))
            if len(submitted) == in_flight:
                first, future = submitted.popleft()
                yield first, outcome(future.result)
        while submitted:
            first, future = submitted.popleft()
            yield first, outcome(future.result)
    finally:
        for _, future in submitted:
            future.cancel()


def _one_by_one(
    work: Callable[[Image], Result], images: Iterable[Image]
) -> Generator[tuple[Image, Result | Unreadable], None, None]:
    for image in images:
        yield image, outcome(partial(work, image))


def _over_executor(
    work: Callable[[Image], Result], images: Iterable[Image], executor: "Executor", in_flight: int
) -> Generator[tuple[Image, Result | Unreadable], None, None]:
    # Here, because a board runs without it.
    from queue import SimpleQueue

    slots = threading.Semaphore(in_flight)
    # Of each image in turn; at last None, or what went wrong with `images`.
    submitted: SimpleQueue[tuple[Image, Future[Result]] | BaseException | None] = SimpleQueue()
    # Whoever holds it may submit or close: nothing is submitted after the end.
    submitting = threading.Lock()
    closed = False

    # In a thread of its own, because the next line of stdin, say, may be hours away. It is a daemon
    # because nothing can wake it from that.
    def take() -> None:
        try:
            slots.acquire()
            for image in images:
                with submitting:
                    if closed:
                        return
                    submitted.put((image, executor.submit(work, image)))
                slots.acquire()
                if closed:
                    return
        except BaseException as error:
            submitted.put(error)
        else:
            submitted.put(None)

    threading.Thread(target=take, name="images", daemon=True).start()
    future: Future[Result] | None = None
    try:
        while (taken := submitted.get()) is not None:
            if isinstance(taken, BaseException):
                raise taken
            image, future = taken
            yield image, outcome(future.result)
            slots.release()
    finally:
        with submitting:
            closed = True
        slots.release()
        _cancel(future, submitted)


def _cancel(
    future: "Future[Result] | None",
    submitted: "SimpleQueue[tuple[Image, Future[Result]] | BaseException | None]",
) -> None:
    """Cancel what has not begun."""
    from queue import Empty

    if future is not None:
        future.cancel()
    with suppress(Empty):
        while True:
            taken = submitted.get_nowait()
            if isinstance(taken, tuple):
                taken[1].cancel()


def outcome(work: Callable[[], Result]) -> Result | Unreadable:
    """What the work makes; of an ImageError that it raises, what stands for it."""
    try:
        return work()
    except ImageError as error:
        # What is half decoded lives on in the frames of what went wrong, and may be large.
        for each in (error, error.__cause__):
            if each is not None:
                traceback.clear_frames(each.__traceback__)
        return Unreadable(error)


class _Made(threading.local):
    """One a thread, as interpreters serve one: a worker may have several.

    No more than one: a worker that is lent to other work frees the models of the last.
    """

    key = ""
    work: Any = None


_made = _Made()


def made_once(key: str, make: Callable[[], Callable[[Image], Result]]) -> Callable[[Image], Result]:
    """The work that `make` makes, the first time that a worker is asked for it by that key."""
    if _made.work is None or _made.key != key:
        _made.work = None
        with warnings.catch_warnings():
            # Whoever hands out the work has opened the same models, and told.
            warnings.simplefilter("ignore")
            _made.work = make()
        _made.key = key
    made: Callable[[Image], Result] = _made.work
    return made
