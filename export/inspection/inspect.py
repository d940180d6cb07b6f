"""Where an int8 file loses accuracy: it and its float file, compared layer by layer.

The int8 file's own graph runs on each image all in int8 (as the device does), all in float (which
is the float network, in the int8 file's order and units) and, for each layer, with that layer
alone in float and with it alone in int8. The second run gives every int8 tensor the float tensor
it stands for, whatever rewrites the file has had; its logits are checked against the float
file's.
"""

import warnings
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyedge.accuracy import statistics
from tinyedge.accuracy.calibration_images import calibration_images, said_of_calibration_images
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.errors import DatasetError, ModelError, TinyedgeWarning
from tinyedge.export.inspection.blame import blamed_layers, standard_errors
from tinyedge.export.inspection.graph import Graph, read_graph
from tinyedge.export.inspection.layers import find_groups
from tinyedge.export.inspection.match import match_float_weights
from tinyedge.export.inspection.measure import LayerSums
from tinyedge.export.inspection.requantize import INPUT
from tinyedge.export.inspection.result import Divergence, Inspection, Sensitivity
from tinyedge.export.inspection.simulate import Simulation
from tinyedge.export.tensorflow import tensorflow_hushed
from tinyedge.files import file_sha256
from tinyedge.images.evaluate import Unreadable, evaluate
from tinyedge.images.load import load_float_input
from tinyedge.progress import Progress, no_progress
from tinyedge.tflite.model import read_tflite_bytes
from tinyedge.workers import decoding_workers

__all__ = ["inspect_files"]

# Of the float file's answer; its weights in float32 in another order differ by a millionth.
_TOLERANCE = 0.01


def inspect_files(
    float_model: Classifier,
    int8_model: Classifier,
    images: Sequence[Path],
    *,
    workers: int | None = 1,
    progress: Progress = no_progress,
) -> Inspection:
    """Run both files on `images` and measure each layer.

    Args:
        float_model: the reference.
        int8_model: made from the same network by ``tinyedge export``, with any quantizer.
        images: files; one that is no image is left out with a TinyedgeWarning. Another tells of
            those that calibrated the int8 file.
        workers: processes that decode the photos; None for as many as are of use. Each imports
            the program's main module anew.
        progress: is told of each image.

    Raises:
        ModelError: the files are not two forms of one network, or have an operator that is not
            known here.
        DatasetError: none of the images can be read.
    """
    _check_inputs(float_model, int8_model)
    among = calibration_images(images, (float_model.card, int8_model.card)).among
    if among:
        # A layer to blame shows on them as well, if by less: `compare` refuses them.
        warnings.warn(said_of_calibration_images(among, len(images)), TinyedgeWarning, stacklevel=2)
    with tensorflow_hushed():
        inspector = _Inspector(float_model, int8_model)
    advance = progress("Inspecting", len(images))
    load = partial(load_float_input, spec=float_model.spec)
    with (
        decoding_workers(images, workers, moved=float_model.spec.float_bytes) as executor,
        closing(evaluate(load, images, executor)) as loaded,
    ):
        for _, pixels in loaded:
            if isinstance(pixels, Unreadable):
                warnings.warn(f"skipped: {pixels.reason}", TinyedgeWarning, stacklevel=2)
            else:
                with tensorflow_hushed():
                    inspector.add(pixels)
            advance()
    return inspector.result()


