"""``tinyedge inspect``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinyedge.cli.output import output_width, show
from tinyedge.cli.parameters import (
    PATH,
    count_option,
    fit_option,
    json_option,
    told_progress,
)

if TYPE_CHECKING:
    from tinyedge.images.spec import Fit


@click.command()
@click.argument("float_file", metavar="FLOAT", type=PATH)
@click.argument("int8_file", metavar="INT8", type=PATH)
@click.option(
    "--data",
    required=True,
    metavar="DIR",
    type=PATH,
    help="Photos, labelled or not: a folder, a pattern in quotes, or a manifest.",
)
@count_option(32)
@fit_option
@click.option("--plot", type=PATH, metavar="FILE.png", help="Draw the findings too.")
@json_option
def command(
    *,
    float_file: Path,
    int8_file: Path,
    data: Path,
    count: int,
    fit: "Fit | None",
    plot: Path | None,
    as_json: bool,
) -> None:
    """Find the layer to blame for what int8 cost.

    FLOAT and INT8 are the two files of one export. Of each layer: how far what comes out is from
    the float network's (SNR, cosine; errors of earlier layers included), how far its weights are,
    the int8 ranges against those observed, the share of values clipped at their ends, the KL
    divergence from float with that layer alone in int8, and how much of it making that one layer
    float would give back. Layers interact, so neither adds up.
    """
    from tinyedge.devices.runtime.classifier import Classifier
    from tinyedge.export.tensorflow import require_tensorflow
    from tinyedge.files import write_together
    from tinyedge.images.find import evenly_spaced, read_unlabelled
    from tinyedge.temporary import own_temporaries

    click.get_current_context().with_resource(own_temporaries())
    if plot is not None:
        from tinyedge.export.inspection.plot import inspection_plot
        from tinyedge.plotting import check_plotting

        check_plotting(plot, float_file, int8_file, photos=data)
    float_model, int8_model = (Classifier(file, fit=fit) for file in (float_file, int8_file))
    paths = evenly_spaced(read_unlabelled(data), count)
    with told_progress() as progress:
        done = progress("Starting TensorFlow")
        require_tensorflow()
        from tinyedge.export.inspection import report
        from tinyedge.export.inspection.inspect import inspect_files

        done()
        inspection = inspect_files(float_model, int8_model, paths, workers=None, progress=progress)
    show(
        as_json,
        lambda: report.as_text(inspection, width=output_width()),
        lambda: report.as_json(inspection),
    )
    if plot is not None:
        write_together({plot: inspection_plot(inspection)})
