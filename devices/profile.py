"""Device profiles: what a board is and how models run on it, one ``.toml`` each."""

import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from tinyedge.errors import DeviceError
from tinyedge.system import MOST_THREADS
from tinyedge.text import is_plain_name, shortened
from tinyedge.toml import read_toml

__all__ = [
    "Architecture",
    "InputType",
    "ModelKind",
    "Profile",
    "RuntimeName",
    "check_runs_models",
    "device_tree_model",
    "find_profile",
    "profile_file",
    "profile_files",
    "profile_names",
    "read_profile",
    "running_board",
    "system_architecture",
    "this_machine_is",
    "user_folder",
]

Architecture = Literal["aarch64", "armv7l", "x86_64"]
RuntimeName = Literal["ai-edge-litert", "tflite-runtime", "tensorflow"]
InputType = Literal["int8", "uint8"]
ModelKind = Literal["float", "int8", "coral"]

_FOLDER = Path(__file__).parent
# The kernel publishes the board's name here; absent on machines without a device tree.
_DEVICE_TREE_MODEL = Path("/proc/device-tree/model")
# These are whatever board they run on, and take its numbers.
_ANY_PI = "pi"
_ANY_BOARD = (_ANY_PI, "host", "coral-usb")
_NUMBERS = (
    *("architecture", "cpu", "cores", "clock", "dot_product"),
    *("cache", "memory", "memory_bandwidth"),
)


class Profile(NamedTuple):
    """One device; a number is None where it is not known or not the same on all of them.

    Attributes:
        name: what ``--device`` calls it.
        description: a few words for people.
        device_tree_model: how ``/proc/device-tree/model`` begins on this device; None where
            any machine will do.
        microcontroller: whether a firmware with TFLite Micro runs the models, and so nothing of
            what is installed here, or over ssh.
        architecture: of its system; None where any will do.
        cpu: its maker's name, such as ``Cortex-A72``.
        cores: how many the CPU has.
        clock: of the cores, Hz.
        dot_product: whether they have instructions for int8 dot products.
        cache: the last level of it that the cores share, bytes.
        memory: all of it, bytes.
        memory_bandwidth: its peak by data sheet, bytes/s.
        threads: how many to use at most, at least 1.
        runtimes: the TFLite runtimes in the order to try them.
        delegate: the shared library of an accelerator, None for the CPU alone. It is code: whoever
            runs a model by the profile loads it.
        input_type: what an int8 model made for it takes and gives.
        files: what export writes for it.
    """

    name: str
    description: str
    threads: int
    device_tree_model: str | None = None
    microcontroller: bool = False
    architecture: Architecture | None = None
    cpu: str | None = None
    cores: int | None = None
    clock: int | None = None
    dot_product: bool | None = None
    cache: int | None = None
    memory: int | None = None
    memory_bandwidth: int | None = None
    runtimes: tuple[RuntimeName, ...] = get_args(RuntimeName)
    delegate: str | None = None
    input_type: InputType = "int8"
    files: tuple[ModelKind, ...] = ("float", "int8")

    @property
    def delegate_warning(self) -> str | None:
        """What a user should know of the delegate before it is loaded; None where there is none."""
        if self.delegate is None:
            return None
        return f"delegate {self.delegate}: a shared library, whose code runs wherever this is used"

    def usable_threads(self) -> int:
        """The profile's threads, but no more than the cores this process may use."""
        return max(1, min(self.threads, len(os.sched_getaffinity(0))))


def check_runs_models(profile: Profile) -> None:
    """That models can be run by the profile at all, by a runtime that tinyedge calls.

    Raises:
        DeviceError: it is a microcontroller's.
    """
    if profile.microcontroller:
        raise DeviceError(
            f"{profile.name} is a microcontroller, whose firmware runs the model: tinyedge runs and"
            " installs nothing there; see what it takes by tinyedge check MODEL with the same"
            " --device, and try the file here with --device host"
        )


