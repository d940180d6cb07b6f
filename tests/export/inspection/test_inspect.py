"""Each number of an inspection against the runtime's own tensors, or against a file made bad."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.support.commands import run_in_process
from tests.support.exports import Exported, Models
from tests.support.tensors import runtime_tensors
from tests.support.toy import Toy, write_toy
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.errors import DatasetError, ModelError, TinyedgeWarning
from tinyedge.export.inspection.graph import Graph, read_graph
from tinyedge.export.inspection.inspect import inspect_files
from tinyedge.export.inspection.match import match_float_weights
from tinyedge.export.inspection.result import InspectedLayer, Inspection, Requantization
from tinyedge.export.inspection.simulate import Simulation
from tinyedge.images.find import evenly_spaced, read_unlabelled
from tinyedge.modelcard import append_card, read_card
from tinyedge.tflite.model import Subgraph, Tensor

IMAGES = 6


@pytest.fixture(scope="module")
def images(fashion_images: Path) -> list[Path]:
    return evenly_spaced(read_unlabelled(fashion_images), IMAGES)


@pytest.fixture(scope="module")
def default_models(exported: Exported) -> Models:
    """The built-in model by TFLiteConverter's own quantizer: no equalization, Darknet's order."""
    return exported("fashion", "--quantizer", "default")


def inspected(models: Models, images: list[Path]) -> Inspection:
    return inspect_files(Classifier(models.float_model), Classifier(models.int8_model), images)


def edited(models: Models, folder: Path, edit: Callable[[Any], None]) -> Models:
    """The same float file, and an int8 file whose flatbuffer was tampered with."""
    import flatbuffers

    content = models.int8_model.read_bytes()
    card = read_card(models.int8_model)
    assert card is not None
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    edit(model)
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    path = folder / "edited.tflite"
    path.write_bytes(append_card(bytes(builder.Output()), card))
    return Models(models.float_model, path)


def kernel(model: Any, name: str) -> Any:
    """The constant int8 tensor whose name begins so."""
    for tensor in model.subgraphs[0].tensors:
        data = model.buffers[tensor.buffer].data
        constant = data is not None and len(data)
        if constant and name in tensor.name.decode() and tensor.type == schema.TensorType.INT8:
            return tensor
    raise AssertionError(name)


def check_simulation(models: Models, path: Path) -> None:
    """Every tensor of the simulation is the runtime's, integer by integer."""
    int8 = Classifier(models.int8_model)
    graphs = [
        read_graph(model.read_bytes(), "") for model in (models.float_model, models.int8_model)
    ]
    weights = match_float_weights(graphs[0], graphs[1], ("float", "int8"))
    simulation = Simulation(graphs[1], weights.constants, "int8")
    floats = Classifier(models.float_model).preprocess(path)
    run = simulation.run(floats, float_ops=())
    wanted = runtime_tensors(models.int8_model, int8.preprocess(path))
    for operator in graphs[1].operators:
        index = operator.outputs[0]
        errors = (simulation.values(run, index) - wanted[index]) / simulation.scale(index)
        assert np.mean(np.abs(errors) > 0.5) < 1e-3, graphs[1].tensors[index].name
        assert np.abs(errors).max() < 1.5
    exact = simulation.run(floats, float_ops=range(-1, len(graphs[1].operators)))
    answer = Classifier(models.float_model).logits(floats)
    assert simulation.output(exact) == pytest.approx(answer, abs=1e-4 * np.abs(answer).max())


@pytest.mark.parametrize("quantizer", ["default_models", "fashion_models"])
def test_the_simulation_gives_the_runtimes_integers(
    request: pytest.FixtureRequest, quantizer: str, images: list[Path]
) -> None:
    check_simulation(request.getfixturevalue(quantizer), images[0])


def test_a_tuned_file_is_equalized_but_for_its_last_layer(
    fashion_models: Models, images: list[Path]
) -> None:
    layers = _layers_with_weights(inspected(fashion_models, images[:1]))
    low, high = layers[0].equalization_range
    assert 0 < low < 1 < high
    assert layers[-1].equalization_range == pytest.approx((1, 1), abs=1e-4)


@pytest.mark.real_data
def test_the_simulation_gives_tiny_darknets_integers(tiny_models: Models, imagenet: Path) -> None:
    check_simulation(tiny_models, read_unlabelled(imagenet / "val")[0])


