"""Files in mixed precision: each operator against the runtime's own tensors."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from tests.support.exports import Models
from tests.support.mixed import mixed_models
from tests.support.tensors import runtime_tensors
from tests.support.tflite_writer import Op, T, constant, write_model
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.export.inspection.graph import read_graph
from tinyedge.export.inspection.inspect import inspect_files
from tinyedge.export.inspection.match import match_float_weights
from tinyedge.export.inspection.parting import layer_errors
from tinyedge.export.inspection.report import as_text
from tinyedge.export.inspection.requantize import INPUT
from tinyedge.export.inspection.simulate import Run, Simulation
from tinyedge.images.find import evenly_spaced, read_unlabelled
from tinyedge.modelcard import Precision

# Of layers of 3x3 and of 1x1, each kind behind each other; 10 is the head.
PRECISION: dict[int, Precision] = {
    0: "float32", 2: "hybrid", 3: "hybrid", 4: "int8", 6: "float32", 7: "int8", 8: "hybrid",
}  # fmt: skip
# Of the largest value: what sums in another order make of float32.
ROUNDING = 5e-6


@pytest.fixture(scope="module")
def images(fashion_images: Path) -> list[Path]:
    return evenly_spaced(read_unlabelled(fashion_images), 6)


@pytest.fixture(scope="module")
def mixed(fashion_models: Models, tmp_path_factory: pytest.TempPathFactory) -> Models:
    return mixed_models(fashion_models, tmp_path_factory.mktemp("mixed"), PRECISION)


@pytest.mark.parametrize("size", [(5, 4), (1, 1)])
@pytest.mark.parametrize(
    ("side", "stride", "dilation"), [(1, 1, 1), (1, 2, 1), (3, 1, 2), (3, 2, 1)]
)
@pytest.mark.parametrize("shift", [-9, 0, 9])
def test_a_hybrid_convolution_rounds_its_input_as_litert_does(
    size: tuple[int, int], side: int, stride: int, dilation: int, shift: int
) -> None:
    """Of one sign or both, its range spread unevenly over the pixels."""
    height, width = size
    rng = np.random.default_rng(side + stride)
    kernel = constant(rng.integers(-127, 128, (5, side, side, 8)))
    kernel = replace(kernel, scale=rng.uniform(0.01, 0.02, 5).tolist())
    shape = (1, -(-height // stride), -(-width // stride), 5)
    options = {
        "strideW": stride, "strideH": stride, "dilationWFactor": dilation,
        "dilationHFactor": dilation,
    }  # fmt: skip
    content = write_model(
        Op(
            "CONV_2D",
            [T((1, height, width, 8), "float32"), kernel, constant(rng.normal(0, 1, 5), "float32")],
            [T(shape, "float32")],
            "Conv2DOptions",
            options,
        )
    )
    spread = rng.uniform(0.1, 5, (height, width, 1))
    pixels = (rng.normal(shift, 1, (1, height, width, 8)) * spread).astype(np.float32)
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
    interpreter.invoke()
    wanted = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    graph = read_graph(content, "")
    assert graph.precision(graph.operators[0]) == "hybrid"
    simulation = Simulation(graph, {}, "")
    found, unrounded = (
        simulation.values(simulation.run(pixels, float_ops=ops), graph.output).reshape(shape)
        for ops in ((), (0,))
    )
    largest = np.abs(wanted).max()
    assert np.abs(found - wanted).max() <= ROUNDING * largest
    assert np.abs(unrounded - wanted).max() > 100 * ROUNDING * largest


def test_nothing_but_zeros_rounds_to_zeros() -> None:
    kernel = replace(constant(np.ones((1, 1, 1, 3))), scale=0.5)
    source = T((1, 2, 2, 3), "float32")
    content = write_model(
        Op(
            *("CONV_2D", [source, kernel, None], [T((1, 2, 2, 1), "float32")], "Conv2DOptions"),
            {"strideW": 1, "strideH": 1},
        )
    )
    simulation = Simulation(read_graph(content, ""), {}, "")
    run = simulation.run(np.zeros((1, 2, 2, 3), np.float32), float_ops=())
    assert not simulation.output(run).any()


def check_operators(models: Models, image: Path) -> list[str]:
    """Each operator makes of the runtime's own tensors what the runtime makes of them.

    Returns the precisions of those with weights, in their order.
    """
    float_graph, graph = (
        read_graph(path.read_bytes(), "") for path in (models.float_model, models.int8_model)
    )
    weights = match_float_weights(float_graph, graph, ("float", "mixed"))
    simulation = Simulation(graph, weights.constants, "mixed")
    float_model, model = Classifier(models.float_model), Classifier(models.int8_model)
    pixels, stored = float_model.preprocess(image), model.preprocess(image)
    wanted = runtime_tensors(models.int8_model, stored)
    run = Run()
    for index in {graph.input, *(op.outputs[0] for op in graph.operators)}:
        scaled = wanted[index] / simulation.scale(index)
        run.scaled[index] = tf.constant(scaled, tf.float32)
    kinds = []
    for position, operator in enumerate(graph.operators):
        index = operator.outputs[0]
        alone = simulation.rerun_alone(run, pixels, toggled_ops={position})
        found = np.asarray(alone.scaled[index], np.float64)
        reference = np.asarray(run.scaled[index], np.float64)
        errors = np.abs(found - reference)
        what = f"{operator.name} {graph.tensors[index].name}"
        if graph.tensors[index].qparams is None:
            assert errors.max() <= ROUNDING * np.abs(reference).max(), what
        else:
            # What lies between two steps to float32's precision may go either way.
            assert errors.max() < 1.5, what
            assert np.mean(errors > 0.5) < 1e-4, what
        if graph.has_weights(operator):
            kinds.append(graph.precision(operator))
    exact = simulation.run(pixels, float_ops=range(INPUT, len(graph.operators)))
    answer = float_model.logits(pixels)
    assert simulation.output(exact) == pytest.approx(answer, abs=1e-4 * np.abs(answer).max())
    return kinds


def test_each_operator_of_a_mixed_file_is_the_runtimes(mixed: Models, images: list[Path]) -> None:
    for image in images[:3]:
        kinds = check_operators(mixed, image)
    numbers = (0, 2, 3, 4, 6, 7, 8, 9, 10)
    assert kinds == [{**PRECISION, 10: "float32"}.get(number, "int8") for number in numbers]


@pytest.mark.real_data
def test_each_operator_of_tiny_darknet_is_the_runtimes(
    tiny_models: Models, imagenet: Path, tmp_path: Path
) -> None:
    kinds: tuple[Precision, ...] = ("float32", "hybrid", "int8")
    numbers = (0, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 16, 17, 18)
    precision = {number: kinds[place % 3] for place, number in enumerate(numbers)}
    models = mixed_models(tiny_models, tmp_path, precision)
    check_operators(models, read_unlabelled(imagenet / "val")[0])


def test_inspect_says_what_each_layer_is_in(mixed: Models, images: list[Path]) -> None:
    found = inspect_files(Classifier(mixed.float_model), Classifier(mixed.int8_model), images)
    assert found.divergence is not None
    assert found.divergence.simulated_float < 1e-6
    # A value between two steps may fall on either, and what it is added to then, too.
    assert found.divergence.simulated == pytest.approx(found.divergence.int8, rel=0.2)
    layers = {layer.index: layer for layer in found.layers}
    assert layers[None].precision is None
    for number, kind in {**PRECISION, 9: "int8", 10: "float32"}.items():
        assert layers[number].precision == kind
        assert bool(layers[number].requantizations) == (number not in {0, 2, 10})
        assert layers[number].weight_snr is not None
    text = as_text(found, width=120)
    assert "KL(float, mixed)" in text.splitlines()[0]
    # A star may stand before the worst.
    lines = [line.lstrip("* ").split() for line in text.splitlines() if "convolutional" in line]
    rows = {line[0]: line for line in lines}
    assert [rows[number][2] for number in "0234"] == ["float", "hybrid", "hybrid", "int8"]
    assert (rows["2"][-1], rows["0"][-1].isalpha()) == ("input", False)
    assert max(map(len, as_text(found, width=80).splitlines())) <= 80


def test_what_a_layer_of_a_mixed_file_adds_is_rounding(mixed: Models, images: list[Path]) -> None:
    model = Classifier(mixed.float_model)
    pixels: Any = [model.preprocess(path) for path in images[:2]]
    answers = np.stack([model.logits(each) for each in pixels])
    files = (path.read_bytes() for path in (mixed.float_model, mixed.int8_model))
    layers = {layer.name: layer for layer in layer_errors(*files, np.concatenate(pixels), answers)}
    assert len(layers) == 10
    assert max(layer.steps for layer in layers.values()) < 2
    # In float there is nothing but what int8 weights make.
    assert layers["0 convolutional"].clipped == 0
    assert layers["0 convolutional"].steps < 1
