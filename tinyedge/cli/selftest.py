"""``tinyedge selftest``."""

import sys
from pathlib import Path

import click

from tinyedge.cli.output import say_other_distribution, show
from tinyedge.cli.parameters import PATH, json_option
from tinyedge.exit_codes import ExitCode


@click.command()
@click.argument("bundle", type=PATH, default=Path(sys.prefix))
@json_option
@click.pass_context
def command(context: click.Context, bundle: Path, as_json: bool) -> None:
    """Check that a bundle's models answer here as on the computer that made it.

    BUNDLE is the folder of a bundle, or the one it was installed into [default: where this
    tinyedge is installed]. Of an int8 model every score must be equal, bit for bit; of a float
    model no score may differ by more than rounding, of a mixed one by no more than rounding makes
    of one in float and int8; on another release of the runtime, or another runtime, int8 and mixed
    ones must give the same likeliest class.
    """
    from tinyedge.devices import selftest

    say_other_distribution()
    outcomes = selftest.selftest(bundle)
    show(as_json, lambda: selftest.as_text(outcomes), lambda: selftest.as_json(outcomes))
    passed = all(outcome.passed for outcome in outcomes)
    context.exit(ExitCode.DONE if passed else ExitCode.FAILED)
