"""The model card: what a .tflite must carry so that `run` and `compare` need the file alone.

The card is in a zip archive behind the flatbuffer, beside the files of TFLite's own metadata (see
`tinyedge.tflite.metadata`): every runtime ignores the bytes behind the flatbuffer, and any unzip
tool lists them (``unzip -p model.tflite model_card.json``). It costs a board no parser.

A card may come from anybody: every value is checked for its type and range before it is believed.
Format 2 added the check at the end of the export, the batch norm's formula, the input's
normalization and the layers' precision; a card of format 1 is read with the values it meant.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Literal, NamedTuple

from tinyedge.errors import ModelError
from tinyedge.files import open_bytes, reproducible_zip, zip_member
from tinyedge.images.spec import Fit
from tinyedge.json_values import (
    LARGEST_SEED,
    ValueCheck,
    as_object,
    by_name,
    integer,
    one_of,
    optional,
    parse_json,
    real,
    record,
    several,
    sha256,
    text,
)
from tinyedge.text import MESSAGE, counted, cut, shortened
from tinyedge.tflite.flatbuffer import MOST_BYTES
from tinyedge.tflite.metadata import LABELS_FILE, Normalization

__all__ = [
    "LARGEST_SIDE",
    "MOST_CALIBRATION_PHOTOS",
    "BatchNormFormula",
    "CalibrationSource",
    "CardKind",
    "Check",
    "CheckImages",
    "ModelCard",
    "Precision",
    "Quantizer",
    "Reference",
    "Rewrite",
    "TensorType",
    "append_card",
    "labels_file",
    "read_card",
]

TensorType = Literal["float32", "int8", "uint8"]
Quantizer = Literal["tuned", "default"]
BatchNormFormula = Literal["inside", "outside"]
Rewrite = Literal["pool-before-leaky", "average-before-linear"]
CalibrationSource = Literal["photos", "batch norm statistics"]
Precision = Literal["int8", "hybrid", "float32"]
CardKind = Literal["int8", "mixed"]
Reference = Literal["keras", "float", "int8"]
CheckImages = Literal["photos", "synthesized"]

_MEMBER = "model_card.json"
_FORMAT = 2
_FORMATS_READ = (1, 2)
_SIZE_LIMIT = 16 << 20
"""Bytes of a card's text; 21,842 classes with names and WordNet ids take 0.8 million."""
MOST_CALIBRATION_PHOTOS = 200_000
"""Whose sha256 a card has room for, 14 million bytes, beside all else that it says."""


class Check(NamedTuple):
    """What the check at the end of the export found: this file against the one it was made of.

    Attributes:
        against: the reference: the ``keras`` model of a float file, the ``float`` file of an int8
            one, the ``int8`` file of one for the Edge TPU.
        images: how many both were run on, at least 1.
        source: of the images: ``photos``, those it was calibrated on, or ``synthesized``.
        agreement: of how many images both have the same class, 0 to `images`; None of a network
            that classifies nothing, as the next.
        kl: the mean over the images of KL(reference || file), nats, 0 or more; None where the
            scores do not end in one softmax.
        noise_db: the error of the scores before any softmax, relative to their spread over images:
            decibels of signal over noise; None where both are equal.
        worst_layer: the layer that does most damage alone in int8, such as ``0 convolutional``;
            None where no layer stands out, where int8 is so close that none was looked at, and
            of older files.
    """

    against: Reference
    images: int
    source: CheckImages
    agreement: int | None = None
    kl: float | None = None
    noise_db: float | None = None
    worst_layer: str | None = None


