"""What divergence a network has at which cost on a board: a table, plain data and a plot."""

import io
from collections.abc import Sequence

from tinyedge.export.quantize.precision import LEAST_DIVERGENCE, Mixed
from tinyedge.files import bytes_sha256
from tinyedge.plotting import matplotlib
from tinyedge.table import Column, table

__all__ = ["curve_json", "curve_plot", "curve_text"]

_BLUE, _GREY = "#3b6ea5", "#6f7780"


def curve_text(curve: Sequence[Mixed], boards: Sequence[str], *, width: int) -> str:
    """A row a file, the fewest cycles first.

    Args:
        curve: as `tinyedge.export.quantize.precision.Precisions.curve` finds it.
        boards: the names of those it is for.
        width: of the terminal, characters.
    """
    columns = [Column("cycles", "right"), Column("divergence", "right")]
    columns += [Column(f"{board}, M", "right") for board in boards]
    columns += [Column("bytes", "right", leave_out=1), Column("layers not in int8", fit="wrap")]
    rows = [
        [
            f"{point.ratio:.3f}",
            f"{point.divergence:.4g}",
            *(f"{cost.instructions / 1e6:.1f}" for cost in point.costs),
            f"{len(point.content):,}",
            _layers(point),
        ]
        for point in curve
    ]
    return table(columns, rows, width=width)


def curve_json(curve: Sequence[Mixed], boards: Sequence[str]) -> list[dict[str, object]]:
    """The same as plain data; instructions and lines of 64 bytes are of an inference."""
    return [
        {
            "cycles": round(point.ratio, 4),
            "divergence": float(f"{point.divergence:.4g}"),
            "boards": {
                board: {"instructions": round(cost.instructions), "lines": round(cost.lines)}
                for board, cost in zip(boards, point.costs, strict=True)
            },
            "bytes": len(point.content),
            "sha256": bytes_sha256(point.content),
            "precision": {str(number): kind for number, kind in sorted(point.precision.items())},
        }
        for point in curve
    ]


def curve_plot(curve: Sequence[Mixed], chosen: float, title: str) -> bytes:
    """A plot, PNG: divergence by logarithm, over cycles as a part of the integer file's.

    `chosen` is the budget, `title` stands above it.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    new_figure, engine = matplotlib()
    figure = new_figure(figsize=(7.5, 4.5), layout="constrained")
    engine(figure)
    axes = figure.subplots()
    ratios = [point.ratio for point in curve]
    divergences = [max(point.divergence, LEAST_DIVERGENCE) for point in curve]
    axes.step(ratios, divergences, where="post", color=_BLUE, linewidth=1)
    axes.plot(ratios, divergences, "o", color=_BLUE)
    axes.axvline(chosen, color=_GREY, linestyle="--", linewidth=1)
    lowest = (chosen, min(divergences))
    axes.annotate("budget", lowest, (5, 5), textcoords="offset points", color=_GREY)
    axes.set_yscale("log")
    axes.set_xlabel("cycles of an inference, as a part of the integer file's")
    axes.set_ylabel("divergence from the float file")
    # Of any name: between two dollars matplotlib would read a formula.
    axes.set_title(title, loc="left", fontsize=11, parse_math=False)
    axes.grid(color="#e3e6ea", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120)
    return stream.getvalue()


def _layers(point: Mixed) -> str:
    """How many are hybrid and in float, such as ``4 hybrid, 6 float``."""
    kinds = list(point.precision.values())
    counts = {"hybrid": kinds.count("hybrid"), "float": kinds.count("float32")}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"
