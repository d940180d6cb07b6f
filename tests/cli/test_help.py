"""What a command loads: nothing heavy for its help, nothing of export's to run or compare."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import get_args

import click
import pytest

from tests.support.commands import run_as_user, run_in_process, watched
from tests.support.exports import Models
from tests.support.toy import write_toy
from tinyedge.cli import COMMANDS, main
from tinyedge.cli.help import EXAMPLES, NEED_TENSORFLOW
from tinyedge.devices.bundle.target import Release
from tinyedge.devices.profile import Architecture, InputType, profile_names
from tinyedge.export.quantize.reorder import REWRITES
from tinyedge.images.spec import FITS
from tinyedge.modelcard import Quantizer

# What a board's install does not bring.
EXPORT_ONLY = ("tensorflow", "keras", "h5py", "rich", "pooch", "platformdirs", "matplotlib")
# Patterns of the examples, and what a shell makes of them.
TYPED = {
    "out/*.tflite": ["out/a.tflite", "out/b.tflite"],
    "out/my_*.tflite": ["out/my_float.tflite", "out/my_int8.tflite"],
    "out/tiny_*.tflite": ["out/tiny_float.tflite", "out/tiny_int8.tflite"],
}
HEAVY = ("numpy", "PIL", "ai_edge_litert", "tflite_runtime", *EXPORT_ONLY)


@pytest.mark.parametrize(
    "words", [["--help"], *([name, "--help"] for name in COMMANDS)], ids=" ".join
)
def test_help_imports_click_alone(tmp_path: Path, words: list[str]) -> None:
    done, imported = watched(tmp_path, *words)
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: tinyedge ")
    assert done.stderr == ""
    assert "click" in imported
    assert not imported & set(HEAVY)


def test_help_lists_every_command(tmp_path: Path) -> None:
    done, _ = watched(tmp_path, "--help")
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize(
    "name",
    COMMANDS,
)
def test_everything_one_may_type_is_explained(name: str) -> None:
    command = main.get_command(click.Context(main), name)  # type: ignore[attr-defined]
    assert command.help
    described = command.help + " ".join(
        parameter.help or "" for parameter in command.params if isinstance(parameter, click.Option)
    )
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.opts
            assert parameter.help.endswith((".", "]")) or parameter.show_default, parameter.help
        else:
            metavar = parameter.make_metavar(click.Context(command)).strip("[].")
            assert re.search(rf"\b{metavar}\b", described, re.IGNORECASE), metavar


@pytest.mark.parametrize(
    ("command", "option", "names"),
    [
        *((name, "fit", FITS) for name in ("export", "run", "compare", "inspect")),
        ("export", "input_type", get_args(InputType)),
        ("export", "quantizer", get_args(Quantizer)),
        ("export", "without", REWRITES),
        ("bundle", "release", get_args(Release)),
        ("bundle", "architecture", get_args(Architecture)),
    ],
)
def test_the_names_an_option_offers_are_those_there_are(
    command: str, option: str, names: tuple[str, ...]
) -> None:
    found = main.get_command(click.Context(main), command)
    assert found is not None
    (parameter,) = (each for each in found.params if each.name == option)
    assert isinstance(parameter.type, click.Choice)
    assert tuple(parameter.type.choices) == names


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_help_is_told_whole_in_any_width(
    name: str | None, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    printed = run_in_process(*([] if name is None else [name]), "--help").stdout
    assert max(map(len, printed.splitlines())) <= width
    told = " ".join(printed.split())
    for each in COMMANDS if name is None else (name,):
        command = main.get_command(click.Context(main), each)  # type: ignore[attr-defined]
        assert " ".join(command.help.split()).partition(". ")[0].removesuffix(".") in told
    assert "..." not in re.sub(r"[A-Z8\]]\.\.\.", "", told)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_example_can_be_typed(name: str) -> None:
    lines = "\n".join(EXAMPLES[name]).replace("\\\n", "").splitlines()
    assert 1 <= len(lines) <= 3
    for line in lines:
        program, typed, *words = shlex.split(line.partition(" >")[0])
        words = [file for word in words for file in TYPED.get(word, [word])]
        assert (program, typed) == ("tinyedge", name)
        command = main.get_command(click.Context(main), name)
        assert command is not None
        command.make_context(name, words)


@pytest.mark.parametrize("name", NEED_TENSORFLOW)
def test_what_cannot_work_on_a_board_says_so_first(tmp_path: Path, name: str) -> None:
    done, _ = watched(tmp_path, name, "--help", without=EXPORT_ONLY)
    _, first, needs, following, *_ = done.stdout.split("\n\n")
    assert needs.startswith("  Needs the computer's install")
    # Nor is what was put between indented otherwise.
    assert all(re.match(r"  \S|\S", line) for line in f"{first}\n{following}".splitlines()[:2])
    assert_says_so(tmp_path, name, "--nonsense")
    words = {"export": ("no.cfg",), "inspect": ("no", "no", "--data", tmp_path / "no")}
    words = (*words.get(name, ()), *(() if name == "inspect" else ("-o", tmp_path / "out")))
    assert_says_so(tmp_path, name, *words)
    assert not (tmp_path / "out").exists()


def assert_says_so(folder: Path, *words: object) -> None:
    done, imported = watched(folder, *words, without=EXPORT_ONLY)
    assert done.returncode == 2
    assert done.stderr.startswith("error: this command needs the package tensorflow, which ")
    assert done.stderr.count("\n") == 1
    assert not imported & set(HEAVY)


def test_the_version_is_told(tmp_path: Path) -> None:
    done, _ = watched(tmp_path, "--version")
    assert done.stdout == "tinyedge, version 0.1.0\n"


def test_an_unknown_command_is_a_usage_error(tmp_path: Path) -> None:
    done, imported = watched(tmp_path, "exprot")
    assert done.returncode == 2
    assert "No such command 'exprot'. Did you mean export?" in done.stderr
    assert not imported & set(HEAVY)


def test_run_imports_nothing_that_only_export_needs(
    tmp_path: Path, fashion_models: Models, fashion_images: Path
) -> None:
    photo = next((fashion_images / "Bag").iterdir())
    words = ("run", fashion_models.int8_model, photo)
    done, imported = watched(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert {"numpy", "PIL", "ai_edge_litert"} <= imported
    assert not imported & set(EXPORT_ONLY)
    # The same by Python's own account, which leaves out what the runtime's silence covers.
    timed = [sys.executable, "-X", "importtime", "-m", "tinyedge", *map(str, words)]
    done = subprocess.run(timed, capture_output=True, text=True, check=True)
    assert " numpy\n" in done.stderr
    for name in EXPORT_ONLY:
        assert f" {name}\n" not in done.stderr


def test_run_works_without_what_only_export_needs(
    tmp_path: Path, fashion_models: Models, fashion_images: Path
) -> None:
    photo = next((fashion_images / "Bag").iterdir())
    done, _ = watched(
        tmp_path, "run", fashion_models.int8_model, photo, "--json", without=EXPORT_ONLY
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["predictions"]) == 5


def test_compare_works_without_what_only_export_needs(
    tmp_path: Path, fashion_models: Models, fashion_images: Path
) -> None:
    few = tmp_path / "few.tsv"
    folders = sorted(fashion_images.iterdir())
    few.write_text("".join(f"{next(folder.iterdir())}\t{folder.name}\n" for folder in folders))
    models = (fashion_models.float_model, fashion_models.int8_model)
    done, imported = watched(
        tmp_path, "compare", *models, "--data", few, "--json", without=EXPORT_ONLY
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"] == 10
    assert not imported & set(EXPORT_ONLY)


@pytest.mark.parametrize("missing", ["tensorflow", "keras"])
def test_export_says_what_to_install(tmp_path: Path, missing: str) -> None:
    toy = write_toy(tmp_path / "toy")
    words = ("export", *toy.source(), "--calib", toy.photos, "-o", tmp_path / "out")
    done, _ = watched(tmp_path, *words, without=(missing,))
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        f"error: this command needs the package {missing}, which tinyedge-darknet[export] brings"
        " (README: Installing)\n"
    ) in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_broken_name_of_a_device_needs_no_tensorflow(tmp_path: Path) -> None:
    done, imported = watched(tmp_path, "export", "fashion", "--device", "x", "-o", tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"error: unknown device 'x'; known: {', '.join(profile_names())}\n"
    assert "tensorflow" not in imported


def test_python_m_tinyedge_is_the_command() -> None:
    done = run_as_user("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, "tinyedge, version 0.1.0\n", "")
