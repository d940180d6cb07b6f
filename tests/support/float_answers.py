"""What the Keras model of a network answers, and the float .tflite made of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.network import Network
from tinyedge.darknet.weights import Weights
from tinyedge.export.build.fold import fold
from tinyedge.export.tensorflow import require_tensorflow, tensorflow_hushed


@dataclass(frozen=True)
class Answers:
    """Flat, in Darknet's order."""

    keras: NDArray[np.float32]
    tflite: NDArray[np.float32]


def float_answers(network: Network, weights: Weights, pixels: NDArray[np.float32]) -> Answers:
    """What the Keras model says of the pixels, and what LiteRT says of its .tflite."""
    from ai_edge_litert.interpreter import Interpreter

    require_tensorflow()
    from tinyedge.export.build.model import build_keras_model
    from tinyedge.export.tflite.convert import convert_float

    with tensorflow_hushed():
        model = build_keras_model(network, fold(network, weights))
        keras = np.asarray(model(pixels[np.newaxis], training=False))
    interpreter = Interpreter(model_content=convert_float(model))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels[np.newaxis])
    interpreter.invoke()
    tflite = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    height, width, channels = network.output
    is_image = height * width > 1
    assert keras.shape == tflite.shape
    assert keras.shape == ((1, *network.output) if is_image else (1, channels))
    return Answers(planar(keras), planar(tflite))


def planar(output: NDArray[np.float32]) -> NDArray[np.float32]:
    """One flat answer in Darknet's order: channel, row, column."""
    return np.moveaxis(output[0], -1, 0).ravel()
