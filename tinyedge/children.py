"""Programs this one runs: ended with it, whatever ends it, and never by what was meant for it."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import tinyedge
from tinyedge.system import check_interrupted, interrupts_held

__all__ = ["child", "die_with_parent", "own_module", "python", "run", "stop_children"]

# Becomes the program behind its first argument, and has the kernel kill that when this process
# dies, even of SIGKILL: prctl(2), PR_SET_PDEATHSIG. A process of its own does it, because what runs
# between fork and exec in one that has threads may hang.
_PR_SET_PDEATHSIG = 1
_TIED = f"""
import ctypes, os, sys
ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, {signal.SIGKILL.value})
if os.getppid() != int(sys.argv[1]): sys.exit(1)
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(sys.argv[1] + " " + str(error.errno))
"""
# Runs a module as -m does, of the package in the file behind its first argument.
_OWN = """
import importlib.util, runpy, sys
_, file, name, *words = sys.argv
spec = importlib.util.spec_from_file_location("tinyedge", file)
sys.modules["tinyedge"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["tinyedge"])
sys.argv = ["", *words]
runpy.run_module(name, run_name="__main__", alter_sys=True)
"""
# Long enough for a Python to end its own temporary folders, seconds.
_PATIENCE = 2.0

_running: set["subprocess.Popen[bytes]"] = set()
_lock = threading.Lock()


def python(*words: object) -> list[str]:
    """The command by which this Python runs a program or, after ``-m``, a module.

    It imports nothing from the folder it is run in, where Python by itself looks first: strangers'
    files may lie there.
    """
    return [sys.executable, "-P", *map(str, words)]


def own_module(name: str, *words: object) -> list[str]:
    """The command by which this Python runs a module of this very tinyedge.

    Python finds another one, or none, where this was imported from a checkout that is not
    installed.
    """
    return python("-c", _OWN, tinyedge.__file__, name, *words)


def run(
    command: Sequence[str], *, timeout: float | None = None, stderr: int = subprocess.PIPE
) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end, without an input; its output is decoded as far as it is UTF-8.

    Args:
        command: the program and its arguments.
        timeout: after so many seconds it is stopped.
        stderr: ``subprocess.STDOUT`` mixes its stderr into its stdout.

    Raises:
        OSError: there is no such program, or it cannot be executed.
        subprocess.TimeoutExpired: it was stopped.
    """
    none, pipe = subprocess.DEVNULL, subprocess.PIPE
    with child(command, stdin=none, stdout=pipe, stderr=stderr) as process:
        said, complained = process.communicate(timeout=timeout)
    texts = ((said or b"").decode("utf-8", "replace"), (complained or b"").decode(errors="replace"))
    _check_executed(command, process.returncode, texts[0] + texts[1])
    return subprocess.CompletedProcess(command, process.returncode, *texts)


@contextlib.contextmanager
def child(
    command: Sequence[str],
    *,
    foreground: bool = False,
    stdin: int | IO[bytes] | None = None,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    cwd: Path | None = None,
) -> Iterator["subprocess.Popen[bytes]"]:
    """A program that runs while the block does; an exception, or `stop_children`, stops it.

    Args:
        command: the program and its arguments.
        foreground: whether it may read from the terminal, as for a password, and so gets the
            terminal's Ctrl-C too; else it is a process group of its own, stopped whole.
        stdin: as of `subprocess.Popen`.
        stdout: likewise.
        stderr: likewise.
        cwd: likewise.
    """
    tied = [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *command]
    with contextlib.ExitStack() as stack:
        with interrupts_held(), _lock:
            check_interrupted()
            process = stack.enter_context(
                subprocess.Popen(
                    tied,
                    stdin=stdin,
                    stdout=stdout,
                    stderr=stderr,
                    cwd=cwd,
                    process_group=None if foreground else 0,
                )
            )
            _running.add(process)
            stack.callback(_running.discard, process)

            def stop(kind: type[BaseException] | None, *_: object) -> None:
                if kind is not None:
                    with interrupts_held():
                        _stop([process])

            stack.push(stop)
        yield process


def stop_children() -> None:
    """Stop the programs that other threads wait for, and wait for their end."""
    with _lock:
        running = list(_running)
    with interrupts_held():
        _stop(running)


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that started it dies; for workers of pools."""
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _stop(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            _signal(process, number)
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE)


def _signal(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    if process.poll() is not None:
        return
    # It has a group of its own, or is in this one.
    with contextlib.suppress(ProcessLookupError):
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)


def _check_executed(command: Sequence[str], code: int, said: str) -> None:
    words = said.split()
    if code == 1 and len(words) == 2 and words[0] == str(os.getpid()):
        number = int(words[1])
        kind = {errno.ENOENT: FileNotFoundError, errno.EACCES: PermissionError}.get(number, OSError)
        raise kind(number, os.strerror(number), command[0])
