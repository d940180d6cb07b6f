"""``tinyedge summary``."""

import click

from tinyedge.cli.output import output_width, show
from tinyedge.cli.parameters import DEVICE, SIZE, SOURCE, json_option, told_progress


@click.command()
@click.argument("source", type=SOURCE)
@click.option("--size", type=SIZE, metavar="WxH", help="Build for another input, such as 298x224.")
@click.option(
    "--device",
    type=DEVICE,
    metavar="NAME",
    help="Say what the network needs of this device's memory, estimate its latency there, and say"
    " which file export makes for it.",
)
@json_option
def command(source: str, size: tuple[int, int] | None, device: str | None, as_json: bool) -> None:
    """Print a network's layers as Darknet does, and what they cost.

    SOURCE is a model of the zoo (see `tinyedge zoo`) or a .cfg. A multiplication or an addition is
    one operation. The latency is an estimate from the board's data sheet, not measured; how far
    published latencies are from theirs is printed beside it.
    """
    from tinyedge.darknet.network import read_network
    from tinyedge.devices import summary
    from tinyedge.devices.profile import find_profile
    from tinyedge.zoo.source import find_source

    profile = find_profile(device) if device is not None else None
    with told_progress() as progress:
        found = find_source(source, progress=progress, cfg_only=True)
    network = read_network(found.files.cfg, size=size)
    costs = summary.device_costs(network, profile) if profile is not None else None
    show(
        as_json,
        lambda: summary.as_text(network, costs, width=output_width()),
        lambda: summary.as_json(network, costs),
    )
