"""Latency estimates to read and to compute with, each with its error."""

from dataclasses import asdict

from tinyedge.devices.latency.error import latency_error
from tinyedge.devices.latency.estimates import LatencyEstimates
from tinyedge.devices.latency.roofline import latency_text, port_milliseconds, ports_text
from tinyedge.text import counted, size_text

__all__ = ["as_json", "as_text"]


def as_text(estimates: LatencyEstimates) -> str:
    """The estimates to read, each with its error."""
    if estimates.reason is None:
        of_files = ", ".join(
            f"{name} {latency_text(value)}" for name, value in estimates.cpu.items()
        )
        lines = [
            f"latency, an estimate: {of_files} on {counted(estimates.threads, 'thread')}",
            f"  {latency_error('cpu')}",
        ]
    else:
        lines = [f"latency on the CPU: no estimate, {estimates.reason}"]
    if estimates.edge_tpu:
        lines += [
            f"latency on the Edge TPU, an estimate: {ports_text(estimates.edge_tpu)}, if all"
            " of it maps",
            f"  {latency_error('edge_tpu')}",
        ]
        streamed = max(latency.streamed_bytes for latency in estimates.edge_tpu.values())
        if streamed:
            lines.append(f"  {size_text(streamed)} of parameters cross the bus each time")
    return "\n".join(lines)


def as_json(estimates: LatencyEstimates) -> dict[str, object]:
    """The estimates as plain data: milliseconds, null where nothing can be said."""
    return {
        "threads": estimates.threads,
        "cpu": {
            "milliseconds": {name: 1000 * value for name, value in estimates.cpu.items()} or None,
            "reason": estimates.reason,
            "error": asdict(latency_error("cpu")),
        },
        "edge_tpu": {
            "milliseconds": port_milliseconds(estimates.edge_tpu),
            "streamed_bytes": next(iter(estimates.edge_tpu.values())).streamed_bytes,
            "error": asdict(latency_error("edge_tpu")),
        }
        if estimates.edge_tpu
        else None,
    }
