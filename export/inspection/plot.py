"""An `Inspection` as a plot: three charts above one another, a column a layer."""

import io
from typing import TYPE_CHECKING

import numpy as np

from tinyedge.export.inspection.result import InspectedLayer, Inspection
from tinyedge.plotting import matplotlib
from tinyedge.text import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["inspection_plot"]

_EXACT = 100.0  # dB
_BLUE, _RED, _GREY, _LIGHT = "#3b6ea5", "#c8452f", "#6f7780", "#b9c7d6"


def inspection_plot(inspection: Inspection) -> bytes:
    """The plot, PNG.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    new_figure, engine = matplotlib()
    layers = inspection.layers
    width = max(7.0, 2.5 + 0.42 * len(layers))
    figure = new_figure(figsize=(width, 7.5), layout="constrained")
    engine(figure)
    sensitivities, ratios, clipped = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 2))
    figure.suptitle(_title(inspection), x=0.01, horizontalalignment="left", fontsize=11)
    _draw_sensitivities(sensitivities, inspection)
    _draw_ratios(ratios, layers)
    _draw_saturated(clipped, layers)
    for axes in (sensitivities, ratios, clipped):
        axes.grid(axis="y", color="#e3e6ea", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    clipped.set_xticks(range(len(layers)), [layer.name for layer in layers])
    clipped.tick_params(axis="x", rotation=60 if len(layers) > 4 else 0, labelsize=8)
    for label in clipped.get_xticklabels():
        label.set_horizontalalignment("right" if len(layers) > 4 else "center")
        label.set_rotation_mode("anchor")
    stream = io.BytesIO()
    # No version and no date in the file: equal inputs give equal bytes.
    figure.savefig(stream, format="png", dpi=120, metadata={"Software": None})
    return stream.getvalue()


def _draw_sensitivities(axes: "Axes", inspection: Inspection) -> None:
    axes.set_ylabel("KL from float [nats]")
    axes.axhline(0, color=_GREY, linewidth=0.8)
    found = [
        (column, layer, layer.sensitivity)
        for column, layer in enumerate(inspection.layers)
        if layer.sensitivity is not None
    ]
    if not found:
        note = "none: the models do not end in one softmax over all classes"
        axes.text(0.5, 0.5, note, transform=axes.transAxes, ha="center", fontsize=9, color=_GREY)
        return
    columns = [column for column, _, _ in found]
    colors = [_RED if layer.worst else _BLUE for _, layer, _ in found]
    label = "this layer alone in int8 (red: to blame most)"
    axes.bar(columns, [item.alone for _, _, item in found], color=colors, width=0.6, label=label)
    axes.errorbar(
        columns,
        [item.gives_back for _, _, item in found],
        yerr=[item.standard_error for _, _, item in found],
        fmt="o",
        color=_GREY,
        markersize=3,
        linewidth=0.8,
        capsize=2,
        label="saved by this layer alone in float, +- standard error",
    )
    legend = axes.legend(
        loc="upper right", frameon=False, fontsize=8, ncols=2, bbox_to_anchor=(1, 1.14)
    )
    (bars, *_) = legend.get_patches()
    bars.set_facecolor(_BLUE)


def _draw_ratios(axes: "Axes", layers: tuple[InspectedLayer, ...]) -> None:
    axes.set_ylabel("signal to noise [dB]")
    columns = np.arange(len(layers))
    # Left out is what has no error but float32's own, and what has no signal: no axis ends there.
    output = [
        layer.snr if np.isfinite(layer.snr) and layer.snr < _EXACT else np.nan for layer in layers
    ]
    weights = [np.nan if layer.weight_snr is None else layer.weight_snr for layer in layers]
    axes.plot(columns, output, "o-", color=_BLUE, markersize=4, label="output, all errors so far")
    axes.plot(columns, weights, "s", color=_GREY, markersize=4, label="weights, their own")
    axes.set_ylim(bottom=min(0, np.nanmin([*output, 0])))
    axes.legend(loc="upper right", frameon=False, fontsize=8, ncols=2, bbox_to_anchor=(1, 1.14))


def _draw_saturated(axes: "Axes", layers: tuple[InspectedLayer, ...]) -> None:
    axes.set_ylabel("values cut [%]")
    most = max((len(layer.requantizations) for layer in layers), default=0)
    labels = ("at the first rounding", "at the second", "at the third")
    for place in range(most):
        shares = [
            layer.requantizations[place].saturated if place < len(layer.requantizations) else 0.0
            for layer in layers
        ]
        offsets = np.arange(len(layers)) + 0.8 * ((place + 0.5) / most - 0.5)
        color = (_BLUE, _LIGHT, _GREY)[place % 3]
        label = labels[place] if place < len(labels) else None
        axes.bar(offsets, shares, 0.8 / most, color=color, label=label)
    # Shares run from a value in a million to a tenth of all.
    axes.set_yscale("symlog", linthresh=0.1)
    axes.set_yticks([0, 0.1, 1, 10, 100], ["0", "0.1", "1", "10", "100"])
    most_clipped = max(
        (item.saturated for layer in layers for item in layer.requantizations), default=0
    )
    axes.set_ylim(0, max(1.0, 2 * most_clipped))
    if most > 1:
        axes.legend(loc="upper right", frameon=False, fontsize=8, ncols=3, bbox_to_anchor=(1, 1.2))


def _title(inspection: Inspection) -> str:
    text = counted(inspection.images, "image")
    if inspection.divergence is not None:
        text += f", KL(float, int8) {inspection.divergence.int8:.3g} nats"
    return text
