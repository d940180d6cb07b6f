"""Darknet classifiers as checked int8 TFLite files for Raspberry Pi and Coral boards.

This is the Python API, described with examples in docs/api.md; the command line is a thin layer
over the same calls. Importing it takes next to nothing: each name is loaded when it is first used.
"""

import importlib
import os

# A constant of its own, as type checkers know it: the module typing takes longer than all of this.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from tinyedge.darknet.network import Network, read_network
    from tinyedge.devices.profile import InputType, Profile
    from tinyedge.errors import (
        CfgError,
        DatasetError,
        DeployError,
        DeviceError,
        ExportError,
        FetchError,
        ImageError,
        MissingPackageError,
        ModelError,
        TinyedgeError,
        TinyedgeWarning,
        WeightsError,
    )
    from tinyedge.export.pipeline import Exported
    from tinyedge.export.request import Quantizer
    from tinyedge.images.spec import Fit
    from tinyedge.modelcard import ModelCard, read_card
    from tinyedge.progress import Progress
    from tinyedge.zoo.source import Source

__version__ = "0.1.0"

__all__ = [
    "CfgError",
    "DatasetError",
    "DeployError",
    "DeviceError",
    "ExportError",
    "Exported",
    "FetchError",
    "ImageError",
    "MissingPackageError",
    "ModelCard",
    "ModelError",
    "Network",
    "TinyedgeError",
    "TinyedgeWarning",
    "WeightsError",
    "__version__",
    "export_model",
    "read_card",
    "read_network",
]

# Where each name that is not defined here comes from.
_MODULES = {
    "Exported": "tinyedge.export.pipeline",
    "ModelCard": "tinyedge.modelcard",
    "Network": "tinyedge.darknet.network",
    "read_card": "tinyedge.modelcard",
    "read_network": "tinyedge.darknet.network",
}


def export_model(
    source: "str | os.PathLike[str] | Source",
    output: "str | os.PathLike[str]",
    *,
    weights: "str | os.PathLike[str] | None" = None,
    labels: "str | os.PathLike[str] | None" = None,
    ids: "str | os.PathLike[str] | None" = None,
    calibration: "str | os.PathLike[str] | None" = None,
    calibration_count: int = 200,
    data_free: bool = False,
    size: tuple[int, int] | None = None,
    fit: "Fit" = "crop",
    device: "str | Profile" = "host",
    input_type: "InputType | None" = None,
    quantizer: "Quantizer" = "tuned",
    rewrites: tuple[str, ...] | None = None,
    seed: int = 0,
    float_only: bool = False,
    keras: bool = False,
    saved_model: bool = False,
    progress: "Progress | None" = None,
) -> "Exported":
    """Make float and int8 .tflite files of a Darknet network, as ``tinyedge export`` does.

    All files are written, or none where anything fails. Equal arguments give equal bytes.

    Args:
        source: the name of a model of the zoo, or the path of a .cfg; of a `Source`, its files.
        output: the folder for the files; it is made where there is none.
        weights: Darknet's .weights; the zoo's where not given.
        labels: a text file of class names, one a line; the zoo's where not given.
        ids: a text file of WordNet ids, one a line; the zoo's where not given.
        calibration: a folder or manifest of photos to calibrate the int8 file with, such as the
            network will see; the zoo's where not given.
        calibration_count: how many of them to use, spread evenly, at least 1.
        data_free: calibrate without photos, at a loss, by the statistics in the weights.
        size: (width, height), pixels, to build the network for in place of the cfg's.
        fit: how photos are fitted to the input.
        device: the name of a device profile, the path of its .toml, or a profile.
        input_type: of the int8 file's input and output; the device's where not given.
        quantizer: ``tuned``, tinyedge's own, or ``default``, TFLiteConverter's.
        rewrites: the exact rewrites ``tuned`` may apply, of ``pool-before-leaky`` and
            ``average-before-linear``; both where not given.
        seed: of what is drawn at random, 0 to 2**32 - 1.
        float_only: make no int8 file; needs no photos.
        keras: save the Keras model too.
        saved_model: save a TensorFlow SavedModel too.
        progress: is told how far the work is.

    Raises:
        CfgError: `source` is neither a model of the zoo nor a .cfg that can be built.
        WeightsError: the weights do not belong to the network.
        DatasetError: labels, ids or photos are not what they should be.
        ExportError: the network cannot be exported as asked.
        DeviceError: there is no such device.
        FetchError: a file of the zoo cannot be had.
        MissingPackageError: the extra ``tinyedge[export]`` is not installed.
        ValueError: an argument is none of those it may be.
        OSError: a file cannot be read or written.
    """
    try:
        from tinyedge.export.pipeline import export
        from tinyedge.export.request import REWRITES, ExportRequest
    except ModuleNotFoundError as error:
        from tinyedge.errors import MissingPackageError

        raise MissingPackageError(
            f"export_model needs the package {error.name}: pip install 'tinyedge[export]'"
        ) from error
    from dataclasses import replace
    from pathlib import Path

    from tinyedge.devices.profile import Profile, find_profile
    from tinyedge.progress import no_progress
    from tinyedge.zoo.source import Source, find_source

    profile = device if isinstance(device, Profile) else find_profile(device)
    if not isinstance(source, Source):
        source = find_source(os.fspath(source), progress=progress or no_progress)
    given = {"weights": weights, "labels": labels, "ids": ids, "calibration": calibration}
    request = ExportRequest(
        name=source.name,
        files=replace(
            source.files, **{key: Path(path) for key, path in given.items() if path is not None}
        ),
        output=Path(output),
        calibration_count=calibration_count,
        data_free=data_free,
        size=size,
        fit=fit,
        input_type=input_type or profile.input_type,
        quantizer=quantizer,
        rewrites=REWRITES if rewrites is None else rewrites,
        seed=seed,
        float_only=float_only,
        keras=keras,
        saved_model=saved_model,
        device=profile,
    )
    return export(request, progress=progress or no_progress)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        module = _MODULES.get(name, "tinyedge.errors" if name in __all__ else None)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(importlib.import_module(module), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
