"""The loop from images to results: the same whoever works, as it comes, and never far ahead."""

import itertools
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyedge.errors import ImageError
from tinyedge.images.evaluate import Unreadable, evaluate
from tinyedge.images.load import read_pixels

# Far more than anything here takes; a test that waits for it has failed.
_PATIENCE = 60


def brightness(path: Path) -> int:
    """Work that a process can be given."""
    return int(read_pixels(path, 1).max())


def failing_at_two(number: int) -> int:
    if number == 2:
        raise ZeroDivisionError(f"{number}")
    return number


def nobody() -> None:
    return None


def threads() -> Executor:
    return ThreadPoolExecutor(4)


def processes() -> Executor:
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


@pytest.fixture(params=[nobody, threads, processes])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor | None]:
    make: Callable[[], Executor | None] = request.param
    made = make()
    yield made
    if made is not None:
        made.shutdown()


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Twelve images, each of a brightness of its own, and among them two that are none."""
    found = []
    for number in range(12):
        found.append(tmp_path / f"{number:02}.png")
        Image.fromarray(np.full((4, 4), 10 * number, np.uint8)).save(found[-1])
    found[3].write_text("no image")
    found[7].unlink()
    return found


def test_results_are_the_same_and_in_the_order_of_the_images(
    paths: list[Path], executor: Executor | None
) -> None:
    found = list(evaluate(brightness, iter(paths), executor))
    assert [path for path, _ in found] == paths
    results = [result for _, result in found]
    for number, result in enumerate(results):
        if number in (3, 7):
            assert isinstance(result, Unreadable)
            assert result.reason.startswith(str(paths[number]))
            assert isinstance(result.error, ImageError)
        else:
            assert result == 10 * number


def test_no_images_give_no_results(executor: Executor | None) -> None:
    assert list(evaluate(brightness, [], executor)) == []


def test_a_result_that_is_ready_early_waits_for_its_turn() -> None:
    last_is_done = threading.Event()

    def work(number: int) -> int:
        if number == 3:
            last_is_done.set()
        else:
            assert last_is_done.wait(_PATIENCE)
        return number

    with ThreadPoolExecutor(4) as workers:
        found = list(evaluate(work, range(4), workers, in_flight=4))
    assert found == [(number, number) for number in range(4)]


def test_a_result_does_not_wait_for_the_next_image(executor: Executor | None) -> None:
    """As on stdin: the next image is named when the answer before it was read."""
    answered = threading.Semaphore(0)

    def typed() -> Iterator[int]:
        for number in (0, 1, 5):
            yield number
            assert answered.acquire(timeout=_PATIENCE)

    for number, result in evaluate(failing_at_two, typed(), executor, in_flight=8):
        assert result == number
        answered.release()


@pytest.mark.parametrize("in_flight", [1, 2, 5])
def test_never_more_images_are_taken_than_may_be_in_flight(in_flight: int) -> None:
    ahead: list[int] = []
    given = 0

    def endless() -> Iterator[int]:
        for number in itertools.count():
            ahead.append(number + 1 - given)
            yield number

    with (
        ThreadPoolExecutor(3) as workers,
        closing(evaluate(str, endless(), workers, in_flight=in_flight)) as results,
    ):
        for _ in range(50):
            next(results)
            given += 1
    # The one that was just given is in flight until the next is asked for.
    assert max(ahead) <= in_flight
    assert len(ahead) <= 50 + in_flight


def test_in_this_thread_an_image_is_taken_when_its_result_is_asked_for() -> None:
    numbers = itertools.count()
    results = evaluate(str, numbers)
    assert [next(results), next(results)] == [(0, "0"), (1, "1")]
    assert next(numbers) == 2


def test_an_error_comes_after_the_results_before_it(executor: Executor | None) -> None:
    results = evaluate(failing_at_two, range(6), executor)
    assert [next(results), next(results)] == [(0, 0), (1, 1)]
    with pytest.raises(ZeroDivisionError, match="2"):
        next(results)
    assert list(results) == []


def test_an_error_of_the_source_comes_after_the_results_before_it(
    executor: Executor | None,
) -> None:
    def source() -> Iterator[int]:
        yield 0
        yield 1
        raise FileNotFoundError("the folder has gone")

    results = evaluate(failing_at_two, source(), executor)
    assert [next(results), next(results)] == [(0, 0), (1, 1)]
    with pytest.raises(FileNotFoundError, match="the folder has gone"):
        next(results)


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_error_cancels_what_has_not_begun(error: type[BaseException]) -> None:
    ran, end = [], threading.Event()

    def work(number: int) -> int:
        ran.append(number)
        if number == 1:
            raise error
        if number > 1:
            assert end.wait(_PATIENCE)
        return number

    with ThreadPoolExecutor(1) as workers:
        results = evaluate(work, itertools.count(), workers, in_flight=5)
        assert next(results) == (0, 0)
        with pytest.raises(error):
            next(results)
        end.set()
    assert ran in ([0, 1], [0, 1, 2])


def test_closing_cancels_what_has_not_begun_and_takes_no_more() -> None:
    ran, end = [], threading.Event()
    numbers = itertools.count()

    def work(number: int) -> int:
        ran.append(number)
        if number:
            assert end.wait(_PATIENCE)
        return number

    with ThreadPoolExecutor(1) as workers:
        results = evaluate(work, numbers, workers, in_flight=3)
        assert next(results) == (0, 0)
        results.close()
        end.set()
    assert ran in ([0], [0, 1])
    # Three at the most; the reader ends by itself.
    for thread in threading.enumerate():
        if thread.name == "images":
            thread.join(_PATIENCE)
            assert not thread.is_alive()
    assert next(numbers) <= 3


def test_the_executor_is_left_open() -> None:
    with ThreadPoolExecutor(1) as workers:
        list(evaluate(str, range(3), workers))
        assert workers.submit(str, 7).result(_PATIENCE) == "7"


def test_nothing_in_flight_is_an_error() -> None:
    with pytest.raises(ValueError, match="0 images in flight; at least 1 is needed"):
        evaluate(str, [], in_flight=0)
