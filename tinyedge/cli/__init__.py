"""The ``tinyedge`` command: a thin layer that turns words into calls and errors into exit codes.

Each command is a module of this package with a click command named ``command``; its heavy
imports stand inside the function, so that ``--help`` loads click alone.
"""

import importlib
import sys
import warnings
from typing import NoReturn

import click

from tinyedge import __version__
from tinyedge.errors import TinyedgeError, TinyedgeWarning

COMMANDS = (
    "export",
    "run",
    "compare",
    "inspect",
    "check",
    "summary",
    "devices",
    "bundle",
    "deploy",
    "selftest",
    "zoo",
    "fetch",
    "demo",
)


class _LazyGroup(click.Group):
    """Loads a command's module only when that command, or the list of all, is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        # `run` is a folder: its command is a file of it.
        module = "run.command" if cmd_name == "run" else cmd_name
        command = importlib.import_module(f"tinyedge.cli.{module}").command
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; bad input ends as one message on stderr and exit code 2."""
        debug = bool(ctx.params.get("debug"))
        with warnings.catch_warnings():
            warnings.simplefilter("always", TinyedgeWarning)
            warnings.showwarning = _show_warning
            try:
                return super().invoke(ctx)
            except TinyedgeError as error:
                _fail(str(error), debug)
            except OSError as error:
                if isinstance(error, BrokenPipeError):
                    raise
                where = f"{error.filename}: " if error.filename else ""
                _fail(f"{where}{error.strerror or error}", debug)
            except MemoryError:
                _fail("out of memory", debug)
            except ModuleNotFoundError as error:
                if not (error.name or "").startswith("tinyedge.export"):
                    raise
                _fail("this command is left out on a board: run it on your computer", debug)


def _fail(message: str, debug: bool) -> NoReturn:
    if debug:
        import traceback

        traceback.print_exc()
    click.echo(f"error: {message}", err=True)
    raise SystemExit(2)


def _show_warning(
    message: Warning | str, category: type[Warning], *_: object, **__: object
) -> None:
    if issubclass(category, TinyedgeWarning):
        # Not err=True, which passes by the stream that a progress bar puts there to be redrawn.
        click.echo(f"note: {message}", file=sys.stderr, err=True)


@click.command(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(__version__, prog_name="tinyedge")
def main(debug: bool) -> None:
    """Take a Darknet classifier to an int8 TFLite file whose accuracy has been checked."""
    del debug