def system_architecture(machine: str | None = None, bits: int | None = None) -> str:
    """What programs are built for on a system, an `Architecture` where a profile knows it.

    Args:
        machine: the kernel's name of the CPU; by default this machine's.
        bits: of a pointer of its Python; by default this one's. A 64-bit kernel may run a 32-bit
            system. ARMv6 (Pi Zero, Zero W, Pi 1) is 32-bit too, and what is built for ARMv7 crashes
            there: it stays ``armv6l``.
    """
    machine = platform.machine() if machine is None else machine
    bits = (64 if sys.maxsize > 2**32 else 32) if bits is None else bits
    if bits == 32:
        machine = {"aarch64": "armv7l", "armv8l": "armv7l", "x86_64": "i686"}.get(machine, machine)
    return machine


def user_folder() -> Path:
    """Where a user's own profiles lie, by the XDG base directory specification."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    # The specification has a relative one ignored. A service may have no home at all: "~" stays.
    root = Path(base) if os.path.isabs(base) else Path(os.path.expanduser("~/.config"))
    return root / "tinyedge" / "devices"


def profile_files() -> dict[str, Path]:
    """Name -> file of every profile, by name; a user's own replaces one that ships."""
    folders = (_FOLDER, user_folder())
    found = {path.stem: path for folder in folders for path in folder.glob("*.toml")}
    return dict(sorted(found.items()))


def profile_names() -> list[str]:
    """The names ``--device`` takes, sorted."""
    return list(profile_files())


def profile_file(name_or_path: str | os.PathLike[str]) -> Path:
    """The file of the profile of that name, or at that path; a name comes first.

    Raises:
        DeviceError: there is no profile of that name, and it is no path.
    """
    name = os.fspath(name_or_path)
    files = profile_files()
    if name in files:
        return files[name]
    if name.endswith(".toml") or os.path.lexists(name):
        return Path(name)
    raise DeviceError(f"unknown device {shortened(name)}; known: {', '.join(files)}")


def find_profile(name_or_path: str | os.PathLike[str]) -> Profile:
    """The profile of that name, or of the file at that path.

    ``pi``, ``host`` and ``coral-usb`` have the numbers of the board this runs on, as far as a
    profile knows it.

    Raises:
        DeviceError: there is none of that name, or its file does not describe a device.
    """
    profile = read_profile(profile_file(name_or_path))
    board = running_board() if os.fspath(name_or_path) in _ANY_BOARD else None
    if board is None:
        return profile
    if system_architecture() == "armv7l":  # the 32-bit Raspberry Pi OS
        board = board._replace(architecture="armv7l")
    unknown = [name for name in _NUMBERS if getattr(profile, name) is None]
    profile = profile._replace(**{name: getattr(board, name) for name in unknown})
    return profile._replace(description=board.description) if profile.name == _ANY_PI else profile


def read_profile(path: Path) -> Profile:
    """The profile in a ``.toml``, named as the file is.

    Raises:
        DeviceError: the file cannot be read or does not describe a device, or its name holds
            something else than ``A-Z a-z 0-9 . _ -``: it becomes part of scripts and paths.
    """
    if not is_plain_name(path.stem):
        raise DeviceError(
            f"{path.stem!r} is no device's name: call the file by letters, digits, . _ and - alone"
        )
    return Profile(name=path.stem, **_values(path))


def running_board() -> Profile | None:
    """The profile of the very board this runs on, by its device tree; None where there is none.

    Of several that match, the one with the longest ``device_tree_model``, a user's before ours.
    """
    boards: list[tuple[int, bool, Profile]] = []
    if device_tree_model() is None:
        return None
    for name, path in profile_files().items():
        try:
            profile = read_profile(path)
        except DeviceError:
            continue  # told to whoever asks for that profile
        if name not in _ANY_BOARD and profile.device_tree_model and this_machine_is(profile):
            own = path.parent != _FOLDER
            boards.append((len(profile.device_tree_model), own, profile))
    return max(boards, key=lambda found: found[:2])[2] if boards else None


