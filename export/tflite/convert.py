"""Keras model to .tflite bytes: float32, or full-integer by post-training quantization."""

import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.lite.python import lite
from tensorflow.lite.python.conversion_metadata_schema_py_generated import ModelType
from tensorflow.lite.python.convert import deduplicate_readonly_buffers, mlir_quantize
from tensorflow.lite.python.optimize.calibrator import Calibrator

from tinyedge.darknet.layer_names import named_layer
from tinyedge.devices.profile import InputType
from tinyedge.errors import ExportError
from tinyedge.export.tensorflow import tensorflow_hushed
from tinyedge.export.tflite.editor import ModelEditor
from tinyedge.memory import give_back_memory
from tinyedge.tflite.model import parse_tflite

__all__ = ["convert_float", "convert_int8"]

# In a float32 a tanh, as is behind mish's logarithm, is -1 from here on.
_LEAST_LOGARITHM = -16.0
# Bytes of weights from which on less memory between the converter's steps is worth the time.
_LARGE = 2**26


def convert_float(model: keras.Model) -> bytes:
    """The model as a float32 .tflite.

    Raises:
        ExportError: TensorFlow's converter refuses it.
    """
    with tensorflow_hushed():
        return _convert(_Converter(model))


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
        converter = _Converter(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative_dataset
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.dtypes.as_dtype(input_type)
        converter.inference_output_type = tf.dtypes.as_dtype(input_type)
        content = _convert(converter)
    editor = ModelEditor(content)
    return editor.content() if editor.widen_dead() else content


class _Converter(lite.TFLiteKerasModelConverterV2):  # type: ignore[misc]  # it carries no types
    """`tf.lite.TFLiteConverter` of a Keras model, in less memory.

    TensorFlow 2.21's holds on to what every step has made until the last is done: of VGG-16 six
    gigabytes. Nothing public stands between these steps; the bytes it makes are the same.
    """

    def __init__(self, model: keras.Model) -> None:
        # As `tf.lite.TFLiteConverter.from_keras_model` does: it is written into the file.
        lite.TFLiteConverterBase._set_original_model_type(ModelType.KERAS_MODEL)
        super().__init__(model)
        self._is_large = 4 * model.count_params() > _LARGE

    def convert(self) -> bytes:
        """The file; what TensorFlow does in one call is done in two, which hold on to nothing."""
        self.exclude_conversion_metadata = True
        made = [super().convert()]
        self.exclude_conversion_metadata = False
        self._give_back_memory()
        content: bytes = self._convert_and_export_metrics(_Converter._optimized, made)
        return content

    def _freeze_keras_model(self) -> Any:
        """Save the network once more: TensorFlow comes here where that failed, and forgot why.

        What it does now works with no network of Keras 3, and says nothing of a full disk.
        """
        with tempfile.TemporaryDirectory() as folder:
            self._keras_model.export(folder, verbose=False)
        return super()._freeze_keras_model()

    def _validate_inputs(self, *words: Any) -> None:
        super()._validate_inputs(*words)
        # The weights once more: the SavedModel made of the network, read back for nothing but its
        # debug information, which is taken.
        self._trackable_obj = None
        self._give_back_memory()

    def _optimize_tflite_model(self, model: bytes, *_: Any, **__: Any) -> bytes:
        """Nothing yet: see `_optimized`."""
        return model

    def _optimized(self, made: list[bytes]) -> bytes:
        """Of a float file, which is taken out of the list, the one that is wanted.

        Raises:
            ExportError: it is to be quantized, and has no operator.
        """
        if self.representative_dataset is not None:
            if not parse_tflite(made[0]).subgraphs[0].operators:
                raise ExportError(
                    "no layer of the network computes anything, so there is nothing to quantize:"
                    " make the float file alone with --float-only"
                )
            made.append(self._calibrated(made.pop()))
            self._give_back_memory()
            made.append(self._quantized(made.pop()))
        content: bytes = deduplicate_readonly_buffers(made.pop())
        return content

    def _calibrated(self, content: bytes) -> bytes:
        """A float file with the ranges of its values on the images.

        They are finite: TensorFlow's quantizer ends the process at an infinite one (SIGSEGV), as
        the logarithm in mish has where the logistic function before it is 0.

        Raises:
            ExportError: another layer makes what is infinite, or no number.
        """
        # TensorFlow would copy it first, to add tensors to recurrent layers: here are none.
        calibrated: bytes = Calibrator(content).calibrate(self.representative_dataset)
        editor = ModelEditor(calibrated)
        is_bounded = editor.bound_logarithms(_LEAST_LOGARITHM)
        if (name := editor.infinite()) is not None:
            layer = named_layer(name)
            where = name if layer is None else f"layer {layer[0]} [{layer[1]}]"
            raise ExportError(
                f"{where} makes numbers of the calibration images that no float32 holds: the"
                " weights are damaged, or the images are none for this network"
            )
        return editor.content() if is_bounded else calibrated

    def _quantized(self, calibrated: bytes) -> bytes:
        quantized: bytes = mlir_quantize(
            calibrated,
            input_data_type=self.inference_input_type,
            output_data_type=self.inference_output_type,
        )
        return quantized

    def _give_back_memory(self) -> None:
        if self._is_large:
            give_back_memory()


def _convert(converter: _Converter) -> bytes:
    try:
        return bytes(converter.convert())
    except ExportError:
        raise
    except Exception as error:  # the converter raises ConverterError, RuntimeError, ValueError ...
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ExportError(f"TensorFlow's converter refuses this network: {lines[0]}") from error
