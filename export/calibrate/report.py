"""``tinyedge calib --check``: photos against a network's weights, for people and for programs."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tinyedge.table import folded
from tinyedge.text import counted

if TYPE_CHECKING:
    from tinyedge.export.calibrate.check import CalibrationCheck

__all__ = ["PhotoCheck", "as_json", "as_text"]


@dataclass(frozen=True)
class PhotoCheck:
    """Photos against a network's weights.

    Attributes:
        photos: where they are.
        weights: the network's.
        found: what was measured.
    """

    photos: Path
    weights: Path
    found: "CalibrationCheck"

    @property
    def verdict(self) -> Literal["pass", "fail"] | None:
        """Whether they look like those the network was trained on; None where nothing tells."""
        return self.found.verdict


def as_text(checked: PhotoCheck, *, width: int) -> str:
    """The measure and the verdict, or in one line that nothing tells."""
    found, seen = checked.found, checked.found.seen
    lines = []
    if seen is not None:
        lines.append(
            f"{counted(found.images, 'photo')}, against the batch norms of {checked.weights.name}:"
            f" distance {seen.distance:.2g} nats, {found.ratio} times the most that so many right"
            f" photos show ({found.usual:.2g}); channels lie up to {seen.shift:.2f} deviations off"
            f" and vary {seen.spread:.2f} times as much"
        )
    match checked.verdict:
        case None:
            lines.append(
                f"{checked.weights.name}: no batch norm, so nothing tells what this network was"
                " trained on"
            )
        case "pass":
            lines.append("pass: the photos look like those the network was trained on")
        case "fail":
            lines.append(f"fail: {found.fault}")
    return folded("\n".join(lines), width=width)


def as_json(checked: PhotoCheck) -> dict[str, object]:
    """The same; see docs/json.md."""
    found = checked.found
    seen = None if found.seen is None else asdict(found.seen)
    return {
        "schema": "tinyedge.calib/1",
        "photos": str(checked.photos),
        "weights": str(checked.weights),
        "images": found.images,
        "seen": None if seen is None else {key: _finite(value) for key, value in seen.items()},
        "usual": found.usual,
        "ratio": found.ratio,
        "one_colour": found.one_colour,
        "verdict": found.verdict,
        "fault": found.fault,
    }


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
