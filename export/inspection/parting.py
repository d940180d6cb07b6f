"""Where an int8 file parts from its float file: each layer alone in int8, the others in float.

What one layer in int8 adds to the values that come out of it is rounding, its output's and its
weights', if it is the float layer: an error of about a step of the output's scale, however deep
the network. A layer of other weights, or of another function, is off by many steps.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyedge.darknet.layer_names import operator_layer
from tinyedge.errors import ModelError
from tinyedge.export.inspection.graph import read_graph
from tinyedge.export.inspection.layers import LayerGroup, find_groups
from tinyedge.export.inspection.match import match_float_weights, operators_by_origin
from tinyedge.export.inspection.requantize import INPUT
from tinyedge.export.inspection.simulate import Run, Simulation
from tinyedge.export.tensorflow import tensorflow_hushed

__all__ = ["LayerError", "Unrounded", "layer_errors", "without_rounding"]

Floats = NDArray[np.float32]

# The others may be far off: where a sum was clipped in the middle of a layer.
_MOST_VALUES = 0.9
# A layer whose values are no closer than this is another one. Weights in int8 leave 30 dB.
_ALIKE_DB = 20.0
# Of how the float file's answers vary from image to image, and of the answers: its weights in
# float32 in another order differ by a millionth.
_TOLERANCE, _ROUNDING = 0.01, 1e-3
_FLOAT = 1e-5  # of a layer's largest value, what sums in float32 may be off by


@dataclass(frozen=True)
class LayerError:
    """What a layer adds, alone in int8.

    Attributes:
        name: Darknet's number and kind, such as ``12 convolutional``; the operator's name where
            it has no number.
        steps: nine in ten of the values that come out of it are off by no more steps of their
            scale, the mean over images; those clipped at an end of the int8 range left out. A
            step of what is float is a 255th of the range it has there.
        clipped: the share of the values at an end of the int8 range, 0 to 1.
        bias_steps: how far any bias lies from the float file's, in the same steps; 0 of a layer
            without.
        weights_db: how much its values vary within their channels, over how much the error varies
            that its weights in int8 make, with nothing rounded: decibels of the variances;
            infinite where they make none.
        answers: (images, outputs), those of the whole network with this layer alone in int8;
            None where that was not asked for.
    """

    name: str
    steps: float
    clipped: float
    bias_steps: float
    weights_db: float
    answers: NDArray[np.float64] | None = None


def layer_errors(
    float_file: bytes,
    int8_file: bytes,
    images: Floats,
    float_answers: NDArray[np.float64],
    *,
    with_answers: bool = False,
) -> list[LayerError]:
    """What each layer of an int8 file adds, in the order of its graph.

    Args:
        float_file: the reference.
        int8_file: made from the same network by `tinyedge.export.pipeline`.
        images: (n, height, width, channels) in [0, 1].
        float_answers: (n, outputs), the float file's.
        with_answers: compute the answers too, which takes as many runs as there are layers.

    Raises:
        ModelError: the layers of the two files cannot be matched, or an operator is not known
            here.
    """
    with tensorflow_hushed():
        return _Layers(float_file, int8_file).errors(
            images, float_answers, with_answers=with_answers
        )


@dataclass(frozen=True)
class Unrounded:
    """An int8 file's function without the rounding of values: its weights as they are stored.

    Attributes:
        answers: (images, outputs).
        parting: the first layer whose values are not the float file's, named as in `LayerError`,
            or the last one.
    """

    answers: NDArray[np.float64]
    parting: str


def without_rounding(float_file: bytes, int8_file: bytes, images: Floats) -> Unrounded:
    """Run an int8 file in float.

    Where the layers of two files do not match, the answers tell whether it is since the converter
    moved a constant from one layer to the next, or since the files are two functions.

    Args:
        float_file: the reference.
        int8_file: of the same network.
        images: (n, height, width, channels) in [0, 1].

    Raises:
        ModelError: an operator is not known here.
    """
    with tensorflow_hushed():
        float_run, int8_run = (_FloatRun(file, images) for file in (float_file, int8_file))
        answers = int8_run.values(int8_run.graph.output)
        return Unrounded(answers.reshape(len(images), -1), _parting(float_run, int8_run))


class _FloatRun:
    """All values of a file's graph, its constants as they are stored and nothing rounded."""

    def __init__(self, content: bytes, images: Floats) -> None:
        self.graph = read_graph(content, "the file")
        self._simulation = Simulation(self.graph, {}, "the file")
        everything = range(INPUT, len(self.graph.operators))
        self._runs = [
            self._simulation.run(pixels[np.newaxis], float_ops=everything) for pixels in images
        ]

    def values(self, index: int) -> NDArray[np.float64]:
        """Of a tensor, the images along its first dimension."""
        return np.concatenate([self._simulation.values(run, index) for run in self._runs])