class _Inspector:
    """Both files, and the sums over the images seen."""

    def __init__(self, float_model: Classifier, int8_model: Classifier) -> None:
        self._models = float_model, int8_model
        sources = self._sources = str(float_model.path), str(int8_model.path)
        float_graph, self._graph = (
            read_graph(read_tflite_bytes(model.path), source)
            for model, source in zip(self._models, sources, strict=True)
        )
        _check_kinds(float_graph, self._graph, sources)
        self._weights = match_float_weights(float_graph, self._graph, sources)
        self._simulation = Simulation(self._graph, self._weights.constants, sources[1])
        self._everything = frozenset(range(INPUT, len(self._graph.operators)))
        self._layers = [
            LayerSums(group, self._graph, self._simulation, self._weights)
            for group in find_groups(self._graph, self._simulation.requantizing)
        ]
        self._answers: list[list[NDArray[np.float64]]] = []

    def add(self, pixels: NDArray[np.float32]) -> None:
        float_answer, int8_answer = (
            model.logits(model.spec.encode(pixels)[np.newaxis]) for model in self._models
        )
        batch = pixels[np.newaxis]
        float_run = self._simulation.run(batch, float_ops=self._everything)
        int8_run = self._simulation.run(batch, float_ops=())
        found = self._simulation.output(float_run)
        if np.linalg.norm(found - float_answer) > _TOLERANCE * np.linalg.norm(float_answer):
            raise ModelError(
                f"{self._sources[1]} without its rounding does not answer as {self._sources[0]}:"
                " they are not two forms of one network, or were not made by tinyedge export"
            )
        answers = [float_answer, int8_answer, self._simulation.output(int8_run), found]
        for layer in self._layers:
            layer.add(float_run, int8_run)
            for run in (int8_run, float_run):
                other = self._simulation.rerun(run, batch, toggled_ops=layer.group.positions)
                answers.append(self._simulation.output(other))
        self._answers.append(answers)

    def result(self) -> Inspection:
        if not self._answers:
            raise DatasetError("none of the images can be read")
        answers = np.array(self._answers)
        reference, int8 = answers[:, 0], answers[:, 1]
        divergences = self._divergences(answers)
        sensitivities: list[Sensitivity | None] = [None] * len(self._layers)
        worst: set[int] = set()
        if divergences is not None:
            sensitivities[:] = _sensitivities(divergences)
            worst = blamed_layers(divergences[:, 4::2])
        float_sha256, int8_sha256 = (file_sha256(Path(source)) for source in self._sources)
        return Inspection(
            float_sha256=float_sha256,
            int8_sha256=int8_sha256,
            images=len(answers),
            agreement=float(100 * np.mean(statistics.top1(reference) == statistics.top1(int8))),
            divergence=(
                None
                if divergences is None
                else Divergence(*map(float, divergences[:, :3].mean(axis=0)))
            ),
            layers=tuple(
                layer.result(sensitivity, worst=position in worst)
                for position, (layer, sensitivity) in enumerate(
                    zip(self._layers, sensitivities, strict=True)
                )
            ),
        )

    def _divergences(self, answers: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """(images, ..): KL of the int8 file, of the simulation all in int8 and all in float, and
        with each layer alone in float and alone in int8.
        """
        float_model, int8_model = self._models
        if not float_model.card.softmax_groups == int8_model.card.softmax_groups == 1:
            return None
        return statistics.kl_divergence(
            answers[:, :1] / float_model.card.temperature,
            answers[:, 1:] / int8_model.card.temperature,
        )


def _check_inputs(float_model: Classifier, int8_model: Classifier) -> None:
    found = [(str(model.spec), model.classes) for model in (float_model, int8_model)]
    if found[0] != found[1]:
        raise ModelError(
            f"{float_model.path} takes {found[0][0]} and names {found[0][1]} classes,"
            f" {int8_model.path} takes {found[1][0]} and names {found[1][1]}:"
            " they are not two forms of one network"
        )
    weights = [model.card.weights_sha256 for model in (float_model, int8_model)]
    if all(weights) and weights[0] != weights[1]:
        raise ModelError(
            f"{float_model.path} and {int8_model.path} were made from different weights:"
            " name the two files of one export"
        )


def _check_kinds(float_graph: Graph, int8_graph: Graph, sources: tuple[str, str]) -> None:
    for graph, source, quantized in (
        (float_graph, sources[0], False),
        (int8_graph, sources[1], True),
    ):
        with_weights = [operator for operator in graph.operators if graph.has_weights(operator)]
        kinds = {graph.tensors[operator.inputs[1]].qparams is not None for operator in with_weights}
        if kinds != {quantized}:
            raise ModelError(
                f"{source} is no {'int8' if quantized else 'float'} file: name the float file"
                " first, then the int8 file"
            )


def _sensitivities(divergences: NDArray[np.float64]) -> list[Sensitivity]:
    """Of columns that alternate: KL with one layer alone in float, with it alone in int8."""
    given_back, alone = divergences[:, 1:2] - divergences[:, 3::2], divergences[:, 4::2]
    columns = (
        given_back.mean(axis=0),
        standard_errors(given_back),
        alone.mean(axis=0),
        standard_errors(alone),
    )
    return [Sensitivity(*map(float, each)) for each in zip(*columns, strict=True)]
