"""The whole of ``tinyedge export``: Darknet's files in, checked .tflite files out."""

import hashlib
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tinyedge import __version__
from tinyedge.darknet.layers import Cost, Dropout, Softmax
from tinyedge.darknet.network import Network, read_network
from tinyedge.darknet.weights import Weights, read_weights
from tinyedge.devices.edgetpu.placement import Placement
from tinyedge.devices.memory import check_memory
from tinyedge.devices.profile import Profile
from tinyedge.errors import ExportError, TinyedgeWarning
from tinyedge.export.calibration import CalibrationSet, read_calibration_set
from tinyedge.export.integers import check_integer
from tinyedge.export.progress import Stage
from tinyedge.export.reordering import REWRITES
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
        calibration: a folder or manifest of photos; None only with `float_only` or `data_free`.
        calibration_count: how many of them to use, at least 1.
        data_free: calibrate on images made of the weights' batch norm statistics, not on photos.
        size: (width, height) of the input in place of the cfg's, or None.
        fit: how photos are fitted to the input: crop, letterbox or stretch.
        input_type: of the int8 file's input and output, ``int8`` or ``uint8``.
        quantizer: ``tuned``, tinyedge's own, or ``default``, TFLiteConverter's.
        rewrites: names of `tinyedge.export.reordering.REWRITES`, for ``tuned``.
        seed: of what ``tuned`` draws at random.
        float_only: make no int8 file.
        keras: save the Keras model too.
        saved_model: save a TensorFlow SavedModel too.
        device: the device it is for; a TinyedgeWarning says where its memory is too small.
    """

    name: str
    cfg: Path
    weights: Path
    labels: Path | None = None
    ids: Path | None = None
    calibration: Path | None = None
    calibration_count: int = 200
    data_free: bool = False
    size: tuple[int, int] | None = None
    fit: str = "crop"
    input_type: str = "int8"
    quantizer: str = "tuned"
    rewrites: tuple[str, ...] = REWRITES
    seed: int = 0
    float_only: bool = False
    keras: bool = False
    saved_model: bool = False
    device: Profile | None = None


@dataclass(frozen=True)
class Exported:
    """What `export` made.

    Attributes:
        files: the float .tflite, then as asked for the int8 .tflite, the one for the Edge TPU,
            the .keras and the folder of the SavedModel.
        card: the int8 file's, or where there is none the float file's.
        placement: of the file for the Edge TPU, where one was made.
    """

    files: tuple[Path, ...]
    card: ModelCard
    placement: Placement | None = None


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
    if request.saved_model:
        _check_saved_model(folder / f"{request.name}_saved_model")
    check_tensorflow_is_installed()
    done = stage("Reading the network")
    network = read_network(request.cfg, size=request.size)
    if not request.float_only:
        check_integer(network)
    if request.device is not None:
        check_memory(network, request.device)
    card = _card(request, network)
    weights = read_weights(request.weights, network)
    done()
    photos = _photos(request, network, stage)
    done = stage("Starting TensorFlow")
    require_tensorflow()
    from tinyedge.export.keras_model import build_keras_model

    with tensorflow_hushed():
        model = build_keras_model(network, weights)
    card = replace(card, versions=_versions())
    done()
    calibration = None
    if not request.float_only:
        if photos is not None:
            _check_calibration(network, weights, photos, stage)
        calibration = photos or _distilled(request, network, weights, stage)
    float_card, kept = card, weights if request.quantizer == "tuned" else None
    # The model has them all, and VGG-16's are half a gigabyte; for the same reason the int8
    # file comes before the float file, which is as large.
    del weights
    contents: dict[str, bytes | dict[str, bytes]] = {}
    placement = None
    if calibration is not None:
        card = _int8_card(request, card, calibration, photographed=photos is not None)
        if kept is None:
            content = _quantized_by_default(model, calibration, request.input_type, stage)
        else:
            content = _tuned(request, network, kept, calibration, stage)
        contents, placement = _integer_files(request, content, card)
    contents = {f"{request.name}_float.tflite": _float_file(model, float_card, stage), **contents}
    if request.keras:
        contents[f"{request.name}.keras"] = _keras_file(model, stage)
    if request.saved_model:
        contents[f"{request.name}_saved_model"] = _saved_model_files(model, stage)
    write_together({folder / name: content for name, content in contents.items()})
    return Exported(tuple(folder / name for name in contents), card, placement)


def _card(request: ExportRequest, network: Network) -> ModelCard:
    """The float model's card, but for the versions."""
    shape = network.input
    if shape.channels not in (1, 3):
        raise ExportError(
            f"{request.cfg}: its input has {shape.channels} channels;"
            " a network for photos has 3 (RGB) or 1 (grey)"
        )
    features = network.features
    if features is not None and (request.labels or request.ids):
        raise ExportError(
            f"{request.cfg}: it ends without a head and classifies nothing; export it without"
            " labels and ids"
        )
    classes = 0 if features is not None else network.output.elements
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
        features=features,
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


