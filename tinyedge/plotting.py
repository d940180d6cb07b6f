"""Plots as .png files, by matplotlib, which is asked for before the work."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from tinyedge.errors import ExportError
from tinyedge.files import check_is_no_input, check_output_file
from tinyedge.images.find import read_unlabelled
from tinyedge.installation import export_package_missing

if TYPE_CHECKING:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

__all__ = ["check_plotting", "matplotlib"]


def check_plotting(path: Path, *inputs: Path | None, photos: Path | None) -> None:
    """Say before the work whether a plot can be made at `path`.

    Args:
        path: of the plot.
        inputs: files that the same command reads.
        photos: a folder, pattern, image or manifest of those that it reads, or None.

    Raises:
        ExportError: the file's name does not end in .png.
        DatasetError: something is at `path`, and there are no `photos`.
        OSError: it cannot be written there, or is one of the inputs or photos.
        MissingPackageError: matplotlib is not installed; the message says what brings it.
    """
    if path.suffix.lower() != ".png":
        raise ExportError(f"{path}: a plot is a .png file")
    check_output_file(path, *inputs, photos)
    if photos is not None and path.exists():
        with warnings.catch_warnings():
            # Who reads them for the work tells of what is left out.
            warnings.simplefilter("ignore")
            check_is_no_input(path, *read_unlabelled(photos))
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
