"""``tinyedge zoo``."""

import click

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
    import json

    from tinyedge.zoo.table import listing, listing_text, page, page_text

    rows = page() if table else listing()
    if as_json:
        click.echo(json.dumps(rows))
    else:
        click.echo(page_text(rows) if table else listing_text(rows))