def this_machine_is(profile: Profile) -> bool:
    """Whether the machine this runs on is the profile's board, by its device tree."""
    if profile.microcontroller:
        return False
    if profile.device_tree_model is None:
        return True
    model = device_tree_model()
    return model is not None and model.startswith(profile.device_tree_model)


def device_tree_model() -> str | None:
    """What this machine's kernel calls the board; None where there is no device tree."""
    try:
        return _DEVICE_TREE_MODEL.read_bytes().rstrip(b"\0").decode("utf-8", "replace")
    except OSError:
        return None


class _Key(NamedTuple):
    """One key: which values are allowed, in code and in words, and whether it must be there."""

    allows: Callable[[object], bool]
    allowed: str
    required: bool = False


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def _truth(value: object) -> bool:
    return isinstance(value, bool)


def _whole(low: int, high: int, unit: str, *, required: bool = False) -> _Key:
    def allows(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return _Key(allows, f"a whole number of {unit} from {low:,} to {high:,}", required)


def _one_of(*words: str) -> _Key:
    quoted = [f'"{word}"' for word in words]
    return _Key(
        lambda value: isinstance(value, str) and value in words,
        f"{', '.join(quoted[:-1])} or {quoted[-1]}",
    )


def _some_of(*words: str) -> _Key:
    def allows(value: object) -> bool:
        return (
            isinstance(value, list)
            and bool(value)
            and all(isinstance(word, str) and word in words for word in value)
            and len(set(value)) == len(value)
        )

    return _Key(allows, "a list, each at most once, of " + ", ".join(f'"{word}"' for word in words))


# The lower ends tell bytes from megabytes and Hz from MHz.
_KEYS = {
    "description": _Key(_text, "a line of text", required=True),
    "device_tree_model": _Key(_text, "how /proc/device-tree/model begins there, a line of text"),
    "microcontroller": _Key(_truth, "true or false"),
    "architecture": _one_of(*get_args(Architecture)),
    "cpu": _Key(_text, "a line of text"),
    "cores": _whole(1, 1024, "cores"),
    "clock": _whole(10**6, 10**11, "Hz"),
    "dot_product": _Key(_truth, "true or false"),
    "cache": _whole(2**10, 2**40, "bytes"),
    "memory": _whole(2**16, 2**50, "bytes"),
    "memory_bandwidth": _whole(10**6, 10**14, "bytes a second"),
    "threads": _whole(1, MOST_THREADS, "threads", required=True),
    "runtimes": _some_of(*get_args(RuntimeName)),
    "delegate": _Key(_text, "the name or path of a shared library"),
    "input_type": _one_of(*get_args(InputType)),
    "files": _some_of(*get_args(ModelKind)),
}


def _values(path: Path) -> dict[str, Any]:
    """The keys and values of a profile's file, checked; lists as tuples.

    Raises:
        DeviceError: the file cannot be read, or a key is unknown, missing or of a value that is
            not allowed; says which file, which key and what is allowed.
    """
    try:
        content = read_toml(path, what="a device profile", error=DeviceError)
    except OSError as error:
        raise DeviceError(f"{path}: {error.strerror or error}") from error
    for name, value in content.items():
        if name not in _KEYS:
            raise DeviceError(f"{path}: unknown key {shortened(name)}; known: {', '.join(_KEYS)}")
        if not _KEYS[name].allows(value):
            raise DeviceError(
                f"{path}: {name} is {shortened(value)}; allowed: {_KEYS[name].allowed}"
            )
    missing = [name for name, key in _KEYS.items() if key.required and name not in content]
    if missing:
        raise DeviceError(f"{path}: a device profile needs {' and '.join(missing)}")
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
    }
