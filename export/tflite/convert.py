"""Keras model to .tflite bytes: float32, or full-integer by post-training quantization."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.lite.python import lite

from tinyedge.devices.profile import InputType
from tinyedge.errors import ExportError
from tinyedge.export.tensorflow import tensorflow_hushed
from tinyedge.export.tflite.editor import ModelEditor

__all__ = ["convert_float", "convert_int8"]

# In a float32 a tanh, as is behind mish's logarithm, is -1 from here on.
_LEAST_LOGARITHM = -16.0


def convert_float(model: keras.Model) -> bytes:
    """The model as a float32 .tflite.

    Raises:
        ExportError: TensorFlow's converter refuses it.
    """
    with tensorflow_hushed():
        return _convert(tf.lite.TFLiteConverter.from_keras_model(model))


def convert_int8(
    model: keras.Model, images: Iterable[NDArray[np.float32]], *, input_type: InputType
) -> bytes:
    """The model as a full-integer .tflite, by TFLiteConverter's own quantizer.

    Weights are int8 per output channel, activations int8 per tensor, from the smallest to the
    largest value seen on the calibration images.

    Args:
        model: of one image input.
        images: the calibration set, each (height, width, channels) in [0, 1].
        input_type: ``int8`` or ``uint8``, of the input and of the output.

    Raises:
        ExportError: TensorFlow's converter refuses it.
    """

    def representative_dataset() -> Iterator[list[NDArray[np.float32]]]:
        for image in images:
            yield [image[np.newaxis]]

    with tensorflow_hushed():
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative_dataset
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.dtypes.as_dtype(input_type)
        converter.inference_output_type = tf.dtypes.as_dtype(input_type)
        with _finite_ranges():
            content = _convert(converter)
    editor = ModelEditor(content)
    return editor.content() if editor.widen_dead() else content


@contextlib.contextmanager
def _finite_ranges() -> Iterator[None]:
    """Let the converter's quantizer see finite ranges.

    TensorFlow 2.21's ends the process at an infinite one (SIGSEGV), as the logarithm in mish has
    where the logistic function before it is 0; nothing public stands between the converter's
    calibration and its quantizer.
    """
    quantize = lite._mlir_quantize

    def bounded(calibrated: bytes, *words: Any, **options: Any) -> bytes:
        editor = ModelEditor(calibrated)
        found = editor.bound_logarithms(_LEAST_LOGARITHM)
        made: bytes = quantize(editor.content() if found else calibrated, *words, **options)
        return made

    lite._mlir_quantize = bounded
    try:
        yield
    finally:
        lite._mlir_quantize = quantize


def _convert(converter: tf.lite.TFLiteConverter) -> bytes:
    try:
        return bytes(converter.convert())
    except Exception as error:  # the converter raises ConverterError, RuntimeError, ValueError ...
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ExportError(f"TensorFlow's converter refuses this network: {lines[0]}") from error
