"""The whole of ``tinyedge export``: Darknet's files in, checked .tflite files out."""

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tinyedge.darknet.network import Network, read_network
from tinyedge.darknet.weights import Weights, read_weights
from tinyedge.devices.edgetpu.partition import Placement
from tinyedge.devices.memory import check_memory
from tinyedge.errors import ExportError, TinyedgeWarning
from tinyedge.export.calibrate.images import CalibrationSet, read_calibration_set
from tinyedge.export.cards import float_card, int8_card, versions
from tinyedge.export.request import ExportRequest
from tinyedge.export.tensorflow import (
    check_tensorflow_is_installed,
    require_tensorflow,
    tensorflow_hushed,
)
from tinyedge.export.tflite.integers import check_integer
from tinyedge.files import write_together
from tinyedge.images.spec import InputSpec
from tinyedge.modelcard import ModelCard, append_card
from tinyedge.progress import Progress

if TYPE_CHECKING:
    import keras

__all__ = ["Exported", "export"]


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


def export(request: ExportRequest, folder: Path, *, progress: Progress) -> Exported:
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
    done = progress("Reading the network")
    network = read_network(request.files.cfg, size=request.size)
    if not request.float_only:
        check_integer(network)
    if request.device is not None:
        check_memory(network, request.device)
    card = float_card(request, network)
    weights = read_weights(request.weights, network)
    done()
    photos = _photos(request, network, progress)
    done = progress("Starting TensorFlow")
    require_tensorflow()
    from tinyedge.export.build.model import build_keras_model

    with tensorflow_hushed():
        model = build_keras_model(network, weights)
    card = replace(card, versions=versions())
    done()
    calibration = None
    if not request.float_only:
        if photos is not None:
            _check_calibration(network, weights, photos, progress)
        calibration = photos or _distilled(request, network, weights, progress)
    base_card, kept = card, weights if request.quantizer == "tuned" else None
    # The model has them all, and VGG-16's are half a gigabyte; for the same reason the int8
    # file comes before the float file, which is as large.
    del weights
    contents: dict[str, bytes | dict[str, bytes]] = {}
    placement = None
    if calibration is not None:
        card = int8_card(request, card, calibration, photographed=photos is not None)
        if kept is None:
            content = _quantized_by_default(model, calibration, request.input_type, progress)
        else:
            content = _tuned(request, network, kept, calibration, progress)
        contents, placement = _integer_files(request, content, card)
    contents = {
        f"{request.name}_float.tflite": _float_file(model, base_card, progress),
        **contents,
    }
    if request.keras:
        contents[f"{request.name}.keras"] = _keras_file(model, progress)
    if request.saved_model:
        contents[f"{request.name}_saved_model"] = _saved_model_files(model, progress)
    write_together({folder / name: content for name, content in contents.items()})
    return Exported(tuple(folder / name for name in contents), card, placement)


def _photos(request: ExportRequest, network: Network, progress: Progress) -> CalibrationSet | None:
    """The photos to calibrate with, or None where none are wanted."""
    if request.float_only or request.data_free:
        return None
    if request.files.calibration is None:
        raise ExportError(
            "an int8 file needs photos to calibrate with: name a folder of them with --calib,"
            " do without and lose accuracy with --calib none, or make the float file alone with"
            " --float-only"
        )
    return read_calibration_set(
        request.files.calibration,
        count=request.calibration_count,
        spec=InputSpec(*network.input, request.fit),
        progress=progress,
    )


def _distilled(
    request: ExportRequest, network: Network, weights: Weights, progress: Progress
) -> CalibrationSet:
    from tinyedge.export.calibrate.synthesize import distilled_images

    with tensorflow_hushed():
        images = distilled_images(network, weights, seed=request.seed, progress=progress)
    warnings.warn(
        "--calib none: the int8 file is calibrated without photos, on images made of the batch"
        " norm statistics in the weights; photos such as the network will see keep more of the"
        " float file's answers",
        TinyedgeWarning,
        stacklevel=3,
    )
    return CalibrationSet(images, ())


def _check_calibration(
    network: Network, weights: Weights, photos: CalibrationSet, progress: Progress
) -> None:
    from tinyedge.export.calibrate.check import check_calibration

    done = progress("Checking the calibration images")
    check_calibration(network, weights, photos.inputs)
    done()


def _float_file(model: "keras.Model", card: ModelCard, progress: Progress) -> bytes:
    from tinyedge.export.tflite.convert import convert_float
    from tinyedge.export.tflite.verify import assert_model

    done = progress("Converting to float .tflite")
    content = append_card(convert_float(model), card)
    assert_model(content, card, input_type="float32")
    done()
    return content


def _tuned(
    request: ExportRequest,
    network: Network,
    weights: Weights,
    calibration: CalibrationSet,
    progress: Progress,
) -> bytes:
    from tinyedge.export.quantize.quantizer import quantize

    return quantize(
        network,
        weights,
        calibration.inputs,
        rewrites=request.rewrites,
        input_type=request.input_type,
        seed=request.seed,
        progress=progress,
    )


def _quantized_by_default(
    model: "keras.Model", calibration: CalibrationSet, input_type: str, progress: Progress
) -> bytes:
    from tinyedge.export.tflite.convert import convert_int8

    done = progress("Quantizing to int8 .tflite")
    content = convert_int8(model, calibration.inputs, input_type=input_type)
    done()
    return content


def _integer_files(
    request: ExportRequest, content: bytes, card: ModelCard
) -> tuple[dict[str, bytes | dict[str, bytes]], Placement | None]:
    """The int8 file's, and where the device wants it, the one for its Edge TPU made of it."""
    from tinyedge.export.edgetpu.lower import edge_tpu_file, shortfall
    from tinyedge.export.tflite.verify import assert_lowered, assert_model

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


def _keras_file(model: "keras.Model", progress: Progress) -> bytes:
    from tinyedge.export.build.save import keras_file

    done = progress("Saving the Keras model")
    content = keras_file(model)
    done()
    return content


def _saved_model_files(model: "keras.Model", progress: Progress) -> dict[str, bytes]:
    from tinyedge.export.build.saved_model import saved_model_files

    done = progress("Saving the SavedModel")
    contents = saved_model_files(model)
    done()
    return contents


def _check_saved_model(folder: Path) -> None:
    """Refuse before the work to replace a folder that is no SavedModel."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "saved_model.pb").is_file():
        raise ExportError(f"{folder} is a folder but no SavedModel; move it out of the way")
