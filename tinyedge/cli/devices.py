"""``tinyedge devices``."""

import click

from tinyedge.cli.output import output_width, show
from tinyedge.cli.parameters import json_option


@click.command()
@json_option
def command(as_json: bool) -> None:
    """List the device profiles, and what each would use on this machine.

    The one this machine is has a star. Of each: the TFLite runtime, the threads and the delegate
    that a model would run with here, and why. Your own profiles are the .toml files in
    ~/.config/tinyedge/devices (XDG_CONFIG_HOME is respected); one of a name that ships replaces it.
    """
    from tinyedge.devices import listing

    devices = listing.list_devices()
    show(
        as_json,
        lambda: listing.as_text(devices, width=output_width()),
        lambda: listing.as_json(devices),
    )
