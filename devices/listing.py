"""Every device profile, and how a model would run by it on this machine."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyedge import children
from tinyedge.devices.profile import (
    Profile,
    RuntimeName,
    find_profile,
    profile_files,
    running_board,
    this_machine_is,
    user_folder,
)
from tinyedge.devices.runtime.runtimes import Choice, choose_runtime, runtime_advice
from tinyedge.errors import DeviceError
from tinyedge.table import WIDTH, Column, table
from tinyedge.text import counted, size_text

__all__ = ["Device", "as_json", "as_text", "list_devices"]

_COLUMNS = (
    Column("  device", most=11),
    Column("board", fit="shorten", most=24),
    Column("CPU", fit="shorten", most=42),
    Column("memory"),
)
# A Raspberry Pi Zero takes a second to start Python and to load libedgetpu.
_PATIENCE = 10
# What a library prints goes nowhere, however much it is; one that ends the process says nothing.
_LOAD = """
import ctypes, os, sys
told = os.fdopen(os.dup(1), "w")
nowhere = os.open(os.devnull, os.O_WRONLY)
for stream in (1, 2):
    os.dup2(nowhere, stream)
try:
    ctypes.CDLL(sys.argv[1])
except OSError as error:
    print(error, file=told)
else:
    print("loads", file=told)
"""
_FIRMWARE = "its firmware runs models; tinyedge check says what it takes"


@dataclass(frozen=True)
class Device:
    """One profile and what would be used of it here.

    Attributes:
        name: what ``--device`` calls it.
        here: whether it is what this machine is; of all profiles at most one is.
        file: a user's own profile's; None of one that ships.
        error: why the profile cannot be used, None where it can; the rest is empty then.
        profile: what it says.
        runtime: name and version of the TFLite runtime in use, None where there is none.
        runtime_reason: why that one, or why none.
        threads: in use.
        threads_reason: why so many.
        delegate: its shared library where it can be loaded.
        delegate_reason: what becomes of the profile's delegate.
    """

    name: str
    here: bool = False
    file: Path | None = None
    error: str | None = None
    profile: Profile | None = None
    runtime: str | None = None
    runtime_reason: str = ""
    threads: int | None = None
    threads_reason: str = ""
    delegate: str | None = None
    delegate_reason: str = ""


def list_devices() -> list[Device]:
    """Every profile, shipped or the user's, by name; one that cannot be read has its error.

    Starts the first runtime that works, and a process for each delegate, which tries to load it,
    for 10 seconds at most.
    """
    own = user_folder()
    here = _name_of_this_machine()
    choices: dict[tuple[RuntimeName, ...], Choice] = {}
    failures: dict[str, str | None] = {}
    found = []
    for name, path in profile_files().items():
        file = path if path.parent == own else None
        try:
            profile = find_profile(name)
        except DeviceError as error:
            found.append(Device(name=name, file=file, error=str(error)))
            continue
        if profile.microcontroller:
            found.append(Device(name=name, file=file, profile=profile, runtime_reason=_FIRMWARE))
            continue
        if profile.runtimes not in choices:
            choices[profile.runtimes] = choose_runtime(profile.runtimes)
        runtime, runtime_reason = _runtime(choices[profile.runtimes], profile)
        library = profile.delegate
        if library is not None and library not in failures:
            failures[library] = _why_not_loaded(library)
        delegate, delegate_reason = _delegate(library, failures)
        found.append(
            Device(
                name=name,
                here=name == here,
                file=file,
                profile=profile,
                runtime=runtime,
                runtime_reason=runtime_reason,
                threads=profile.usable_threads(),
                threads_reason=_threads_reason(profile),
                delegate=delegate,
                delegate_reason=delegate_reason,
            )
        )
    return found


def as_json(devices: Sequence[Device]) -> dict[str, object]:
    """The rows as plain data: Hz, bytes, bytes/s; what is not known is null."""
    return {"schema": "tinyedge.devices/1", "devices": [_row_json(device) for device in devices]}


def as_text(devices: Sequence[Device], *, width: int = WIDTH) -> str:
    """A table for people: one line per device, and below it what would be used."""
    rows = [row for device in devices for row in _rows(device)]
    legend = "* this machine; - not known, or not the same on all of them"
    return f"{table(_COLUMNS, rows, width=width)}\n{legend}"


def _row_json(device: Device) -> dict[str, object]:
    profile = None if device.profile is None else device.profile._asdict()
    return {
        "name": device.name,
        "here": device.here,
        "file": device.file and str(device.file),
        "error": device.error,
        "profile": profile and {key: value for key, value in profile.items() if key != "name"},
        "runtime": device.runtime,
        "runtime_reason": device.runtime_reason,
        "threads": device.threads,
        "threads_reason": device.threads_reason,
        "delegate": device.delegate,
        "delegate_reason": device.delegate_reason,
    }


def _rows(device: Device) -> list[tuple[str, ...]]:
    name = f"{'*' if device.here else ' '} {device.name}"
    if device.profile is None:
        return [(name, device.error or "")]
    profile = device.profile
    runtime = f"{device.runtime or 'no runtime'} ({device.runtime_reason})"
    delegate = f"; delegate {device.delegate_reason}" if profile.delegate else ""
    threads = (
        ""
        if device.threads is None
        else f"; {counted(device.threads, 'thread')} ({device.threads_reason})"
    )
    used = f"{runtime}{threads}{delegate}"
    rows: list[tuple[str, ...]] = [
        (name, profile.description, _cpu(profile), _memory(profile)),
        ("", used),
    ]
    return [*rows, ("", str(device.file))] if device.file else rows


def _name_of_this_machine() -> str | None:
    board = running_board()
    if board is not None:
        return board.name
    # A Raspberry Pi without a profile of its own, else whatever this is.
    for name in ("pi", "host"):
        try:
            if this_machine_is(find_profile(name)):
                return name
        except DeviceError:
            continue  # it is a row with its message
    return None


def _runtime(choice: Choice, profile: Profile) -> tuple[str | None, str]:
    if choice.runtime is None:
        return None, f"{'; '.join(choice.passed_over)}. {runtime_advice(profile.runtimes)}"
    reason = "; ".join(choice.passed_over) or "first of the order"
    return str(choice.runtime), reason


def _threads_reason(profile: Profile) -> str:
    usable = profile.usable_threads()
    if usable == profile.threads:
        return f"the profile's {profile.threads}"
    return f"the profile's {profile.threads}; {counted(usable, 'core')} here"


def _delegate(library: str | None, failures: Mapping[str, str | None]) -> tuple[str | None, str]:
    """The profile's delegate if this machine can load it, and what to say of it."""
    if library is None:
        return None, "none: the CPU alone"
    failure = failures[library]
    return (library, f"{library}: loads") if failure is None else (None, failure)


