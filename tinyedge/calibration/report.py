"""A calibration set for people, as text, and for programs, as JSON's types."""

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinyedge.calibration.choose import CalibrationChoice
from tinyedge.calibration.duplicates import REASONS, told_by_reason
from tinyedge.calibration.photos import FEATURES, Photo
from tinyedge.calibration.write import MANIFEST, file_names
from tinyedge.table import Column, folded, table
from tinyedge.text import counted

__all__ = ["as_json", "as_text"]

_COLUMNS = (
    Column("what they look like"),
    Column("mean of all", align="right"),
    Column("chosen", align="right"),
    Column("deviation of all", align="right"),
    Column("chosen", align="right"),
)


def as_text(choice: CalibrationChoice, output: Path, *, width: int) -> str:
    """How many, how spread, what was left out and why, and what to type next."""
    lines = [
        f"{output}: {counted(len(choice.chosen), 'photo')} of {choice.found:,}, {_how(choice)};"
        f" seed {choice.seed}",
    ]
    if choice.left_out:
        lines.append(f"left out: {told_by_reason(choice.left_out)}")
    if choice.data is not None:
        lines.append(f"apart from the photos of {choice.data}")
    rows = [
        [name, *(f"{number:.3f}" for number in (pool[0], chosen[0], pool[1], chosen[1]))]
        for name, pool, chosen in zip(
            FEATURES, _moments(choice.pool), _moments(choice.chosen), strict=True
        )
    ]
    folder = shlex.quote(str(output))
    return "\n".join(
        (
            folded("\n".join(lines), width=width),
            table(_COLUMNS, rows, width=width),
            f"hashes and seed: {output / MANIFEST}",
            "next:",
            f"  tinyedge export SOURCE --calib {folder} --count {len(choice.chosen)} -o out",
        )
    )


def as_json(choice: CalibrationChoice, output: Path) -> dict[str, object]:
    """The same with every file named; see docs/json.md."""
    names = file_names(choice)
    counts = Counter(each.reason for each in choice.left_out)
    return {
        "schema": "tinyedge.calib/1",
        "output": str(output),
        "found": choice.found,
        "images": len(choice.chosen),
        "size": choice.size,
        "seed": choice.seed,
        "balanced": choice.labelled,
        "classes": dict(sorted(_classes(choice).items())) if choice.labelled else {},
        "left_out": {reason: counts[reason] for reason in REASONS},
        "looks": {
            name: {
                "pool": {"mean": pool[0], "deviation": pool[1]},
                "chosen": {"mean": chosen[0], "deviation": chosen[1]},
            }
            for name, pool, chosen in zip(
                FEATURES, _moments(choice.pool), _moments(choice.chosen), strict=True
            )
        },
        "chosen": [
            {
                "path": name,
                "sha256": photo.sha256,
                "label": photo.label,
                "source": str(photo.path),
            }
            for photo, name in sorted(names.items(), key=lambda each: each[1])
        ],
        "others": [
            {
                "image": str(each.path),
                "reason": each.reason,
                "other": None if each.other is None else str(each.other),
                "why": str(each),
            }
            for each in choice.left_out
        ],
    }


def _how(choice: CalibrationChoice) -> str:
    if not choice.labelled:
        return "spread over what they look like"
    each = _classes(choice).values()
    least, most = min(each), max(each)
    if not least:
        return f"of {sum(map(bool, each))} of {len(each)} classes, 1 each"
    return f"of {len(each)} classes, {least if least == most else f'{least} to {most}'} each"


def _classes(choice: CalibrationChoice) -> dict[str, int]:
    """How many photos were chosen of each class."""
    found = Counter({photo.label or "": 0 for photo in choice.pool})
    found.update(photo.label or "" for photo in choice.chosen)
    return dict(found)


def _moments(photos: Sequence[Photo]) -> list[tuple[float, float]]:
    """The mean and the deviation of each feature."""
    features = np.stack([photo.features for photo in photos])
    return [
        (float(mean), float(deviation))
        for mean, deviation in zip(features.mean(axis=0), features.std(axis=0), strict=True)
    ]
