"""``tinyedge summary``."""

import click

from tinyedge.cli.parameters import SIZE, json_option, on_a_terminal


@click.command()
@click.argument("source")
@click.option("--size", type=SIZE, metavar="WxH", help="Build for another input, such as 298x224.")
@json_option
def command(source: str, size: tuple[int, int] | None, as_json: bool) -> None:
    """Print a network's layers as Darknet does, and what they cost.

    SOURCE is a model of the zoo (fashion, tiny) or a .cfg. A multiplication or an addition is
    one operation.
    """
    import json

    from tinyedge.darknet.network import read_network
    from tinyedge.darknet.table import layer_table, summary
    from tinyedge.sources import find_source

    found = find_source(source, progress=on_a_terminal(), cfg_only=True)
    network = read_network(found.cfg, size=size)
    if as_json:
        click.echo(json.dumps(summary(network)))
        return
    click.echo("\n".join(layer_table(network)))
    click.echo(
        f"\n{network.operations:,} operations ({network.operations / 1e9:.2f} Bn),"
        f" {network.parameters:,} parameters, {network.weight_bytes / 1e6:.2f} MB of weights"
    )
