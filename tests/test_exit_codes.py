"""One table of exit codes: the code's, the pages', the helps' and what processes end with."""

import ast
import os
import re
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from tests.support.commands import ROOT, run_as_user
from tests.support.running import Running
from tinyedge.cli import COMMANDS, main
from tinyedge.exit_codes import GATES, ExitCode, exit_codes_of
from tinyedge.system import INTERRUPTS


def table(page: str) -> dict[int, str]:
    """The rows of a page's table of exit codes."""
    text = (ROOT / page).read_text(encoding="utf-8")
    (rows,) = re.findall(r"^\| exit code \|.*\n\|---\|---\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    cells = (re.fullmatch(r"\| (\d+) \| (.*) \|", row) for row in rows.splitlines())
    return {int(cell[1]): cell[2] for cell in cells if cell}


def helped(*words: str) -> dict[int, str]:
    """The rows of a help's list of exit codes."""
    text = CliRunner().invoke(main, [*words, "--help"]).stdout
    rows = re.findall(r"^ +(\d+)  +(.*)$", text.split("Exit codes:")[1], re.MULTILINE)
    return {int(code): meaning for code, meaning in rows}


def test_they_are_what_the_system_and_its_conventions_say() -> None:
    assert [128 + number for number in INTERRUPTS] == [
        ExitCode.HANGUP,
        ExitCode.INTERRUPTED,
        ExitCode.TERMINATED,
    ]
    assert 128 + signal.SIGPIPE == ExitCode.STDOUT_CLOSED
    assert os.EX_SOFTWARE == ExitCode.UNEXPECTED


def test_the_readme_lists_all_of_them() -> None:
    rows = table("README.md")
    assert rows.keys() == set(ExitCode)
    for code, said in rows.items():
        assert said.startswith(ExitCode(code).meaning), said
    assert re.findall(r"`(\w+)", rows[ExitCode.FAILED]) == sorted(GATES)


def test_the_page_of_run_lists_those_of_run() -> None:
    rows = table("docs/run.md")
    assert rows.keys() == exit_codes_of("run").keys()
    for code, said in rows.items():
        assert said.replace("`", "").startswith(exit_codes_of("run")[ExitCode(code)]), said


@pytest.mark.parametrize("name", COMMANDS)
def test_each_help_lists_those_of_its_command(name: str) -> None:
    assert helped(name) == exit_codes_of(name)
    assert (ExitCode.FAILED in exit_codes_of(name)) == (name in GATES)


def test_the_help_of_all_lists_all() -> None:
    assert helped() == {code: code.meaning for code in ExitCode}


def test_no_command_ends_with_a_number_of_its_own() -> None:
    """No digit stands where an exit code is given, in the whole package."""
    found = []
    for path in sorted((ROOT / "tinyedge" / "cli").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if name in ("SystemExit", "sys.exit", "context.exit"):
                assert isinstance(node, ast.Call)
                inside = [inner for given in node.args for inner in ast.walk(given)]
                if any(isinstance(inner, ast.Constant) for inner in inside):
                    found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
    # A shell's rule, not a number of ours.
    assert [entry.split(": ", 1)[1] for entry in found] == ["SystemExit(128 + interrupted.number)"]


# A command that says "ready" and goes on, as one of those there are does.
_GOES_ON = """
import sys, time
import tinyedge.devices.listing as listing
def list_devices():
    try:
        print("ready", file=sys.stderr, flush=True)
        time.sleep(600)
    finally:
        print("cleaning", file=sys.stderr, flush=True)
        time.sleep(0.3)
        print("clean", file=sys.stderr, flush=True)
listing.list_devices = list_devices
from tinyedge.cli import main
main(["devices"])
"""


@pytest.mark.parametrize("number", INTERRUPTS)
def test_a_signal_ends_a_command_and_a_second_one_spares_its_cleaning(
    number: signal.Signals,
) -> None:
    with Running(program=_GOES_ON) as command:
        command.said("ready")
        command.send(number)
        command.said("cleaning")
        command.send(number)
        command.send(signal.SIGTERM)
        assert command.end() == (128 + number, "", f"clean\nended by {number.name}\n")


_LOSES = """
import os, signal, weakref
import tinyedge.system as system
class Thing:
    pass
def lose():
    thing = Thing()
    # What is raised in a callback of a weak reference Python prints, and goes on.
    reference = weakref.ref(thing, lambda _: os.kill(os.getpid(), {number}))
    del thing
"""


@pytest.mark.parametrize("number", INTERRUPTS)
def test_a_signal_that_python_loses_is_raised_again(number: signal.Signals) -> None:
    program = _LOSES.format(number=int(number)) + _GOES_ON.replace(
        "        time.sleep(600)", "        lose(); print('lost', file=sys.stderr); time.sleep(600)"
    )
    with Running(program=program) as command:
        command.said("lost")
        command.said("cleaning")
        assert command.end() == (128 + number, "", f"clean\nended by {number.name}\n")


def test_what_nohup_ignores_stays_ignored() -> None:
    ignoring = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    with Running(program=ignoring + _GOES_ON) as command:
        command.said("ready")
        command.send(signal.SIGHUP)
        command.send(signal.SIGTERM)
        assert command.end()[0] == ExitCode.TERMINATED


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")
def test_a_terminal_that_closes_ends_it_although_nobody_hears() -> None:
    import pty

    ours, theirs = pty.openpty()
    becoming = "import os, fcntl, termios; os.setsid(); fcntl.ioctl(2, termios.TIOCSCTTY, 0)\n"
    with subprocess.Popen(
        [sys.executable, "-c", becoming + _GOES_ON], stdout=subprocess.DEVNULL, stderr=theirs
    ) as process:
        os.close(theirs)
        said = b""
        while b"ready" not in said:
            said += os.read(ours, 100)
        os.close(ours)
        assert process.wait(60) == ExitCode.HANGUP


_FAULTY = """
import tinyedge.devices.listing as listing
def list_devices():
    raise {error}
listing.list_devices = list_devices
from tinyedge.cli import main
import sys
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("KeyError('x')", "KeyError: 'x'"),
        ("RuntimeError('a\\nb')", "RuntimeError: a b"),
        ("ModuleNotFoundError('No module named x', name='x')", "ModuleNotFoundError: No module"),
    ],
)
def test_an_unexpected_error_is_told_in_one_line_as_a_fault_of_tinyedge(
    error: str, said: str
) -> None:
    command = [sys.executable, "-c", _FAULTY.format(error=error)]
    done = subprocess.run([*command, "devices"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (ExitCode.UNEXPECTED, "")
    assert done.stderr.startswith(f"error: unexpected {said}")
    assert "please report it; tinyedge --debug COMMAND... shows where\n" in done.stderr
    assert done.stderr.count("\n") == 1
    words = ["--debug", "devices"]
    shown = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
    assert shown.returncode == ExitCode.UNEXPECTED
    assert shown.stderr.startswith("Traceback (most recent call last):\n")
    assert "in list_devices" in shown.stderr


@pytest.mark.parametrize("words", ["--help", "devices", "devices --json", "zoo --help"])
def test_a_reader_that_has_gone_is_told_by_the_exit_code_alone(words: str) -> None:
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as pipe:
        command = [sys.executable, "-m", "tinyedge", *words.split()]
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (ExitCode.STDOUT_CLOSED, b"")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("--help", 0),
        ("--version", 0),
        ("devices --json", 0),
        ("zoo --help", 0),
        ("run nosuch.tflite nosuch.jpg", ExitCode.ERROR),
        ("nothing", ExitCode.ERROR),
        ("run", ExitCode.ERROR),
        ("--debug run nosuch.tflite nosuch.jpg", ExitCode.ERROR),
    ],
)
def test_what_cannot_be_written_leaves_the_exit_code_one_of_the_table(
    words: str, code: int
) -> None:
    """A full disk or a reader that has gone, on stdout and on stderr."""
    command = [sys.executable, "-m", "tinyedge", *words.split()]
    read, write = os.pipe()
    os.close(read)
    with open("/dev/full", "wb") as full, open(write, "wb") as closed:
        for stderr in (full, closed):
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, check=False)
            assert done.returncode == code
            assert bool(done.stdout) == (code == 0)
        for stderr in (subprocess.PIPE, closed):
            done = subprocess.run(command, stdout=full, stderr=stderr, check=False)
            assert done.returncode == ExitCode.ERROR
            if stderr == subprocess.PIPE and code == 0:
                assert done.stderr == b"error: No space left on device\n"


@pytest.mark.parametrize("ours", [True, False])
def test_a_broken_pipe_is_stdouts_only_where_nobody_reads_that(ours: bool) -> None:
    command = [sys.executable, "-c", _FAULTY.format(error="BrokenPipeError(32, 'Broken pipe')")]
    read, write = os.pipe()
    if ours:
        os.close(read)
    with open(write, "wb") as stdout:
        done = subprocess.run(
            [*command, "devices"], stdout=stdout, stderr=subprocess.PIPE, text=True, check=False
        )
    expected = (ExitCode.STDOUT_CLOSED, "") if ours else (ExitCode.ERROR, "error: Broken pipe\n")
    assert (done.returncode, done.stderr) == expected
    if not ours:
        os.close(read)


def test_bad_words_are_an_error_told_as_others_are() -> None:
    for words in (["nothing"], ["run"], ["devices", "--nothing"], ["run", "m", "--top", "x"]):
        done = run_as_user(*words)
        assert done.returncode == ExitCode.ERROR
        assert done.stderr.splitlines()[-1].startswith("error: "), done.stderr
        assert "Error: " not in done.stderr


@pytest.mark.parametrize(
    "words", [("run", "none.tflite", "a.png"), ("run", "--none"), ("--none",), ("run",)]
)
@pytest.mark.parametrize("closed", [False, True])
def test_an_error_that_nobody_can_be_told_of_is_one(words: tuple[str, ...], closed: bool) -> None:
    """Not 1, which means that a gate failed."""
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as gone, open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tinyedge", *words],
            stdout=subprocess.PIPE,
            stderr=gone if closed else full,
            check=False,
        )
    assert (done.returncode, done.stdout) == (ExitCode.ERROR, b"")


@pytest.mark.parametrize("words", [("--help",), ("run", "--help"), ("--version",), ("zoo",)])
def test_a_full_disk_is_an_error(words: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tinyedge", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (2, "error: No space left on device\n")
