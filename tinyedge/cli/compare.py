"""``tinyedge compare``."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinyedge.accuracy.budgets import MOST_KL
from tinyedge.cli.output import output_width, say, show
from tinyedge.cli.parameters import (
    PATH,
    budget_option,
    command_line,
    device_option,
    fast_resize_option,
    fit_option,
    html_option,
    ids_option,
    json_option,
    labels_option,
    pixel_options,
    running_profile,
    said_of_pixels,
    threads_option,
    threshold_option,
    told_progress,
    workers_option,
)
from tinyedge.exit_codes import CODE_OF_VERDICT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tinyedge.accuracy.compare import Comparisons, Workers
    from tinyedge.accuracy.page.layers import Layers
    from tinyedge.devices.runtime.classifier import Classifier
    from tinyedge.images.spec import Fit


@click.command()
@click.argument("float_file", metavar="FLOAT", type=PATH)
@click.argument("others", metavar="INT8...", type=PATH, nargs=-1, required=True)
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
@click.option(
    "--csv",
    "csv_file",
    metavar="FILE.csv",
    type=PATH,
    help="Write a line for each photo, with all answers.",
)
@html_option("Write a page to look at: the verdict, figures, and the flips with their photos.")
@click.option(
    "--layers",
    metavar="FILE",
    type=PATH,
    help="With --html, show what `tinyedge inspect --json` wrote of FLOAT and one INT8.",
)
@click.option("--pairwise", is_flag=True, help="Of several files: show each beside each, too.")
@workers_option
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Share the work with a Dask scheduler's workers, such as tcp://10.0.0.2:8786.",
)
@click.option("--ship", is_flag=True, help="Send them the files, which they have not.")
@click.option(
    "--journal",
    metavar="FILE",
    type=PATH,
    help="Keep what was found, for --resume [default: beside --csv, --flips or --html].",
)
@click.option("--resume", is_flag=True, help="Go on with the journal of an interrupted run.")
@device_option
@threads_option
@fit_option
@fast_resize_option(
    "Feed INT8 as `run --fast-resize` does, and FLOAT exactly: what both int8 and that cost."
)
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
    others: tuple[Path, ...],
    data: Path,
    unlabelled: bool,
    max_drop: float | None,
    min_agreement: float | None,
    max_kl: float | None,
    flips: Path | None,
    csv_file: Path | None,
    html: Path | None,
    layers: Path | None,
    pairwise: bool,
    workers: int | None,
    scheduler: str | None,
    ship: bool,
    journal: Path | None,
    resume: bool,
    device: str,
    threads: int | None,
    fit: "Fit | None",
    fast_resize: bool,
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
    accuracy of both and the drop (float minus int8), all with 95 % intervals. Several INT8 files
    make a table, each against FLOAT; budgets are for each of them. Photos that calibrated a model
    are refused. A file compiled for the Edge TPU runs there (--device coral-usb), and is never
    replaced by one for the CPU. A budget makes it a gate; without one there is none. A few hundred
    photos decide --min-agreement and --max-kl, thousands --max-drop. Ctrl-C shows what is known so
    far, without a verdict.
    """
    import tinyedge
    from tinyedge.accuracy import comparisons_report as report
    from tinyedge.accuracy.answers_table import answers_csv, check_table_file, flips_csv
    from tinyedge.accuracy.page.compared import comparison_page
    from tinyedge.devices.runtime.classifier import open_models
    from tinyedge.devices.runtime.made import how_made
    from tinyedge.files import check_is_no_input, write_together
    from tinyedge.temporary import own_temporaries

    if ship and scheduler is None:
        raise click.UsageError("--ship goes with --scheduler")
    if scheduler is not None and workers is not None:
        raise click.UsageError("--workers are of this machine: give --scheduler alone")
    tables = [(flips, flips_csv), (csv_file, answers_csv)]
    written = {path: table for path, table in tables if path is not None}
    context.with_resource(own_temporaries())
    _check_distinct(flips=flips, csv=csv_file, html=html, journal=journal)
    for path in written:
        check_table_file(path)
    inspected = _checked_page(html, layers, (float_file, *others), data, labels, ids, *written)
    journal = _journal(journal, [*written, *([html] if html else [])], resume=resume)
    for path in (*written, *([journal] if journal else [])):
        check_is_no_input(path, float_file, *others, data, labels, ids)
    profile = running_profile(device)
    said_mean, said_std = said_of_pixels(mean, std, pixels)
    models = open_models(
        (float_file, *others),
        device=profile,
        threads=threads,
        fit=fit,
        labels=labels,
        ids=ids,
        mean=said_mean,
        std=said_std,
        threshold=threshold,
        fast_resize=fast_resize,
    )

    def show_so_far(found: "Comparisons") -> None:
        show_all(found)
        if journal is not None:
            say(f"go on with --resume: {journal} holds what was found", err=True)

    def show_all(found: "Comparisons") -> None:
        show(
            as_json,
            lambda: report.as_text(found, pairwise=pairwise, width=output_width()),
            lambda: {
                **report.as_json(found),
                "made": how_made(models, found.sha256, command_line(context)).as_json(),
            },
        )

    try:
        with told_progress() as progress:
            found = tinyedge.compare_models(
                models,
                data,
                max_drop=max_drop,
                min_agreement=min_agreement,
                max_kl=max_kl,
                unlabelled=unlabelled,
                device=profile,
                threads=threads,
                workers=workers,
                scheduler=scheduler,
                ship=ship,
                journal=journal,
                resume=resume,
                started=partial(_say_what_runs, models),
                so_far=show_so_far,
                progress=progress,
            )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    contents = {path: table(found) for path, table in written.items()}
    if html is not None:
        made = how_made(models, found.sha256, command_line(context))
        contents[html] = comparison_page(found, made, inspected)
    write_together(contents)
    if journal is not None:
        journal.unlink(missing_ok=True)
    for skipped in found.each[0].skipped:
        say(f"skipped: {skipped.reason}", err=True)
    show_all(found)
    _note_slower(found, models)
    context.exit(CODE_OF_VERDICT[found.verdict])