def _parting(float_run: _FloatRun, int8_run: _FloatRun) -> str:
    graph, name = int8_run.graph, "of the output"
    counterparts = operators_by_origin(float_run.graph)
    for origin, position in operators_by_origin(graph).items():
        operator = graph.operators[position]
        if not graph.has_weights(operator):
            continue
        index, kind = operator_layer(graph, operator) or (None, operator.name.lower())
        name = kind if index is None else f"{index} {kind}"
        counterpart = counterparts.get(origin)
        if counterpart is not None:
            place = float_run.graph.operators[counterpart].outputs[0]
            if not _alike(float_run.values(place), int8_run.values(operator.outputs[0])):
                break
    return name


def _alike(wanted: NDArray[np.float64], found: NDArray[np.float64]) -> bool:
    """Whether each channel's values are the same but for a positive factor, its equalization."""
    if wanted.shape != found.shape:
        # An average that was moved before the layer, or behind it.
        wanted, found = (each.mean(axis=tuple(range(1, each.ndim - 1))) for each in (wanted, found))
    wanted, found = (each.reshape(-1, each.shape[-1]) for each in (wanted, found))
    power = np.sum(found**2, axis=0)
    factors = np.divide(
        np.maximum(np.sum(wanted * found, axis=0), 0),
        power,
        out=np.zeros_like(power),
        where=power > 0,
    )
    left = np.sum((wanted - factors * found) ** 2)
    return bool(left <= np.sum(wanted**2) * 10 ** (-_ALIKE_DB / 10))


class _Moments:
    """Sums over pixels and images, by channel."""

    def __init__(self) -> None:
        self._count, self.largest = 0, 0.0
        self._sum: NDArray[np.float64] = np.zeros(1)
        self._squares: NDArray[np.float64] = np.zeros(1)

    def add(self, values: NDArray[np.float64]) -> None:
        """Add one image's, channels last."""
        flat = values.reshape(-1, values.shape[-1])
        self._count += len(flat)
        self._sum = self._sum + flat.sum(axis=0)
        self._squares = self._squares + np.square(flat).sum(axis=0)
        self.largest = max(self.largest, float(np.abs(flat).max()))

    @property
    def variance(self) -> float:
        """Of a channel's values, the mean over channels."""
        mean = self._sum / self._count
        return max(float(np.mean(self._squares / self._count - mean**2)), 0.0)


