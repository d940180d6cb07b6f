"""``tinyedge export``."""

from pathlib import Path

import click

from tinyedge.cli.parameters import FIT, PATH, SIZE, device_option, json_option, on_a_terminal


@click.command()
@click.argument("source")
@click.option("--weights", type=PATH, help="Darknet .weights [default: the zoo's].")
@click.option("--labels", type=PATH, help="Class names, one a line.")
@click.option("--ids", type=PATH, help="WordNet ids of the classes, one a line.")
@click.option("--calib", type=PATH, help="Photos to calibrate with: a folder or manifest.")
@click.option(
    "--calib-count",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="How many of them to use, spread evenly.",
)
@click.option(
    "--size",
    type=SIZE,
    metavar="WxH",
    help="Rebuild the network for another input, such as 298x224.",
)
@click.option(
    "--fit", type=FIT, default="crop", show_default=True, help="How photos are fitted to the input."
)
@device_option
@click.option(
    "--input",
    "input_type",
    type=click.Choice(["int8", "uint8"]),
    help="Input and output of the int8 file [default: the device's].",
)
@click.option("--float-only", is_flag=True, help="Make no int8 file; needs no photos.")
@click.option("--keras", is_flag=True, help="Save the Keras model too.")
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
    calib_count: int,
    size: tuple[int, int] | None,
    fit: str,
    device: str,
    input_type: str | None,
    float_only: bool,
    keras: bool,
    output: Path,
    as_json: bool,
) -> None:
    """Make float and int8 .tflite files of a Darknet network.

    SOURCE is a model of the zoo (fashion, tiny) or a .cfg, which needs --weights.
    """
    from tinyedge.devices.profile import find_profile
    from tinyedge.export.pipeline import ExportRequest, export
    from tinyedge.export.progress import stages_shown
    from tinyedge.export.result import exported_json, exported_text
    from tinyedge.sources import find_source

    profile = find_profile(device)
    found = find_source(source, progress=on_a_terminal())
    weights = weights or found.weights
    if weights is None:
        raise click.UsageError(f"{source} needs its weights: name them with --weights.")
    request = ExportRequest(
        name=found.name,
        cfg=found.cfg,
        weights=weights,
        labels=labels or found.labels,
        ids=ids or found.ids,
        calibration=calib or found.calibration,
        calibration_count=calib_count,
        size=size,
        fit=fit,
        input_type=input_type or profile.input_type,
        float_only=float_only,
        keras=keras,
    )
    with stages_shown(on_terminal=on_a_terminal()) as stage:
        exported = export(request, output, stage=stage)
    click.echo(exported_json(exported) if as_json else exported_text(exported))
