"""What an export made, for people and for programs."""

import shlex
from collections import Counter
from pathlib import Path

from tinyedge.devices.edgetpu.partition import Partition
from tinyedge.export.check import told
from tinyedge.export.pipeline import Exported
from tinyedge.files import bytes_sha256
from tinyedge.modelcard import ModelCard

__all__ = ["as_json", "as_text"]


def as_text(exported: Exported, *, microcontroller: str | None = None) -> str:
    """A line a file, one on the network, one a check, one on its forms or on Coral, and what next.

    `microcontroller` is what ``--device`` calls the one it was exported for, if it is one.
    """
    card = exported.card
    lines = [
        f"{path}  {sum(file.stat().st_size for file in _contents(path)):,} bytes"
        for path in exported.files.values()
    ]
    colour = "RGB" if card.channels == 3 else "grey"
    lines.append(
        f"input {card.width}x{card.height} {colour}, {card.fit}; {_output(card)}"
        + _calibration(card)
    )
    lines += [
        f"{kind} against {check.against}: {told(check)}" for kind, check in exported.checks.items()
    ]
    if exported.forms:
        lines.append(_forms(exported))
    if exported.partition is not None:
        operators = len(exported.partition.operators)
        lines.append(f"Edge TPU: {exported.partition.on_tpu} of {operators} operations")
    return "\n".join(
        (*lines, "next:", *(f"  {command}" for command in _next(exported, microcontroller)))
    )


def as_json(exported: Exported) -> dict[str, object]:
    """The files with size and sha256, and what the card says of the network."""
    card = exported.card
    return {
        "schema": "tinyedge.export/1",
        "name": card.name,
        "files": [_file(file) for path in exported.files.values() for file in _contents(path)],
        "input": [card.height, card.width, card.channels],
        "fit": card.fit,
        "batch_norm": card.batch_norm,
        "classes": card.classes,
        "features": card.features,
        "labels": card.labels is not None,
        "calibration": card.calibration,
        "calibration_images": len(card.calibration_sha256),
        "check": {kind: check._asdict() for kind, check in exported.checks.items()},
        "forms": {str(layer): kind for layer, kind in exported.forms.items()},
        "edge_tpu": _edge_tpu_json(exported.partition),
        "versions": card.versions,
    }


def _forms(exported: Exported) -> str:
    """How many convolutions are written in which form, and for which boards."""
    counts = Counter(exported.forms.values())
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    return f"convolutions for {', '.join(exported.boards)}: {told}, the rest plain"


def _next(exported: Exported, microcontroller: str | None) -> list[str]:
    """The commands that one types now, three at most; what they need besides is in capitals."""
    files = {kind: shlex.quote(str(path)) for kind, path in exported.files.items()}
    made = next(files[kind] for kind in ("coral", "mixed", "int8", "float") if kind in files)
    if exported.card.features is not None:
        return [f"tinyedge info {made}"]
    first = f"tinyedge run {made} PHOTO"
    last = f"tinyedge deploy {made} --host USER@HOST"
    if "coral" in files:
        # It runs on an Edge TPU once it is compiled for it.
        first, last = f"tinyedge check {made}", f"edgetpu_compiler -s {made}"
    elif microcontroller is not None:
        # Its firmware is built with the file inside, as an array in C.
        first = f"tinyedge check {made} --device {shlex.quote(microcontroller)}"
        last = f"xxd -i {made} > model.cc"
    judged = f"tinyedge compare {files['float']} {made} --data PHOTOS"
    return [
        first,
        f"tinyedge info {made}" if made == files["float"] else judged,
        last,
    ]


def _edge_tpu_json(partition: Partition | None) -> dict[str, int] | None:
    """Of the file for the Edge TPU, how many operators run where; None without one."""
    if partition is None:
        return None
    return {"on_edge_tpu": partition.on_tpu, "on_cpu": partition.on_cpu}


def _output(card: ModelCard) -> str:
    if card.features is not None:
        height, width, channels = card.features
        return f"no head: features {height}x{width}x{channels} (height, width, channels) come out"
    if card.classes == 1:
        return "1 output" + (f", the probability of {card.labels[-1]}" if card.labels else "")
    return f"{card.classes} classes" + ("" if card.labels else ", no labels")


def _calibration(card: ModelCard) -> str:
    if card.calibration is None:
        return ""
    images = len(card.calibration_sha256)
    return f"; calibrated on {images} images" if images else "; calibrated without photos"


def _contents(path: Path) -> list[Path]:
    """The file, or of a folder the files in it, sorted."""
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _file(path: Path) -> dict[str, str | int]:
    content = path.read_bytes()
    return {
        "path": str(path),
        "bytes": len(content),
        "sha256": bytes_sha256(content),
    }
