"""``tinyedge calib``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinyedge.cli.output import output_width, say, show, verbosity
from tinyedge.cli.parameters import FIT, PATH, SOURCE, json_option, told_progress
from tinyedge.exit_codes import CODE_OF_VERDICT
from tinyedge.json_values import LARGEST_SEED

if TYPE_CHECKING:
    from tinyedge.accuracy.statistics import Verdict
    from tinyedge.images.spec import Fit
    from tinyedge.modelcard import BatchNormFormula

_BUILDING = ("data", "size", "seed", "unlabelled")
_CHECKING = ("weights", "batch_norm", "count", "fit")


@click.command()
@click.argument("folder", metavar="DIR", type=PATH)
@click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="OUT",
    help="Folder for the set: copies of the photos, and a manifest.",
)
@click.option(
    "--size",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    metavar="N",
    help="How many photos to choose.",
)
@click.option(
    "--data",
    type=PATH,
    metavar="DIR",
    help="Photos to judge by: the set is kept apart from them, and from what looks like them.",
)
@click.option("--unlabelled", is_flag=True, help="Take no labels from DIR, whatever it is.")
@click.option(
    "--seed",
    type=click.IntRange(0, LARGEST_SEED),
    default=0,
    show_default=True,
    help="Of what is drawn at random.",
)
@click.option(
    "--check",
    "source",
    type=SOURCE,
    metavar="SOURCE",
    help="Choose nothing: say how far the photos of DIR are from what this network was trained on,"
    " a model of the zoo or a .cfg. Needs the computer's install.",
)
@click.option(
    "--weights",
    type=PATH,
    metavar="FILE",
    help="With --check: Darknet .weights [default: the zoo's].",
)
@click.option(
    "--batch-norm",
    type=click.Choice(["inside", "outside"]),
    help="With --check: as of `tinyedge export`.",
)
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="With --check: how many of the photos to use, spread evenly.",
)
@click.option(
    "--fit",
    type=FIT,
    default="crop",
    show_default=True,
    help="With --check: how photos are fitted to the input.",
)
@json_option
@click.pass_context
def command(
    context: click.Context,
    *,
    folder: Path,
    output: Path | None,
    size: int,
    data: Path | None,
    unlabelled: bool,
    seed: int,
    source: str | None,
    weights: Path | None,
    batch_norm: "BatchNormFormula | None",
    count: int,
    fit: "Fit",
    as_json: bool,
) -> None:
    """Choose the photos to calibrate with, or check them.

    DIR is a folder, with a folder per class perhaps, a manifest, a list or a pattern in quotes.
    With -o a set is made of it: as many photos of each class, or without labels spread over
    brightness, contrast, colour and sharpness; no copies, no two almost the same, no broken files,
    and none of --data. The same photos and seed give the same set. -v tells why each other file was
    left out. With --check it says how far the photos are from the batch norm statistics in a
    network's weights, and ends with 1 where that is too far.
    """
    if (output is None) == (source is None):
        raise click.UsageError("Give -o OUT to choose photos, or --check SOURCE to check them.")
    _refuse_idle_words(context, _BUILDING if output is None else _CHECKING)
    if output is not None:
        _build(
            folder,
            output,
            as_json,
            size=size,
            seed=seed,
            data=data,
            unlabelled=unlabelled,
        )
    else:
        assert source is not None
        verdict = _check(
            folder,
            source,
            weights,
            as_json,
            count=count,
            fit=fit,
            batch_norm=batch_norm,
        )
        context.exit(CODE_OF_VERDICT[verdict])


def _refuse_idle_words(context: click.Context, names: tuple[str, ...]) -> None:
    """Refuse options that go with the other of the two works."""
    given = click.core.ParameterSource.COMMANDLINE
    idle = [name for name in names if context.get_parameter_source(name) is given]
    if idle:
        other = "-o" if names is _BUILDING else "--check"
        raise click.UsageError(f"--{idle[0].replace('_', '-')} goes with {other}.")


def _build(
    folder: Path,
    output: Path,
    as_json: bool,
    *,
    size: int,
    seed: int,
    data: Path | None,
    unlabelled: bool,
) -> None:
    from tinyedge.calibration import report
    from tinyedge.calibration.choose import choose
    from tinyedge.calibration.write import check_output, write
    from tinyedge.text import counted

    check_output(output, folder, data)
    with told_progress() as progress:
        choice = choose(
            folder,
            size=size,
            seed=seed,
            data=data,
            unlabelled=unlabelled,
            workers=None,
            progress=progress,
        )
    write(choice, output)
    if verbosity() == "verbose":
        for each in choice.left_out:
            say(f"left out: {each}", err=True)
    if len(choice.chosen) < size:
        say(f"note: {counted(len(choice.chosen), 'photo')} of the {size} asked for", err=True)
    show(
        as_json,
        lambda: report.as_text(choice, output, width=output_width()),
        lambda: report.as_json(choice, output),
    )


def _check(
    folder: Path,
    source: str,
    weights: Path | None,
    as_json: bool,
    *,
    count: int,
    fit: "Fit",
    batch_norm: "BatchNormFormula | None",
) -> "Verdict | None":
    from tinyedge.export.tensorflow import check_tensorflow_is_installed
    from tinyedge.temporary import own_temporaries
    from tinyedge.zoo.source import find_source

    check_tensorflow_is_installed()
    click.get_current_context().with_resource(own_temporaries())
    from tinyedge.export.calibrate import report
    from tinyedge.export.pipeline import check_photos

    with told_progress() as progress:
        files = find_source(source, progress=progress).files
        found = weights or files.weights
        if found is None:
            raise click.UsageError(f"{source} needs its weights: name them with --weights.")
        checked = check_photos(
            folder,
            files.cfg,
            found,
            count=count,
            fit=fit,
            batch_norm=batch_norm,
            workers=None,
            progress=progress,
        )
    show(
        as_json,
        lambda: report.as_text(checked, width=output_width()),
        lambda: report.as_json(checked),
    )
    return checked.verdict