def test_the_answers_and_their_divergence_are_the_runtimes(
    fashion_models: Models, images: list[Path]
) -> None:
    found = inspected(fashion_models, images)
    divergences = []
    same = 0
    for path in images:
        p, q = (
            _softmax(model.logits(model.preprocess(path)))
            for model in map(Classifier, (fashion_models.float_model, fashion_models.int8_model))
        )
        divergences.append(sum(a * np.log(a / b) for a, b in zip(p, q, strict=True) if a))
        same += p.argmax() == q.argmax()
    assert found.images == IMAGES
    assert found.agreement == pytest.approx(100 * same / IMAGES)
    assert found.divergence is not None
    assert found.divergence.int8 == pytest.approx(np.mean(divergences), rel=1e-6)
    assert found.divergence.simulated == pytest.approx(found.divergence.int8, rel=0.02)
    assert found.divergence.simulated_float < 1e-6


def test_ratio_and_cosine_by_hand(default_models: Models, images: list[Path]) -> None:
    """Of the first convolution's activation, from the two runtimes' tensors."""
    signal, noise, power, product = 0.0, 0.0, 0.0, 0.0
    names = [_names(path) for path in (default_models.float_model, default_models.int8_model)]
    layer = next(item for item in inspected(default_models, images).layers if item.index == 0)
    for path in images:
        wanted, got = (
            runtime_tensors(file, Classifier(file).preprocess(path), exact=exact)[
                _last_of_first_layer(names[place])
            ]
            for place, (file, exact) in enumerate(
                ((default_models.float_model, True), (default_models.int8_model, False))
            )
        )
        signal += np.sum(wanted**2)
        noise += np.sum((got - wanted) ** 2)
        power += np.sum(got**2)
        product += np.sum(wanted * got)
    assert layer.snr == pytest.approx(10 * np.log10(signal / noise), abs=0.01)
    assert layer.cosine == pytest.approx(product / np.sqrt(signal * power), abs=1e-5)


def test_ranges_and_weights_by_hand(default_models: Models, images: list[Path]) -> None:
    layer = next(item for item in inspected(default_models, images).layers if item.index == 0)
    model = schema.ModelT.InitFromPackedBuf(default_models.int8_model.read_bytes(), 0)
    graphs = [
        read_graph(path.read_bytes(), "")
        for path in (default_models.float_model, default_models.int8_model)
    ]
    first = [next(op for op in graph.operators if op.name == "CONV_2D") for graph in graphs]
    wanted = graphs[0].tensors[first[0].inputs[1]].data()
    stored = model.subgraphs[0].tensors[first[1].inputs[1]]
    integers = graphs[1].tensors[first[1].inputs[1]].data()
    assert wanted is not None
    assert integers is not None
    got = integers * stored.quantization.scale[:, None, None, None]
    ratio = 10 * np.log10(np.sum(wanted**2) / np.sum((got - wanted) ** 2))
    assert layer.weight_snr == pytest.approx(ratio, abs=0.01)
    assert layer.equalization_range == (1.0, 1.0)
    # The float file's own tensor, over all images.
    observed = [
        runtime_tensors(
            default_models.float_model,
            Classifier(default_models.float_model).preprocess(path),
            exact=True,
        )[first[0].outputs[0]]
        for path in images
    ]
    found = layer.requantizations[0]
    assert found.observed_range == pytest.approx((np.min(observed), np.max(observed)), abs=1e-4)
    stored = model.subgraphs[0].tensors[first[1].outputs[0]].quantization
    ends = [(end - int(stored.zeroPoint[0])) * float(stored.scale[0]) for end in (-128, 127)]
    assert found.int8_range == pytest.approx(ends)
    assert found.saturated <= share_at_the_ends(default_models.int8_model, images, found)