class _Layers:
    """An int8 file's layers, and what each is to compute."""

    def __init__(self, float_file: bytes, int8_file: bytes) -> None:
        sources = "the float file", "the int8 file"
        float_graph, self._graph = map(read_graph, (float_file, int8_file), sources)
        constants = match_float_weights(float_graph, self._graph, sources).constants
        self._constants = constants
        self._simulation = Simulation(self._graph, constants, sources[1])
        # With the constants as they are stored.
        self._stored = Simulation(self._graph, {}, sources[1])
        self._groups = find_groups(self._graph, self._simulation.requantizing)

    def errors(
        self, images: Floats, float_answers: NDArray[np.float64], *, with_answers: bool
    ) -> list[LayerError]:
        everything = frozenset(range(INPUT, len(self._graph.operators)))
        found: list[list[tuple[float, float]]] = [[] for _ in self._groups]
        answers: list[list[NDArray[np.float64]]] = [[] for _ in self._groups]
        moments = [(_Moments(), _Moments()) for _ in self._groups]
        spread = float(np.linalg.norm(float_answers.std(axis=0)))
        for pixels, wanted in zip(images, float_answers, strict=True):
            batch = pixels[np.newaxis]
            run = self._simulation.run(batch, float_ops=everything)
            self._require_float(run, wanted, spread)
            for place, group in enumerate(self._groups):
                alone = self._simulation.rerun_alone(run, batch, toggled_ops=group.positions)
                found[place].append(self._error(group, run, alone))
                stored = self._stored.float_alone(run, batch, float_ops=group.positions)
                values, others = (
                    np.asarray(each.scaled[group.output], np.float64) for each in (run, stored)
                )
                for sums, added in zip(moments[place], (values, others - values), strict=True):
                    sums.add(added)
                if with_answers:
                    other = self._simulation.rerun(run, batch, toggled_ops=group.positions)
                    answers[place].append(self._simulation.output(other))
        return [
            LayerError(
                name=group.kind if group.index is None else f"{group.index} {group.kind}",
                steps=float(np.mean([steps for steps, _ in errors])),
                clipped=float(np.mean([clipped for _, clipped in errors])),
                bias_steps=max(map(self._bias_steps, group.positions), default=0.0),
                weights_db=self._weights_db(*sums),
                answers=np.stack(others) if with_answers else None,
            )
            for group, errors, others, sums in zip(
                self._groups, found, answers, moments, strict=True
            )
        ]

    def _error(self, group: LayerGroup, run: Run, alone: Run) -> tuple[float, float]:
        """`LayerError.steps` and `LayerError.clipped` of one image."""
        qparams = self._graph.tensors[group.output].qparams
        wanted, found = (np.asarray(each.scaled[group.output], np.float64) for each in (run, alone))
        if qparams is None:
            step = float(np.ptp(wanted)) / 255
            errors = np.abs(found - wanted)
            return (float(np.quantile(errors, _MOST_VALUES)) / step if step else 0.0), 0.0
        low, high = (limit - qparams.zero_point for limit in qparams.limits)
        inside = (found > low) & (found < high)
        errors = np.abs(found - wanted)[inside]
        steps = float(np.quantile(errors, _MOST_VALUES)) if errors.size else 0.0
        return steps, 1 - errors.size / found.size

    def _bias_steps(self, position: int) -> float:
        """`LayerError.bias_steps` of one operator."""
        wanted = self._constants.get((position, 2))
        if position == INPUT or wanted is None:
            return 0.0
        operator = self._graph.operators[position]
        found = self._graph.tensors[operator.inputs[2]].values()
        # Each is a whole number of products of two scales, which may be large ones.
        rounding = self._graph.tensors[operator.inputs[2]].qparams
        unit = 0 if rounding is None else np.asarray(rounding.scales, np.float64)
        errors = np.maximum(np.abs(found.astype(np.float64) - wanted) - unit, 0)
        return float(errors.max() / self._simulation.scale(operator.outputs[0]))

    def _weights_db(self, values: "_Moments", errors: "_Moments") -> float:
        """`LayerError.weights_db`; what float's rounding makes is no error."""
        left = errors.variance - (values.largest * _FLOAT) ** 2
        if left <= 0:
            return np.inf
        return 10 * float(np.log10(max(values.variance, left * 1e-10) / left))

    def _require_float(self, run: Run, wanted: NDArray[np.float64], spread: float) -> None:
        """Require that the graph all in float answers as the float file does.

        `spread` is how much answers vary from image to image: the norm of the outputs' deviations.
        """
        found = self._simulation.output(run)
        allowed = _TOLERANCE * spread + _ROUNDING * float(np.linalg.norm(wanted))
        if not np.linalg.norm(found - wanted) <= allowed:
            raise ModelError(
                "the int8 file without its rounding does not answer as the float file:"
                " its layers cannot be told apart"
            )
