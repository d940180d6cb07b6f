"""The one loop of ``tinyedge run``: over names, stdin, a folder that fills or a camera."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from tinyedge.cli.output import say, say_error, show
from tinyedge.cli.run.tally import Tally
from tinyedge.errors import DatasetError
from tinyedge.exit_codes import ExitCode, NothingLeft

if TYPE_CHECKING:
    from tinyedge.devices.runtime.answering import Answered, Wanted
    from tinyedge.devices.runtime.answers_page import AnswersPage
    from tinyedge.devices.runtime.classifier import Classifier
    from tinyedge.images.annotate import AnnotatedCopies
    from tinyedge.images.evaluate import Unreadable
    from tinyedge.images.resumed import ResumedImages
    from tinyedge.images.stream import ImageSource, SourceImage
    from tinyedge.workers import WorkerShare

__all__ = [
    "JournalFile",
    "PageFile",
    "answer_images",
    "open_camera_source",
    "open_folder",
    "open_names",
]


class PageFile(NamedTuple):
    """Where a page of the answers is written, and the command it says made it."""

    path: Path
    command: str


class JournalFile(NamedTuple):
    """Where it is kept what was answered, and whether to go on with what is there."""

    path: Path
    resume: bool


@contextmanager
def open_names(names: Sequence[str], *, null: bool, shared: bool) -> Iterator["ImageSource"]:
    """The images of names, patterns and folders, and those that come on stdin.

    With `null` paths on stdin have a NUL byte behind each. Where workers share them a thread of its
    own reads it.

    Raises:
        DatasetError: a name of no image.
    """
    from tinyedge.images.stream import NamedImages

    stdin = None if sys.stdin is None else sys.stdin.buffer
    if shared:
        # Not through its buffer, whose lock the thread would have when the process ends.
        stdin = getattr(stdin, "raw", stdin)
    yield NamedImages(names, stdin, null=null)


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
    workers: int | None = 1,
    threads: int | None = None,
    journal: JournalFile | None = None,
    page: PageFile | None = None,
    as_json: bool,
) -> None:
    """Print an answer to each image as it comes; at the end of several, what came of them.

    The model is loaded now, when the source has been found: a wrong name costs no waiting, and
    no image that comes meanwhile is missed. Classes of a probability below `least` are left out.
    An interrupt shows what came of the images until then.

    Raises:
        SystemExit: an image that was named is none: each was told of, and the others answered. Or
            all is done, and nothing was opened but to be read: `NothingLeft`.
        DatasetError: none of several could be read; or the journal is another run's.
        click.UsageError: so many workers cannot be had.
        Whatever `load` and `source` raise.
    """
    from tinyedge.devices.runtime import report
    from tinyedge.devices.runtime.answering import Wanted, answers, facts, shared_among
    from tinyedge.system import Interrupted, interruptible

    # A source may make signals wait for the end of an answer; loading has nothing to lose.
    with interruptible():
        classifier = load()
    wanted = Wanted(top, least, copies)
    with ExitStack() as stack:
        if journal is not None:
            source = stack.enter_context(_resumed(source, journal, facts(classifier, wanted)))
        try:
            share = shared_among(classifier, source.count, workers=workers, threads=threads)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        say(report.running_on(classifier, None if share is None else str(share)), err=True)
        if source.announcement is not None:
            say(source.announcement, err=True)
        tally = Tally(timed=share is None)
        told = _Told(wanted, tally, None if page is None else _sheet(timed=share is None), as_json)

        def share_waiting(count: int) -> "WorkerShare | None":
            found = shared_among(classifier, count, workers=None, threads=threads)
            if found is not None:
                told.tell_share(found)
            return found

        of_unknown_count = workers is None and source.count is None
        bursts = share_waiting if of_unknown_count else None
        try:
            with answers(classifier, source, wanted, share, bursts) as answered:
                told.tell(source, answered, kept=journal is not None)
        except (Interrupted, KeyboardInterrupt):
            if source.ends:
                _tell_so_far(tally, source.count, journal)
            raise
        finally:
            shared = share is not None or told.share is not None
            if shared and copies is not None:
                _sweep(copies.folder)
        if page is not None and told.sheet is not None:
            _write_page(page, told.sheet, classifier)
    if journal is not None and not tally.failed:
        journal.path.unlink(missing_ok=True)
    if source.ends:
        told.sum_up()
    _check_answered(tally)
    has_written = copies is not None or journal is not None or page is not None
    if source.ends and not shared and classifier.delegate is None and not has_written:
        raise NothingLeft


@contextmanager
def _resumed(
    source: "ImageSource", journal: JournalFile, facts: dict[str, str]
) -> Iterator["ResumedImages"]:
    from tinyedge.images.resumed import resumed_images
    from tinyedge.text import counted

    with resumed_images(source, journal.path, facts, resume=journal.resume) as found:
        if journal.resume:
            said = counted(found.before, "photo")
            say(f"{said} answered before, by {journal.path}", err=True)
        yield found


class _Told:
    """What is told of each image."""

    def __init__(
        self, wanted: "Wanted", tally: Tally, sheet: "AnswersPage | None", as_json: bool
    ) -> None:
        self.sheet = sheet
        self.share: WorkerShare | None = None
        self._wanted, self._tally, self._as_json = wanted, tally, as_json
        self._saved: Path | None = None

    def tell(
        self,
        source: "ImageSource",
        answers: "Iterator[tuple[SourceImage, Answered | Unreadable]]",
        *,
        kept: bool,
    ) -> None:
        """Print the answers; where they are `kept`, an interrupt waits until they are."""
        from tinyedge.images.evaluate import Unreadable
        from tinyedge.system import interrupts_held

        for image, found in answers:
            if not isinstance(found, Unreadable):
                with interrupts_held() if kept else nullcontext():
                    self._answer(image, found, ends=source.ends)
                    source.answered(image)
            elif image.when_unreadable == "retry":
                _retry(source, image, found)
            else:
                self._unreadable(image, found)

    def tell_share(self, share: "WorkerShare") -> None:
        """Say, the first time, how photos that wait are shared: their times are no model's."""
        if self.share is None:
            say(f"many photos wait: {share}", err=True)
        self.share = share
        self._tally.timed = False
        if self.sheet is not None:
            self.sheet.timed = False

    def sum_up(self) -> None:
        """Say what came of several images, and where copies are."""
        tally, copies = self._tally, self._wanted.copies
        if tally.images > 1 and tally.answered:
            for line in tally.lines():
                say(line, err=True)
        if copies is not None and tally.answered:
            one = tally.answered == 1 and self._saved
            say(f"saved: {self._saved if one else copies.folder}", err=True)

    def _answer(self, image: "SourceImage", found: "Answered", *, ends: bool) -> None:
        from tinyedge.devices.runtime import report

        answer, self._saved, unsaved = found
        if unsaved is not None:
            say(f"note: no copy of {image.name} is saved: {unsaved}", err=True)
        # Before it is printed: what is seen is counted when an interrupt comes just then. Of one
        # without an end no number is kept of each.
        if ends:
            self._tally.add(answer)
        else:
            self._tally.answered += 1
        show(
            self._as_json,
            partial(report.as_text, image, answer, self._wanted.least),
            partial(report.as_json, image, answer, self._saved),
        )
        if self.sheet is not None:
            self.sheet.add(image, answer)

    def _unreadable(self, image: "SourceImage", found: "Unreadable") -> None:
        if image.when_unreadable == "raise":
            say_error(f"error: {found.reason}")
            self._tally.failed += 1
        else:
            say(f"skipped: {found.reason}", err=True)
            self._tally.skipped += 1
        if self.sheet is not None:
            self.sheet.add_unreadable(found.reason)


