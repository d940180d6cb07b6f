"""Plots as .png files, by matplotlib, which is asked for before the work."""

from pathlib import Path
from typing import TYPE_CHECKING

from tinyedge.errors import ExportError
from tinyedge.installation import export_package_missing

if TYPE_CHECKING:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

__all__ = ["check_plotting", "matplotlib"]


def check_plotting(path: Path) -> None:
    """Say before the work whether a plot can be made at `path`.

    Raises:
        ExportError: the file's name does not end in .png.
        MissingPackageError: matplotlib is not installed; the message says what brings it.
    """
    if path.suffix.lower() != ".png":
        raise ExportError(f"{path}: a plot is a .png file")
    matplotlib()


def matplotlib() -> "tuple[type[Figure], type[FigureCanvasAgg]]":
    """The figure of matplotlib, and what renders to pixels without a screen.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        package = (error.name or "matplotlib").partition(".")[0]
        raise export_package_missing("a plot", package) from error
    return Figure, FigureCanvasAgg
