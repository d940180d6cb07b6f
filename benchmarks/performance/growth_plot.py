"""The curves of growth drawn: a column a number that varies, instructions, time and memory."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from benchmarks.emulated.cores import CORES
from benchmarks.performance.plot import svg

__all__ = ["growth_plot"]

_COLORS = ("#2166ac", "#d6604d", "#4d9221")


def growth_plot(found: Mapping[str, Any], axes: Mapping[str, Sequence[Any]]) -> str:
    """An SVG of what `benchmarks.performance.growth.grown` gave.

    Args:
        found: that.
        axes: by name of what varies, its points.
    """
    rows = {tuple(row["point"].values()): row for row in found["rows"]}
    figure = Figure(figsize=(11, 7), layout="constrained")
    panels = figure.subplots(3, len(axes), sharey="row", sharex="col")
    for column, (name, points) in enumerate(axes.items()):
        measured = [rows[tuple(point)] for point in points]
        values = [getattr(point, name) for point in points]
        top, middle, bottom = panels[:, column]
        for core, (title, color) in enumerate(zip(CORES.values(), _COLORS, strict=True)):
            counts = [row["instructions"][core] / 1e6 for row in measured]
            top.plot(values, counts, "o-", color=color, label=title)
        middle.plot(values, [row["cpu"] for row in measured], "o-", color=_COLORS[0])
        bottom.plot(values, [row["peak"] / 1e6 for row in measured], "o-", color=_COLORS[0])
        bottom.set_xlabel(name)
        bottom.set_xscale("log", base=2)
        bottom.set_xticks(values, list(map(str, values)))
        bottom.minorticks_off()
    labels = ("M instructions of an inference", "export, s of CPU", "export, peak MB")
    for first, label in zip(panels[:, 0], labels, strict=True):
        first.set_ylabel(label)
        first.set_ylim(bottom=0)
    panels[0, 0].legend()
    for panel in panels.flat:
        panel.grid(color="#e3e6ea", linewidth=0.8)
        panel.spines[["top", "right"]].set_visible(False)
    return svg(figure, "growth")
