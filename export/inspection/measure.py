"""What inspection measures of one layer, summed over images."""

import numpy as np

from tinyedge.export.inspection.graph import Graph
from tinyedge.export.inspection.layers import LayerGroup
from tinyedge.export.inspection.match import FloatWeights
from tinyedge.export.inspection.requantize import INPUT
from tinyedge.export.inspection.result import InspectedLayer, Requantization, Sensitivity
from tinyedge.export.inspection.simulate import Run, Simulation
from tinyedge.modelcard import Precision

__all__ = ["LayerSums"]


class LayerSums:
    """The sums of one layer as images come in."""

    def __init__(
        self, group: LayerGroup, graph: Graph, simulation: Simulation, weights: FloatWeights
    ) -> None:
        self.group = group
        self._graph = graph
        self._simulation = simulation
        self._weights = weights
        self._equalization = weights.equalization[group.output]
        self._sums = np.zeros(
            4
        )  # of float squared, int8 squared, their product, their difference squared
        self._observed = dict.fromkeys(group.requantizing, (np.inf, -np.inf))
        self._saturated = dict.fromkeys(group.requantizing, 0)
        self._images = 0

    def add(self, float_run: Run, int8_run: Run) -> None:
        wanted, found = (
            self._simulation.values(run, self.group.output) * self._equalization
            for run in (float_run, int8_run)
        )
        self._sums += [
            np.vdot(wanted, wanted),
            np.vdot(found, found),
            np.vdot(wanted, found),
            np.sum((found - wanted) ** 2),
        ]
        for position in self.group.requantizing:
            scaled = np.asarray(float_run.scaled[self._tensor(position)])
            low, high = self._observed[position]
            self._observed[position] = min(low, scaled.min()), max(high, scaled.max())
            self._saturated[position] += int8_run.saturated[position]
        self._images += 1

    def result(self, sensitivity: Sensitivity | None, *, worst: bool) -> InspectedLayer:
        signal, power, product, noise = self._sums
        return InspectedLayer(
            index=self.group.index,
            kind=self.group.kind,
            snr=_decibels(signal, noise),
            cosine=float(product / np.sqrt(signal * power))
            if signal * power
            else float(signal == power),
            weight_snr=self._weight_snr(),
            equalization_range=(
                float(np.min(self._equalization)),
                float(np.max(self._equalization)),
            ),
            requantizations=tuple(map(self._requantization, self.group.requantizing)),
            precision=self._precision(),
            sensitivity=sensitivity,
            worst=worst,
        )

    def _tensor(self, position: int) -> int:
        if position == INPUT:
            return self._graph.input
        return self._graph.operators[position].outputs[0]

    def _requantization(self, position: int) -> Requantization:
        index = self._tensor(position)
        tensor = self._graph.tensors[index]
        assert tensor.qparams is not None
        scale = self._simulation.scale(index)
        low, high = (float(end) * scale for end in self._observed[position])
        count = self._images * int(np.prod(tensor.shape))
        operator = "input" if position == INPUT else self._graph.operators[position].name.lower()
        return Requantization(
            operator=operator,
            tensor=tensor.name,
            int8_range=tensor.qparams.range,
            observed_range=(low, high),
            saturated=100 * self._saturated[position] / count,
        )

    def _precision(self) -> Precision | None:
        for position in self.group.with_weights:
            return self._graph.precision(self._graph.operators[position])
        return None

    def _weight_snr(self) -> float | None:
        signal = noise = 0.0
        for position in self.group.with_weights:
            factors = self._weights.weight_factors[position].astype(np.float64)
            quantized = self._graph.tensors[self._graph.operators[position].inputs[1]].values()
            wanted = self._weights.constants[position, 1] * factors
            signal += float(np.sum(wanted**2))
            noise += float(np.sum((quantized * factors - wanted) ** 2))
        return _decibels(signal, noise) if self.group.with_weights else None


def _decibels(signal: float, noise: float) -> float:
    if noise == 0:
        return float("inf")
    return float(10 * np.log10(signal / noise)) if signal else float("-inf")
