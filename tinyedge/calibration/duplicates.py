"""Photos that are in a set already, or in the one it must stay apart from: to the bit, or alike."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tinyedge.calibration.photos import Photo

__all__ = ["ALIKE", "REASONS", "LeftOut", "Reason", "told_by_reason", "unique"]

ALIKE = 8
"""Two photos are alike where so many bits of their fingerprints differ at most.

Measured on photos of ImageNet, see docs/calib.md: no two of 1,450 are, and 95 of 100 that were
saved anew, made smaller, brighter, darker or grey are alike to what they were.
"""

Reason = Literal["broken", "duplicate", "alike", "in_data", "alike_to_data"]
REASONS: dict[Reason, str] = {
    "broken": "broken",
    "duplicate": "copies of others",
    "alike": "almost the same as others",
    "in_data": "also in --data",
    "alike_to_data": "almost the same as one in --data",
}
"""Each in words, behind a number."""


@dataclass(frozen=True)
class LeftOut:
    """A file that is no photo to choose.

    Attributes:
        path: the file.
        reason: ``broken`` for one that cannot be read; ``duplicate`` of another file, to the bit;
            ``alike`` to another; ``in_data`` to judge by, or ``alike_to_data``.
        other: the photo it is a duplicate of or alike to.
        why: what is wrong with one that is broken.
    """

    path: Path
    reason: Reason
    other: Path | None = None
    why: str = ""

    def __str__(self) -> str:
        match self.reason:
            case "broken":
                return self.why
            case "duplicate":
                return f"{self.path}: a copy of {self.other}"
            case "alike":
                return f"{self.path}: almost the same as {self.other}"
            case "in_data":
                return f"{self.path}: a copy of {self.other} in --data"
            case "alike_to_data":
                return f"{self.path}: almost the same as {self.other} in --data"


def told_by_reason(left_out: Sequence[LeftOut]) -> str:
    """How many files were left out, and why."""
    counts = Counter(each.reason for each in left_out)
    return ", ".join(
        f"{counts[reason]} {text}" for reason, text in REASONS.items() if counts[reason]
    )


def unique(
    photos: Sequence[Photo], judged: Sequence[Photo] = ()
) -> tuple[list[Photo], list[LeftOut]]:
    """The photos that are not in `judged`, each once, by their sha256; and what was left out.

    Of photos that are alike the one of most bytes stays. The result does not depend on the order
    of the photos: of equal files the one stays that comes first by label and path.
    """
    kept: list[Photo] = []
    left_out: list[LeftOut] = []
    known = {photo.sha256: photo.path for photo in judged}
    seen: dict[str, Path] = {}
    fingerprints = np.zeros(len(photos), np.uint64)
    prints_judged = np.array([photo.fingerprint for photo in judged], np.uint64)
    for photo in sorted(photos, key=_worth):
        if photo.sha256 in known:
            left_out.append(LeftOut(photo.path, "in_data", known[photo.sha256]))
        elif photo.sha256 in seen:
            left_out.append(LeftOut(photo.path, "duplicate", seen[photo.sha256]))
        else:
            seen[photo.sha256] = photo.path
            place = _alike(photo, prints_judged)
            if place is not None:
                left_out.append(LeftOut(photo.path, "alike_to_data", judged[place].path))
                continue
            place = _alike(photo, fingerprints[: len(kept)])
            if place is not None:
                left_out.append(LeftOut(photo.path, "alike", kept[place].path))
                continue
            fingerprints[len(kept)] = photo.fingerprint
            kept.append(photo)
    return (
        sorted(kept, key=lambda photo: photo.sha256),
        sorted(left_out, key=lambda each: each.path.as_posix()),
    )


def _worth(photo: Photo) -> tuple[int, str, str, str]:
    return -photo.bytes, photo.sha256, photo.label or "", photo.path.as_posix()


def _alike(photo: Photo, fingerprints: NDArray[np.uint64]) -> int | None:
    """Where among them the first is that a photo is alike to."""
    differing = _bits(fingerprints ^ np.uint64(photo.fingerprint))
    found = np.flatnonzero(differing <= ALIKE)
    return int(found[0]) if found.size else None


_BITS_OF = np.array([number.bit_count() for number in range(1 << 16)], np.uint8)


def _bits(numbers: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """How many bits of each number are set."""
    # numpy.bitwise_count is numpy 2's.
    parts = _BITS_OF[numbers.view(np.uint16)].reshape(-1, 4)
    return np.asarray(parts.sum(axis=1), np.uint8)
