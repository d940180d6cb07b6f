"""What TFLite Micro takes of a file, as text and as JSON."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tinyedge.devices.tflm.interpreter import Arena, Trial
from tinyedge.devices.tflm.kernels import OperatorKernel
from tinyedge.installation import pip_advice
from tinyedge.table import WIDTH, Column, paragraph, table
from tinyedge.text import counted, cut, printable
from tinyedge.tflite.metadata import Metadata, metadata_told

__all__ = ["Findings", "as_json", "as_text"]

_MARGIN = 11
_COLUMNS = (
    Column("operator"),
    Column("count", align="right"),
    Column("kernel"),
    Column("why", fit="wrap"),
)
_BY = "docs/microcontrollers.md"


@dataclass(frozen=True)
class Findings:
    """All that is known of a file on a microcontroller.

    Attributes:
        operators: of the file, each with its verdict.
        tensor_bytes: the least that tensors take of the arena.
        file_bytes: of the file, which stays in flash.
        memory: of the microcontroller, bytes; None where its profile does not say.
        trial: what the package made of it; None where it is not installed.
    """

    operators: Sequence[OperatorKernel]
    tensor_bytes: int
    file_bytes: int
    memory: int | None
    trial: Trial | None

    @property
    def arena(self) -> Arena | None:
        """As measured; None where it was not."""
        return None if self.trial is None else self.trial.arena

    @property
    def least_arena(self) -> int:
        """The least the arena can be on the microcontroller, bytes."""
        return self.tensor_bytes if self.arena is None else self.arena.least

    @property
    def missing(self) -> int:
        """How many operators have no kernel by the rules."""
        return sum(each.reason is not None for each in self.operators)

    @property
    def fits(self) -> bool:
        """Whether the least arena fits into the memory, as far as that is known."""
        return self.memory is None or self.least_arena <= self.memory

    @property
    def runs(self) -> bool:
        """Whether nothing is known that keeps it from running; the package has the last word."""
        if self.trial is not None and self.trial.version is not None:
            return self.fits and self.trial.refusal is None
        return self.fits and not self.missing and bool(self.operators)


def as_json(findings: Findings) -> dict[str, object]:
    """Everything; sizes in bytes."""
    arena, trial = findings.arena, findings.trial
    return {
        "runs": findings.runs,
        "missing": findings.missing,
        "file_bytes": findings.file_bytes,
        "tensor_bytes": findings.tensor_bytes,
        "memory_bytes": findings.memory,
        "arena": arena and {**asdict(arena), "total": arena.total, "least": arena.least},
        "package": trial and {"version": trial.version, "refusal": trial.refusal},
        "operations": [asdict(each) for each in findings.operators],
    }


def as_text(
    model: Path,
    findings: Findings,
    *,
    metadata: Metadata | None = None,
    width: int = WIDTH,
) -> str:
    """The same for people."""
    total = len(findings.operators)
    had = f"kernels for {total - findings.missing} of {counted(total, 'operation')}"
    lines = [
        *paragraph(f"{printable(model)}: TFLite Micro has {had}", width=width),
        "",
        _table(findings.operators, width),
        "",
    ]
    for name, text in (
        ("metadata", None if metadata is None else metadata_told(metadata)),
        ("help", _help(findings.operators)),
        ("in doubt", _doubts(findings.operators)),
        ("package", _package(findings.trial)),
        ("arena", _arena(findings)),
        ("memory", _memory(findings)),
        ("flash", f"{findings.file_bytes:,} bytes of the file, weights and all, stay in flash"),
        ("resolver", _resolver(findings.operators)),
    ):
        if text:
            lines += paragraph(text, width=width, first=name, indent=_MARGIN)
    return "\n".join(lines)


def _table(operators: Sequence[OperatorKernel], width: int) -> str:
    """A row for each group of operators that fare alike, in the order they first run."""
    if not operators:
        return "no operators"
    # No name from the file is longer than half a line.
    groups = Counter((cut(printable(each.operator), WIDTH // 2), each.reason) for each in operators)
    rows = [
        (name, str(count), "yes" if reason is None else "no", reason or "")
        for (name, reason), count in groups.items()
    ]
    return table(_COLUMNS, rows, width=width)


def _help(operators: Sequence[OperatorKernel]) -> str | None:
    if any(each.reason is not None and "hybrid" in each.reason for each in operators):
        return "a file of integers throughout has no such layers: tinyedge export --device tflm"
    if any(each.reason is not None and "uint8" in each.reason for each in operators):
        return "make the file compute in int8: tinyedge export --device tflm"
    return None


def _doubts(operators: Sequence[OperatorKernel]) -> str | None:
    doubts = {each.operator: each.doubt for each in operators if each.doubt is not None}
    return "; ".join(f"{name}: {why}" for name, why in doubts.items()) or None


def _package(trial: Trial | None) -> str | None:
    if trial is None:
        return None
    if trial.version is None:
        return f"tflite-micro cannot be tried: {printable(trial.refusal or '')}"
    name = f"tflite-micro {trial.version}"
    if trial.refusal is not None:
        return f"{name} does not run the file: {printable(trial.refusal)}"
    return f"{name} runs the file here"


def _arena(findings: Findings) -> str:
    if findings.arena is None:
        text = (
            f"at least {findings.tensor_bytes:,} bytes, an estimate by rule: the most that tensors"
            " alive at the same time take; structures come on top"
        )
        if findings.trial is None:
            advice = pip_advice("tflite-micro")
            text += f". The package tflite-micro measures it, on x86-64. {advice}"
        return text
    arena = findings.arena
    return (
        f"{arena.total:,} bytes on x86-64, measured: {arena.tensors:,} of tensors,"
        f" {arena.structures:,} of structures. Pointers of 32 bits make the structures smaller, by"
        f" half at most: {arena.least:,} to {arena.total:,} bytes on a microcontroller, and what"
        f" kernels made for its chip put aside ({_BY})"
    )


def _memory(findings: Findings) -> str | None:
    if findings.memory is None:
        return None
    verdict = "the arena may fit" if findings.fits else "the arena cannot fit"
    return f"{findings.memory:,} bytes by the profile: {verdict}"


def _resolver(operators: Sequence[OperatorKernel]) -> str | None:
    kinds = len({each.operator for each in operators})
    return f"MicroMutableOpResolver<{kinds}>, of the operators above" if operators else None
