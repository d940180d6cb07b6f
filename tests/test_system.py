"""Silence below Python's streams, with none of it left over; signals that come at a bad moment."""

import os
import subprocess
import sys

import pytest

from tinyedge.system import native_output_hidden

NATIVE = """
import os, sys
from tinyedge.system import native_output_hidden
print("before")
with native_output_hidden():
    os.write(1, b"native\\n"); os.write(2, b"native\\n")
    print("python")
print("after")
os.write(2, b"after\\n")
"""

# A pool of threads, to which the signal comes at one step of the interpreter after another.
POINTS = """
import os, signal, sys, time
from concurrent.futures import ThreadPoolExecutor
from tinyedge.system import Interrupted, interruptible

def interrupted_at(point):
    steps = 0

    def step(frame, event, _):
        nonlocal steps
        frame.f_trace_opcodes = True
        steps += 1
        if steps == point:
            os.kill(os.getpid(), signal.SIGINT)
        return step

    with interruptible(), ThreadPoolExecutor(2) as pool:
        sys.settrace(step)
        try:
            list(pool.map(time.sleep, [0.0, 0.0, 0.001]))
        finally:
            sys.settrace(None)

signal.signal(signal.SIGINT, signal.default_int_handler)
point = 1
while True:
    try:
        interrupted_at(point)
        break
    except Interrupted:
        point += 3
print(point)
"""
# A wait that nothing ends but the signal.
WAITING = """
import os, signal, threading, time
from tinyedge.system import Interrupted, interruptible

signal.signal(signal.SIGINT, signal.default_int_handler)
asked = threading.Condition()
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    with interruptible(), asked:
        asked.wait()
except Interrupted:
    print(asked.acquire(blocking=False))
"""

# All that a program does may be called by such code.
CALLED = """
import os, signal
from concurrent.futures import Future
from tinyedge.system import Interrupted, interruptible

def work(_):
    os.kill(os.getpid(), signal.SIGINT)
    # Nowhere twice for long, which would look like a wait.
    exec("while True:\\n " + "; ".join(["abs(1)"] * 10_000))

signal.signal(signal.SIGINT, signal.default_int_handler)
done = Future()
done.set_result(None)
try:
    with interruptible():
        done.add_done_callback(work)
except Interrupted:
    print("ended")
"""


def spoken(redirection: str = "", *, before: str = "") -> tuple[int, str, str]:
    done = subprocess.run(
        f'{before} "{sys.executable}" -c "$PROGRAM" {redirection}',
        shell=True,
        env={**os.environ, "PROGRAM": NATIVE},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_what_is_said_inside_is_lost_and_nothing_else() -> None:
    assert spoken() == (0, "before\nafter\n", "after\n")


def test_a_closed_stdout_stays_closed() -> None:
    assert spoken(">&-") == (0, "", "after\n")


def test_it_needs_no_disk() -> None:
    assert spoken(before="ulimit -f 0;") == (0, "before\nafter\n", "after\n")


def test_an_error_inside_gives_the_streams_back(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        os.write(1, b"lost\n")
        raise KeyError("inside")

    with pytest.raises(KeyError, match="inside"), native_output_hidden():
        fail()
    os.write(1, b"heard\n")
    assert capfd.readouterr() == ("heard\n", "")


def test_it_leaves_no_descriptor_open() -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with native_output_hidden():
            pass
    assert sorted(os.listdir("/proc/self/fd")) == before


def ended(program: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_signal_leaves_no_lock_taken_and_no_pool_waiting_whenever_it_comes() -> None:
    done = ended(POINTS)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 1000


def test_a_signal_ends_a_wait_for_a_lock() -> None:
    done = ended(WAITING)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def test_a_signal_ends_what_code_of_locks_has_called() -> None:
    done = ended(CALLED)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended\n", "")
