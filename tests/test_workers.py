"""How many processes share work, and when they are worth their start."""

import os
import threading
from concurrent.futures import InvalidStateError
from pathlib import Path

import pytest

from tinyedge.workers import decoding_workers, local_workers, share_cores

CORES = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(("images", "workers"), [(1, 1), (32, 1), (33, 2), (10**6, CORES)])
def test_no_more_than_are_of_use(images: int, workers: int) -> None:
    share = share_cores(images, workers=None, threads=None)
    assert share.workers == min(workers, CORES)
    assert share.workers * share.threads <= CORES
    assert str(share_cores(1, workers=1, threads=3)) == "3 threads in each of 1 worker"


def test_threads_are_what_the_workers_leave() -> None:
    assert share_cores(1000, workers=None, threads=CORES).workers == 1
    assert share_cores(1000, workers=CORES, threads=None, most_threads=8).threads == 1
    with pytest.raises(ValueError, match=f"are more than the {CORES} cores there are"):
        share_cores(1000, workers=2, threads=CORES)


@pytest.mark.parametrize("workers", [0, -1, "2", 1.5])
def test_without_a_worker_nothing_is_done(workers: int) -> None:
    said = f"^workers is {workers!r}, not an integer of at least 1$"
    for threads in (None, 1):
        with pytest.raises(ValueError, match=said):
            share_cores(1000, workers=workers, threads=threads)


def test_photos_of_few_bytes_are_decoded_here(tmp_path: Path) -> None:
    """Of as many bytes as cost seconds, workers do; a missing file is told of where it is read."""
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"x")
    with large.open("wb") as file:
        file.truncate(40 << 20)
    for images, workers, moved, shared in (
        ([small, large, tmp_path / "none"], None, 0, False),
        ([large, large], None, 0, CORES > 1),
        ([large, large], None, 10 << 20, CORES > 1),
        # What comes back costs more than it saves.
        ([large, large], None, 30 << 20, False),
        ([large, large], 1, 0, False),
    ):
        with decoding_workers(images, workers, moved=moved) as executor:
            assert (executor is not None) == shared


def test_an_interruption_says_nothing_of_work_that_was_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda failed: told.append(failed.exc_type))

    def fail_as_the_pool_ends(error: Exception) -> None:
        def late() -> None:
            ended.wait()
            raise error

        ended = threading.Event()
        thread = threading.Thread(target=late)
        thread.start()
        with local_workers(1) as executor:
            executor.submit(os.getpid).result()
            shutdown = executor.shutdown

            def shut(**how: bool) -> None:
                ended.set()
                thread.join()
                shutdown(**how)

            monkeypatch.setattr(executor, "shutdown", shut)
            raise KeyboardInterrupt

    for error in (InvalidStateError("CANCELLED"), OSError("other")):
        with pytest.raises(KeyboardInterrupt):
            fail_as_the_pool_ends(error)
    assert told == [OSError]
