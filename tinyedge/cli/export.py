"""``tinyedge export``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinyedge.cli.output import output_width, show
from tinyedge.cli.parameters import (
    FIT,
    PATH,
    SIZE,
    SOURCE,
    a_text,
    count_option,
    device_option,
    ids_option,
    json_option,
    labels_option,
    not_nan,
    told_progress,
)
from tinyedge.json_values import LARGEST_SEED

if TYPE_CHECKING:
    from tinyedge.devices.profile import InputType
    from tinyedge.export.request import FilePrecision
    from tinyedge.images.spec import Fit
    from tinyedge.modelcard import BatchNormFormula, Quantizer


@click.command()
@click.argument("source", type=SOURCE)
@click.option("--weights", type=PATH, metavar="FILE", help="Darknet .weights [default: the zoo's].")
@labels_option
@ids_option
@click.option(
    "--calib",
    type=PATH,
    metavar="DIR",
    help="Photos to calibrate with: a folder, a pattern in quotes, or a manifest; 'none' makes do"
    " with the statistics in the weights' batch norms, at a loss.",
)
@count_option(200)
@click.option(
    "--size",
    type=SIZE,
    metavar="WxH",
    help="Rebuild the network for another input, such as 298x224.",
)
@click.option(
    "--fit", type=FIT, default="crop", show_default=True, help="How photos are fitted to the input."
)
@click.option(
    "--batch-norm",
    type=click.Choice(["inside", "outside"]),
    help="Where the epsilon of batch norms stands: inside the root (AlexeyAB's Darknet), or"
    " outside (the original on a CPU) [default: by the revision in the weights' header].",
)
@device_option
@click.option(
    "--input",
    "input_type",
    type=click.Choice(["int8", "uint8"]),
    help="Input and output of the int8 file [default: the device's].",
)
@click.option(
    "--probabilities",
    is_flag=True,
    help="Put the softmax into the .tflite files; int8 ones then answer in steps of 1/256.",
)
@click.option(
    "--precision",
    type=click.Choice(["integer", "mixed"]),
    help="An int8 file, or one whose layers are each in int8, hybrid or float [default: mixed for a"
    " Pi of 64 bits, else integer].",
)
@click.option(
    "--latency-budget",
    type=click.FloatRange(min=0, min_open=True, max=10),
    callback=not_nan,
    default=1.0,
    show_default=True,
    metavar="RATIO",
    help="The most cycles of a mixed file, to the integer file's.",
)
@click.option(
    "--pareto",
    type=PATH,
    metavar="FILE.png",
    help="With --precision mixed, show what divergence there is at which cost, and draw it.",
)
@click.option(
    "--quantizer",
    type=click.Choice(["tuned", "default"]),
    default="tuned",
    show_default=True,
    help="tinyedge's own, or TFLiteConverter's.",
)
@click.option(
    "--no-rewrite",
    "without",
    type=click.Choice(["pool-before-leaky", "average-before-linear"]),
    multiple=True,
    help="Keep Darknet's order there; for the tuned quantizer.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, LARGEST_SEED),
    default=0,
    show_default=True,
    help="Of what the tuned quantizer draws at random.",
)
@click.option("--float-only", is_flag=True, help="Make no int8 file; needs no photos.")
@click.option("--keras", is_flag=True, help="Save the Keras model too.")
@click.option("--saved-model", is_flag=True, help="Save a TensorFlow SavedModel too, a folder.")
@click.option(
    "--author", callback=a_text, default="", help="Of the network, for the files' metadata."
)
@click.option(
    "--license", "license_", callback=a_text, default="", help="Of the network, likewise."
)
@click.option(
    "-o", "--output", type=PATH, required=True, metavar="OUT", help="Folder for the files."
)
@json_option
def command(
    *,
    source: str,
    weights: Path | None,
    labels: Path | None,
    ids: Path | None,
    calib: Path | None,
    count: int,
    size: tuple[int, int] | None,
    fit: "Fit",
    batch_norm: "BatchNormFormula | None",
    device: str,
    input_type: "InputType | None",
    probabilities: bool,
    precision: "FilePrecision | None",
    latency_budget: float,
    pareto: Path | None,
    quantizer: "Quantizer",
    without: tuple[str, ...],
    seed: int,
    float_only: bool,
    keras: bool,
    saved_model: bool,
    author: str,
    license_: str,
    output: Path,
    as_json: bool,
) -> None:
    """Make float and int8 .tflite files of a Darknet network.

    SOURCE is a model of the zoo (see `tinyedge zoo`) or a .cfg, which needs --weights.
    """
    import tinyedge
    from tinyedge.devices.profile import find_profile
    from tinyedge.export import report
    from tinyedge.export.quantize.reorder import REWRITES
    from tinyedge.files import write_together
    from tinyedge.temporary import own_temporaries
    from tinyedge.zoo.source import find_source

    click.get_current_context().with_resource(own_temporaries())
    data_free = calib == Path("none")  # a folder of that name can be named by its full path
    if pareto is not None:
        if precision == "integer" or float_only:
            raise click.UsageError("--pareto goes with --precision mixed")
        precision = "mixed"
        from tinyedge.plotting import check_plotting

        check_plotting(pareto, weights, labels, ids, photos=None if data_free else calib)
    if float_only and (precision is not None or input_type is not None):
        raise click.UsageError("--float-only makes no file that --precision or --input is of")
    profile = find_profile(device)
    with told_progress() as progress:
        found = find_source(source, progress=progress)
    if weights is None and found.files.weights is None:
        raise click.UsageError(f"{source} needs its weights: name them with --weights.")
    with told_progress() as progress:
        exported = tinyedge.export_model(
            found,
            output,
            weights=weights,
            labels=labels,
            ids=ids,
            calibration=None if data_free else calib,
            calibration_count=count,
            data_free=data_free,
            size=size,
            fit=fit,
            batch_norm=batch_norm,
            device=profile,
            input_type=input_type,
            probabilities=probabilities,
            author=author,
            license=license_,
            precision=precision,
            latency_budget=latency_budget,
            pareto=pareto is not None,
            quantizer=quantizer,
            rewrites=tuple(name for name in REWRITES if name not in without),
            seed=seed,
            float_only=float_only,
            keras=keras,
            saved_model=saved_model,
            workers=None,
            progress=progress,
        )
    from tinyedge.export.quantize.curve import curve_json, curve_plot, curve_text

    curve, boards = exported.curve, exported.boards
    firmware = device if profile.microcontroller else None
    shown = [] if pareto is None else [curve_text(curve, boards, width=output_width())]
    show(
        as_json,
        lambda: "\n\n".join((*shown, report.as_text(exported, microcontroller=firmware))),
        lambda: {**report.as_json(exported), "pareto": curve_json(curve, boards)},
    )
    if pareto is not None:
        title = f"{exported.card.name} on {', '.join(boards)}"
        write_together({pareto: curve_plot(curve, latency_budget, title)})
