"""The one loop of ``tinyedge run``: over names, stdin, a folder that fills or a camera."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tinyedge.cli.output import say, say_error, show
from tinyedge.errors import DatasetError
from tinyedge.exit_codes import ExitCode

if TYPE_CHECKING:
    from tinyedge.devices.runtime.classifier import Classifier
    from tinyedge.images.evaluate import Unreadable
    from tinyedge.images.stream import ImageSource, SourceImage

__all__ = ["answer_images", "open_camera_source", "open_folder", "open_names"]


@contextmanager
def open_names(names: Sequence[str]) -> Iterator["ImageSource"]:
    """The images of names, patterns and folders, and those that come on stdin.

    Raises:
        DatasetError: a name of no image.
    """
    from tinyedge.images.stream import NamedImages

    yield NamedImages(names, sys.stdin.buffer if sys.stdin is not None else None)


@contextmanager
def open_folder(
    folder: Path, *, existing: bool, rewritten: bool, journal: Path | None, interval: float
) -> Iterator["ImageSource"]:
    """The images that appear in `folder`, until a signal asks for the end.

    Raises:
        DatasetError: there is no such folder, or the journal is not this folder's.
        OSError: it cannot be read, or the journal not written.
    """
    from tinyedge.images.watch import FolderWatch, WatchedImages, watch_with_journal
    from tinyedge.system import stop_request

    with stop_request() as stop:
        if journal is None:
            watch = FolderWatch(folder, existing=existing, rewritten=rewritten)
            yield WatchedImages(watch, stop, interval)
            return
        with watch_with_journal(folder, journal, existing=existing, rewritten=rewritten) as (
            watch,
            kept,
        ):
            yield WatchedImages(watch, stop, interval, kept)


@contextmanager
def open_camera_source(name: str, *, interval: float) -> Iterator["ImageSource"]:
    """What a camera sees every `interval` seconds, until a signal asks for the end.

    Raises:
        DeviceError: there is no such camera.
        MissingPackageError: no package that reads cameras is installed.
    """
    from tinyedge.devices.camera import CameraImages, open_camera
    from tinyedge.system import stop_request

    # A signal that comes while it is opened ends the command, whatever comes of that.
    with closing(open_camera(name)) as camera, stop_request() as stop:
        yield CameraImages(camera, stop, interval)


def answer_images(
    load: Callable[[], "Classifier"], source: "ImageSource", *, top: int, as_json: bool
) -> None:
    """Print an answer to each image as it comes.

    The model is loaded now, when the source has been found: a wrong name costs no waiting, and
    no image that comes meanwhile is missed.

    Raises:
        SystemExit: an image that was named is none: each was told of, and the others answered.
        DatasetError: none of several could be read.
        Whatever `load` and `source` raise.
    """
    from tinyedge.devices.runtime import report
    from tinyedge.images.evaluate import Unreadable, evaluate
    from tinyedge.system import interruptible

    # A source may make signals wait for the end of an answer; loading has nothing to lose.
    with interruptible():
        classifier = load()
    say(report.running_on(classifier), err=True)
    if source.announcement is not None:
        say(source.announcement, err=True)
    answered = skipped = 0
    failed = False
    answers = evaluate(lambda image: classifier.classify(image.content, top), source)
    with closing(answers):
        for image, answer in answers:
            if not isinstance(answer, Unreadable):
                show(
                    as_json,
                    partial(report.as_text, image, answer),
                    partial(report.as_json, image, answer),
                )
                source.answered(image)
                answered += 1
            elif image.when_unreadable == "raise":
                say_error(f"error: {answer.reason}")
                failed = True
            elif image.when_unreadable == "retry":
                _retry(source, image, answer)
            else:
                say(f"skipped: {answer.reason}", err=True)
                skipped += 1
    if failed:
        raise SystemExit(ExitCode.ERROR)
    if skipped and not answered:
        raise DatasetError(f"none of the {skipped} images can be read")


def _retry(source: "ImageSource", image: "SourceImage", answer: "Unreadable") -> None:
    from tinyedge.images.identity import state_at

    source.retry(image)
    # One that was taken away before it was read is nobody's concern.
    with suppress(OSError):
        state_at(image.name)
        say(f"note: {answer.reason}; it is tried again if it changes", err=True)
