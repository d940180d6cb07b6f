"""``tinyedge info``."""

from pathlib import Path

import click

from tinyedge.cli.output import output_width, say, show
from tinyedge.cli.parameters import PATH, json_option


@click.command()
@click.argument("model", type=PATH)
@click.option(
    "--write-labels",
    type=PATH,
    metavar="FILE",
    help="Write its labels to FILE, one a line, in the place of what is there.",
)
@json_option
def command(*, model: Path, write_labels: Path | None, as_json: bool) -> None:
    """Say what a .tflite file is and what it says of itself.

    MODEL is read, not run: its input, how photos are fitted to it, its answer and labels, how it
    was quantized, calibrated and checked, of which .cfg and .weights, and where its bytes are,
    layer by layer. Of a file that tinyedge did not export, what its TFLite Metadata and its graph
    say.
    """
    from tinyedge.files import check_output_file, write_together
    from tinyedge.info import report
    from tinyedge.info.describe import describe, label_lines

    if write_labels is not None:
        check_output_file(write_labels, model)
    found = describe(model)
    contents = {} if write_labels is None else {write_labels: label_lines(found).encode()}
    show(
        as_json, lambda: report.as_text(found, width=output_width()), lambda: report.as_json(found)
    )
    if write_labels is not None:
        write_together(contents)
        say(f"{write_labels}: {len(found.labels or ())} labels", err=True)
