"""Classifiers small enough to work by hand: their scores are a matrix times the pixels."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tinyedge.modelcard import ModelCard, append_card

Rows = tuple[tuple[float, ...], ...]


def write_linear_model(path: Path, rows: Rows, **card: Any) -> Path:
    """A float .tflite of (pixels / 255) @ rows, for grey photos one pixel high.

    `rows` has a row a pixel and a column a class. The card says what is given, and no labels.
    """
    pixels, classes = len(rows), len(rows[0])
    values: dict[str, Any] = {
        "name": path.stem,
        "height": 1,
        "width": pixels,
        "channels": 1,
        "classes": classes,
        "fit": "stretch",
        "quantization": "float32",
        "softmax_groups": 1,
    }
    path.write_bytes(append_card(_converted(rows), ModelCard(**{**values, **card})))
    return path


def write_image(path: Path, *pixels: int) -> Path:
    """A grey PNG one pixel high."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array([pixels], np.uint8)).save(path)
    return path


@cache
def _converted(rows: Rows) -> bytes:
    from tinyedge.system import native_output_hidden

    with native_output_hidden():
        import tensorflow as tf

        matrix = tf.constant(rows, tf.float32)
        signature = [tf.TensorSpec((1, 1, len(rows), 1), tf.float32)]
        function = tf.function(
            lambda image: tf.reshape(image, (1, -1)) @ matrix, input_signature=signature
        )
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [function.get_concrete_function()]
        )
        return bytes(converter.convert())
