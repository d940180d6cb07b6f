"""TFLite Micro's Python interpreter, where it is installed: what it says of a file, and its arena.

It is an optional package (`tflite-micro`), of x86-64 alone, and C++ that trusts the file: it runs
in a process of its own.
"""

import importlib.util
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tinyedge import children
from tinyedge.tflite.model import file_for_programs

__all__ = ["Arena", "Trial", "is_installed", "try_file"]

_PACKAGE = "tflite_micro"
# Its kernels are TFLite's reference ones: VGG-16 takes a minute.
_PATIENCE = 600
_TRY = """
import json, sys
from importlib.metadata import version
try:
    from tflite_micro import runtime
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
path, size = sys.argv[1:]
print(json.dumps(version("tflite-micro")), flush=True)
interpreter = runtime.Interpreter.from_file(path, arena_size=int(size))
interpreter.invoke()
interpreter.print_allocations()
print(json.dumps("done"))
"""
_PART = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")


@dataclass(frozen=True)
class Arena:
    """The memory that an interpreter of TFLite Micro took, in bytes, on a machine of 64 bits.

    Attributes:
        tensors: of what is computed, and of what kernels put aside; the same on any machine with
            the same kernels.
        structures: of what it keeps to run them: structures with pointers, and numbers by channel.
    """

    tensors: int
    structures: int

    @property
    def total(self) -> int:
        """Both."""
        return self.tensors + self.structures

    @property
    def least(self) -> int:
        """The least it can be with pointers of 32 bits.

        Every field of a structure takes at least half there, and so does every padding: twice the
        layout of 32 bits is one that 64 bits could have.
        """
        return self.tensors + -(-self.structures // 2)


@dataclass(frozen=True)
class Trial:
    """What came of running a file.

    Attributes:
        version: of the package; None where it cannot be tried, which says nothing of the file.
        arena: None where the file does not run.
        refusal: why not, in its own words; None where it runs.
    """

    version: str | None
    arena: Arena | None
    refusal: str | None


def is_installed() -> bool:
    """Whether the package is there; it is not imported."""
    found = importlib.util.find_spec(_PACKAGE)
    return found is not None and found.origin is not None


def try_file(model: Path, *, tensor_bytes: int) -> Trial:
    """Run a sound .tflite file once on whatever its input holds.

    Args:
        model: of which `tinyedge.tflite.check.check_tflite` says nothing.
        tensor_bytes: as of `tensor_arena_bytes`, for the size of the arena to try it with.
    """
    try:
        with file_for_programs(model) as file:
            # Plans may be worse than the best, and structures grow with operators and channels.
            size = 2 * tensor_bytes + file.stat().st_size + 2**20
            # What its end lacks to the next 16 would count as taken.
            size -= size % 16
            done = children.run(children.python("-c", _TRY, file, size), timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        return Trial(None, None, f"it did not end within {_PATIENCE} seconds")
    said = done.stdout.splitlines()
    version = str(json.loads(said[0])) if said else None
    if done.returncode < 0:
        return Trial(version, None, f"it crashes (signal {-done.returncode})")
    parts = {name: int(number) for name, number in _PART.findall(done.stderr)}
    if done.returncode != 0 or {"head", "tail"} - set(parts):
        return Trial(version, None, _complaint(done.stderr))
    return Trial(version, Arena(parts["head"], parts["tail"]), None)


def _complaint(text: str) -> str:
    """The line that says what was wrong: the first, and a traceback goes behind it."""
    lines = [line.strip() for line in text.partition("Traceback")[0].splitlines() if line.strip()]
    last = [line for line in text.splitlines() if line.strip()][-1:]
    return (lines or last or ["it says nothing"])[0].removeprefix("tensorflow/lite/micro/kernels/")
