"""What a user asks ``tinyedge export`` for."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tinyedge.devices.profile import InputType, Profile
from tinyedge.export.quantize.reorder import REWRITES
from tinyedge.images.spec import Fit
from tinyedge.json_values import (
    LARGEST_SEED,
    ValueCheck,
    argument,
    integer,
    one_of,
    optional,
    real,
    several,
    text,
)
from tinyedge.modelcard import BatchNormFormula, Quantizer, Rewrite
from tinyedge.zoo.models import SourceFiles

__all__ = ["ExportRequest", "FileKind", "FilePrecision"]

FilePrecision = Literal["integer", "mixed"]
FileKind = Literal["float", "int8", "mixed", "coral", "keras", "saved_model"]

_NAME_ENDS: dict[FileKind, str] = {
    "float": "_float.tflite",
    "int8": "_int8.tflite",
    "mixed": "_mixed.tflite",
    "coral": "_coral.tflite",
    "keras": ".keras",
    "saved_model": "_saved_model",
}


def _budget(value: object) -> None:
    """Raise a ValueError unless it is a number above 0, or infinite."""
    if value != math.inf:
        real(0.0, open_end=True)(value)


def _rewrites(value: object) -> None:
    """Raise a ValueError unless it is a tuple of rewrites, or a list."""
    several(one_of(Rewrite))([*value] if isinstance(value, tuple) else value)


_CHECKS: Mapping[str, ValueCheck] = {
    "calibration_count": integer(1),
    "fit": one_of(Fit),
    "batch_norm": optional(one_of(BatchNormFormula)),
    "input_type": one_of(InputType),
    "author": text,
    "license": optional(text),
    "precision": one_of(FilePrecision),
    "latency_budget": _budget,
    "quantizer": one_of(Quantizer),
    "rewrites": _rewrites,
    "seed": integer(0, LARGEST_SEED),
}


@dataclass(frozen=True)
class ExportRequest:
    """What to export, and how.

    Attributes:
        name: begins the names of the files.
        files: Darknet's, the classes', and what to calibrate with: images, needed but with
            `float_only` or `data_free`.
        output: the folder for what is made.
        calibration_count: how many images to calibrate with, at least 1.
        data_free: calibrate on images synthesized of the weights' batch norm statistics.
        size: (width, height) of the input in place of the cfg's, or None.
        fit: how images are fitted to the input: crop, letterbox or stretch.
        batch_norm: ``inside`` or ``outside`` (see `tinyedge.darknet.batch_norm`); None for what
            the header of the weights hints at.
        input_type: of the int8 file's input and output.
        probabilities: have the .tflite files answer with the softmax of their scores.
        author, license: what the files' metadata say of the network; empty for nothing.
        precision: ``integer`` for an int8 file; ``mixed`` for one whose layers are each in
            int8, hybrid or float, whichever keep most of the answers within `latency_budget` on
            `boards`.
        latency_budget: the most cycles of a mixed file, as a part of the integer file's, above 0.
        boards: what a mixed file is for, and what forms of convolutions are chosen for; none for
            plain ones. See `tinyedge.devices.latency.instructions.counted_boards`.
        pareto: find, with a mixed file, what divergence there is at which cost.
        quantizer: ``tuned``, tinyedge's own, or ``default``, TFLiteConverter's.
        rewrites: names of `tinyedge.export.quantize.reorder.REWRITES`, for ``tuned``.
        seed: of what is drawn at random.
        float_only: make no int8 file.
        keras: save the Keras model too.
        saved_model: save a TensorFlow SavedModel too.
        device: the device it is for; a TinyedgeWarning says where its memory is too small.
    """

    name: str
    files: SourceFiles
    output: Path
    calibration_count: int = 200
    data_free: bool = False
    size: tuple[int, int] | None = None
    fit: Fit = "crop"
    batch_norm: BatchNormFormula | None = None
    input_type: InputType = "int8"
    probabilities: bool = False
    author: str = ""
    license: str = ""
    precision: FilePrecision = "integer"
    latency_budget: float = 1.0
    boards: tuple[Profile, ...] = ()
    pareto: bool = False
    quantizer: Quantizer = "tuned"
    rewrites: tuple[Rewrite, ...] = REWRITES
    seed: int = 0
    float_only: bool = False
    keras: bool = False
    saved_model: bool = False
    device: Profile | None = None

    def __post_init__(self) -> None:
        """Check what has a range or a finite set of values.

        Raises:
            ValueError: it is none of them.
        """
        for name, check in _CHECKS.items():
            argument(name, getattr(self, name), check)

    @property
    def makes_mixed(self) -> bool:
        """Whether the file for the board is in mixed precision."""
        return not self.float_only and self.precision == "mixed"

    @property
    def makes_coral(self) -> bool:
        """Whether a file for the Edge TPU is wanted too."""
        return not self.float_only and self.is_for_coral

    @property
    def is_for_coral(self) -> bool:
        """Whether the device takes a file for the Edge TPU."""
        return self.device is not None and "coral" in self.device.files

    def targets(self) -> dict[FileKind, Path]:
        """Where each file that is asked for goes, in the order they are reported in."""
        asked: dict[FileKind, bool] = {
            "float": True,
            "int8": not self.float_only and not self.makes_mixed,
            "mixed": self.makes_mixed,
            "coral": self.makes_coral,
            "keras": self.keras,
            "saved_model": self.saved_model,
        }
        return {
            kind: self.output / f"{self.name}{_NAME_ENDS[kind]}" for kind in asked if asked[kind]
        }
