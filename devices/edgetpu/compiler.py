"""Coral's edgetpu_compiler where it is installed: run, its log read, held against the prediction.

It exists for Debian on x86-64 alone. Its log is known from what its users published
(google-coral/edgetpu issues 324, 427, 433, 572, 671).
"""

import re
import shutil
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tinyedge import children
from tinyedge.devices.edgetpu.partition import Partition
from tinyedge.temporary import temporary_folder
from tinyedge.tflite.model import file_for_programs

__all__ = [
    "MAPPED",
    "CompilerLog",
    "CompilerRow",
    "Difference",
    "differences",
    "find_compiler",
    "parse_log",
    "run_compiler",
]

MAPPED = "Mapped to Edge TPU"
_TIMEOUT = 600  # seconds; it gives up by itself after 180
_ROW = re.compile(r"^([A-Z][A-Z0-9_]*)\s+(\d{1,9})\s+(\S.*?)\s*$")
_VERSION = re.compile(r"^Edge TPU Compiler version (\S+)")
_AMOUNT = re.compile(r"^(\d{1,12}(?:\.\d{1,12})?)\s*(B|KiB|MiB|GiB)$")
_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_FAILURES = (
    *("ERROR:", "Invalid model:", "Model could not be parsed", "Model not quantized"),
    *("Compilation failed", "Internal compiler error", "Compilation child process"),
)
_SUCCESS = ("Model compiled successfully", "Models compiled successfully")


@dataclass(frozen=True)
class CompilerRow:
    """A row of its table: so many of an operator have a status, such as `MAPPED`."""

    operator: str
    count: int
    status: str


@dataclass(frozen=True)
class CompilerLog:
    """What edgetpu_compiler said; a number is None where it does not say it.

    Attributes:
        version: its own.
        failure: why it made no file, in its words; None where it made one.
        rows: its table, in its order.
        cached_bytes, streamed_bytes: of the parameters, on the chip and off it.
        subgraphs: how many parts of the graph it made for the Edge TPU.
        ran: whether it came to an end at all.
    """

    version: str | None
    failure: str | None
    rows: tuple[CompilerRow, ...]
    cached_bytes: int | None = None
    streamed_bytes: int | None = None
    subgraphs: int | None = None
    ran: bool = True

    @property
    def on_tpu(self) -> int:
        """How many operators it mapped."""
        return sum(row.count for row in self.rows if row.status == MAPPED)

    @property
    def on_cpu(self) -> int:
        """How many it left on the CPU."""
        return sum(row.count for row in self.rows if row.status != MAPPED)

    @property
    def whole(self) -> bool:
        """Whether everything runs on the Edge TPU."""
        return self.failure is None and self.on_tpu > 0 and self.on_cpu == 0


@dataclass(frozen=True)
class Difference:
    """An operator of which not as many are mapped as was predicted."""

    operator: str
    predicted: int
    mapped: int


def find_compiler() -> Path | None:
    """Where edgetpu_compiler is on the PATH, or None."""
    found = shutil.which("edgetpu_compiler")
    return None if found is None else Path(found)


def run_compiler(
    compiler: Path, model: Path, *, runtime: int | None = None
) -> tuple[CompilerLog, str]:
    """Compile `model` in a folder that is removed, for an Edge TPU's `runtime` or the newest.

    The log says in `failure` where the compiler cannot be run, is killed or does not end.
    Returns the log and its text.
    """
    made_in = temporary_folder(Path(tempfile.gettempdir()))
    with made_in as folder, file_for_programs(model) as file:
        oldest = [] if runtime is None else ["-m", str(runtime)]
        command = [str(compiler), "-s", *oldest, "-o", str(folder), str(file.resolve())]
        try:
            done = children.run(command, timeout=_TIMEOUT, stderr=subprocess.STDOUT)
        except subprocess.TimeoutExpired:
            return _no_log(f"it did not end within {_TIMEOUT} seconds"), ""
        except OSError as error:
            return _no_log(f"it cannot be run: {error.strerror or error}"), ""
    return parse_log(done.stdout, exit_code=done.returncode), done.stdout


def parse_log(text: str, *, exit_code: int = 0) -> CompilerLog:
    """What its output says, for a process that ended with `exit_code` (below 0: by a signal)."""
    lines = [line.strip() for line in text.splitlines()]
    rows = [CompilerRow(m[1], int(m[2]), m[3]) for m in map(_ROW.match, lines) if m]
    return CompilerLog(
        version=next((m[1] for m in map(_VERSION.match, lines) if m), None),
        failure=_failure(lines, exit_code),
        rows=tuple(rows),
        cached_bytes=_bytes(lines, "On-chip memory used for caching model parameters"),
        streamed_bytes=_bytes(
            lines, "Off-chip memory used for streaming uncached model parameters"
        ),
        subgraphs=_count(lines, "Number of Edge TPU subgraphs"),
    )


def differences(partition: Partition, log: CompilerLog) -> tuple[Difference, ...]:
    """The operators where the compiler maps another number than was predicted, by name."""
    predicted: Counter[str] = Counter()
    for placed in partition.operators:
        predicted["CUSTOM" if placed.custom else placed.operator] += placed.on_tpu
    mapped: Counter[str] = Counter()
    for row in log.rows:
        mapped[row.operator] += row.count if row.status == MAPPED else 0
    return tuple(
        Difference(name, predicted[name], mapped[name])
        for name in sorted({*predicted, *mapped})
        if predicted[name] != mapped[name]
    )


def _no_log(why: str) -> CompilerLog:
    return CompilerLog(version=None, failure=why, rows=(), ran=False)


def _failure(lines: list[str], exit_code: int) -> str | None:
    if exit_code == 0 and any(line.startswith(_SUCCESS) for line in lines):
        return None
    said = [line for line in lines if line.startswith(_FAILURES) and "completed" not in line]
    if exit_code < 0:
        said.append(f"killed by signal {-exit_code}")
    if not said:
        said = [line for line in lines if line][-1:] or ["it said nothing"]
        said.append(f"exit code {exit_code}")
    return "; ".join(said)


def _said(lines: list[str], what: str) -> str | None:
    return next(
        (line.removeprefix(what + ":").strip() for line in lines if line.startswith(what + ":")),
        None,
    )


def _bytes(lines: list[str], what: str) -> int | None:
    match = _AMOUNT.match(_said(lines, what) or "")
    return None if match is None else round(float(match[1]) * _UNITS[match[2]])


def _count(lines: list[str], what: str) -> int | None:
    said = _said(lines, what)
    return int(said) if said is not None and re.fullmatch(r"\d{1,9}", said) else None
