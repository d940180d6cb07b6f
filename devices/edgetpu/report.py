"""What is known of a model on the Edge TPU, as text and as JSON."""

import shlex
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from tinyedge.devices.edgetpu.compiler import CompilerLog, differences
from tinyedge.devices.edgetpu.partition import OpPlacement, Partition
from tinyedge.devices.edgetpu.rules import Rules
from tinyedge.devices.latency.error import latency_error
from tinyedge.devices.latency.roofline import (
    EdgeTpuLatency,
    port_milliseconds,
    ports_text,
    usb_latencies,
)
from tinyedge.table import WIDTH, Column, paragraph, table
from tinyedge.text import counted, cut, printable
from tinyedge.tflite.metadata import Metadata, metadata_told
from tinyedge.tflite.model import COMPILED

__all__ = ["as_json", "as_text"]

_MARGIN = 12
_MIXED = (
    "some of this file's layers are in float, and the Edge TPU computes in integers alone: export"
    " the network with --precision integer and --device coral-usb"
)
_COLUMNS = (
    Column("operator"),
    Column("count", align="right"),
    Column("runs on"),
    Column("why", fit="wrap"),
)


def as_json(partition: Partition, rules: Rules, log: CompilerLog | None) -> dict[str, object]:
    """Everything, numbers not rounded; sizes in bytes."""
    return {
        "on_edge_tpu": partition.on_tpu,
        "on_cpu": partition.on_cpu,
        "cut": partition.split,
        "refusal": partition.refusal,
        "graphs": partition.graphs,
        "runtime": partition.runtime,
        "on_chip_bytes": rules.memory.on_chip,
        "parameter_memory_bytes": rules.memory.parameters,
        "parameter_bytes": partition.parameter_bytes,
        "streamed_bytes": partition.streamed_bytes,
        "input_bytes": partition.input_bytes,
        "output_bytes": partition.output_bytes,
        "macs": partition.macs,
        "latency": _latency_json(partition),
        "operations": [_operator_json(placed) for placed in partition.operators],
        "compiler": None if log is None else _compiler_json(partition, log),
    }


def _operator_json(placed: OpPlacement) -> dict[str, object]:
    content = asdict(placed)
    # Programs read it by this name.
    return {"limit" if name == "constraint" else name: value for name, value in content.items()}


def _latency_json(partition: Partition) -> dict[str, object] | None:
    """Milliseconds of the Edge TPU's part by USB version, an estimate; None where there is none."""
    if not partition.on_tpu or partition.compiled:
        return None
    return {
        "milliseconds": port_milliseconds(_latencies(partition)),
        "error": asdict(latency_error("edge_tpu")),
    }


def _latencies(partition: Partition) -> dict[int, EdgeTpuLatency]:
    return usb_latencies(
        macs=partition.macs,
        parameter_bytes=partition.parameter_bytes,
        input_bytes=partition.input_bytes,
        output_bytes=partition.output_bytes,
    )


def _compiler_json(partition: Partition, log: CompilerLog) -> dict[str, object]:
    return {
        **asdict(log),
        "on_edge_tpu": log.on_tpu,
        "on_cpu": log.on_cpu,
        "differences": [asdict(item) for item in differences(partition, log)],
    }


def as_text(
    model: Path,
    partition: Partition,
    rules: Rules,
    log: CompilerLog | None,
    *,
    metadata: Metadata | None = None,
    mixed: bool = False,
    width: int = WIDTH,
) -> str:
    """The same for people; `mixed` of a file that export made in mixed precision."""
    total = counted(len(partition.operators), "operation")
    where = f"{partition.on_tpu} of {total} on the Edge TPU, {partition.on_cpu} on the CPU"
    lines = [
        *paragraph(f"{printable(model)}: {where}", width=width),
        "",
        _table(partition, width),
        "",
    ]
    for name, text in (
        ("metadata", None if metadata is None else metadata_told(metadata)),
        ("refused", partition.refusal),
        ("split", _split(partition)),
        ("help", _MIXED if mixed else _help(partition, rules)),
        ("in doubt", _doubts(partition)),
        ("graphs", _graphs(partition)),
        ("parameters", _parameters(partition, rules)),
        ("USB", _crossing(partition)),
        ("latency", _latency(partition)),
        ("runtime", _runtime(partition)),
        ("compiler", _compiler(model, partition, log)),
    ):
        if text:
            lines += paragraph(text, width=width, first=name, indent=_MARGIN)
    return "\n".join(lines)


