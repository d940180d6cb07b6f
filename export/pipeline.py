"""The whole of ``tinyedge export``: Darknet's files in, checked .tflite files out."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tinyedge import __version__
from tinyedge.darknet.layers import Cost, Dropout, Softmax
from tinyedge.darknet.network import Network, read_network
from tinyedge.darknet.weights import read_weights
from tinyedge.errors import ExportError
from tinyedge.export.calibration import CalibrationSet, read_calibration_set
from tinyedge.export.progress import Stage
from tinyedge.export.tensorflow_quiet import (
    check_tensorflow_is_installed,
    require_tensorflow,
    tensorflow_hushed,
)
from tinyedge.labels import read_labels
from tinyedge.modelcard import ModelCard, append_card
from tinyedge.outputs import write_together

if TYPE_CHECKING:
    import keras

__all__ = ["ExportRequest", "Exported", "export"]


@dataclass(frozen=True)
class ExportRequest:
    """What to export, and how.

    Attributes:
        name: begins the names of the files.
        cfg, weights: Darknet's files.
        labels, ids: text files with a line a class, or None.
        calibration: a folder or manifest of photos; None only with `float_only`.
        calibration_count: how many of them to use, at least 1.
        size: (width, height) of the input in place of the cfg's, or None.
        fit: how photos are fitted to the input: crop, letterbox or stretch.
        input_type: of the int8 file's input and output, ``int8`` or ``uint8``.
        float_only: make no int8 file.
        keras: save the Keras model too.
    """

    name: str
    cfg: Path
    weights: Path
    labels: Path | None = None
    ids: Path | None = None
    calibration: Path | None = None
    calibration_count: int = 200
    size: tuple[int, int] | None = None
    fit: str = "crop"
    input_type: str = "int8"
    float_only: bool = False
    keras: bool = False


@dataclass(frozen=True)
class Exported:
    """What `export` made.

    Attributes:
        files: the float .tflite, then as asked for the int8 .tflite and the .keras.
        card: the int8 file's, or where there is none the float file's.
    """

    files: tuple[Path, ...]
    card: ModelCard


def export(request: ExportRequest, folder: Path, *, stage: Stage) -> Exported:
    """Make the files in `folder`: all of them, or none where anything fails.

    Equal inputs give equal bytes.

    Raises:
        CfgError, WeightsError, DatasetError: an input is not what it should be.
        ExportError: the network cannot be exported as asked.
        MissingPackageError: TensorFlow is not installed.
        OSError: a file cannot be read or written.
    """
    if folder.exists() and not folder.is_dir():
        raise ExportError(f"{folder} is a file; -o names a folder")
    check_tensorflow_is_installed()
    done = stage("Reading the network")
    network = read_network(request.cfg, size=request.size)
    card = _card(request, network)
    weights = read_weights(request.weights, network)
    done()
    calibration = None if request.float_only else _calibration(request, network, stage)
    done = stage("Starting TensorFlow")
    require_tensorflow()
    from tinyedge.export.keras_model import build_keras_model

    with tensorflow_hushed():
        model = build_keras_model(network, weights)
    card = replace(card, versions=_versions())
    done()
    contents = {f"{request.name}_float.tflite": _float_file(model, card, stage)}
    if calibration is not None:
        card = replace(card, quantization="int8", calibration_sha256=calibration.sha256)
        contents[f"{request.name}_int8.tflite"] = _int8_file(
            model, card, calibration, request.input_type, stage
        )
    if request.keras:
        contents[f"{request.name}.keras"] = _keras_file(model, stage)
    write_together({folder / name: content for name, content in contents.items()})
    return Exported(tuple(folder / name for name in contents), card)


def _card(request: ExportRequest, network: Network) -> ModelCard:
    """The float model's card, but for the versions."""
    shape = network.input
    if shape.channels not in (1, 3):
        raise ExportError(
            f"{request.cfg}: its input has {shape.channels} channels;"
            " a network for photos has 3 (RGB) or 1 (grey)"
        )
    classes = network.output.elements
    softmax = _last_softmax(network)
    return ModelCard(
        name=request.name,
        height=shape.height,
        width=shape.width,
        channels=shape.channels,
        classes=classes,
        fit=request.fit,
        quantization="float32",
        softmax_groups=softmax.groups if softmax else 0,
        temperature=softmax.temperature if softmax else 1.0,
        labels=read_labels(request.labels, classes) if request.labels else None,
        ids=read_labels(request.ids, classes) if request.ids else None,
        cfg_sha256=_sha256(request.cfg),
        weights_sha256=_sha256(request.weights),
    )


def _versions() -> dict[str, str]:
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


def _last_softmax(network: Network) -> Softmax | None:
    computing = [layer for layer in network.layers if not isinstance(layer, Cost | Dropout)]
    last = computing[-1] if computing else None
    return last if isinstance(last, Softmax) else None


def _calibration(request: ExportRequest, network: Network, stage: Stage) -> CalibrationSet:
    if request.calibration is None:
        raise ExportError(
            "an int8 file needs photos to calibrate with: name a folder of them with --calib,"
            " or make the float file alone with --float-only"
        )
    return read_calibration_set(
        request.calibration,
        count=request.calibration_count,
        size=network.input,
        fit=request.fit,
        stage=stage,
    )


def _float_file(model: "keras.Model", card: ModelCard, stage: Stage) -> bytes:
    from tinyedge.export.assertions import assert_model
    from tinyedge.export.tflite import convert_float

    done = stage("Converting to float .tflite")
    content = append_card(convert_float(model), card)
    assert_model(content, card, input_type="float32")
    done()
    return content


def _int8_file(
    model: "keras.Model",
    card: ModelCard,
    calibration: CalibrationSet,
    input_type: str,
    stage: Stage,
) -> bytes:
    from tinyedge.export.assertions import assert_model
    from tinyedge.export.tflite import convert_int8

    done = stage("Quantizing to int8 .tflite")
    content = append_card(convert_int8(model, calibration.inputs, input_type=input_type), card)
    assert_model(content, card, input_type=input_type)
    done()
    return content


def _keras_file(model: "keras.Model", stage: Stage) -> bytes:
    from tinyedge.export.keras_file import keras_file

    done = stage("Saving the Keras model")
    content = keras_file(model)
    done()
    return content


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
