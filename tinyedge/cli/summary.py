"""``tinyedge summary``."""

import click

from tinyedge.cli.parameters import SIZE, json_option, on_a_terminal


@click.command()
@click.argument("source")
@click.option("--size", type=SIZE, metavar="WxH", help="Build for another input, such as 298x224.")
@click.option(
    "--device",
    help="Say what the network needs of this device's memory, and estimate its latency there.",
)
@json_option
def command(source: str, size: tuple[int, int] | None, device: str | None, as_json: bool) -> None:
    """Print a network's layers as Darknet does, and what they cost.

    SOURCE is a model of the zoo (see `tinyedge zoo`) or a .cfg. A multiplication or an addition is
    one operation. The latency is an estimate from the board's data sheet, not measured; how far
    published latencies are from theirs is printed beside it.
    """
    import json
    from textwrap import indent

    from tinyedge.darknet import summary
    from tinyedge.darknet.network import read_network
    from tinyedge.devices.latency import report
    from tinyedge.devices.latency.estimates import latency_estimates
    from tinyedge.devices.memory import check_memory
    from tinyedge.devices.profile import find_profile
    from tinyedge.progress import progress_shown
    from tinyedge.zoo.source import find_source

    profile = find_profile(device) if device is not None else None
    with progress_shown(on_terminal=on_a_terminal()) as progress:
        found = find_source(source, progress=progress, cfg_only=True)
    network = read_network(found.files.cfg, size=size)
    if profile is not None:
        check_memory(network, profile)
    needs = {name: network.footprint(width) for name, width in (("float32", 4), ("int8", 1))}
    if as_json:
        content = summary.as_json(network)
        if profile is not None:
            content["device"] = profile.name
            content["device_memory"] = profile.memory
            content["needs"] = {name: need.total for name, need in needs.items()}
            content["latency_estimate"] = report.as_json(latency_estimates(network, profile))
        click.echo(json.dumps(content))
        return
    click.echo(summary.as_text(network))
    if profile is not None:
        memory = "unknown" if profile.memory is None else f"{profile.memory / 1e6:.1f} MB"
        click.echo(f"{profile.name}: memory {memory}")
        for name, need in needs.items():
            click.echo(f"  {name:<7} needs at least {need}")
        click.echo(indent(report.as_text(latency_estimates(network, profile)), "  "))