def _table(partition: Partition, width: int) -> str:
    """A row for each group of operators that fare alike, in the order they first run."""
    groups = Counter(
        (_plain(placed.operator), "Edge TPU" if placed.on_tpu else "CPU", placed.reason or "")
        for placed in partition.operators
    )
    if not groups:
        return "no operators"
    rows = [(operator, str(count), where, why) for (operator, where, why), count in groups.items()]
    return table(_COLUMNS, rows, width=width)


def _split(partition: Partition) -> str | None:
    if partition.refusal is not None or not partition.operators:
        return None
    if partition.split is None:
        ahead = partition.on_cpu
        if ahead:
            return f"none; {counted(ahead, 'operation')} on the CPU ahead of the Edge TPU's part"
        return "none"
    placed = partition.operators[partition.split]
    return (
        f"at operation {placed.index + 1} of {len(partition.operators)},"
        f" {' '.join((_plain(placed.operator), _layer(placed.tensor))).strip()}: it and all that"
        " come after it stay on the CPU"
    )


def _help(partition: Partition, rules: Rules) -> str | None:
    advice = {
        placed.operator: rules.advice[placed.operator]
        for placed in partition.operators
        if not placed.maps
        and placed.operator in rules.advice
        and rules.advice[placed.operator].constraint in (None, placed.constraint)
    }
    return "; ".join(f"{name}: {item.text}" for name, item in advice.items()) or None


def _doubts(partition: Partition) -> str | None:
    doubts = Counter(
        (placed.operator, placed.doubt)
        for placed in partition.operators
        if placed.on_tpu and placed.doubt
    )
    return "; ".join(f"{count} {name}: {why}" for (name, why), count in doubts.items()) or None


def _graphs(partition: Partition) -> str | None:
    if partition.graphs == 1:
        return None
    return (
        f"the file holds {partition.graphs}, which operators such as IF and WHILE call; the Edge"
        " TPU gets a part of the first, and this page is of that one"
    )


def _parameters(partition: Partition, rules: Rules) -> str | None:
    if not partition.on_tpu:
        return None
    least, most = rules.memory.parameters
    held = (
        f"{_size(partition.parameter_bytes)} for the Edge TPU, whose {_size(rules.memory.on_chip)}"
        f" keep {_size(least)} to {_size(most)} of them"
    )
    fewest, greatest = partition.streamed_bytes
    if greatest == 0:
        return f"{held}: nothing is streamed"
    if fewest == 0:
        return f"{held}: up to {_size(greatest)} may be streamed over USB with each inference"
    return f"{held}: {_size(fewest)} to {_size(greatest)} are streamed over USB with each inference"


def _crossing(partition: Partition) -> str | None:
    if not partition.on_tpu:
        return None
    return (
        f"{partition.input_bytes:,} bytes in and {partition.output_bytes:,} out per inference,"
        " parameters aside"
    )


def _runtime(partition: Partition) -> str | None:
    return f"{partition.runtime} of the Edge TPU, or newer" if partition.runtime else None


def _latency(partition: Partition) -> str | None:
    if not partition.on_tpu or partition.compiled:
        return None
    ports = ports_text(_latencies(partition))
    rest = "" if partition.on_cpu == 0 else "; what stays on the CPU comes on top"
    return (
        f"an estimate for the Edge TPU's part: {ports}{rest}. {latency_error('edge_tpu')}"
        " (docs/latency_estimate.md)"
    )


def _compiler(model: Path, partition: Partition, log: CompilerLog | None) -> str:
    if partition.compiled:
        return f"the file was compiled for the Edge TPU already; {COMPILED} shows nothing of itself"
    if log is None:
        return (
            "edgetpu_compiler is not on the PATH, so all of this is predicted from its published"
            " rules; to be sure, on a Debian x86-64 machine with Coral's package type:"
            f" {shlex.join(['edgetpu_compiler', '-s', model.name])}"
        )
    if not log.ran:
        return f"edgetpu_compiler is of no use: {log.failure}; all of this is predicted"
    version = f"edgetpu_compiler {log.version or 'of unknown version'}"
    if log.failure is not None:
        return f"{version} made no file: {log.failure}"
    found = differences(partition, log)
    said = f"{version} maps {log.on_tpu} of {log.on_tpu + log.on_cpu}"
    if not found:
        return f"{said}, as predicted"
    unlike = "; ".join(f"{d.operator} {d.mapped}, predicted {d.predicted}" for d in found)
    return f"{said}, not as predicted: {unlike}"


def _layer(tensor: str) -> str:
    """Of the names joined where operators were fused, the first."""
    return _plain(tensor.split(";", maxsplit=1)[0])


def _plain(name: str) -> str:
    """A name from the file as a terminal can show it, no longer than half a line."""
    return cut(printable(name), WIDTH // 2)


def _size(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.1f} KiB"
