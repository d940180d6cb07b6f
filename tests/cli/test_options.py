"""One word for one thing: the options' old spellings, and the table in CONTRIBUTING.md."""

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.support.commands import ROOT, run_in_process
from tinyedge.cli import COMMANDS, main
from tinyedge.cli.parameters import OLD_SPELLINGS

RENAMED = [(name, *pair) for name, pairs in OLD_SPELLINGS.items() for pair in pairs.items()]


@pytest.mark.parametrize(("command", "old", "new"), RENAMED)
def test_an_old_spelling_is_not_offered(command: str, old: str, new: str) -> None:
    printed = run_in_process(command, "--help").stdout
    assert f"{new} " in printed
    assert old not in printed


@pytest.mark.parametrize(("command", "old", "new"), RENAMED)
@pytest.mark.parametrize("joined", [False, True])
def test_an_old_spelling_is_taken_with_a_note(
    command: str, old: str, new: str, joined: bool, tmp_path: Path
) -> None:
    # 0 and a missing folder are refused by the option they are given to.
    value = "0" if new == "--count" else str(tmp_path / "none")
    words = [f"{old}={value}"] if joined else [old, value]
    others = {"export": ["x.cfg", "-o", "out"]}.get(command, ["a.tflite", "b.tflite"])
    result = CliRunner().invoke(main, [command, *others, *words])
    assert result.exit_code == 2
    assert result.stderr.count(f"note: {old} is called {new} now\n") == 1
    today = CliRunner().invoke(main, [command, *others, *(w.replace(old, new) for w in words)])
    assert result.stderr.replace(f"note: {old} is called {new} now\n", "") == today.stderr


def test_what_stands_behind_two_dashes_is_no_option(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["export", "-o", str(tmp_path), "--", "--calib-count"])
    assert "is called" not in result.stderr


# A network's input has a width and a height, a calibration set a number of photos.
TWO_MEANINGS = {"--size": {"WxH", "N"}}


def test_one_name_is_one_parameter_wherever_it_stands() -> None:
    """The same option has the same kind of value, and the same placeholder, in every command."""
    kinds: dict[str, set[tuple[str, str | None]]] = {}
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        for option in command.params:
            if isinstance(option, click.Option):
                kind = (str(option.type.to_info_dict()), option.metavar)
                kinds.setdefault(option.opts[0], set()).add(kind)
    several = {name: kind for name, kind in kinds.items() if len(kind) > 1}
    assert {name: {metavar for _, metavar in kind} for name, kind in several.items()} == (
        TWO_MEANINGS
    )


def test_contributing_has_the_table_of_all_options() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| `(?:-\w, )?(--[\w-]+)[^`]*` \| (.+) \| (.+) \|$", text, re.MULTILINE)
    told = {}
    for option, meaning, said in rows:
        assert option not in told, option
        assert meaning
        named = set(re.findall(r"`([\w-]+)`", said))
        told[option] = set(COMMANDS) - named if said.startswith("all") else named
    offered: dict[str, set[str]] = {}
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                offered.setdefault(option.opts[-1], set()).add(name)
    assert told == offered
