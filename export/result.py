"""What an export made, for people and for programs."""

import hashlib
import json
from pathlib import Path

from tinyedge.export.pipeline import Exported

__all__ = ["exported_json", "exported_text"]


def exported_text(exported: Exported) -> str:
    """A line a file, then a line on the network."""
    card = exported.card
    lines = [f"{path}  {path.stat().st_size:,} bytes" for path in exported.files]
    colour = "RGB" if card.channels == 3 else "grey"
    calibrated = len(exported.card.calibration_sha256)
    lines.append(
        f"input {card.width}x{card.height} {colour}, {card.fit}; {card.classes} classes"
        + ("" if card.labels else ", no labels")
        + (f"; calibrated on {calibrated} images" if calibrated else "")
    )
    return "\n".join(lines)


def exported_json(exported: Exported) -> str:
    """One JSON object: the files with size and sha256, and what the card says of the network."""
    card = exported.card
    return json.dumps(
        {
            "name": card.name,
            "files": [_file(path) for path in exported.files],
            "input": [card.height, card.width, card.channels],
            "fit": card.fit,
            "classes": card.classes,
            "labels": card.labels is not None,
            "calibration_images": len(card.calibration_sha256),
            "versions": card.versions,
        }
    )


def _file(path: Path) -> dict[str, str | int]:
    content = path.read_bytes()
    return {
        "path": str(path),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
