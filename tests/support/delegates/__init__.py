"""TFLite delegates built for a test, and the profile of a board that has one."""

import subprocess
from pathlib import Path

_PLUGIN = Path(__file__).with_name("plugin.c")
_PROFILE = """
description = "a board with an accelerator of its own"
threads = 1
delegate = "{library}"
files = ["float", "int8", "coral"]
"""


def built(folder: Path, *flags: str, source: Path = _PLUGIN) -> Path:
    """A shared object of the plugin."""
    library = folder / "libedgetpu_test.so"
    command = ["gcc", "-shared", "-fPIC", "-w", "-o", library, *flags, source]
    subprocess.run(command, check=True)
    return library


def profile(folder: Path, library: Path | str) -> Path:
    """The file of a board's profile that names the library."""
    path = folder / "board.toml"
    path.write_text(_PROFILE.format(library=library), encoding="utf-8")
    return path
