"""``tinyedge completion``: the scripts, and what they are answered."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import run_in_process
from tinyedge.cli import COMMANDS
from tinyedge.devices.profile import profile_names
from tinyedge.zoo.models import MODELS

PROGRAM = "import sys; sys.argv[0] = 'tinyedge'\nfrom tinyedge.cli import main; main()"


def completed(*words: str, report: Path | None = None) -> list[str]:
    """What is offered for the last of the words."""
    program = PROGRAM
    if report is not None:
        program = (
            "import atexit, pathlib, sys\n"
            f"atexit.register(lambda: pathlib.Path({str(report)!r})"
            f".write_text(' '.join(sys.modules)))\n{PROGRAM}"
        )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "COMP_WORDS": "\n".join(("tinyedge", *words)),
            "COMP_CWORD": str(len(words)),
            "_TINYEDGE_COMPLETE": "bash_complete",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("",), COMMANDS),
        (("-q", "ex"), ["export"]),
        (("run", "m.tflite", "--thr"), ["--threads", "--threshold"]),
        (("run", "--device", "pi"), [name for name in profile_names() if name.startswith("pi")]),
        (("compare", "--fit", "l"), ["letterbox"]),
        (("fetch", ""), MODELS),
        (("export", "squ"), ["squeezenet"]),
        (("completion", "f"), ["fish"]),
    ],
)
def test_names_are_completed(words: tuple[str, ...], expected: list[str]) -> None:
    assert completed(*words) == [f"plain,{name}" for name in expected]


@pytest.mark.parametrize(
    "words",
    [
        ("run", ""),
        ("run", "m.tflite", "pho"),
        ("export", "my.c"),
        ("export", "tiny", "--calib", ""),
        ("summary", "x", "--device", "./my"),
    ],
)
def test_files_are_left_to_the_shell(words: tuple[str, ...]) -> None:
    assert completed(*words) == [f"file,{words[-1]}"]


def test_a_completion_loads_nothing_heavy(tmp_path: Path) -> None:
    for words in (("run", "--device", ""), ("export", "")):
        completed(*words, report=tmp_path / "modules")
        loaded = (tmp_path / "modules").read_text().split()
        assert not {"numpy", "PIL", "tensorflow", "ai_edge_litert"} & set(loaded)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_can_read_its_script(shell: str, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(run_in_process("completion", shell).stdout)
    assert "_TINYEDGE_COMPLETE" in script.read_text()
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    subprocess.run([shell, "-n", script], check=True)


def test_bash_completes_by_the_script(tmp_path: Path) -> None:
    program = tmp_path / "tinyedge"
    program.write_text(f"#!{sys.executable}\n{PROGRAM}\n")
    program.chmod(0o755)
    (tmp_path / "script").write_text(run_in_process("completion", "bash").stdout)
    asked = (
        f"source {tmp_path / 'script'}; COMP_WORDS=(tinyedge summary tin); COMP_CWORD=2;"
        f" _tinyedge_completion {program}; echo ${{COMPREPLY[@]}}"
    )
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "tiny\n"