def test_coarse_weights_are_blamed(
    default_models: Models, images: list[Path], tmp_path: Path
) -> None:
    good = inspected(default_models, images)
    victim = _layers_with_weights(good)[2]

    def coarsen(model: Any) -> None:
        tensor = kernel(model, f"/{victim.index}_{victim.kind}")
        buffer = schema.BufferT()
        integers = np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.int8)
        rounded = np.clip(64 * np.rint(integers / 64), -127, 127).astype(np.int8)
        buffer.data = np.frombuffer(rounded.tobytes(), np.uint8)
        model.buffers[tensor.buffer] = buffer

    bad = inspected(edited(default_models, tmp_path, coarsen), images)
    check_blame(good, bad, victim)
    (worse,) = [layer for layer in bad.layers if layer.index == victim.index]
    assert worse.weight_snr is not None
    assert victim.weight_snr is not None
    # Multiples of 64 in place of 1: 20 lg 64 = 36 dB, less where they leave nothing but zeros.
    assert worse.weight_snr < victim.weight_snr - 20


def test_a_range_too_narrow_is_blamed(
    default_models: Models, images: list[Path], tmp_path: Path
) -> None:
    good = inspected(default_models, images)
    victim = _layers_with_weights(good)[1]

    def narrow(model: Any) -> None:
        graph = model.subgraphs[0]
        name = victim.requantizations[0].tensor
        operator = next(
            op for op in graph.operators if graph.tensors[op.outputs[0]].name.decode() == name
        )
        stored = graph.tensors[operator.outputs[0]].quantization
        stored.scale = (stored.scale / 8).astype(np.float32)

    bad = inspected(edited(default_models, tmp_path, narrow), images)
    check_blame(good, bad, victim)
    (worse,) = [layer for layer in bad.layers if layer.index == victim.index]
    (found, *_) = worse.requantizations
    assert found.saturated > 5
    # Values that are an end of the range, and are not clipped to it, are few.
    share = share_at_the_ends(tmp_path / "edited.tflite", images, found)
    assert share - 2 < found.saturated <= share
    low, high = victim.requantizations[0].int8_range
    assert found.int8_range == pytest.approx((low / 8, high / 8))


def share_at_the_ends(path: Path, images: list[Path], place: Requantization) -> float:
    """Percent of the values of a tensor that are an end of its int8 range in the runtime."""
    (index,) = (
        index
        for index, tensor in enumerate(read_graph(path.read_bytes(), "").tensors)
        if tensor.name == place.tensor
    )
    model = Classifier(path)
    values = np.array([runtime_tensors(path, model.preprocess(image))[index] for image in images])
    scale = (place.int8_range[1] - place.int8_range[0]) / 255
    low, high = (np.abs(values - end) < scale / 2 for end in place.int8_range)
    return float(100 * np.mean(low | high))


def check_blame(good: Inspection, bad: Inspection, victim: InspectedLayer) -> None:
    """The one bad layer explains nearly all the damage, and before it nothing changed."""
    assert good.divergence is not None
    assert bad.divergence is not None
    assert bad.divergence.int8 > 5 * good.divergence.int8
    (worst,) = [layer for layer in bad.layers if layer.worst]
    assert worst.index == victim.index
    assert worst.sensitivity is not None
    assert worst.sensitivity.gives_back > 0.8 * bad.divergence.simulated
    assert worst.sensitivity.alone > 0.5 * bad.divergence.simulated
    for before, after in zip(good.layers, bad.layers, strict=True):
        if before.index is None or (victim.index is not None and before.index < victim.index):
            assert after.snr == before.snr


def test_equalization_scales_are_found_in_the_weights(default_models: Models) -> None:
    """Channels divided by scales in the int8 file's first layer, and given them back after it."""
    graphs = [
        read_graph(path.read_bytes(), "")
        for path in (default_models.float_model, default_models.int8_model)
    ]
    convolutions = [[op for op in graph.operators if op.name == "CONV_2D"] for graph in graphs]
    first, second = convolutions[1][:2]
    kernel = graphs[1].tensors[first.inputs[1]]
    scales = np.linspace(0.5, 3, kernel.shape[0])
    # The same integers: a scale per output takes the division, the float file the product.
    assert kernel.qparams is not None
    divided = kernel.qparams.with_scales(kernel.qparams.scales / scales)
    int8_graph = with_tensor(graphs[1], first.inputs[1], kernel._replace(qparams=divided))
    index = convolutions[0][1].inputs[1]
    floats = graphs[0].tensors[index]
    multiplied = (floats.values() / scales).astype(np.float32)
    float_graph = with_tensor(
        graphs[0], index, floats._replace(stored=memoryview(multiplied.tobytes()))
    )
    found = match_float_weights(float_graph, int8_graph, ("float", "int8")).equalization
    assert found[first.outputs[0]] == pytest.approx(scales, rel=1e-5)
    outputs = int8_graph.tensors[second.inputs[1]].shape[0]
    assert found[second.outputs[0]] == pytest.approx(np.ones(outputs), rel=1e-5)


