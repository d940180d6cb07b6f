"""What may stand in a profile's ``.toml``, and the messages about what may not."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tinyedge.errors import DeviceError

__all__ = ["KEYS", "Key", "profile_values"]


class Key(NamedTuple):
    """One key: which values are allowed, in code and in words, and whether it must be there."""

    allows: Callable[[Any], bool]
    allowed: str
    required: bool = False


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def _truth(value: Any) -> bool:
    return isinstance(value, bool)


def _whole(low: int, high: int, unit: str, *, required: bool = False) -> Key:
    def allows(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return Key(allows, f"a whole number of {unit} from {low:,} to {high:,}", required)


def _one_of(*words: str) -> Key:
    quoted = [f'"{word}"' for word in words]
    return Key(
        lambda value: isinstance(value, str) and value in words,
        f"{', '.join(quoted[:-1])} or {quoted[-1]}",
    )


def _some_of(*words: str) -> Key:
    def allows(value: Any) -> bool:
        return (
            isinstance(value, list)
            and bool(value)
            and all(isinstance(word, str) and word in words for word in value)
            and len(set(value)) == len(value)
        )

    return Key(allows, "a list, each at most once, of " + ", ".join(f'"{word}"' for word in words))


# The lower ends tell bytes from megabytes and Hz from MHz.
KEYS = {
    "description": Key(_text, "a line of text", required=True),
    "device_tree_model": Key(_text, "how /proc/device-tree/model begins there, a line of text"),
    "architecture": _one_of("aarch64", "armv7l", "x86_64"),
    "cpu": Key(_text, "a line of text"),
    "cores": _whole(1, 1024, "cores"),
    "clock": _whole(10**6, 10**11, "Hz"),
    "dot_product": Key(_truth, "true or false"),
    "cache": _whole(2**10, 2**40, "bytes"),
    "memory": _whole(2**16, 2**50, "bytes"),
    "memory_bandwidth": _whole(10**6, 10**14, "bytes a second"),
    "threads": _whole(1, 1024, "threads", required=True),
    "runtimes": _some_of("ai-edge-litert", "tflite-runtime", "tensorflow"),
    "delegate": Key(_text, "the name or path of a shared library"),
    "input_type": _one_of("int8", "uint8"),
    "files": _some_of("float", "int8", "coral"),
}


def profile_values(path: Path) -> dict[str, Any]:
    """The keys and values of a profile's file, checked; lists as tuples.

    Raises:
        DeviceError: the file cannot be read, or a key is unknown, missing or of a value that is
            not allowed; says which file, which key and what is allowed.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DeviceError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DeviceError(f"{path}: it is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise DeviceError(f"{path}: {error}") from error
    for name, value in content.items():
        if name not in KEYS:
            raise DeviceError(f"{path}: unknown key {name!r}; known: {', '.join(KEYS)}")
        if not KEYS[name].allows(value):
            raise DeviceError(f"{path}: {name} is {value!r}; allowed: {KEYS[name].allowed}")
    missing = [name for name, key in KEYS.items() if key.required and name not in content]
    if missing:
        raise DeviceError(f"{path}: a device profile needs {' and '.join(missing)}")
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
    }
