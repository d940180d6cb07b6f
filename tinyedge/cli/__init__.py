"""The ``tinyedge`` command: a thin layer that turns words into calls and errors into exit codes.

How a command ends stands in `tinyedge.exit_codes`.

Each command is a module of this package with a click command named ``command``; its heavy
imports stand inside the function, so that ``--help`` loads click alone.
"""

import contextlib
import functools
import importlib
import io
import select
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from tinyedge import __version__
from tinyedge.cli.help import NEED_TENSORFLOW, SECTIONS, epilog, list_commands, with_needs
from tinyedge.cli.output import (
    say,
    say_error,
    say_other_distribution,
    verbosity,
    verbosity_kept,
    write_nowhere,
)
from tinyedge.cli.parameters import (
    keep_words,
    spelled_as_today,
    verbosity_options,
    with_verbosity,
)
from tinyedge.errors import TinyedgeError, TinyedgeWarning
from tinyedge.exit_codes import ExitCode, NothingLeft
from tinyedge.system import Interrupted, check_interrupted, interruptible

COMMANDS = tuple(name for names in SECTIONS.values() for name in names)


@functools.cache
def _command(name: str) -> click.Command:
    """The command of that name, with what all commands have: `-v`, `-q`, examples, exit codes."""
    # `run` is a folder: its command is a file of it.
    module = "run.command" if name == "run" else name
    command = importlib.import_module(f"tinyedge.cli.{module}").command
    assert isinstance(command, click.Command)
    assert command.help is not None
    command.help = with_needs(name, command.help)
    command.epilog = epilog(name)
    command.params += verbosity_options()
    if name in NEED_TENSORFLOW:
        callback = command.callback
        assert callback is not None

        @functools.wraps(callback)
        def checked(*args: object, **words: object) -> object:
            _check_computers_install()
            return callback(*args, **words)

        command.callback = checked
    return command


def _check_computers_install() -> None:
    from tinyedge.export.tensorflow import check_tensorflow_is_installed

    check_tensorflow_is_installed()


class _LazyGroup(click.Group):
    """Loads a command's module only when that command, or the list of all, is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        return _command(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        list_commands(self, ctx, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command, and its words with the options' names of today."""
        if args[0] not in COMMANDS and not (args[0].startswith("-") or ctx.resilient_parsing):
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS, n=2)
            hint = f" Did you mean {' or '.join(close)}?" if close else ""
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx)
        keep_words(ctx, args)
        name, command, words = super().resolve_command(ctx, args)
        return name, command, spelled_as_today(name, words) if name is not None else words

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command and, in `standalone_mode`, end the process, whatever comes."""
        with verbosity_kept():
            if standalone_mode:
                self._run_and_end(args, prog_name, complete_var, **extra)
            try:
                return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
            except NothingLeft:
                # Of this command; of who calls it, as `demo` does several, much may be.
                return None

    def _run_and_end(
        self,
        args: Sequence[str] | None,
        prog_name: str | None,
        complete_var: str | None,
        **extra: Any,
    ) -> NoReturn:
        try:
            with interruptible():
                # Not click's own standalone mode, which ends with 1 where stderr cannot be written.
                code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
            raise SystemExit(code if isinstance(code, int) else ExitCode.DONE)
        except click.ClickException as wrong:
            _show(wrong)
            say_other_distribution()
            raise SystemExit(wrong.exit_code) from None
        except Interrupted as interrupted:
            say_error(f"ended by {interrupted.number.name}")
            raise SystemExit(128 + interrupted.number) from None
        except SystemExit as end:
            if end.code in (ExitCode.ERROR, ExitCode.UNEXPECTED):
                say_other_distribution()
            raise

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """The context; prints the help where that is asked for."""
        try:
            return super().make_context(*args, **extra)
        except BrokenPipeError:
            _end_without_stdout()
        except OSError as error:
            write_nowhere(sys.stdout)
            _fail(error, debug=False)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; whatever is raised ends as one message on stderr and an exit code."""
        debug = bool(ctx.params.get("debug"))
        with warnings.catch_warnings():
            warnings.simplefilter("always", TinyedgeWarning)
            warnings.showwarning = _show_warning
            try:
                return self._invoke_where_it_can_work(ctx)
            except (click.ClickException, click.exceptions.Exit):
                raise
            except BrokenPipeError as error:
                check_interrupted()
                if _stdout_is_closed():
                    _end_without_stdout()
                _fail(error, debug)
            except Exception as error:
                # Of an interrupt that native code turned into an error of its own.
                check_interrupted()
                _fail(error, debug)

    def _invoke_where_it_can_work(self, ctx: click.Context) -> object:
        """Run the command; that it cannot work here is said before what is wrong with its words."""
        try:
            return super().invoke(ctx)
        except click.UsageError as wrong:
            if wrong.ctx is not None and wrong.ctx.info_name in NEED_TENSORFLOW:
                _check_computers_install()
            raise


def _show(wrong: click.ClickException) -> None:
    text = io.StringIO()
    wrong.show(file=text)
    for line in text.getvalue().rstrip("\n").split("\n"):
        # click's errors begin as our own do.
        said = line.removeprefix("Error: ")
        say_error(line if said == line else f"error: {said}")


def _stdout_is_closed() -> bool:
    """Whether nobody can read stdout any more: it is a pipe or a socket without a reader."""
    poll = select.poll()
    # In a process that has put something else there nothing can be asked.
    with contextlib.suppress(AttributeError, OSError, ValueError):
        poll.register(sys.stdout.fileno(), 0)
        return bool(poll.poll(0))
    return True


def _end_without_stdout() -> NoReturn:
    write_nowhere(sys.stdout)
    raise SystemExit(ExitCode.STDOUT_CLOSED)


def _fail(error: Exception, debug: bool) -> NoReturn:
    """Tell of the error, whose traceback stands on the stack still, and end."""
    if debug:
        import traceback

        for line in traceback.format_exc().rstrip("\n").split("\n"):
            say_error(line)
    code = ExitCode.ERROR
    match error:
        case TinyedgeError():
            message = str(error)
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            message = f"{where}{error.strerror or error}"
        case MemoryError():
            message = "out of memory"
        # TensorFlow's, of which this ring knows the name alone.
        case _ if type(error).__name__ == "ResourceExhaustedError":
            message = "out of memory"
        case ModuleNotFoundError(name=str(name)) if name.startswith("tinyedge.export"):
            message = "this command is left out on a board: run it on your computer"
        case _:
            code = ExitCode.UNEXPECTED
            said = " ".join(f"{type(error).__name__}: {error}".split())
            hint = "" if debug else "; tinyedge --debug COMMAND... shows where"
            message = f"unexpected {said}. This is a fault of tinyedge: please report it{hint}"
    say_error(f"error: {message}")
    raise SystemExit(code)


def _show_warning(
    message: Warning | str, category: type[Warning], *_: object, **__: object
) -> None:
    if issubclass(category, TinyedgeWarning):
        say(f"note: {message}", err=True)
    elif verbosity() == "verbose":
        say(f"note: {category.__name__}: {message}", err=True)


def _print_version(context: click.Context, parameter: click.Parameter, asked: bool) -> None:
    del parameter
    if asked and not context.resilient_parsing:
        say(f"tinyedge, version {__version__}")
        say_other_distribution()
        context.exit(ExitCode.DONE)


@click.command(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=epilog(None),
)
@with_verbosity
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def main(debug: bool) -> None:
    """Take a Darknet classifier to an int8 TFLite file whose accuracy has been checked."""
    del debug
