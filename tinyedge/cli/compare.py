"""``tinyedge compare``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinyedge.accuracy.budgets import MOST_KL
from tinyedge.cli.output import say, show
from tinyedge.cli.parameters import (
    PATH,
    budget_option,
    device_option,
    fit_option,
    ids_option,
    json_option,
    labels_option,
    pixel_options,
    running_profile,
    said_of_pixels,
    shows_progress,
    threads_option,
    threshold_option,
)
from tinyedge.exit_codes import CODE_OF_VERDICT

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
    help="Photos. With labels: a folder per class, named by label, WordNet id or index; or a"
    " manifest of path<TAB>label lines; or Darknet's list of paths or .data file. Without: a folder"
    " of photos, a pattern in quotes, a list of paths.",
)
@click.option("--unlabelled", is_flag=True, help="Take no labels from --data, whatever it is.")
@budget_option(
    "--max-drop", "POINTS", 100, "A budget: how many points of top-1 int8 may cost; needs labels."
)
@budget_option(
    "--min-agreement",
    "PERCENT",
    100,
    "A budget: on how many of the photos both must answer with one class.",
)
@budget_option("--max-kl", "NATS", MOST_KL, "A budget: how large the mean KL(float, int8) may be.")
@click.option(
    "--flips",
    metavar="FILE.csv",
    type=PATH,
    help="Write the photos on which they differ, with both answers.",
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
    unlabelled: bool,
    max_drop: float | None,
    min_agreement: float | None,
    max_kl: float | None,
    flips: Path | None,
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
    """Measure on photos what int8 cost.

    Reports how often both files agree, the KL divergence, speed and, of labelled photos, the
    accuracy of both and the drop (float minus int8), all with 95 % intervals. Photos that
    calibrated the model are refused. A file compiled for the Edge TPU runs there (--device
    coral-usb), and is never replaced by one for the CPU. A budget makes it a gate; without one
    there is none. A few hundred photos decide --min-agreement and --max-kl, thousands --max-drop.
    """
    import tinyedge
    from tinyedge.accuracy import report
    from tinyedge.accuracy.flips import check_flips_file, flips_csv
    from tinyedge.devices.runtime.classifier import open_pair
    from tinyedge.devices.runtime.int8_speed import slower_than_float
    from tinyedge.devices.runtime.report import running_on
    from tinyedge.files import check_is_no_input, write_together
    from tinyedge.progress import progress_shown
    from tinyedge.temporary import own_temporaries

    if flips is not None:
        context.with_resource(own_temporaries())
        check_flips_file(flips)
        check_is_no_input(flips, float_file, int8_file, data, labels, ids)
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
            float_model,
            int8_model,
            data,
            max_drop=max_drop,
            min_agreement=min_agreement,
            max_kl=max_kl,
            unlabelled=unlabelled,
            progress=progress,
        )
    if flips is not None:
        write_together({flips: flips_csv(comparison.flips)})
    for skipped in comparison.skipped:
        say(f"skipped: {skipped.reason}", err=True)
    show(as_json, lambda: report.as_text(comparison), lambda: report.as_json(comparison))
    of_int8, of_float = comparison.int8_model.milliseconds, comparison.float_model.milliseconds
    if of_int8 is not None and of_float is not None:
        slower = slower_than_float(int8_model, of_int8, of_float)
        if slower is not None:
            say(f"note: {slower}", err=True)
    context.exit(CODE_OF_VERDICT[comparison.verdict])
