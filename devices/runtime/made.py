"""How a result was made: the models that ran, and what they ran on."""

import platform
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import tinyedge
from tinyedge.accuracy.page.made import HowMade, MadeFrom, time_now
from tinyedge.devices.profile import device_tree_model
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.devices.runtime.int8_speed import has_dot_product
from tinyedge.modelcard import ModelCard
from tinyedge.text import counted

__all__ = ["cpu_name", "how_made"]

_CPUINFO = Path("/proc/cpuinfo")


def how_made(models: Sequence[Classifier], sha256: Sequence[str], command: str) -> HowMade:
    """Of models that have run here, the reference first, by a command as a shell takes it.

    `sha256` are their files', hexadecimal.
    """
    try:
        cpuinfo = _CPUINFO.read_text(errors="replace")
    except OSError:
        cpuinfo = ""
    return HowMade(
        command=command,
        time=time_now(),
        versions={
            "tinyedge": tinyedge.__version__,
            "Python": platform.python_version(),
            models[0].runtime.name: models[0].runtime.version,
            "NumPy": np.__version__,
        },
        threads=models[0].threads,
        cpu=cpu_name(cpuinfo),
        dot_product=has_dot_product(cpuinfo, platform.machine()),
        models=tuple(
            MadeFrom(model.path, model.bytes, digest, _kind(model.card))
            for model, digest in zip(models, sha256, strict=True)
        ),
    )


def cpu_name(cpuinfo: str) -> str | None:
    """What the board, or the CPU, calls itself, with its architecture."""
    name = device_tree_model()
    if name is None:
        found = re.search(r"^model name\s*: (.+)$", cpuinfo, re.MULTILINE)
        name = found[1] if found else platform.processor()
    return f"{name}, {platform.machine()}" if name else platform.machine() or None


def _kind(card: ModelCard) -> str:
    parts: list[str] = ["mixed precision" if card.is_mixed else card.quantization]
    if card.quantizer is not None:
        parts.append(f"quantizer {card.quantizer}")
    if card.calibration_sha256:
        parts.append(f"calibrated on {counted(len(card.calibration_sha256), 'photo')}")
    return ", ".join(parts)
