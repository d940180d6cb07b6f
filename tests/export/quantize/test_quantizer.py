"""The tuned quantizer's files: what is in them, and how close they come."""

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from tests.support.commands import run_in_process
from tests.support.exports import Exported, Models
from tests.support.fashion_mnist import official
from tests.support.float_answers import float_answers
from tests.support.leaky_scales import leaky_scales
from tests.support.naive import random_weights
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import Network, build_network
from tinyedge.darknet.weights import Weights
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.errors import ExportError
from tinyedge.export.build.fold import fold
from tinyedge.export.quantize.config import QuantizerConfig
from tinyedge.export.quantize.reorder import REWRITES
from tinyedge.export.tensorflow import require_tensorflow
from tinyedge.modelcard import Precision
from tinyedge.progress import no_progress

if TYPE_CHECKING:
    from tinyedge.export.quantize.quantizer import Quantizer

JOINS = """[net]
height=16
width=16
channels=3
[convolutional]
batch_normalize=1
filters=8
size=3
pad=1
activation=leaky
[maxpool]
size=2
stride=2
[convolutional]
filters=8
size=3
pad=1
groups=8
activation=leaky
[convolutional]
filters=8
size=3
pad=1
groups=2
activation=relu
[shortcut]
from=-2
activation=leaky
[route]
layers=-1,-3
[convolutional]
filters=6
activation=logistic
[maxpool]
size=3
stride=2
[connected]
output=9
activation=relu
[connected]
output=5
activation=linear
[softmax]
"""


@pytest.fixture(scope="module")
def fashion_by_default(exported: Exported) -> Models:
    return exported("fashion", "--quantizer", "default")


def comparison(models: Models, images: Path) -> dict[str, object]:
    words = ("compare", models.float_model, models.int8_model, "--data", images, "--json")
    found: dict[str, object] = json.loads(run_in_process(*words).stdout)
    return found


def mean_kl(models: Models, images: Path) -> float:
    return float(comparison(models, images)["kl"]["mean"])  # type: ignore[index]


def operators(path: Path) -> Counter[int]:
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    return Counter(codes[operator.opcodeIndex] for operator in model.subgraphs[0].operators)


def test_tuned_is_closer_than_default(
    fashion_models: Models, fashion_by_default: Models, fashion_images: Path
) -> None:
    tuned = mean_kl(fashion_models, fashion_images)
    assert tuned < 0.8 * mean_kl(fashion_by_default, fashion_images)


def test_tuned_adds_no_operator(fashion_models: Models, fashion_by_default: Models) -> None:
    tuned, default = operators(fashion_models.int8_model), operators(fashion_by_default.int8_model)
    assert tuned.total() <= default.total()
    assert set(tuned) <= set(default) | {schema.BuiltinOperator.CONV_2D}


def test_leaky_has_slopes_that_xnnpack_has_exactly(fashion_models: Models) -> None:
    interpreter = Interpreter(str(fashion_models.int8_model))
    scales = {
        tensor["index"]: tensor["quantization"][0] for tensor in interpreter.get_tensor_details()
    }
    multipliers = [
        256 * scales[operator["inputs"][0]] / scales[operator["outputs"][0]]
        for operator in interpreter._get_ops_details()
        if operator["op_name"] == "LEAKY_RELU"
    ]
    assert len(multipliers) == 8
    assert multipliers == pytest.approx([10 * round(found / 10) for found in multipliers], abs=1e-3)


def test_a_pixel_is_its_own_input(fashion_models: Models) -> None:
    interpreter = Interpreter(str(fashion_models.int8_model))
    scale, zero_point = interpreter.get_input_details()[0]["quantization"]
    assert (scale, zero_point) == (pytest.approx(1 / 255), -128)


def test_the_card_says_how(fashion_models: Models, fashion_by_default: Models) -> None:
    tuned = Classifier(fashion_models.int8_model).card
    assert (tuned.quantizer, tuned.rewrites, tuned.seed) == ("tuned", REWRITES, 0)
    default = Classifier(fashion_by_default.int8_model).card
    assert (default.quantizer, default.rewrites, default.seed) == ("default", (), None)


