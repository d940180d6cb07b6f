"""The int8 file is the float file's function, whatever the converter folds, fixes or copies.

TFLiteConverter folds constants behind a layer into its weights, fixes the scale of some operators'
outputs, and writes operators that copy their integers: what the quantizer writes must respect it.
"""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from tests.support.naive import forward, random_weights
from tinyedge.darknet.activations import ACTIVATIONS
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import Network, build_network
from tinyedge.darknet.weights import ConvolutionalWeights, Weights
from tinyedge.export.build.fold import fold
from tinyedge.export.check import run_file
from tinyedge.export.inspection.graph import read_graph
from tinyedge.export.inspection.match import match_float_weights
from tinyedge.export.inspection.requantize import INPUT
from tinyedge.export.inspection.simulate import Simulation
from tinyedge.export.quantize.config import QuantizerConfig
from tinyedge.export.tensorflow import require_tensorflow
from tinyedge.progress import no_progress

if TYPE_CHECKING:
    from tinyedge.export.quantize.quantizer import Quantizer

CONFIG = QuantizerConfig(iterations=30, leaky_iterations=60, learning_rate=0.05)
# How far the answers' error must lie below their spread over images, dB. Of those below, right
# files reach 18 or more; those that were another function had 12 or less.
ENOUGH = 16.0

NET = "[net]\nheight=12\nwidth=12\nchannels=3\n"
CONV = "[convolutional]\nfilters={filters}\nsize={size}\npad=1\nactivation={activation}\n"


def conv(filters: int, activation: str = "linear", size: int = 3) -> str:
    return CONV.format(filters=filters, size=size, activation=activation)


HEAD = conv(5, size=1) + "[avgpool]\n"
NETS = {
    **{
        f"activation {name}": conv(8, name) + HEAD
        for name, function in ACTIVATIONS.items()
        if function.int8
    },
    "upsample with a scale": conv(8) + "[upsample]\nstride=2\nscale=2\n" + HEAD,
    "leaky before an upsample": conv(8, "leaky") + "[upsample]\nstride=2\n" + HEAD,
    "downsample": conv(8, "leaky") + "[upsample]\nstride=-2\nscale=.5\n" + HEAD,
    "shortcut with factors": conv(8, "leaky")
    + conv(8)
    + "[shortcut]\nfrom=-2\nalpha=.5\nbeta=2\nactivation=leaky\n"
    + HEAD,
    "a factor at some pixels": conv(8)
    + conv(8)
    + "[maxpool]\nsize=2\nstride=2\n"
    + "[shortcut]\nfrom=-3\nalpha=2\n"
    + HEAD,
    "squares and their root": conv(8) + "[l2norm]\n" + HEAD,
    "squares of a difference": conv(8, "hardtan") + "[l2norm]\n" + HEAD,
    "a concatenation with itself": conv(4, "leaky")
    + "[route]\nlayers=0,0\n[shortcut]\nfrom=0\nalpha=2\nactivation=leaky\n"
    + HEAD,
    "one channel inside": conv(1, "leaky") + conv(5, "leaky") + HEAD,
    "one output": conv(8, "leaky") + conv(1, "logistic", size=1) + "[avgpool]\n",
    "one dense output": conv(4, "leaky") + "[connected]\noutput=1\nactivation=leaky\n",
    "logistic behind all": conv(8, "leaky")
    + "[avgpool]\n[connected]\noutput=3\nactivation=linear\n[logistic]\n",
    "tanh at the end": conv(8, "leaky") + conv(4, "tanh", size=1) + "[avgpool]\n",
    "squeeze and excite": conv(8, "swish")
    + "[avgpool]\n"
    + conv(8, "logistic", size=1)
    + "[scale_channels]\nfrom=-3\n"
    + HEAD,
    "a mask over the image": conv(8, "leaky")
    + conv(1, "logistic")
    + "[scale_channels]\nfrom=-2\nscale_wh=1\nactivation=leaky\n"
    + HEAD,
    "a weighted shortcut": 2 * conv(8, "mish")
    + "[shortcut]\nfrom=-2\nweights_type=per_channel\nweights_normalization=softmax\n"
    + "activation=mish\n"
    + HEAD,
    "averages of windows over the edge": conv(8, "leaky")
    + "[local_avgpool]\nsize=3\nstride=2\npadding=3\n"
    + HEAD,
}


def images(network: Network, count: int, seed: int) -> NDArray[np.float32]:
    """Colours with noise on them: what the network answers differs from image to image."""
    rng = np.random.default_rng(seed)
    colours = rng.random((count, 1, 1, network.input.channels))
    noisy = colours + rng.normal(0, 0.1, (count, *network.input))
    return (np.rint(np.clip(noisy, 0, 1) * 255) / 255).astype(np.float32)