class ModelCard(NamedTuple):
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
        labels: a name for each class, or None; for a single score one name, or two, of what 0 and
            what 1 stand for (see `tinyedge.images.labels`).
        ids: a WordNet id for each class, or None; likewise.
        cfg_sha256, weights_sha256: of the Darknet files, hexadecimal.
        quantizer: of an int8 model, ``tuned`` or ``default``; see ``tinyedge export --help``.
        rewrites: names of the rewrites the tuned quantizer applied.
        lowerings: names of what is written in the file as other operators, for the Edge TPU.
        seed: of what was drawn at random, by the tuned quantizer or without photos, else None.
        calibration: what an int8 model was calibrated on: ``photos``, or ``batch norm statistics``
            where there were none.
        calibration_sha256: of the content of each calibration photo; empty where there were none.
        calibration_shift: how far the calibration photos lie from training's, as a multiple of the
            most that so many right ones show: above 1 they do not look like them (see
            `tinyedge.export.calibrate.check`); None where no batch norm tells, and of older files.
        versions: of the packages that made the file.
        features: (height, width, channels) of what comes out of a network without a head, which
            classifies nothing; None of a classifier.
        check: this file against the one it was made of; None of a card of format 1.
        batch_norm: where epsilon stands in the formula of the weights' batch norms, ``inside`` the
            square root or ``outside`` (see `tinyedge.darknet.batch_norm`); format 1 meant
            ``outside``.
        normalization: of the pixels, a number for each channel; None is Darknet's, pixel / 255,
            which format 1 meant.
        precision: of each layer whose precision is not the file's `quantization`, by its name;
            of the ``output``, where that alone is float.
    """

    name: str
    height: int
    width: int
    channels: int
    classes: int
    fit: Fit
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
    calibration_shift: float | None = None
    versions: Mapping[str, str] = {}
    features: tuple[int, int, int] | None = None
    check: Check | None = None
    batch_norm: BatchNormFormula = "outside"
    normalization: Normalization | None = None
    precision: Mapping[str, Precision] = {}

    @property
    def softmax(self) -> bool:
        """Whether a softmax is to be applied to the file's output."""
        return self.softmax_groups > 0

    @property
    def is_mixed(self) -> bool:
        """Whether some layers compute in another precision, and the answer is float."""
        return bool(self.precision)

    @property
    def kind(self) -> CardKind:
        """What the file is beside a float one, in a word."""
        return "mixed" if self.is_mixed else "int8"

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The output tensor's, the batch of one included."""
        return (1, *self.features) if self.features is not None else (1, self.classes)

    def takes_names(self, count: int) -> bool:
        """Whether so many labels, or ids, name the classes."""
        return count == self.classes or (count == 2 and self.classes == 1)

    def label(self, index: int) -> str:
        """The class's name, or its index in digits where the model has no labels."""
        return self.labels[index] if self.labels is not None else str(index)


def append_card(model: bytes, card: ModelCard) -> bytes:
    """The .tflite's bytes with the card and its labels behind them; equal inputs, equal bytes.

    Labels are a file of their own, which other programs read, too; the card names it. Nothing is
    compressed: MediaPipe refuses a .tflite with a member that is.
    """
    said = {"format": _FORMAT, **as_object(card)}
    labels = labels_file(card)
    if labels is not None and card.labels is not None and len(card.labels) == card.classes:
        said["labels"] = LABELS_FILE
    content = json.dumps(said, ensure_ascii=False, indent=1, allow_nan=False).encode()
    members = {_MEMBER: content} | ({} if labels is None else {LABELS_FILE: labels})
    return reproducible_zip(members, behind=model, compress=False)


def labels_file(card: ModelCard) -> bytes | None:
    """The content of labels.txt: a line for each number of the output.

    Of one output that has two names it is the name of what 1 stands for. None without labels, and
    where one has several lines.
    """
    if not card.labels or any("\n" in name for name in card.labels):
        return None
    return "".join(f"{name}\n" for name in card.labels[-card.classes :]).encode()


def read_card(path: str | os.PathLike[str]) -> ModelCard | None:
    """The card of the .tflite at `path`, or None where it bears none.

    Raises:
        ModelError: a card is there but damaged, or of a newer format than this tinyedge reads.
        OSError: the file cannot be read.
    """
    with open_bytes(
        Path(path), limit=MOST_BYTES, what="a .tflite file", error=ModelError
    ) as stream:
        try:
            found = zip_member(stream, _MEMBER, limit=_SIZE_LIMIT)
            content = None if found is None else parse_json(found)
            if isinstance(content, dict) and content.get("labels") == LABELS_FILE:
                content["labels"] = _labels(stream)
        except ValueError as error:
            raise _damaged(path, str(error)) from error
    return None if found is None else _card(content, Path(path))


