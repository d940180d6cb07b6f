"""The one loop of ``tinyedge run``: over names, stdin, a folder that fills or a camera."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tinyedge.cli.output import say, say_error, show
from tinyedge.cli.run.tally import Tally
from tinyedge.errors import DatasetError
from tinyedge.exit_codes import ExitCode

if TYPE_CHECKING:
    from tinyedge.devices.runtime.answers_page import AnswersPage
    from tinyedge.devices.runtime.classifier import Classification, Classifier
    from tinyedge.images.annotate import AnnotatedCopies
    from tinyedge.images.evaluate import Unreadable
    from tinyedge.images.stream import ImageSource, SourceImage

__all__ = ["PageFile", "answer_images", "open_camera_source", "open_folder", "open_names"]


class PageFile(NamedTuple):
    """Where a page of the answers is written, and the command it says made it."""

    path: Path
    command: str


@contextmanager
def open_names(names: Sequence[str], *, null: bool) -> Iterator["ImageSource"]:
    """The images of names, patterns and folders, and those that come on stdin.

    With `null` paths on stdin have a NUL byte behind each.

    Raises:
        DatasetError: a name of no image.
    """
    from tinyedge.images.stream import NamedImages

    yield NamedImages(names, sys.stdin.buffer if sys.stdin is not None else None, null=null)


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
    load: Callable[[], "Classifier"],
    source: "ImageSource",
    *,
    top: int,
    least: float | None = None,
    copies: "AnnotatedCopies | None" = None,
    page: PageFile | None = None,
    as_json: bool,
) -> None:
    """Print an answer to each image as it comes; at the end of several, what came of them.

    The model is loaded now, when the source has been found: a wrong name costs no waiting, and
    no image that comes meanwhile is missed. Classes of a probability below `least` are left out.

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
    tally = Tally()
    saved = None
    sheet = None if page is None else _sheet()

    def answer_of(image: "SourceImage") -> "Classification":
        answer = classifier.classify(image.content, top)
        return answer if least is None else answer.reaching(least)

    answers = evaluate(answer_of, source)
    with closing(answers):
        for image, answer in answers:
            if not isinstance(answer, Unreadable):
                # Before it is printed: what is printed has been done.
                saved = None if copies is None else _saved(copies, image, answer, least)
                show(
                    as_json,
                    partial(report.as_text, image, answer, least),
                    partial(report.as_json, image, answer, saved),
                )
                if sheet is not None:
                    sheet.add(image, answer)
                source.answered(image)
                # Of one without an end no number is kept of each.
                if source.ends:
                    tally.add(answer)
                else:
                    tally.answered += 1
            elif image.when_unreadable == "retry":
                _retry(source, image, answer)
            else:
                _tell_unreadable(image, answer, tally, sheet)
    if page is not None and sheet is not None:
        _write_page(page, sheet, classifier)
    if source.ends:
        _sum_up(tally, copies, saved)
    if tally.failed:
        raise SystemExit(ExitCode.ERROR)
    if tally.skipped and not tally.answered:
        raise DatasetError(f"none of the {tally.skipped} images can be read")


def _tell_unreadable(
    image: "SourceImage", answer: "Unreadable", tally: Tally, sheet: "AnswersPage | None"
) -> None:
    if image.when_unreadable == "raise":
        say_error(f"error: {answer.reason}")
        tally.failed += 1
    else:
        say(f"skipped: {answer.reason}", err=True)
        tally.skipped += 1
    if sheet is not None:
        sheet.add_unreadable(answer.reason)


def _sheet() -> "AnswersPage":
    from tinyedge.devices.runtime.answers_page import AnswersPage

    return AnswersPage()


def _write_page(page: PageFile, sheet: "AnswersPage", classifier: "Classifier") -> None:
    from tinyedge.devices.runtime.made import how_made
    from tinyedge.files import file_sha256, write_together

    made = how_made([classifier], [file_sha256(classifier.path)], page.command)
    write_together({page.path: sheet.page(made)})


def _sum_up(tally: Tally, copies: "AnnotatedCopies | None", last: Path | None) -> None:
    """Say what came of several images, and where copies are."""
    if tally.images > 1 and tally.answered:
        for line in tally.lines():
            say(line, err=True)
    if copies is not None and tally.answered:
        say(f"saved: {last if tally.answered == 1 and last else copies.folder}", err=True)


def _saved(
    copies: "AnnotatedCopies", image: "SourceImage", answer: "Classification", least: float | None
) -> Path | None:
    """Where a copy of the image with its answer is; None where it cannot be read any more."""
    from tinyedge.devices.runtime import report
    from tinyedge.errors import ImageError

    try:
        return copies.save(image, report.answer_lines(answer, least))
    except (ImageError, FileNotFoundError) as error:
        say(f"note: no copy of {image.name} is saved: {error}", err=True)
        return None


def _retry(source: "ImageSource", image: "SourceImage", answer: "Unreadable") -> None:
    from tinyedge.images.identity import state_at

    source.retry(image)
    # One that was taken away before it was read is nobody's concern.
    with suppress(OSError):
        state_at(image.name)
        say(f"note: {answer.reason}; it is tried again if it changes", err=True)
