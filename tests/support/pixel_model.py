"""A classifier whose scores are its pixels, written without TensorFlow, in no time."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.support.tflite_writer import Op, T, write_model
from tinyedge.modelcard import ModelCard, append_card

LABELS = ("red", "green", "blue")


def write_pixel_model(path: Path, labels: tuple[str, ...] | None = LABELS, **card: Any) -> Path:
    """A float .tflite that takes an RGB photo of one pixel and gives a score a channel."""
    image = T((1, 1, 1, 3), "float32")
    shape = T((2,), "int32", np.array([1, 3], np.int32))
    reshape = Op(
        "RESHAPE", [image, shape], [T((1, 3), "float32")], "ReshapeOptions", {"newShape": [1, 3]}
    )
    values: dict[str, Any] = {
        "name": path.stem,
        "height": 1,
        "width": 1,
        "channels": 3,
        "classes": 3,
        "fit": "stretch",
        "quantization": "float32",
        "softmax_groups": 1,
        "labels": labels,
    }
    path.write_bytes(append_card(write_model(reshape), ModelCard(**{**values, **card})))
    return path