def answers(content: bytes, given: NDArray[np.float32]) -> NDArray[np.float64]:
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero_point = result["quantization"]
    found = []
    for pixels in given:
        interpreter.set_tensor(
            source["index"], (np.rint(pixels * 255) - 128).astype(np.int8)[np.newaxis]
        )
        interpreter.invoke()
        stored = interpreter.get_tensor(result["index"]).reshape(-1).astype(np.float64)
        found.append((stored - zero_point) * scale)
    return np.array(found)


def quantizer_of(network: Network, weights: Weights) -> "Quantizer":
    require_tensorflow()
    from tinyedge.export.quantize.quantizer import Quantizer
    from tinyedge.export.quantize.reorder import REWRITES

    return Quantizer(
        network,
        fold(network, weights),
        images(network, 40, seed=1),
        rewrites=REWRITES,
        input_type="int8",
        seed=0,
        progress=no_progress,
        config=CONFIG,
    )


def quantized(network: Network, weights: Weights) -> bytes:
    return quantizer_of(network, weights).integer_file(no_progress)


def network_of(name: str) -> tuple[Network, Weights]:
    network = build_network(parse_cfg(NET + NETS[name], "n.cfg"))
    return network, random_weights(network, seed=4)


@cache
def quantized_net(name: str) -> bytes:
    return quantized(*network_of(name))


def float_by_converter(network: Network, weights: Weights) -> bytes:
    require_tensorflow()
    from tinyedge.export.build.model import build_keras_model
    from tinyedge.export.tflite.convert import convert_float

    return convert_float(build_keras_model(network, fold(network, weights)))


def by_converter(network: Network, weights: Weights) -> bytes:
    require_tensorflow()
    from tinyedge.export.build.model import build_keras_model
    from tinyedge.export.tflite.convert import convert_int8

    model = build_keras_model(network, fold(network, weights))
    return convert_int8(model, images(network, 40, seed=1), input_type="int8")


@pytest.mark.parametrize("name", NETS)
def test_the_int8_file_answers_as_the_definition_does(name: str) -> None:
    network, weights = network_of(name)
    unseen = images(network, 12, seed=2)
    right = np.array([forward(network, weights, pixels).reshape(-1) for pixels in unseen])
    error = np.square(answers(quantized_net(name), unseen) - right).sum()
    spread = np.square(right - right.mean(axis=0)).sum()
    assert 10 * np.log10(spread / error) > ENOUGH


@pytest.mark.parametrize("name", NETS)
def test_without_its_rounding_it_is_the_float_file(name: str) -> None:
    """So `inspect` takes it to be, whatever the converter folded in one of them alone."""
    network, weights = network_of(name)
    given = images(network, 3, seed=2)
    float_file, int8_file = float_by_converter(network, weights), quantized_net(name)
    graphs = [read_graph(content, "") for content in (float_file, int8_file)]
    constants = match_float_weights(graphs[0], graphs[1], ("float", "int8")).constants
    simulation = Simulation(graphs[1], constants, "int8")
    everything = range(INPUT, len(graphs[1].operators))
    wanted_answers = run_file(float_file, given, no_progress("")).answers
    for pixels, wanted in zip(given, wanted_answers, strict=True):
        run = simulation.run(pixels[np.newaxis], float_ops=everything)
        found = simulation.output(run)
        assert np.linalg.norm(found - wanted) < 1e-4 * np.linalg.norm(wanted)


@pytest.mark.parametrize(
    "name", ["activation leaky", "activation mish", "squeeze and excite", "upsample with a scale"]
)
def test_the_same_file_is_made_again_whatever_the_one_before(name: str) -> None:
    """Of that one, where nothing in it is the converter's own."""
    quantizer = quantizer_of(*network_of(name))
    from tinyedge.export.quantize.quantizer import widened_file

    content = quantizer.integer_file(no_progress)
    wider = widened_file(content, {0: 1.5}, quantizer.blocks)
    assert quantizer.file_for(content) == content
    assert quantizer.file_for(wider) == content


DEAD = {
    "a difference of the same": conv(4, "leaky") + "[shortcut]\nfrom=-1\nbeta=-1\n",
    "a relu that never opens": conv(4, "relu"),
}


@pytest.mark.parametrize("name", DEAD)
def test_behind_a_dead_layer_the_biases_are_left(name: str) -> None:
    """Of the scale that the converter gives to zeros no bias fits in 32 bits, and ADD aborts."""
    network = build_network(parse_cfg(NET + DEAD[name] + conv(6, "leaky") + HEAD, "n.cfg"))
    weights = random_weights(network, seed=4)
    if "relu" in name:
        first = weights.layers[0]
        assert isinstance(first, ConvolutionalWeights)
        first.biases[:] = -100
    unseen = images(network, 4, seed=2)
    right = np.array([forward(network, weights, pixels).reshape(-1) for pixels in unseen])
    for content in (quantized(network, weights), by_converter(network, weights)):
        assert np.abs(answers(content, unseen) - right).max() < 0.02 * np.abs(right).max()
