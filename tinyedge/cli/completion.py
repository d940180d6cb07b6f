"""``tinyedge completion``: what a shell asks for at a Tab."""

import click

from tinyedge.cli.output import say_lines

VARIABLE = "_TINYEDGE_COMPLETE"
"""The environment variable by which a shell asks; click's name for it."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="SHELL")
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print what makes a shell complete commands, options, models, devices and files.

    SHELL is bash (4.4 or newer), zsh or fish. Put what is printed where the shell reads it at its
    start: the end of ~/.bashrc or ~/.zshrc, or a file of fish's completions.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    main = context.find_root().command
    script = kind(main, {}, "tinyedge", VARIABLE)
    # Not source(), which starts a bash to ask for its version.
    say_lines((script.source_template % script.source_vars()).rstrip("\n"))
