"""What an export made, for people and for programs."""

import hashlib
import json
from pathlib import Path

from tinyedge.export.pipeline import Exported
from tinyedge.modelcard import ModelCard

__all__ = ["exported_json", "exported_text"]


def exported_text(exported: Exported) -> str:
    """A line a file, then a line on the network."""
    card = exported.card
    lines = [
        f"{path}  {sum(file.stat().st_size for file in _contents(path)):,} bytes"
        for path in exported.files
    ]
    colour = "RGB" if card.channels == 3 else "grey"
    lines.append(
        f"input {card.width}x{card.height} {colour}, {card.fit}; {_output(card)}"
        + _calibration(card)
    )
    return "\n".join(lines)


def exported_json(exported: Exported) -> str:
    """One JSON object: the files with size and sha256, and what the card says of the network."""
    card = exported.card
    return json.dumps(
        {
            "name": card.name,
            "files": [_file(file) for path in exported.files for file in _contents(path)],
            "input": [card.height, card.width, card.channels],
            "fit": card.fit,
            "classes": card.classes,
            "features": card.features,
            "labels": card.labels is not None,
            "calibration": card.calibration,
            "calibration_images": len(card.calibration_sha256),
            "versions": card.versions,
        }
    )


def _output(card: ModelCard) -> str:
    if card.features is not None:
        height, width, channels = card.features
        return f"no head: features {height}x{width}x{channels} (height, width, channels) come out"
    return f"{card.classes} classes" + ("" if card.labels else ", no labels")


def _calibration(card: ModelCard) -> str:
    if card.calibration is None:
        return ""
    photos = len(card.calibration_sha256)
    return f"; calibrated on {photos} images" if photos else "; calibrated without photos"


def _contents(path: Path) -> list[Path]:
    """The file, or of a folder the files in it, sorted."""
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _file(path: Path) -> dict[str, str | int]:
    content = path.read_bytes()
    return {
        "path": str(path),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
