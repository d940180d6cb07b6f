"""What int8 cost: models and images, labelled or not, become `Comparison`s with the first model.

All models see the same decoded photo, and only a few numbers of each image are kept: ImageNet's
50,000 validation images need hardly more memory than ten do. Whether one process does the work,
many do, or it is taken up again after an interruption: the numbers are the same to the last digit.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import combinations, islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from tinyedge.accuracy.advice import next_steps
from tinyedge.accuracy.budgets import Budgets
from tinyedge.accuracy.calibration_images import calibration_images, said_of_calibration_images
from tinyedge.accuracy.comparable import (
    check_forms_of_one_network,
    check_labels,
    names_of,
    note_names_swapped,
    of_one_export,
    one_softmax,
)
from tinyedge.accuracy.comparison_journal import (
    ComparisonJournal,
    compared,
    open_comparison_journal,
)
from tinyedge.accuracy.gates import worst_verdict
from tinyedge.accuracy.model import ScoringModel
from tinyedge.accuracy.observations import ImageAnswers, Observations, ObservationTable
from tinyedge.accuracy.result import (
    Comparison,
    ModelFile,
    SkippedImage,
    conclude,
)
from tinyedge.accuracy.scoring import Outcome, Scoring, Task
from tinyedge.accuracy.statistics import Interval, Verdict, drop_interval
from tinyedge.accuracy.timing import median_milliseconds
from tinyedge.errors import DatasetError, ModelError
from tinyedge.files import file_sha256
from tinyedge.images.encoded import EncodedImage
from tinyedge.images.evaluate import Unreadable, evaluate
from tinyedge.images.image_list import ImagePaths, LabelledImage, LabelledImages
from tinyedge.images.labels import class_count
from tinyedge.progress import Progress, no_progress
from tinyedge.system import Interrupted

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["Agreement", "Comparisons", "Workers", "compare_models"]

_NO_LABELS = (
    "these images have no labels, so no drop of top-1 can be measured: for --max-drop give a folder"
    " with a folder for each class, or path<TAB>label lines; --min-agreement and --max-kl judge"
    " without labels"
)


@dataclass(frozen=True)
class Workers:
    """Where the images are decoded and the models run, if not in this thread.

    Attributes:
        executor: of processes here or elsewhere.
        work: what it is given with each batch; it opens the same models.
        batch: how many images a task has, at least 1.
        in_flight: how many tasks are handed out at a time, at least 1.
        described: how the work is shared, for people.
        ship: send the images' bytes, to workers that have not the files.
    """

    executor: "Executor"
    work: Callable[[Sequence[Task]], list[Outcome]]
    batch: int
    in_flight: int
    described: str
    ship: bool = False


@dataclass(frozen=True)
class Agreement:
    """Two of the models, neither of them the reference, beside each other.

    Attributes:
        models: their numbers, 0 for the reference.
        agreement: percent of the images both put into one class.
        lost, gained: images that the second alone gets wrong, and alone gets right; None without
            labels.
        interval: 95 %, of the drop from the first to the second, points; None without labels.
    """

    models: tuple[int, int]
    agreement: float
    lost: int | None
    gained: int | None
    interval: Interval | None


@dataclass(frozen=True, eq=False)
class Comparisons:
    """A float model and all that were compared with it, on the same images.

    Attributes:
        each: of every other model, in their order, against the first.
        observed: what each model said of each image.
        pairs: the other models beside each other.
        labels: a name for each class, or None where no model bears any.
        sha256: of each model's file, the first one's first.
    """

    each: tuple[Comparison, ...]
    observed: Observations
    pairs: tuple[Agreement, ...]
    labels: tuple[str, ...] | None
    sha256: tuple[str, ...]

    @property
    def verdict(self) -> Verdict | None:
        """The worst of all."""
        return worst_verdict(found.verdict for found in self.each)


def compare_models(
    float_model: ScoringModel,
    others: Sequence[ScoringModel],
    images: Sequence[LabelledImage | Path],
    *,
    budgets: Budgets = Budgets(),  # noqa: B008  # a constant
    top_k: int = 5,
    skip_unreadable: bool = True,
    workers: Workers | None = None,
    journal: Path | None = None,
    resume: bool = False,
    so_far: Callable[[Comparisons], None] | None = None,
    progress: Progress = no_progress,
) -> Comparisons:
    """Run all models over `images` and say what each lost against the first.

    Args:
        float_model: the reference.
        others: the models in question, at least one.
        images: what to compare on, all with labels or all without; none of them may have
            calibrated any of the models.
        budgets: what int8 may cost, each of the others; where none is named there is no verdict.
        top_k: among how many classes of the highest scores the right one counts as well, 1 or more.
        skip_unreadable: leave out a file that is no image, and say so in the result, instead
            of raising.
        workers: where the work is done; this thread where not given. Times are measured here in
            any case, when they have ended.
        journal: a file that what was found is kept in as it comes.
        resume: go on with what that file holds.
        so_far: is told what is known so far when the comparison is interrupted.
        progress: is told of every image.

    Raises:
        ModelError: the models differ in classes, labels, channels or fit, or are given in the wrong
            order; a budget for the KL where they do not end in one softmax.
        DatasetError: an image was used to calibrate a model, a label is none of the classes, there
            is no readable image, a budget for the drop and images without labels; or the journal
            is of another comparison.
        ImageError: a file is no image, or a model answers it with infinities or NaN, unless
            `skip_unreadable`.
        ValueError: a budget is out of range, or some of the images have labels and some not.
        OSError: the journal cannot be written.
    """
    budgets.check()
    models = (float_model, *others)
    for other in others:
        check_forms_of_one_network(float_model, other)
        if budgets.max_kl is not None and not one_softmax(float_model, other):
            raise ModelError(
                f"{float_model.path} and {other.path} do not both end in one softmax over all"
                " classes, so there is no KL divergence to judge: use --min-agreement for --max-kl"
            )
    paths, labels = _paths_and_labels(images, budgets, classes=class_count(float_model.classes))
    executor = None if workers is None or workers.ship else workers.executor
    calibration = calibration_images(paths, [model.card for model in models], executor)
    if calibration.among:
        raise DatasetError(said_of_calibration_images(calibration.among, len(paths)))
    files = tuple(file_sha256(model.path) for model in models)
    run = _Run(models, files, paths, labels, calibration.hashes, budgets=budgets, top_k=top_k)
    with contextlib.ExitStack() as stack:
        kept = None
        if journal is not None:
            facts = compared(models, files, calibration.hashes, labels)
            kept = stack.enter_context(open_comparison_journal(journal, facts, resume=resume))
        try:
            run.score(workers, kept, skip_unreadable=skip_unreadable, progress=progress)
        except (Interrupted, KeyboardInterrupt):
            if so_far is not None and run.left and len(run.table):
                so_far(run.concluded((None,) * len(models)))
            raise
    if not len(run.table):
        reason = f"; the first: {run.skipped[min(run.skipped)].reason}" if run.skipped else ""
        raise DatasetError(f"none of the {len(images)} images could be read{reason}")
    found = run.concluded(median_milliseconds(models, run.table.recorded(paths)))
    if found.observed.right is not None:
        note_names_swapped(float_model, found.observed.right[0])
    return found


def _paths_and_labels(
    images: Sequence[LabelledImage | Path], budgets: Budgets, *, classes: int
) -> tuple[ImagePaths, Sequence[int] | None]:
    labelled = sum(isinstance(image, LabelledImage) for image in images)
    if budgets.max_drop is not None and images and not labelled:
        raise DatasetError(_NO_LABELS)
    if not labelled:
        return ImagePaths(image for image in images if isinstance(image, Path)), None
    if labelled < len(images):
        raise ValueError(f"{labelled} of the {len(images)} images have labels; all must, or none")
    found = cast(Sequence[LabelledImage], images)
    check_labels(found, classes)
    both = LabelledImages(found)
    return both.paths, both.indices


class _Run:
    """One comparison as it goes on: what was found of each image until now."""

    def __init__(
        self,
        models: Sequence[ScoringModel],
        files: tuple[str, ...],
        paths: ImagePaths,
        labels: Sequence[int] | None,
        hashes: NDArray[np.uint8],
        *,
        budgets: Budgets,
        top_k: int,
    ) -> None:
        self._models, self._paths, self._labels, self._hashes = models, paths, labels, hashes
        self._files, self._budgets, self._top_k = files, budgets, top_k
        self.table = ObservationTable(len(paths), len(models), labelled=labels is not None)
        self.skipped: dict[int, SkippedImage] = {}

    @property
    def left(self) -> int:
        """How many images have not been come to."""
        return len(self._paths) - len(self.table) - len(self.skipped)

    def score(
        self,
        workers: Workers | None,
        journal: ComparisonJournal | None,
        *,
        skip_unreadable: bool,
        progress: Progress,
    ) -> None:
        """Have all models answer to each image that the journal does not hold."""
        if journal is not None:
            for number, answers in journal.recorded():
                if self._fits(number, answers):
                    self.table.record(number, answers)
        advance = progress("Comparing", len(self._paths), unit="images")
        if len(self.table):
            advance(len(self.table))
        for batch, outcomes in self._scored(workers):
            fresh = []
            for task, outcome in zip(batch, outcomes, strict=True):
                if not isinstance(outcome, Unreadable):
                    fresh.append((task.number, outcome))
                elif skip_unreadable:
                    self.skipped[task.number] = SkippedImage(
                        self._paths[task.number], outcome.reason
                    )
                else:
                    raise outcome.error
            if journal is not None:
                journal.append(fresh)
            for number, answers in fresh:
                self.table.record(number, answers)
            advance(len(batch))

    def concluded(self, times: Sequence[float | None]) -> Comparisons:
        """What follows from what there is; `times` are the models' milliseconds."""
        observed = self.table.observations(self._paths, self._labels)
        hashes = self._hashes[self.table.numbers()]
        different = len(np.unique(hashes.view(f"S{hashes.shape[1]}")))
        files = [
            ModelFile(model.path, model.bytes, time, model.card.kind)
            for model, time in zip(self._models, times, strict=True)
        ]
        reference, *others = self._models
        labels = next((names for model in self._models if (names := names_of(model))), None)
        each = []
        for number, model in enumerate(others, start=1):
            found = conclude(
                observed.pair(number),
                files=(files[0], files[number]),
                classes=class_count(reference.classes),
                threshold=reference.threshold if reference.classes == 1 else None,
                labels=labels,
                softmax=one_softmax(reference, model),
                budgets=self._budgets,
                top_k=self._top_k,
                fed_rightly=of_one_export(reference, model),
                skipped=tuple(self.skipped[number] for number in sorted(self.skipped)),
                duplicates=len(observed) - different,
                left=self.left,
            )
            steps = () if self.left else next_steps(found, reference.card, model.card)
            each.append(replace(found, next_steps=steps))
        pairs = combinations(range(1, len(self._models)), 2)
        beside = tuple(_beside(observed, *pair) for pair in pairs)
        return Comparisons(tuple(each), observed, beside, labels, self._files)

    def _fits(self, number: int, found: ImageAnswers) -> bool:
        """Whether what a journal holds of an image can be what was found of it."""
        return (
            0 <= number < len(self._paths)
            and len(found.answers) == len(self._models)
            and len(found.divergences) == len(self._models) - 1
            and all(
                (answer.label_rank is not None) == (self._labels is not None)
                and answer.top1 < max(2, model.classes)
                for answer, model in zip(found.answers, self._models, strict=True)
            )
        )

    def _tasks(self, *, ship: bool) -> Iterator[Task]:
        """The images that have not been recorded."""
        for number, path in enumerate(self._paths):
            if number in self.table:
                continue
            image: str | EncodedImage = str(path)
            if ship:
                # What cannot be read says so where it is scored.
                with contextlib.suppress(OSError):
                    image = EncodedImage(path.read_bytes(), str(path))
            yield Task(number, image, None if self._labels is None else self._labels[number])

    def _scored(
        self, workers: Workers | None
    ) -> Iterator[tuple[Sequence[Task], Sequence[Outcome]]]:
        """The tasks in batches with what the models say, in their order."""
        tasks = self._tasks(ship=workers is not None and workers.ship)
        batch = 1 if workers is None else workers.batch
        batches = iter(lambda: tuple(islice(tasks, batch)), ())
        if workers is None:
            results = evaluate(Scoring(self._models), batches)
        else:
            results = evaluate(workers.work, batches, workers.executor, in_flight=workers.in_flight)
        with closing(results):
            for given, outcomes in results:
                # What cannot be read is told of image by image.
                assert not isinstance(outcomes, Unreadable)
                yield given, outcomes


def _beside(observed: Observations, one: int, other: int) -> Agreement:
    agreeing = int(np.count_nonzero(observed.top1[one] == observed.top1[other]))
    lost = gained = interval = None
    if observed.right is not None:
        lost = int(np.count_nonzero(observed.right[one] & ~observed.right[other]))
        gained = int(np.count_nonzero(~observed.right[one] & observed.right[other]))
        interval = drop_interval(lost, gained, len(observed))
    return Agreement((one, other), 100 * agreeing / len(observed), lost, gained, interval)
