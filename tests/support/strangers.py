"""Models tinyedge did not make: .tflite files without a card, as other converters write them."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH, CHANNELS, CLASSES = 3, 4, 3, 5
_PIXELS = HEIGHT * WIDTH * CHANNELS

# The logits are (pixels - 0.5) @ MATRIX.
MATRIX: NDArray[np.float32] = (
    np.random.default_rng(7).uniform(-1, 1, (_PIXELS, CLASSES)).astype(np.float32)
)


def photo_like(seed: int) -> NDArray[np.uint8]:
    """Random pixels of the strangers' input size."""
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, CHANNELS), np.uint8)


def logits_by_hand(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    unit = pixels.reshape(-1).astype(np.float64) / 255
    return np.asarray((unit - 0.5) @ MATRIX.astype(np.float64))


def softmax_by_hand(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    exponentials = np.array([np.exp(logit) for logit in logits])
    return np.asarray(exponentials / sum(exponentials))


def _scores(image: Any) -> Any:
    import tensorflow as tf

    return tf.reshape(image - 0.5, (1, _PIXELS)) @ tf.constant(MATRIX)


def sigmoid_by_hand(pixels: NDArray[np.uint8]) -> float:
    """The probability that the logit of class 0, taken alone, is of."""
    return float(1 / (1 + np.exp(-logits_by_hand(pixels)[0])))


def _softmax(image: Any) -> Any:
    import tensorflow as tf

    return tf.nn.softmax(_scores(image))


@cache
def float_model(*, softmax: bool = False) -> bytes:
    """(1, 3, 4, 3) float32 to (1, 5) float32."""
    return _converted(_softmax if softmax else _scores)


@cache
def quantized_model(input_type: str, output_type: str, *, softmax: bool = False) -> bytes:
    """The same, full-integer."""
    return _converted(_softmax if softmax else _scores, integers=(input_type, output_type))


def _sigmoid(image: Any) -> Any:
    import tensorflow as tf

    return tf.sigmoid(_scores(image)[:, :1])


@cache
def one_output() -> bytes:
    """(1, 3, 4, 3) float32 to (1, 1) float32: as Keras' Dense(1, sigmoid)."""
    return _converted(_sigmoid)


@cache
def quantized_one_output() -> bytes:
    """The same, full-integer."""
    return _converted(_sigmoid, integers=("int8", "int8"))


@cache
def two_inputs() -> bytes:
    """Two photos in, one score out."""
    return _converted(lambda left, right: _scores(left + right), inputs=2)


@cache
def two_outputs() -> bytes:
    """Scores and boxes, as a detector with its post-processing has."""
    import tensorflow as tf

    return _converted(lambda image: (_scores(image), tf.reshape(image, (1, 9, 4))))


@cache
def grid_output() -> bytes:
    """A grid of boxes in one tensor, as a detector without its post-processing has."""
    import tensorflow as tf

    return _converted(lambda image: tf.reshape(image * 2.0, (1, 3, 12)))


@cache
def flat_input() -> bytes:
    """A vector in: no classifier of images."""
    return _converted(lambda vector: vector * 2.0, shape=(1, 8))


@cache
def open_size() -> bytes:
    """Photos of any size in: averages the channels."""
    import tensorflow as tf

    return _converted(lambda image: tf.reduce_mean(image, (1, 2)), shape=(1, None, None, CHANNELS))


@cache
def float_inside() -> bytes:
    """int8 in and out, but for the sine, of which TFLite has no integer kernel."""
    import tensorflow as tf

    return _converted(
        lambda image: tf.sin(_scores(image)), integers=("int8", "int8"), strictly=False
    )


def _converted(
    function: Callable[..., Any],
    *,
    inputs: int = 1,
    shape: tuple[int | None, ...] = (1, HEIGHT, WIDTH, CHANNELS),
    integers: tuple[str, str] | None = None,
    strictly: bool = True,
) -> bytes:
    from tinyedge.export.tensorflow import require_tensorflow, tensorflow_hushed

    require_tensorflow()
    import tensorflow as tf

    def photos() -> Iterator[list[NDArray[np.float32]]]:
        # Black and white among them, so that one step of the input is one step of a pixel.
        for value in (0.0, 1.0):
            yield [np.full(shape, value, np.float32)]
        for seed in range(20):
            yield [photo_like(seed)[np.newaxis].astype(np.float32) / 255]

    with tensorflow_hushed():
        traced = tf.function(function, input_signature=[tf.TensorSpec(shape, tf.float32)] * inputs)
        module = tf.Module()
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [traced.get_concrete_function()], module
        )
        if integers is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = photos
            if strictly:
                converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            input_type, output_type = integers
            converter.inference_input_type = tf.dtypes.as_dtype(input_type)
            converter.inference_output_type = tf.dtypes.as_dtype(output_type)
        return bytes(converter.convert())
