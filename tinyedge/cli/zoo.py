"""``tinyedge zoo``."""

import click

from tinyedge.cli.output import output_width, show
from tinyedge.cli.parameters import json_option


@click.command()
@click.option(
    "--table", is_flag=True, help="Darknet's published table, recomputed beside what it says."
)
@json_option
def command(table: bool, as_json: bool) -> None:
    """List the models that export, summary and fetch know by name.

    Size and operations are computed; top-1 and top-5 are those Darknet's page publishes, on
    ImageNet's 50,000 validation images. Files are packaged, here (in the cache) or missing.
    """
    from tinyedge.zoo import listing, page

    if table:
        rows = page.page_again()
        show(as_json, lambda: page.as_text(rows, width=output_width()), lambda: page.as_json(rows))
        return
    entries = listing.list_models()
    show(
        as_json,
        lambda: listing.as_text(entries, width=output_width()),
        lambda: listing.as_json(entries),
    )