def _check_answered(tally: Tally) -> None:
    if tally.failed:
        raise SystemExit(ExitCode.ERROR)
    if tally.skipped and not tally.answered:
        raise DatasetError(f"none of the {tally.skipped} images can be read")


def _tell_so_far(tally: Tally, count: int | None, journal: JournalFile | None) -> None:
    if tally.images:
        of = "" if count is None else f" of {count}"
        first, *others = tally.lines()
        for line in (f"so far {tally.images}{of}: {first}", *others):
            say(line, err=True)
    if journal is not None:
        say(f"go on with --resume: {journal.path} holds what was answered", err=True)


def _sheet(*, timed: bool) -> "AnswersPage":
    from tinyedge.devices.runtime.answers_page import AnswersPage

    return AnswersPage(timed=timed)


def _write_page(page: PageFile, sheet: "AnswersPage", classifier: "Classifier") -> None:
    from tinyedge.devices.runtime.made import how_made
    from tinyedge.files import file_sha256, write_together

    made = how_made([classifier], [file_sha256(classifier.path)], page.command)
    write_together({page.path: sheet.page(made)})


def _sweep(folder: Path) -> None:
    """Clear up what workers were writing when they were ended."""
    from tinyedge.temporary import sweep

    sweep(folder)


def _retry(source: "ImageSource", image: "SourceImage", answer: "Unreadable") -> None:
    from tinyedge.images.identity import state_at

    source.retry(image)
    # One that was taken away before it was read is nobody's concern.
    with suppress(OSError):
        state_at(image.name)
        say(f"note: {answer.reason}; it is tried again if it changes", err=True)
