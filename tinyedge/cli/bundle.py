"""``tinyedge bundle``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinyedge.cli.output import say, show
from tinyedge.cli.parameters import PATH, device_option, json_option, told_progress

if TYPE_CHECKING:
    from tinyedge.devices.bundle.target import Release
    from tinyedge.devices.profile import Architecture


@click.command()
@click.argument("models", type=PATH, nargs=-1, required=True, metavar="MODEL...")
@device_option
@click.option(
    "--os",
    "release",
    type=click.Choice(["bookworm", "trixie"]),
    help="Release of the board's Debian or Raspberry Pi OS [default: trixie; on armv7l bookworm].",
)
@click.option(
    "--architecture",
    type=click.Choice(["aarch64", "armv7l", "x86_64"]),
    help="Of the board's system [default: the device's]; armv7l where it is 32-bit.",
)
@click.option(
    "--python", metavar="X.Y", help="Python of the board, such as 3.11 [default: its release's]."
)
@click.option("--online", is_flag=True, help="Leave the wheels out: the board downloads them.")
@click.option(
    "-o",
    "--output",
    type=PATH,
    required=True,
    metavar="OUT",
    help="Folder to make, or a file whose name ends in .tar.gz or .zip.",
)
@json_option
def command(
    *,
    models: tuple[Path, ...],
    device: str,
    release: "Release | None",
    architecture: "Architecture | None",
    python: str | None,
    online: bool,
    output: Path,
    as_json: bool,
) -> None:
    """Put together all that a board needs to run models, and nothing else.

    MODEL is a .tflite file that tinyedge exported. OUT holds the models, tinyedge and its
    packages for the board, and install.sh: copied to the board, `sh OUT/install.sh` installs it
    without a network and checks that the models answer there as they do here.
    """
    from tinyedge.devices.bundle import report
    from tinyedge.devices.bundle.archive import check_output, write_bundle
    from tinyedge.devices.bundle.assembly import answer, assemble
    from tinyedge.devices.bundle.target import find_target
    from tinyedge.devices.profile import find_profile
    from tinyedge.temporary import own_temporaries

    click.get_current_context().with_resource(own_temporaries())
    profile = find_profile(device)
    target = find_target(profile, architecture=architecture, release=release, python=python)
    check_output(output)
    with told_progress() as progress:
        progress("running the models here")
        answers = answer(models, device)
        progress(f"choosing wheels for Python {target.python} on {target.architecture}")
        bundle = assemble(answers, device, target, online=online)
    written = write_bundle(bundle, output)
    if profile.delegate_warning is not None:
        say(f"note: {profile.delegate_warning}", err=True)
    if bundle.debian_packages:
        names = " ".join(bundle.debian_packages)
        say(f"note: the board needs Debian's packages too: apt install {names}", err=True)
    show(
        as_json,
        lambda: report.as_text(bundle, output, written),
        lambda: report.as_json(bundle, output, written),
    )
