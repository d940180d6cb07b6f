"""The model cards of what an export makes."""

from dataclasses import replace

from tinyedge import __version__
from tinyedge.darknet.layers import Cost, Dropout, Softmax
from tinyedge.darknet.network import Network
from tinyedge.errors import ExportError
from tinyedge.export.calibrate.images import CalibrationSet
from tinyedge.export.request import ExportRequest
from tinyedge.files import file_sha256
from tinyedge.images.labels import read_labels
from tinyedge.modelcard import ModelCard

__all__ = ["float_card", "int8_card", "versions"]


def float_card(request: ExportRequest, network: Network) -> ModelCard:
    """The float model's card, but for the versions."""
    shape = network.input
    if shape.channels not in (1, 3):
        raise ExportError(
            f"{request.files.cfg}: its input has {shape.channels} channels;"
            " a network for photos has 3 (RGB) or 1 (grey)"
        )
    features = network.features
    if features is not None and (request.files.labels or request.files.ids):
        raise ExportError(
            f"{request.files.cfg}: it ends without a head and classifies nothing; export it without"
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
        labels=read_labels(request.files.labels, classes) if request.files.labels else None,
        ids=read_labels(request.files.ids, classes) if request.files.ids else None,
        cfg_sha256=file_sha256(request.files.cfg),
        weights_sha256=file_sha256(request.weights),
        features=features,
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


def int8_card(
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
