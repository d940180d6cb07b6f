"""Parameters that several commands share."""

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinyedge.cli.output import say

if TYPE_CHECKING:
    from tinyedge.devices.profile import Profile

__all__ = [
    "FIT",
    "PATH",
    "SIZE",
    "device_option",
    "fit_option",
    "json_option",
    "not_nan",
    "on_a_terminal",
    "running_profile",
    "threads_option",
]

PATH = click.Path(path_type=Path)
FIT = click.Choice(["crop", "letterbox", "stretch"])


def SIZE(text: str) -> tuple[int, int]:  # noqa: N802  # a click type, named as click names its own
    """(width, height) of a text such as ``298x224``."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise click.BadParameter(f"{text!r} is not a size such as 298x224")
    return int(width), int(height)


def not_nan(_: click.Context, __: click.Parameter, value: float | None) -> float | None:
    """A click callback: nan passes any range check, being neither too small nor too large."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("nan is no number.")
    return value


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
fit_option = click.option("--fit", type=FIT, help="How photos are fitted; overrides the card's.")
# As many as a profile may have; the runtime crashes where the system gives it no more.
_MOST_THREADS = 1024
threads_option = click.option(
    "--threads",
    type=click.IntRange(1, _MOST_THREADS),
    help="Threads of the runtime [default: the device's].",
)
device_option = click.option(
    "--device", default="host", show_default=True, help="Device profile: a name or a .toml file."
)


def on_a_terminal() -> bool:
    """Whether a person watches stderr, where progress is shown."""
    # None where it was closed before Python started.
    return sys.stderr is not None and sys.stderr.isatty()


def running_profile(device: str) -> "Profile":
    """The profile to run a model by, with a note on stderr where this machine is another.

    Raises:
        DeviceError: there is none of that name.
    """
    from tinyedge.devices.profile import find_profile, this_machine_is

    profile = find_profile(device)
    if not this_machine_is(profile):
        say(f"note: this machine is no {profile.description}; running here", err=True)
    return profile