def _checked_page(
    html: Path | None, layers: Path | None, models: tuple[Path, ...], *others: Path | None
) -> "Layers | None":
    """Make sure that the page can be made, before the work; what its layers' file holds.

    Raises:
        click.UsageError: there is such a file and no page.
        ModelError: it is of other models.
        Whatever `check_page` and `read_layers` raise.
    """
    from tinyedge.accuracy.page.layers import read_layers
    from tinyedge.accuracy.page.render import check_page
    from tinyedge.files import file_sha256

    if layers is not None and html is None:
        raise click.UsageError("--layers goes with --html")
    if html is not None:
        check_page(html, *models, layers, *others)
    if layers is None:
        return None
    inspected = read_layers(layers)
    of_float, *of_others = map(file_sha256, models)
    inspected.check_is_of(of_float, of_others)
    return inspected


def _check_distinct(**outputs: Path | None) -> None:
    """Raise a UsageError where two of these options name one file, of which one would be lost."""
    seen: dict[str, str] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        place = os.path.join(os.path.realpath(path.parent), path.name)
        if place in seen:
            raise click.UsageError(f"--{seen[place]} and --{option} name one file, {path}")
        seen[place] = option


def _journal(named: Path | None, written: "Iterable[Path]", *, resume: bool) -> Path | None:
    """The journal's file: as it is named, or beside the first output; none without either.

    Raises:
        click.UsageError: there is none to go on with.
    """
    beside = next((path.with_name(f"{path.name}.journal") for path in written), None)
    journal = named or beside
    if resume and journal is None:
        raise click.UsageError(
            "--resume goes on with a journal: name it with --journal, or the output it lies beside"
        )
    if resume and journal is not None and not journal.exists():
        raise click.UsageError(f"--resume: there is no journal {journal}")
    return journal


def _say_what_runs(models: "Sequence[Classifier]", workers: "Workers | None") -> None:
    from tinyedge.devices.runtime.report import running_on

    on = running_on(models[0], None if workers is None else workers.described)
    through = next((model.delegate for model in models[1:] if model.delegate), None)
    say(f"{on}{f', INT8 through {through}' if through else ''}", err=True)


def _note_slower(found: "Comparisons", models: "Sequence[Classifier]") -> None:
    """Say why int8 is slower than float, of the first file that is."""
    from tinyedge.devices.runtime.int8_speed import slower_than_float

    of_float = found.each[0].float_model.milliseconds
    for each, model in zip(found.each, models[1:], strict=True):
        of_int8 = each.int8_model.milliseconds
        if of_int8 is None or of_float is None:
            continue
        if (slower := slower_than_float(model, of_int8, of_float)) is not None:
            say(f"note: {slower}", err=True)
            return