def _labels(stream: IO[bytes]) -> list[str]:
    found = zip_member(stream, LABELS_FILE, limit=_SIZE_LIMIT)
    if found is None:
        raise ValueError(f"{LABELS_FILE} is not beside it")
    return found.decode().split("\n")[:-1]


def _damaged(path: str | os.PathLike[str], why: str) -> ModelError:
    return ModelError(
        f"{path}: its model card is damaged ({cut(why, MESSAGE)}); export the model again"
    )


def _card(content: object, path: Path) -> ModelCard:
    found = content.get("format") if isinstance(content, dict) else content
    if not isinstance(content, dict) or type(found) is not int or found not in _FORMATS_READ:
        raise ModelError(
            f"{path}: its model card has format {shortened(found)}, this tinyedge reads"
            f" {_FORMATS_READ[0]} to {_FORMATS_READ[-1]};"
            " use the tinyedge that exported it, or export the model again"
        )
    try:
        card = ModelCard(**record(content, _CARD, ModelCard))
        _check_together(card)
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    return card


def _check_together(card: ModelCard) -> None:
    """What no field shows alone."""
    for name, values in (("label", card.labels), ("id", card.ids)):
        if values is not None and not card.takes_names(len(values)):
            raise ValueError(f"{counted(len(values), name)} for {card.classes} classes")
    if card.softmax_groups > 0 and (card.classes == 0 or card.classes % card.softmax_groups):
        raise ValueError(
            f"{counted(card.softmax_groups, 'group')} for a softmax over {card.classes} classes"
        )
    if card.normalization is not None:
        for numbers in (card.normalization.mean, card.normalization.std):
            if len(numbers) != card.channels:
                channels = counted(len(numbers), "channel")
                raise ValueError(f"a normalization of {channels}, not {card.channels}")
        if not card.normalization.is_finite:
            raise ValueError("a normalization that makes pixels infinite")
    if card.check is not None and (card.check.agreement or 0) > card.check.images:
        raise ValueError(f"{card.check.agreement} of {card.check.images} images agree")


# Float32's own least: divided by it scores of float32 are numbers of float64 still.
_LEAST_TEMPERATURE = 2.0**-126

LARGEST_SIDE = 65_535
"""Of an input, pixels."""
_PIXELS = integer(1, LARGEST_SIDE)
_COUNT = integer(0, 2**31 - 1)

_CHECK: Mapping[str, ValueCheck] = {
    "against": one_of(Reference),
    "images": integer(1, 2**31 - 1),
    "source": one_of(CheckImages),
    "agreement": optional(_COUNT),
    "kl": optional(real(0.0)),
    "noise_db": optional(real()),
    "worst_layer": optional(text),
}
_NORMALIZATION: Mapping[str, ValueCheck] = {
    "mean": several(real()),
    "std": several(real(0.0, open_end=True)),
}
_CARD: Mapping[str, ValueCheck] = {
    "name": text,
    "height": _PIXELS,
    "width": _PIXELS,
    "channels": integer(1, 65_535),
    "classes": _COUNT,
    "fit": one_of(Fit),
    "quantization": one_of(TensorType),
    "softmax_groups": _COUNT,
    "temperature": real(_LEAST_TEMPERATURE),
    "labels": optional(several(text)),
    "ids": optional(several(text)),
    "cfg_sha256": sha256,
    "weights_sha256": sha256,
    "quantizer": optional(one_of(Quantizer)),
    "rewrites": several(one_of(Rewrite)),
    "lowerings": several(text),
    "seed": optional(integer(0, LARGEST_SEED)),
    "calibration": optional(one_of(CalibrationSource)),
    "calibration_sha256": several(sha256),
    "calibration_shift": optional(real(0.0)),
    "versions": by_name(text),
    "features": optional(several(integer(1, 2**31 - 1), count=3)),
    "check": optional(lambda value: Check(**record(value, _CHECK, Check))),
    "batch_norm": one_of(BatchNormFormula),
    "normalization": optional(
        lambda value: Normalization(**record(value, _NORMALIZATION, Normalization))
    ),
    "precision": by_name(one_of(Precision)),
}
