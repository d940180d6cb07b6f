"""What is known of a model on the Edge TPU, as text and as JSON."""

import textwrap
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tinyedge.devices.edgetpu.compiler import CompilerLog, differences
from tinyedge.devices.edgetpu.partition import COMPILED, Placement
from tinyedge.devices.edgetpu.rules import Rules
from tinyedge.devices.latency.error import latency_error
from tinyedge.devices.latency.roofline import USB_VERSIONS, edge_tpu_latency, latency_text

__all__ = ["check_json", "check_text"]

_WIDTH = 100
_MARGIN = 12


def check_json(
    model: Path, device: str, placement: Placement, rules: Rules, log: CompilerLog | None
) -> dict[str, Any]:
    """Everything, numbers not rounded; sizes in bytes."""
    return {
        "model": str(model),
        "device": device,
        "on_edge_tpu": placement.on_tpu,
        "on_cpu": placement.on_cpu,
        "cut": placement.cut,
        "refusal": placement.refusal,
        "graphs": placement.graphs,
        "runtime": placement.runtime,
        "on_chip_bytes": rules.memory.on_chip,
        "parameter_memory_bytes": rules.memory.parameters,
        "parameter_bytes": placement.parameter_bytes,
        "streamed_bytes": placement.streamed_bytes,
        "input_bytes": placement.input_bytes,
        "output_bytes": placement.output_bytes,
        "macs": placement.macs,
        "latency": _latency_json(placement),
        "operations": [asdict(verdict) for verdict in placement.verdicts],
        "compiler": None if log is None else _compiler_json(placement, log),
    }


def _latency_json(placement: Placement) -> dict[str, Any] | None:
    """Milliseconds of the Edge TPU's part by USB version, an estimate; None where there is none."""
    if not placement.on_tpu or placement.compiled:
        return None
    return {
        "milliseconds": {f"usb{usb}": 1000 * s for usb, s in _latencies(placement).items()},
        "error": asdict(latency_error("edge_tpu")),
    }


def _latencies(placement: Placement) -> dict[int, float]:
    return {
        usb: edge_tpu_latency(
            macs=placement.macs,
            parameter_bytes=placement.parameter_bytes,
            input_bytes=placement.input_bytes,
            output_bytes=placement.output_bytes,
            usb=usb,
        ).seconds
        for usb in USB_VERSIONS
    }


def _compiler_json(placement: Placement, log: CompilerLog) -> dict[str, Any]:
    return {
        **asdict(log),
        "on_edge_tpu": log.on_tpu,
        "on_cpu": log.on_cpu,
        "differences": [asdict(item) for item in differences(placement, log)],
    }


def check_text(model: Path, placement: Placement, rules: Rules, log: CompilerLog | None) -> str:
    """The same for people, within 100 columns."""
    total = len(placement.verdicts)
    lines = [
        f"{model}: {placement.on_tpu} of {_operations(total)} on the Edge TPU,"
        f" {placement.on_cpu} on the CPU",
        "",
        *_table(placement),
        "",
    ]
    for name, text in (
        ("refused", placement.refusal),
        ("cut", _cut(placement)),
        ("help", _help(placement, rules)),
        ("in doubt", _doubts(placement)),
        ("graphs", _graphs(placement)),
        ("parameters", _parameters(placement, rules)),
        ("USB", _crossing(placement)),
        ("latency", _latency(placement)),
        ("runtime", _runtime(placement)),
        ("compiler", _compiler(model, placement, log)),
    ):
        if text:
            lines += _paragraph(name, text)
    return "\n".join(lines)


def _paragraph(name: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=name.ljust(_MARGIN),
        subsequent_indent=" " * _MARGIN,
        break_on_hyphens=False,
    )


def _table(placement: Placement) -> list[str]:
    """A row for each group of operators with the same verdict, in the order they first run."""
    groups = Counter(
        (_plain(verdict.operator), "Edge TPU" if verdict.on_tpu else "CPU", verdict.reason or "")
        for verdict in placement.verdicts
    )
    if not groups:
        return ["no operators"]
    name = max(len("operator"), *(len(operator) for operator, _, _ in groups))
    lines = [f"{'operator':<{name}}  count  runs on   why"]
    indent = " " * (name + 19)
    for (operator, where, why), count in groups.items():
        row = f"{operator:<{name}}  {count:>5}  {where:<10}{why}"
        lines += textwrap.wrap(row, _WIDTH, subsequent_indent=indent)
    return lines


