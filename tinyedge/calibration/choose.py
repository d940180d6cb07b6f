"""A calibration set chosen among photos: each once, apart from those to judge by, spread."""

import warnings
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinyedge.calibration.duplicates import LeftOut, told_by_reason, unique
from tinyedge.calibration.photos import Photo, look_at
from tinyedge.calibration.spread import quotas, spread, standardized
from tinyedge.errors import DatasetError, TinyedgeWarning
from tinyedge.images.evaluate import Unreadable, evaluate
from tinyedge.images.find import NamedImage, read_named
from tinyedge.progress import Advance, Progress
from tinyedge.text import counted
from tinyedge.workers import decoding_workers

__all__ = ["CalibrationChoice", "choose"]


@dataclass(frozen=True, eq=False)
class CalibrationChoice:
    """A calibration set.

    Attributes:
        source: the pool, as it was named.
        data: the photos to judge by, likewise; None where none were named.
        found: how many files the pool has.
        pool: the photos of it that could be chosen, by their sha256.
        chosen: those that were, likewise.
        left_out: the files that could not be, by their paths.
        size: how many were asked for.
        seed: of what was drawn at random.
        labelled: whether the photos have labels, by which the set is balanced.
    """

    source: Path
    data: Path | None
    found: int
    pool: tuple[Photo, ...]
    chosen: tuple[Photo, ...]
    left_out: tuple[LeftOut, ...]
    size: int
    seed: int
    labelled: bool


def choose(
    source: Path,
    *,
    size: int,
    seed: int,
    data: Path | None = None,
    unlabelled: bool = False,
    workers: int | None = 1,
    progress: Progress,
) -> CalibrationChoice:
    """Choose photos of `source`; its order, and the names of files, decide nothing.

    Left out are files that cannot be read, all but one of those that are equal or alike, and what
    is equal or alike to a photo of `data`. Of labelled photos there are as many of each class, to
    within one, as far as a class has so many. Within a class, or without labels, the chosen are
    spread as the photos are over brightness, contrast, colour and sharpness.

    Args:
        source: see `tinyedge.images.find.read_named`.
        size: how many photos to choose, at least 1; all where there are fewer.
        seed: of what is drawn at random.
        data: the photos to judge by, which the set is kept apart from.
        unlabelled: take no labels from `source`.
        workers: processes that look at the photos; None for as many as are of use. Each imports
            the program's main module anew.
        progress: is told of every photo.

    Warns (TinyedgeWarning) of files of `data` that cannot be read.

    Raises:
        DatasetError: see `read_named`; or no photo is left to choose, or none of `data` can be
            read.
    """
    images = read_named(source, unlabelled=unlabelled)
    judged = [] if data is None else read_named(data, unlabelled=True)
    advance = progress("Looking at photos", len(images) + len(judged), unit="photos")
    with decoding_workers([image.path for image in (*images, *judged)], workers) as executor:
        photos, left_out = _looked_at(images, executor, advance)
        photos_judged, unread = _looked_at(judged, executor, advance)
    if unread:
        _tell_unread(data, len(judged), unread)
    pool, others = unique(photos, photos_judged)
    left_out += others
    if not pool:
        raise DatasetError(
            f"{source}: none of its {counted(len(images), 'file')} can be chosen:"
            f" {told_by_reason(left_out)}; {left_out[0]}"
        )
    return CalibrationChoice(
        source=source,
        data=data,
        found=len(images),
        pool=tuple(pool),
        chosen=_chosen(pool, min(size, len(pool)), seed),
        left_out=tuple(sorted(left_out, key=lambda each: each.path.as_posix())),
        size=size,
        seed=seed,
        labelled=images[0].label is not None,
    )


def _tell_unread(data: Path | None, found: int, unread: Sequence[LeftOut]) -> None:
    """Of photos to judge by that are no photos: what they show cannot be kept out of the set."""
    if len(unread) == found:
        raise DatasetError(
            f"{data}: none of its {counted(found, 'file')} can be read, so no set can be kept apart"
            f" from them; {unread[0]}"
        )
    warnings.warn(
        f"{data}: {len(unread)} of its {counted(found, 'file')} cannot be read, and the set is not"
        f" kept apart from what they show; {unread[0]}",
        TinyedgeWarning,
        stacklevel=3,
    )


def _looked_at(
    images: Sequence[NamedImage], executor: Executor | None, advance: Advance
) -> tuple[list[Photo], list[LeftOut]]:
    photos, broken = [], []
    with closing(evaluate(_look_at, images, executor)) as looked:
        for image, found in looked:
            if isinstance(found, Unreadable):
                broken.append(LeftOut(image.path, "broken", why=found.reason))
            else:
                photos.append(found)
            advance()
    return photos, broken


def _look_at(image: NamedImage) -> Photo:
    return look_at(*image)


def _chosen(pool: Sequence[Photo], size: int, seed: int) -> tuple[Photo, ...]:
    """`size` photos of a pool that is in the order of their sha256."""
    random = np.random.default_rng(seed)
    features = standardized(np.stack([photo.features for photo in pool]))
    classes: dict[str, list[int]] = {}
    for place, photo in sorted(enumerate(pool), key=lambda each: each[1].label or ""):
        classes.setdefault(photo.label or "", []).append(place)
    if size < len(classes):
        one_each = [int(random.choice(places)) for places in classes.values()]
        spread_out = spread(features[one_each], size, random)
        return tuple(pool[place] for place in sorted(one_each[each] for each in spread_out))
    taken = quotas([len(places) for places in classes.values()], size, random)
    chosen = [
        places[inside]
        for places, count in zip(classes.values(), taken, strict=True)
        for inside in spread(features[places], count, random)
    ]
    return tuple(pool[place] for place in sorted(chosen))