def quantized(network: Network, weights: Weights, input_type: str, seed: int = 0) -> bytes:
    require_tensorflow()
    from tinyedge.export.quantize.quantizer import Quantizer

    images = np.random.default_rng(1).random((40, *network.input), dtype=np.float32)
    return Quantizer(
        network,
        fold(network, weights),
        images,
        rewrites=REWRITES,
        input_type=input_type,
        seed=seed,
        progress=no_progress,
        config=QuantizerConfig(iterations=50, leaky_iterations=50, learning_rate=0.05),
    ).integer_file(no_progress)


@pytest.fixture(scope="module")
def joins() -> tuple[Network, Weights, bytes]:
    network = build_network(parse_cfg(JOINS, "joins.cfg"))
    weights = random_weights(network, seed=2)
    return network, weights, quantized(network, weights, "int8")


def answers(content: bytes, network: Network) -> np.ndarray:
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    given, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero_point = answer["quantization"]
    found = []
    for pixels in np.random.default_rng(9).random((30, *network.input), dtype=np.float32):
        integers = np.rint(pixels * 255) + np.iinfo(given["dtype"]).min
        interpreter.set_tensor(given["index"], integers.astype(given["dtype"])[np.newaxis])
        interpreter.invoke()
        raw = interpreter.get_tensor(answer["index"])[0].astype(np.float64)
        found.append((raw - zero_point) * scale)
    return np.array(found)


def test_groups_joins_shortcuts_and_connected_layers(joins: tuple[Network, Weights, bytes]) -> None:
    network, weights, content = joins
    images = np.random.default_rng(9).random((30, *network.input), dtype=np.float32)
    expected = np.array([float_answers(network, weights, pixels).keras for pixels in images[:5]])
    found = answers(content, network)[:5]
    # Of random weights the answers hardly depend on the image; what does must survive.
    assert np.abs(found - expected).max() < 0.06 * np.ptp(expected)


def test_uint8_gives_the_answers_of_int8(joins: tuple[Network, Weights, bytes]) -> None:
    network, weights, content = joins
    unsigned = quantized(network, weights, "uint8")
    assert (answers(unsigned, network) == answers(content, network)).all()


def test_the_same_seed_gives_the_same_bytes(joins: tuple[Network, Weights, bytes]) -> None:
    network, weights, content = joins
    assert quantized(network, weights, "int8") == content
    assert quantized(network, weights, "int8", seed=1) != content


def test_every_layer_is_found_in_what_the_converter_wrote(
    joins: tuple[Network, Weights, bytes],
) -> None:
    """Darknet's numbers in the converter's tensor names: what an update of TensorFlow may break."""
    from tinyedge.export.tflite.editor import ModelEditor

    assert sorted(ModelEditor(joins[2]).layer_operators()) == [0, 2, 3, 6, 8, 9]


def test_a_file_with_other_names_is_refused(joins: tuple[Network, Weights, bytes]) -> None:
    from tinyedge.export.tflite.editor import ModelEditor

    renamed = joins[2].replace(b"_convolutional", b"_convolution_x")
    with pytest.raises(ExportError, match="does not name layer 2"):
        ModelEditor(renamed).require_layers([2, 8])


CONCATENATED = """[net]
height=12
width=12
channels=3
[convolutional]
filters=4
size=3
pad=1
activation=leaky
[convolutional]
filters=4
size=3
pad=1
activation=relu
[route]
layers=-1,-2
[maxpool]
size=2
stride=2
[convolutional]
filters=6
size=3
pad=1
activation=leaky
[convolutional]
filters=5
activation=linear
[avgpool]
[softmax]
"""
IN_FLOAT: dict[int, Precision] = {0: "float32", 1: "float32"}


@pytest.fixture(scope="module")
def concatenated() -> "tuple[Quantizer, bytes, bytes]":
    """A quantizer, and its integer files: of two thirds of the images, then of all."""
    require_tensorflow()
    from tinyedge.export.quantize.quantizer import Quantizer

    network = build_network(parse_cfg(CONCATENATED, "n.cfg"))
    quantizer = Quantizer(
        network,
        fold(network, random_weights(network, seed=2)),
        np.random.default_rng(1).random((30, *network.input), dtype=np.float32),
        rewrites=REWRITES,
        input_type="int8",
        seed=0,
        progress=no_progress,
        config=QuantizerConfig(iterations=20, leaky_iterations=20, brief_iterations=20),
    )
    first = quantizer.integer_file(no_progress, np.arange(30) % 3 > 0)
    return quantizer, first, quantizer.file_for(first)


