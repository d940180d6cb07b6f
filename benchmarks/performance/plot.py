"""The boards' table drawn: engines below one another, a panel a core."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from benchmarks.performance.rows import OURS

__all__ = ["boards_plot", "svg"]

_CORES = ("Cortex-A53 (Pi 3, Zero 2 W)", "Cortex-A72 (Pi 4)", "Cortex-A76 (Pi 5)")
_BLUE, _GREY = "#2166ac", "#b5bcc4"
_MOST = 300
"""Millions of instructions at which bars are cut off: Darknet's would leave no room for others."""


def boards_plot(counted: Mapping[str, Any]) -> str:
    """An SVG of what `benchmarks.performance.boards.counted` gave: the same for equal counts.

    Engines stand in the order of what they take on the second core, tinyedge's files in blue.
    """
    rows = {
        title: [each["instructions"] / 1e6 for each in row]
        for title, row in counted["rows"].items()
    }
    titles = sorted(rows, key=lambda title: rows[title][1], reverse=True)
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    figure.suptitle("Tiny Darknet: millions of instructions of an inference, one thread", x=0.5)
    places = np.arange(len(titles))
    for core, (axes, name) in enumerate(
        zip(figure.subplots(1, len(_CORES), sharey=True), _CORES, strict=True)
    ):
        values = [rows[title][core] for title in titles]
        colors = [_BLUE if title in OURS else _GREY for title in titles]
        axes.barh(places, np.minimum(values, _MOST), color=colors, height=0.72)
        for place, value in zip(places, values, strict=True):
            cut = value > _MOST
            axes.annotate(
                f"{value:.0f}{' →' if cut else ''}",
                (min(value, _MOST), place),
                (-4 if cut else 4, 0),
                textcoords="offset points",
                ha="right" if cut else "left",
                va="center",
                fontsize=8.5,
            )
        axes.set_title(name, fontsize=10)
        axes.set_xlim(0, _MOST * 1.05)
        axes.set_yticks(places, titles, fontsize=8.5)
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
    for label, title in zip(figure.axes[0].get_yticklabels(), titles, strict=True):
        label.set_fontweight("bold" if title in OURS else "normal")
    return svg(figure, "performance")


def svg(figure: Figure, salt: str) -> str:
    """The figure as text, of names that begin by `salt`: the same for what is drawn alike."""
    stream = io.StringIO()
    # Without a date, and with names that hang on nothing but what is drawn.
    with rc_context({"svg.hashsalt": salt, "svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()
