"""The model cards of what an export makes."""

import contextlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tinyedge import __version__
from tinyedge.darknet.network import Network
from tinyedge.errors import ExportError, TinyedgeWarning
from tinyedge.export.request import ExportRequest
from tinyedge.files import file_sha256
from tinyedge.images.labels import read_labels
from tinyedge.modelcard import LARGEST_SIDE, BatchNormFormula, ModelCard, Precision
from tinyedge.text import counted
from tinyedge.tflite.metadata import UNIT_PIXELS

__all__ = [
    "SourceFacts",
    "coral_card",
    "float_card",
    "int8_card",
    "mixed_card",
    "probabilities_card",
    "read_facts",
    "versions",
]


@dataclass(frozen=True)
class SourceFacts:
    """What a card says of the files a network was read from.

    Attributes:
        labels, ids: one a class, or None.
        cfg_sha256, weights_sha256: of the files, hexadecimal.
    """

    labels: tuple[str, ...] | None
    ids: tuple[str, ...] | None
    cfg_sha256: str
    weights_sha256: str


def read_facts(request: ExportRequest, network: Network, weights: Path) -> SourceFacts:
    """Read the classes' names and hash Darknet's files.

    Warns (TinyedgeWarning) as `read_labels`, of a softmax over one score, and of a list of names
    beside the .cfg where none was given.

    Raises:
        ExportError: the network is not for images or of more pixels a side than a card holds, ends
            in a softmax over an image, or classifies nothing and is given labels.
        DatasetError: labels or ids do not name every class.
        OSError: a file cannot be read.
    """
    files, channels = request.files, network.input.channels
    if channels not in (1, 3):
        raise ExportError(
            f"{files.cfg}: its input has {channels} channels;"
            " a network for photos has 3 (RGB) or 1 (grey)"
        )
    if max(network.input.height, network.input.width) > LARGEST_SIDE:
        raise ExportError(
            f"{files.cfg}: its input is {network.input.width}x{network.input.height}; a .tflite"
            f" file of tinyedge takes at most {LARGEST_SIDE:,} pixels a side"
        )
    softmax, features = network.softmax, network.features
    if softmax is not None and features is not None:
        raise ExportError(
            f"{files.cfg}:{softmax.line}: [softmax] is over {features.width}x{features.height}"
            f" pixels of {counted(features.channels, 'channel')}, not over a number a class: put an"
            " [avgpool] before it, or give it an input (--size) that leaves one pixel there"
        )
    if features is not None and (files.labels or files.ids):
        raise ExportError(
            f"{files.cfg}: it ends without a head and classifies nothing; export it without"
            " labels and ids"
        )
    classes = network.output.elements
    if softmax is not None and classes == 1:
        warnings.warn(
            f"{files.cfg}:{softmax.line}: this softmax is over one score, and so 1 whatever the"
            " network sees; a classifier of one output ends in a logistic",
            TinyedgeWarning,
            stacklevel=3,
        )
    if files.labels is None and features is None:
        _note_names(files.cfg)
    return SourceFacts(
        labels=read_labels(files.labels, classes) if files.labels else None,
        ids=read_labels(files.ids, classes) if files.ids else None,
        cfg_sha256=file_sha256(files.cfg),
        weights_sha256=file_sha256(weights),
    )


def _note_names(cfg: Path) -> None:
    """Tell of lists that lie beside the .cfg: whose they are it does not say."""
    beside: list[Path] = []
    # A folder that lets files be read need not let them be listed.
    with contextlib.suppress(OSError):
        beside = sorted(path for path in cfg.parent.iterdir() if path.suffix in (".names", ".data"))
    # In a folder of many networks none is likelier than another.
    if own := [path for path in beside if path.stem == cfg.stem]:
        beside = own[:1]
    if len(beside) == 1:
        warnings.warn(
            f"{beside[0]} lies beside the network and is not used: if it names its classes, say"
            f" --labels {beside[0]}",
            TinyedgeWarning,
            stacklevel=4,
        )


def versions() -> dict[str, str]:
    """Of everything the bytes of an exported file depend on."""
    import keras
    import numpy as np
    import PIL
    import tensorflow as tf

    return {
        "tinyedge": __version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
    }


def float_card(
    request: ExportRequest,
    network: Network,
    facts: SourceFacts,
    made_by: Mapping[str, str],
    batch_norm: BatchNormFormula,
) -> ModelCard:
    """The float model's card; `made_by` are the `versions`, `batch_norm` is as in the card."""
    softmax = network.softmax
    features = network.features
    return ModelCard(
        name=request.name,
        height=network.input.height,
        width=network.input.width,
        channels=network.input.channels,
        classes=0 if features is not None else network.output.elements,
        fit=request.fit,
        quantization="float32",
        softmax_groups=softmax.groups if softmax else 0,
        temperature=softmax.temperature if softmax else 1.0,
        labels=facts.labels,
        ids=facts.ids,
        cfg_sha256=facts.cfg_sha256,
        weights_sha256=facts.weights_sha256,
        versions=dict(made_by),
        features=None if features is None else (features.height, features.width, features.channels),
        batch_norm=batch_norm,
        normalization=UNIT_PIXELS.for_channels(network.input.channels),
    )


def int8_card(
    request: ExportRequest,
    card: ModelCard,
    calibration_sha256: tuple[str, ...],
    calibration_shift: float | None,
) -> ModelCard:
    """The int8 model's card, of the float model's.

    `calibration_sha256` are of the calibration images, none where they were synthesized;
    `calibration_shift` is as in the card.
    """
    tuned = request.quantizer == "tuned"
    return card._replace(
        quantization="int8",
        quantizer=request.quantizer,
        rewrites=request.rewrites if tuned else (),
        seed=request.seed if tuned or request.data_free else None,
        calibration="batch norm statistics" if request.data_free else "photos",
        calibration_sha256=calibration_sha256,
        calibration_shift=calibration_shift,
    )


def mixed_card(card: ModelCard, precision: Mapping[str, Precision]) -> ModelCard:
    """The card of the model in mixed precision, of the int8 model's; `precision` is the card's."""
    return card._replace(precision=dict(precision))


def coral_card(card: ModelCard, lowered: tuple[str, ...]) -> ModelCard:
    """The card of the Edge TPU's model, of the int8 model's; `lowered` names its lowerings."""
    return card._replace(lowerings=lowered)


def probabilities_card(card: ModelCard) -> ModelCard:
    """The card of a file that has the softmax in it, of the file's that leaves it to its reader."""
    return card._replace(softmax_groups=0, temperature=1.0)
