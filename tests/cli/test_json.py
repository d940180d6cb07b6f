"""``--json``: each line a command prints is an object that begins with its schema."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.commands import run_in_process
from tests.support.exports import Models
from tinyedge.cli import COMMANDS, main

# Those that take long are asked where they are tested.
ELSEWHERE = {"bundle", "deploy", "inspect", "selftest"}
WITHOUT = {"completion", "demo"}


def printed(*words: object) -> list[dict[str, object]]:
    """The lines a command prints, whatever its exit code."""
    result = CliRunner().invoke(main, [*map(str, words), "--json"])
    assert result.exit_code in (0, 1), result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def schemas(lines: list[dict[str, object]]) -> list[object]:
    """The values of the first keys, which must be the schemas."""
    assert all(next(iter(line)) == "schema" for line in lines)
    return [line["schema"] for line in lines]


@pytest.mark.parametrize(
    "words",
    [("devices",), ("zoo",), ("zoo", "--table"), ("fetch", "fashion"), ("summary", "fashion")],
    ids=" ".join,
)
def test_what_needs_no_model(words: tuple[str, ...]) -> None:
    assert schemas(printed(*words)) == [f"tinyedge.{words[0]}/1"]


def test_what_is_said_of_a_model(
    fashion_models: Models, fashion_images: Path, model: Path, bags: list[Path]
) -> None:
    assert schemas(printed("info", model)) == ["tinyedge.info/1"]
    assert schemas(printed("check", model)) == ["tinyedge.check/1"]
    assert schemas(printed("run", model, *bags[:2])) == ["tinyedge.run/1"] * 2
    assert schemas(printed("run", model, bags[0], "--bench", 1)) == ["tinyedge.run/1"]
    files = (fashion_models.float_model, fashion_models.int8_model)
    assert schemas(printed("compare", *files, "--data", fashion_images)) == ["tinyedge.compare/1"]


def test_what_is_made(tmp_path: Path) -> None:
    lines = printed("export", "fashion", "--float-only", "-o", tmp_path)
    assert schemas(lines) == ["tinyedge.export/1"]


def test_no_command_is_forgotten() -> None:
    here = {"devices", "zoo", "fetch", "summary", "info", "check", "run", "compare", "export"}
    assert here | ELSEWHERE | WITHOUT == set(COMMANDS)
    for name in COMMANDS:
        assert ("--json" in run_in_process(name, "--help").stdout) == (name not in WITHOUT)
