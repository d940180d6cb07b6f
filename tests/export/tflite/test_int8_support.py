"""Every layer in full-integer int8, close to the float model it was made from; and what cannot."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.naive import random_weights
from tinyedge.darknet.activations import ACTIVATIONS
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import Network, build_network, read_network
from tinyedge.errors import ExportError
from tinyedge.export.build.fold import fold
from tinyedge.export.tensorflow import require_tensorflow, tensorflow_hushed
from tinyedge.export.tflite.verify import check_int8_supported, verify_model
from tinyedge.modelcard import ModelCard

VALID = Path(__file__).parents[2] / "data" / "cfg" / "valid"
INTEGER = sorted({path.stem for path in VALID.glob("*.cfg")} - {"activations"})

STEEP = """[net]
height=6
width=6
channels=3
[convolutional]
filters=8
size=3
activation=linear
[upsample]
scale=4
"""
# Some activations of AlexeyAB's are of convolutions alone.
ALONE = "[activation]\nactivation={0}\n"
CONVOLVED = "[convolutional]\nfilters=8\nsize=1\nactivation={0}\n"


def largest_error(network: Network) -> float:
    """Of the int8 model's outputs beside the Keras model's, relative to their largest."""
    from ai_edge_litert.interpreter import Interpreter

    require_tensorflow()
    from tinyedge.export.build.model import build_keras_model
    from tinyedge.export.tflite.convert import convert_int8

    check_int8_supported(network)
    images = np.random.default_rng(8).random((6, *network.input), dtype=np.float32)
    with tensorflow_hushed():
        model = build_keras_model(network, fold(network, random_weights(network, seed=7)))
        expected = np.stack([np.asarray(model(image[np.newaxis]))[0] for image in images])
    content = convert_int8(model, images, input_type="int8")
    height, width, channels = network.input
    card = ModelCard(
        name="test",
        height=height,
        width=width,
        channels=channels,
        classes=network.output.elements,
        fit="crop",
        quantization="int8",
        softmax_groups=0,
        features=network.features,
    )
    verify_model(content, card, input_type="int8")
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    given, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    (in_scale, in_zero), (scale, zero) = given["quantization"], answer["quantization"]
    errors = []
    for image, outputs in zip(images, expected, strict=True):
        integers = np.clip(np.round(image / in_scale + in_zero), -128, 127).astype(np.int8)
        interpreter.set_tensor(given["index"], integers[np.newaxis])
        interpreter.invoke()
        found = (interpreter.get_tensor(answer["index"])[0].astype(np.float64) - zero) * scale
        errors.append(np.abs(found - outputs).max())
    return float(max(errors) / np.abs(expected).max())


@pytest.mark.parametrize("name", INTEGER)
def test_every_layer_in_int8(name: str) -> None:
    assert largest_error(read_network(VALID / f"{name}.cfg")) < 0.05


@pytest.mark.parametrize("activation", sorted({*ACTIVATIONS} - {"stair"}))
def test_activations_in_int8(activation: str) -> None:
    last = CONVOLVED if ACTIVATIONS[activation].sections else ALONE
    network = build_network(parse_cfg(STEEP + last.format(activation), "steep.cfg"))
    # Where the answer stays between -1 and 1, the input's scale, about 20 / 255, shows in it.
    bounded = {"hardtan", "lhtan", "loggy", "logistic", "relu6", "tanh"}
    assert largest_error(network) < (0.12 if activation in bounded else 0.03)


def test_an_activation_without_int8() -> None:
    with pytest.raises(ExportError) as caught:
        check_int8_supported(build_network(parse_cfg(STEEP + ALONE.format("stair"), "steep.cfg")))
    assert str(caught.value) == (
        "steep.cfg:11: layer 2 [activation]: activation=stair needs FLOOR, which TFLite has in"
        " float alone; make the float file with --float-only"
    )