def _why_not_loaded(library: str) -> str | None:
    """What is wrong where a delegate's library cannot be loaded here; None where it can.

    In a process of its own: what somebody's library does when it is loaded is its affair.
    """
    try:
        done = children.run(children.python("-c", _LOAD, library), timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        return f"{library}: cannot be loaded within {_PATIENCE} seconds"
    if done.returncode < 0:
        return f"{library}: crashes when it is loaded (signal {-done.returncode})"
    said = done.stdout.strip()
    if not said:
        return f"{library}: ends the process that loads it (exit code {done.returncode})"
    return None if said == "loads" else f"none: {said}"


def _memory(profile: Profile) -> str:
    if profile.memory is None:
        return "-"
    # A microcontroller has less than a board's are rounded to.
    return f"{profile.memory / 1e6:,.0f} MB" if profile.memory >= 1e7 else size_text(profile.memory)


def _cpu(profile: Profile) -> str:
    """Such as ``4 x Cortex-A76, 2.4 GHz, int8 dot product``."""
    if profile.cpu is None:
        return "-"
    parts = [profile.cpu if profile.cores is None else f"{profile.cores} x {profile.cpu}"]
    clock = profile.clock
    if clock is not None:
        parts.append(f"{clock / 1e9:.1f} GHz" if clock >= 1e9 else f"{clock / 1e6:.0f} MHz")
    if profile.dot_product:
        parts.append("int8 dot product")
    return ", ".join(parts)
