"""``tinyedge compare``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinyedge.cli.output import say, show
from tinyedge.cli.parameters import (
    PATH,
    device_option,
    fit_option,
    ids_option,
    json_option,
    labels_option,
    not_nan,
    pixel_options,
    running_profile,
    said_of_pixels,
    shows_progress,
    threads_option,
    threshold_option,
)
from tinyedge.exit_codes import ExitCode

if TYPE_CHECKING:
    from tinyedge.images.spec import Fit

_EXIT_CODES = {
    None: ExitCode.DONE,
    "pass": ExitCode.DONE,
    "fail": ExitCode.FAILED,
    "inconclusive": ExitCode.INCONCLUSIVE,
}


@click.command()
@click.argument("float_file", metavar="FLOAT", type=PATH)
@click.argument("int8_file", metavar="INT8", type=PATH)
@click.option(
    "--data",
    required=True,
    metavar="DIR",
    type=PATH,
    help="Labelled photos: a folder per class, named by label, WordNet id or index; or a"
    " manifest of path<TAB>label lines; or Darknet's list of paths or .data file.",
)
@click.option(
    "--max-drop",
    metavar="POINTS",
    type=click.FloatRange(0, 100),
    callback=not_nan,
    help="The budget: how many points of top-1 int8 may cost.",
)
@device_option
@threads_option
@fit_option
@pixel_options
@threshold_option
@labels_option
@ids_option
@json_option
@click.pass_context
def command(
    context: click.Context,
    *,
    float_file: Path,
    int8_file: Path,
    data: Path,
    max_drop: float | None,
    device: str,
    threads: int | None,
    fit: "Fit | None",
    mean: list[float] | None,
    std: list[float] | None,
    pixels: str | None,
    threshold: float | None,
    labels: Path | None,
    ids: Path | None,
    as_json: bool,
) -> None:
    """Measure on labelled photos what int8 cost.

    Reports the accuracy of both files, the drop (float minus int8) with its 95 % interval,
    agreement, speed and more. Photos that calibrated the model are refused. A file compiled for
    the Edge TPU runs there (--device coral-usb), and is never replaced by one for the CPU. Without
    --max-drop there is no gate.
    """
    import tinyedge
    from tinyedge.accuracy import report
    from tinyedge.devices.runtime.classifier import open_pair
    from tinyedge.devices.runtime.int8_speed import slower_than_float
    from tinyedge.devices.runtime.report import running_on
    from tinyedge.progress import progress_shown

    profile = running_profile(device)
    said_mean, said_std = said_of_pixels(mean, std, pixels)
    float_model, int8_model = open_pair(
        float_file,
        int8_file,
        device=profile,
        threads=threads,
        fit=fit,
        labels=labels,
        ids=ids,
        mean=said_mean,
        std=said_std,
        threshold=threshold,
    )
    through = f", INT8 through {int8_model.delegate}" if int8_model.delegate else ""
    say(f"{running_on(float_model)}{through}", err=True)
    with progress_shown(on_terminal=shows_progress()) as progress:
        comparison = tinyedge.compare(
            float_model, int8_model, data, max_drop=max_drop, progress=progress
        )
    for skipped in comparison.skipped:
        say(f"skipped: {skipped.reason}", err=True)
    show(as_json, lambda: report.as_text(comparison), lambda: report.as_json(comparison))
    times = comparison.int8_model.milliseconds, comparison.float_model.milliseconds
    if (slower := slower_than_float(int8_model, *times)) is not None:
        say(f"note: {slower}", err=True)
    context.exit(_EXIT_CODES[comparison.verdict])
