"""The model card: what a .tflite must carry so that `run` and `compare` need the file alone.

The card is a zip archive appended to the flatbuffer, as TFLite's own metadata appends a
model's associated files: every runtime ignores the bytes behind the flatbuffer, and any unzip
tool lists them (``unzip -p model.tflite model_card.json``). It costs a board no parser.
"""

import json
import os
import zipfile
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tinyedge.errors import ModelError

if TYPE_CHECKING:
    from tinyedge.images.spec import Fit

__all__ = [
    "CalibrationSource",
    "ModelCard",
    "Quantizer",
    "Rewrite",
    "TensorType",
    "append_card",
    "read_card",
]

TensorType = Literal["float32", "int8", "uint8"]
Quantizer = Literal["tuned", "default"]
Rewrite = Literal["pool-before-leaky", "average-before-linear"]
CalibrationSource = Literal["photos", "batch norm statistics"]

_MEMBER = "model_card.json"
_FORMAT = 1


@dataclass(frozen=True)
class ModelCard:
    """How to feed a model, how to read its answer, and what it was made from.

    Attributes:
        name: the network's name, such as ``tiny``.
        height, width, channels: the input, pixels; channels is 1 (grey) or 3 (RGB).
        classes: how many scores come out; 0 where the network classifies nothing.
        fit: how a photo was fitted to the input when calibrating: crop, letterbox or stretch.
        quantization: ``float32`` or ``int8``; of a file that bears no card its input's type.
        softmax_groups: into how many equal, consecutive groups of classes the network's last
            softmax divides them, or 0 where it ended in none; the file leaves it to its reader.
        temperature: what that softmax divides the logits by, more than 0.
        labels: a name for each class, or None.
        ids: a WordNet id for each class, or None.
        cfg_sha256, weights_sha256: of the Darknet files, hexadecimal.
        quantizer: of an int8 model, ``tuned`` or ``default``; see ``tinyedge export --help``.
        rewrites: names of the rewrites the tuned quantizer applied.
        lowerings: names of what is written in the file as other operators, for the Edge TPU.
        seed: of what was drawn at random, by the tuned quantizer or without photos, else None.
        calibration: what an int8 model was calibrated on: ``photos``, or ``batch norm statistics``
            where there were none.
        calibration_sha256: of the content of each calibration photo; empty where there were none.
        versions: of the packages that made the file.
        features: (height, width, channels) of what comes out of a network without a head, which
            classifies nothing; None of a classifier.
    """

    name: str
    height: int
    width: int
    channels: int
    classes: int
    fit: "Fit"
    quantization: TensorType
    softmax_groups: int
    temperature: float = 1.0
    labels: tuple[str, ...] | None = None
    ids: tuple[str, ...] | None = None
    cfg_sha256: str = ""
    weights_sha256: str = ""
    quantizer: Quantizer | None = None
    rewrites: tuple[Rewrite, ...] = ()
    lowerings: tuple[str, ...] = ()
    seed: int | None = None
    calibration: CalibrationSource | None = None
    calibration_sha256: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    features: tuple[int, int, int] | None = None

    @property
    def softmax(self) -> bool:
        """Whether a softmax is to be applied to the file's output."""
        return self.softmax_groups > 0

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The output tensor's, the batch of one included."""
        return (1, *self.features) if self.features is not None else (1, self.classes)

    def label(self, index: int) -> str:
        """The class's name, or its index in digits where the model has no labels."""
        return self.labels[index] if self.labels is not None else str(index)


def append_card(model: bytes, card: ModelCard) -> bytes:
    """The .tflite's bytes with the card behind them; equal inputs give equal bytes."""
    from tinyedge.files import reproducible_zip

    text = json.dumps({"format": _FORMAT, **asdict(card)}, ensure_ascii=False, indent=1)
    return reproducible_zip({_MEMBER: text.encode()}, behind=model)


def read_card(path: str | os.PathLike[str]) -> ModelCard | None:
    """The card of the .tflite at `path`, or None where it bears none.

    Raises:
        ModelError: a card is there but damaged, or of a newer format than this tinyedge reads.
        OSError: the file cannot be read.
    """
    with open(path, "rb") as stream:
        if not zipfile.is_zipfile(stream):
            return None
        try:
            with zipfile.ZipFile(stream) as archive:
                if _MEMBER not in archive.namelist():
                    return None
                content = json.loads(archive.read(_MEMBER))
        except Exception as error:  # damaged bytes set off anything in zipfile and zlib
            raise ModelError(
                f"{path}: its model card is damaged ({error}); export the model again"
            ) from error
    return _card(content, Path(path))


def _card(content: object, path: Path) -> ModelCard:
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        found = content.get("format") if isinstance(content, dict) else content
        raise ModelError(
            f"{path}: its model card has format {found!r}, this tinyedge reads {_FORMAT};"
            " use the tinyedge that exported it, or export the model again"
        )
    known = {item.name for item in fields(ModelCard)}
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in content.items()
        if name in known
    }
    try:
        return ModelCard(**values)
    except TypeError as error:
        raise ModelError(f"{path}: its model card is incomplete ({error})") from error