def _int8_card(
    request: ExportRequest, card: ModelCard, calibration: CalibrationSet, *, photographed: bool
) -> ModelCard:
    tuned = request.quantizer == "tuned"
    return replace(
        card,
        quantization="int8",
        quantizer=request.quantizer,
        rewrites=request.rewrites if tuned else (),
        seed=request.seed if tuned or not photographed else None,
        calibration="photos" if photographed else "batch norm statistics",
        calibration_sha256=calibration.sha256,
    )


def _last_softmax(network: Network) -> Softmax | None:
    computing = [layer for layer in network.layers if not isinstance(layer, Cost | Dropout)]
    last = computing[-1] if computing else None
    return last if isinstance(last, Softmax) else None


def _photos(request: ExportRequest, network: Network, stage: Stage) -> CalibrationSet | None:
    """The photos to calibrate with, or None where none are wanted."""
    if request.float_only or request.data_free:
        return None
    if request.calibration is None:
        raise ExportError(
            "an int8 file needs photos to calibrate with: name a folder of them with --calib,"
            " do without and lose accuracy with --calib none, or make the float file alone with"
            " --float-only"
        )
    return read_calibration_set(
        request.calibration,
        count=request.calibration_count,
        size=network.input,
        fit=request.fit,
        stage=stage,
    )


def _distilled(
    request: ExportRequest, network: Network, weights: Weights, stage: Stage
) -> CalibrationSet:
    from tinyedge.export.distillation import distilled_images

    with tensorflow_hushed():
        images = distilled_images(network, weights, seed=request.seed, stage=stage)
    warnings.warn(
        "--calib none: the int8 file is calibrated without photos, on images made of the batch"
        " norm statistics in the weights; photos such as the network will see keep more of the"
        " float file's answers",
        TinyedgeWarning,
        stacklevel=3,
    )
    return CalibrationSet(images, ())


def _check_calibration(
    network: Network, weights: Weights, photos: CalibrationSet, stage: Stage
) -> None:
    from tinyedge.export.calibration_check import check_calibration

    done = stage("Checking the calibration images")
    check_calibration(network, weights, photos.inputs)
    done()


def _float_file(model: "keras.Model", card: ModelCard, stage: Stage) -> bytes:
    from tinyedge.export.assertions import assert_model
    from tinyedge.export.tflite import convert_float

    done = stage("Converting to float .tflite")
    content = append_card(convert_float(model), card)
    assert_model(content, card, input_type="float32")
    done()
    return content


def _tuned(
    request: ExportRequest,
    network: Network,
    weights: Weights,
    calibration: CalibrationSet,
    stage: Stage,
) -> bytes:
    from tinyedge.export.tuned import quantize

    return quantize(
        network,
        weights,
        calibration.inputs,
        rewrites=request.rewrites,
        input_type=request.input_type,
        seed=request.seed,
        stage=stage,
    )


def _quantized_by_default(
    model: "keras.Model", calibration: CalibrationSet, input_type: str, stage: Stage
) -> bytes:
    from tinyedge.export.tflite import convert_int8

    done = stage("Quantizing to int8 .tflite")
    content = convert_int8(model, calibration.inputs, input_type=input_type)
    done()
    return content


def _integer_files(
    request: ExportRequest, content: bytes, card: ModelCard
) -> tuple[dict[str, bytes | dict[str, bytes]], Placement | None]:
    """The int8 file's, and where the device wants it, the one for its Edge TPU made of it."""
    from tinyedge.export.assertions import assert_lowered, assert_model
    from tinyedge.export.edgetpu import edge_tpu_file, shortfall

    files: dict[str, bytes | dict[str, bytes]] = {}
    files[f"{request.name}_int8.tflite"] = carded = append_card(content, card)
    assert_model(carded, card, input_type=request.input_type)
    if request.device is None or "coral" not in request.device.files:
        return files, None
    made, name = edge_tpu_file(content), f"{request.name}_coral.tflite"
    card = replace(card, lowerings=made.lowered)
    files[name] = carded = append_card(made.content, card)
    assert_model(carded, card, input_type=request.input_type)
    assert_lowered(made.placement)
    found = shortfall(made.placement, name)
    if found is not None:
        warnings.warn(found, TinyedgeWarning, stacklevel=3)
    return files, made.placement


def _keras_file(model: "keras.Model", stage: Stage) -> bytes:
    from tinyedge.export.keras_file import keras_file

    done = stage("Saving the Keras model")
    content = keras_file(model)
    done()
    return content


def _saved_model_files(model: "keras.Model", stage: Stage) -> dict[str, bytes]:
    from tinyedge.export.saved_model import saved_model_files

    done = stage("Saving the SavedModel")
    contents = saved_model_files(model)
    done()
    return contents


def _check_saved_model(folder: Path) -> None:
    """Refuse before the work to replace a folder that is no SavedModel."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "saved_model.pb").is_file():
        raise ExportError(f"{folder} is a folder but no SavedModel; move it out of the way")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