def _cut(placement: Placement) -> str | None:
    if placement.refusal is not None or not placement.verdicts:
        return None
    if placement.cut is None:
        ahead = placement.on_cpu
        if ahead:
            return f"none; {_operations(ahead)} on the CPU ahead of the Edge TPU's part"
        return "none"
    verdict = placement.verdicts[placement.cut]
    return (
        f"at operation {verdict.index + 1} of {len(placement.verdicts)},"
        f" {' '.join((_plain(verdict.operator), _layer(verdict.tensor))).strip()}: it and all that"
        " come after it stay on the CPU"
    )


def _help(placement: Placement, rules: Rules) -> str | None:
    advice = {
        verdict.operator: rules.advice[verdict.operator]
        for verdict in placement.verdicts
        if not verdict.maps
        and verdict.operator in rules.advice
        and rules.advice[verdict.operator].limit in (None, verdict.limit)
    }
    return "; ".join(f"{name}: {item.text}" for name, item in advice.items()) or None


def _doubts(placement: Placement) -> str | None:
    doubts = Counter((v.operator, v.doubt) for v in placement.verdicts if v.on_tpu and v.doubt)
    return "; ".join(f"{count} {name}: {why}" for (name, why), count in doubts.items()) or None


def _graphs(placement: Placement) -> str | None:
    if placement.graphs == 1:
        return None
    return (
        f"the file holds {placement.graphs}, which operators such as IF and WHILE call; the Edge"
        " TPU gets a part of the first, and this page is of that one"
    )


def _parameters(placement: Placement, rules: Rules) -> str | None:
    if not placement.on_tpu:
        return None
    least, most = rules.memory.parameters
    held = (
        f"{_size(placement.parameter_bytes)} for the Edge TPU, whose {_size(rules.memory.on_chip)}"
        f" keep {_size(least)} to {_size(most)} of them"
    )
    fewest, greatest = placement.streamed_bytes
    if greatest == 0:
        return f"{held}: nothing is streamed"
    if fewest == 0:
        return f"{held}: up to {_size(greatest)} may be streamed over USB with each inference"
    return f"{held}: {_size(fewest)} to {_size(greatest)} are streamed over USB with each inference"


def _crossing(placement: Placement) -> str | None:
    if not placement.on_tpu:
        return None
    return (
        f"{placement.input_bytes:,} bytes in and {placement.output_bytes:,} out per inference,"
        " parameters aside"
    )


def _runtime(placement: Placement) -> str | None:
    return f"{placement.runtime} of the Edge TPU, or newer" if placement.runtime else None


def _latency(placement: Placement) -> str | None:
    if not placement.on_tpu or placement.compiled:
        return None
    ports = ", ".join(f"{latency_text(s)} at USB {usb}" for usb, s in _latencies(placement).items())
    rest = "" if placement.on_cpu == 0 else "; what stays on the CPU comes on top"
    return (
        f"an estimate for the Edge TPU's part: {ports}{rest}. {latency_error('edge_tpu')}"
        " (docs/latency_estimate.md)"
    )


def _compiler(model: Path, placement: Placement, log: CompilerLog | None) -> str:
    if placement.compiled:
        return f"the file was compiled for the Edge TPU already; {COMPILED} shows nothing of itself"
    if log is None:
        return (
            "edgetpu_compiler is not on the PATH, so all of this is predicted from its published"
            " rules; to be sure, on a Debian x86-64 machine with Coral's package type:"
            f" edgetpu_compiler -s {model.name}"
        )
    if not log.ran:
        return f"edgetpu_compiler is of no use: {log.failure}; all of this is predicted"
    version = f"edgetpu_compiler {log.version or 'of unknown version'}"
    if log.failure is not None:
        return f"{version} made no file: {log.failure}"
    found = differences(placement, log)
    said = f"{version} maps {log.on_tpu} of {log.on_tpu + log.on_cpu}"
    if not found:
        return f"{said}, as predicted"
    unlike = "; ".join(f"{d.operator} {d.mapped}, predicted {d.predicted}" for d in found)
    return f"{said}, not as predicted: {unlike}"


def _layer(tensor: str) -> str:
    """Of the names joined where operators were fused, the first."""
    return _printable(tensor.split(";", maxsplit=1)[0])


def _plain(name: str) -> str:
    """A name from the file as a terminal can show it, no longer than half a line."""
    shown = _printable(name)
    return shown if len(shown) <= _WIDTH // 2 else shown[: _WIDTH // 2 - 3] + "..."


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _operations(count: int) -> str:
    return f"{count} operation{'' if count == 1 else 's'}"


def _size(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.1f} KiB"
