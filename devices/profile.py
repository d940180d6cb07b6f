"""Device profiles: what a board is and how models run on it, one ``.toml`` each."""

import os
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tinyedge.errors import DeviceError

__all__ = ["Profile", "find_profile", "profile_names", "this_machine_is"]

_FOLDER = Path(__file__).parent
# The kernel publishes the board's name here; absent on machines without a device tree.
_DEVICE_TREE_MODEL = Path("/proc/device-tree/model")


@dataclass(frozen=True)
class Profile:
    """One device.

    Attributes:
        name: what ``--device`` calls it.
        description: a few words for people.
        threads: how many threads to use at most, at least 1.
        input_type: what an int8 model made for it takes, ``int8`` or ``uint8``.
        runtimes: names of TFLite runtimes in the order to try them.
        device_tree_model: how ``/proc/device-tree/model`` begins on this device; None where
            any machine will do.
        memory: all of it, bytes; None where it is not one number.
    """

    name: str
    description: str
    threads: int
    input_type: str
    runtimes: tuple[str, ...]
    device_tree_model: str | None = None
    memory: int | None = None

    def usable_threads(self) -> int:
        """The profile's threads, but no more than the cores this process may use."""
        return max(1, min(self.threads, len(os.sched_getaffinity(0))))


def profile_names() -> list[str]:
    """The names ``--device`` takes, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def find_profile(name: str) -> Profile:
    """The profile called `name`.

    Raises:
        DeviceError: there is none of that name, or its file does not describe a device.
    """
    if name not in profile_names():
        raise DeviceError(f"unknown device {name!r}; known: {', '.join(profile_names())}")
    path = _FOLDER / f"{name}.toml"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise DeviceError(f"{path}: {error}") from error
    return _profile(name, content, path)


def this_machine_is(profile: Profile) -> bool:
    """Whether the machine this runs on is the profile's board, by its device tree."""
    if profile.device_tree_model is None:
        return True
    try:
        model = _DEVICE_TREE_MODEL.read_bytes().rstrip(b"\0").decode("utf-8", "replace")
    except OSError:
        return False
    return model.startswith(profile.device_tree_model)


def _profile(name: str, content: dict[str, Any], path: Path) -> Profile:
    known = {item.name for item in fields(Profile)} - {"name"}
    unknown = sorted(set(content) - known)
    if unknown:
        raise DeviceError(f"{path}: unknown key {unknown[0]!r}; known: {', '.join(sorted(known))}")
    missing = sorted(known - {"device_tree_model", "memory"} - set(content))
    if missing:
        raise DeviceError(f"{path}: a device profile needs {', '.join(missing)}")
    values = {**content, "runtimes": tuple(content["runtimes"])}
    return Profile(name=name, **values)