def multiplier(content: bytes, layer: int) -> float:
    """XNNPACK's, above zero: a whole number where it was aligned."""
    before, behind = leaky_scales(content, layer)
    return 256 * before / behind


def test_what_images_were_set_aside_counts_in_the_end(
    concatenated: "tuple[Quantizer, bytes, bytes]",
) -> None:
    quantizer, first, of_all = concatenated
    assert quantizer.file_for(first) == of_all
    for layer in (0, 4):
        assert leaky_scales(of_all, layer) != leaky_scales(first, layer)
        assert multiplier(of_all, layer) == pytest.approx(round(multiplier(of_all, layer)))


def test_layers_that_a_mixed_file_rounds_twice_are_as_in_the_integer_file(
    concatenated: "tuple[Quantizer, bytes, bytes]",
) -> None:
    from tinyedge.export.tflite.mixed import mixed_file

    quantizer, first, of_all = concatenated
    # The head in float reads what is not rounded behind layer 4.
    fitted = quantizer.file_for(first, mixed_file(first, {}))
    assert leaky_scales(fitted, 0) == leaky_scales(of_all, 0)
    assert leaky_scales(fitted, 4) != leaky_scales(of_all, 4)


def test_what_is_rounded_behind_a_concatenation_and_a_pool_is_rounded(
    concatenated: "tuple[Quantizer, bytes, bytes]",
) -> None:
    from tinyedge.export.tflite.mixed import mixed_file

    quantizer, first, of_all = concatenated
    mixed = mixed_file(first, IN_FLOAT)
    assert quantizer.rounded_layers(first, mixed) == {0, 1, 4}
    assert quantizer.rounded_layers(first, mixed_file(first, {**IN_FLOAT, 4: "float32"})) == set()
    # Learned from all images, for that one rounding.
    behind = leaky_scales(quantizer.file_for(first, mixed, IN_FLOAT), 0)[1]
    assert behind not in (leaky_scales(first, 0)[1], leaky_scales(of_all, 0)[1])


def test_a_range_that_is_another_layers_too_is_not_widened(
    concatenated: "tuple[Quantizer, bytes, bytes]",
) -> None:
    from tinyedge.export.quantize.quantizer import widened_file

    quantizer, first, _ = concatenated
    wide = widened_file(first, {0: 1.5, 1: 1.5, 4: 1.5}, quantizer.blocks)
    assert leaky_scales(wide, 0) == leaky_scales(first, 0)
    assert leaky_scales(wide, 4) == pytest.approx([1.5 * each for each in leaky_scales(first, 4)])


@pytest.mark.real_data
def test_tiny_darknet_keeps_its_answers(tiny_models: Models, imagenet: Path) -> None:
    found = comparison(tiny_models, imagenet / "val")
    assert found["kl"]["mean"] <= 0.020  # type: ignore[index]
    # Five draws of calibration photos gave 93.7 to 94.9 %; the default quantizer gives 86.9 %.
    assert found["agreement"] >= 92  # type: ignore[operator]
    assert found["drop"]["interval"][0] <= 0  # type: ignore[index]


@pytest.mark.fashion_mnist
def test_fashion_loses_at_most_a_tenth_of_a_point(fashion_models: Models) -> None:
    images, classes = official("t10k")
    float_model, int8_model = (
        Classifier(path) for path in (fashion_models.float_model, fashion_models.int8_model)
    )
    right = {float_model: 0, int8_model: 0}
    for image, index in zip(images, classes, strict=True):
        pixels = (image / np.float32(255)).reshape(1, 28, 28, 1)
        for model in right:
            right[model] += model.logits(model.spec.encode(pixels)).argmax() == index
    assert right[float_model] - right[int8_model] <= 10  # of 10,000
