"""Programs that tinyedge runs, and what is left of them when it ends, by whatever end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.commands import copy_sources, set_traps
from tests.support.running import Running
from tinyedge import children
from tinyedge.exit_codes import ExitCode
from tinyedge.system import INTERRUPTS


def is_running(pid: int) -> bool:
    """Whether that process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def ends(pid: int) -> bool:
    """Whether it ends within a few seconds."""
    deadline = time.monotonic() + 5
    while is_running(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_what_it_says_and_its_exit_code_come_back() -> None:
    done = children.run(["sh", "-c", "printf 'a\\377b'; echo no >&2; exit 3"])
    assert (done.returncode, done.stdout, done.stderr) == (3, "a\ufffdb", "no\n")
    mixed = children.run(["sh", "-c", "echo a; echo b >&2"], stderr=subprocess.STDOUT)
    assert mixed.stdout == "a\nb\n"
    assert children.run(["sh", "-c", "kill -9 $$"]).returncode == -signal.SIGKILL


def test_what_cannot_be_executed_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        children.run([str(tmp_path / "none")])
    assert missing.value.filename == str(tmp_path / "none")
    (tmp_path / "text").write_text("no program")
    with pytest.raises(PermissionError):
        children.run([str(tmp_path / "text")])


def test_a_module_is_of_the_tinyedge_that_runs_it_installed_or_not(tmp_path: Path) -> None:
    copy_sources(tmp_path / "copy")
    set_traps(tmp_path)
    (tmp_path / "copy/devices/bench/told.py").write_text(
        "import json, sys, tinyedge\n"
        "print(json.dumps([__name__, tinyedge.__file__, __file__, *sys.argv[1:]]))\n"
    )
    program = (
        "import os, sys\n"
        "sys.path.insert(0, 'copy')\n"
        "from tinyedge import children\n"
        "done = children.run(children.own_module('tinyedge.devices.bench.told', 'a', 1))\n"
        "print(done.stdout + done.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=True,
    )
    package = tmp_path / "copy/tinyedge"
    told = [str(package / "__init__.py"), str(package / "devices/bench/told.py")]
    assert json.loads(done.stdout) == ["__main__", *told, "a", "1"]


def test_one_that_does_not_end_is_stopped_with_those_it_started(tmp_path: Path) -> None:
    script = f"sleep 600 & echo $! > {tmp_path}/pid; echo said; wait"
    with pytest.raises(subprocess.TimeoutExpired):
        children.run(["sh", "-c", script], timeout=1)
    assert ends(int((tmp_path / "pid").read_text()))


_WAITING = """
import sys
from concurrent.futures import ThreadPoolExecutor
import tinyedge.devices.listing as listing
from tinyedge import children
STUBBORN = "trap '' TERM HUP INT; echo $$ >&2; while :; do sleep 0.1; done"
def one(script):
    return children.run(["sh", "-c", script], stderr=2)
def list_devices():
    scripts = ["echo $$ >&2; exec sleep 600", sys.argv[1] == "stubborn" and STUBBORN or "true"]
    if sys.argv[2] == "main":
        return [one(script) for script in scripts]
    with ThreadPoolExecutor(2) as pool:
        try:
            return list(pool.map(one, scripts))
        except BaseException:
            children.stop_children()
            raise
listing.list_devices = list_devices
from tinyedge.cli import main
main(["devices"])
"""


@pytest.mark.parametrize("number", [*INTERRUPTS, signal.SIGKILL])
@pytest.mark.parametrize("thread", ["main", "another"])
def test_a_signal_to_tinyedge_ends_them_first(number: signal.Signals, thread: str) -> None:
    with Running("mild", thread, program=_WAITING) as command:
        pid = int(command.said(""))
        command.send(number)
        code, _, stderr = command.end()
    if number == signal.SIGKILL:
        assert code == -number
        assert ends(pid)
    else:
        assert (code, stderr) == (128 + number, f"ended by {number.name}\n")
        assert not is_running(pid)


@pytest.mark.long
def test_one_that_ignores_signals_is_killed() -> None:
    with Running("stubborn", "another", program=_WAITING) as command:
        pids = [int(command.said("")), int(command.said(""))]
        command.send(signal.SIGTERM)
        assert command.end()[0] == ExitCode.TERMINATED
    assert not any(map(is_running, pids))


def test_control_c_of_a_terminal_reaches_none_that_needs_no_terminal() -> None:
    with children.child(["sleep", "600"]) as process:
        deadline = time.monotonic() + 5
        while os.getpgid(process.pid) == os.getpgid(0) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert os.getpgid(process.pid) == process.pid
        process.kill()


def test_a_worker_of_a_pool_dies_with_its_parent() -> None:
    program = (
        "import os, sys, time\n"
        "from tinyedge.children import die_with_parent\n"
        "pid = os.fork()\n"
        "if not pid:\n    die_with_parent(); print(os.getpid(), file=sys.stderr, flush=True)\n"
        "time.sleep(600)\n"
    )
    with Running(program=program) as command:
        pid = int(command.said(""))
        command.send(signal.SIGKILL)
        command.end()
    assert ends(pid)