def with_tensor(graph: Graph, index: int, tensor: Tensor) -> Graph:
    """The same graph with one tensor replaced."""
    tensors = list(graph.tensors)
    tensors[index] = tensor
    changed = Subgraph(tuple(tensors), graph.operators, graph.inputs, graph.outputs)
    return Graph(changed, graph.precisions)


def test_files_of_two_networks_are_refused(
    default_models: Models, tmp_path: Path, images: list[Path]
) -> None:
    toy = write_toy(tmp_path / "toy", channels=1)
    run_in_process("export", *toy.source(), "--calib", toy.photos, "-o", tmp_path)
    with pytest.raises(ModelError, match="not two forms of one network"):
        inspected(Models(default_models.float_model, tmp_path / "toy_int8.tflite"), images)


def test_other_weights_are_refused(tmp_path: Path) -> None:
    files = []
    for folder, scale in (("one", 1), ("two", -1)):
        toy = _scaled(write_toy(tmp_path / folder, channels=1), scale)
        run_in_process("export", *toy.source(), "--calib", toy.photos, "-o", tmp_path / folder)
        files.append(tmp_path / folder / "toy")
    models = Models(Path(f"{files[0]}_float.tflite"), Path(f"{files[1]}_int8.tflite"))
    with pytest.raises(ModelError, match="were made from different weights"):
        inspected(models, read_unlabelled(tmp_path / "one" / "photos"))


def test_another_function_of_the_same_weights_is_refused(
    default_models: Models, images: list[Path], tmp_path: Path
) -> None:
    def lean(model: Any) -> None:
        for operator in model.subgraphs[0].operators:
            if isinstance(operator.builtinOptions, schema.LeakyReluOptionsT):
                operator.builtinOptions.alpha = 0.3

    with pytest.raises(ModelError, match="without its rounding does not answer as"):
        inspected(edited(default_models, tmp_path, lean), images)


def test_the_wrong_order_is_refused(default_models: Models, images: list[Path]) -> None:
    swapped = Models(default_models.int8_model, default_models.float_model)
    with pytest.raises(ModelError, match="name the float file first"):
        inspected(swapped, images)


def test_an_unknown_operator_is_named(
    default_models: Models, images: list[Path], tmp_path: Path
) -> None:
    def rename(model: Any) -> None:
        for code in model.operatorCodes:
            if code.builtinCode == schema.BuiltinOperator.MEAN:
                code.builtinCode = schema.BuiltinOperator.REDUCE_MAX
                code.deprecatedBuiltinCode = schema.BuiltinOperator.REDUCE_MAX

    models = edited(default_models, tmp_path, rename)
    with pytest.raises(ModelError, match="does not know the operator REDUCE_MAX"):
        inspected(models, images)


def test_what_is_no_image_is_left_out(
    default_models: Models, images: list[Path], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    with pytest.warns(TinyedgeWarning, match=r"skipped: .*bad\.png"):
        assert inspected(default_models, [bad, images[0]]).images == 1
    with (
        pytest.warns(TinyedgeWarning, match="skipped"),
        pytest.raises(DatasetError, match="none of the images"),
    ):
        inspected(default_models, [bad])


def _layers_with_weights(inspection: Inspection) -> list[InspectedLayer]:
    return [layer for layer in inspection.layers if layer.weight_snr is not None]


def _names(path: Path) -> Any:
    return read_graph(path.read_bytes(), "")


def _last_of_first_layer(graph: Any) -> int:
    """The tensor that the second convolution reads."""
    return int([op for op in graph.operators if op.name == "CONV_2D"][1].inputs[0])


def _scaled(toy: Toy, factor: float) -> Toy:
    """Its weights with the last layer's kernel times a factor."""
    content = toy.weights.read_bytes()
    floats = np.frombuffer(content[16:], "<f4").copy()
    floats[-20:] *= factor
    toy.weights.write_bytes(content[:16] + floats.tobytes())
    return toy


def _softmax(logits: Any) -> Any:
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()
