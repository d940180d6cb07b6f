"""The latency estimates of a Darknet network's files on a device, to read and to compute with."""

from dataclasses import asdict, dataclass, field
from typing import Any

from tinyedge.darknet.network import Network
from tinyedge.devices.latency.error import latency_error
from tinyedge.devices.latency.roofline import (
    USB_VERSIONS,
    EdgeTpuLatency,
    cpu_latency,
    edge_tpu_latency,
    latency_text,
    no_estimate,
)
from tinyedge.devices.latency.work import network_work
from tinyedge.devices.profile import Profile

__all__ = ["LatencyEstimates", "estimates_json", "estimates_text", "latency_estimates"]

_NUMBER_BYTES = {"float": 4, "int8": 1}


@dataclass(frozen=True)
class LatencyEstimates:
    """What one inference should take: estimates by arithmetic, nothing measured.

    Attributes:
        threads: of the CPU, all at work.
        cpu: file -> seconds, of ``float`` and ``int8``; empty where nothing can be said.
        reason: why not; None where it can.
        edge_tpu: version of the USB port -> the parts of it; empty without the accelerator.
    """

    threads: int
    cpu: dict[str, float] = field(default_factory=dict)
    reason: str | None = None
    edge_tpu: dict[int, EdgeTpuLatency] = field(default_factory=dict)


def latency_estimates(network: Network, profile: Profile) -> LatencyEstimates:
    """Of the network's files on the profile's board; on the Edge TPU as if all of it mapped."""
    work = network_work(network)
    reason = no_estimate(profile)
    cpu = {
        name: cpu_latency(work, profile, number_bytes=width)
        for name, width in _NUMBER_BYTES.items()
        if reason is None
    }
    edge_tpu = {}
    if "coral" in profile.files:
        for usb in USB_VERSIONS:
            edge_tpu[usb] = edge_tpu_latency(
                macs=sum(layer.macs for layer in work),
                parameter_bytes=sum(layer.weights for layer in work),
                input_bytes=network.layers[0].input.elements,
                output_bytes=network.layers[-1].output.elements,
                usb=usb,
            )
    threads = min(profile.threads, profile.cores or profile.threads)
    return LatencyEstimates(threads, cpu, reason, edge_tpu)


def estimates_text(estimates: LatencyEstimates) -> list[str]:
    """Lines to read: the estimates, each with its error."""
    if estimates.reason is None:
        of_files = ", ".join(
            f"{name} {latency_text(value)}" for name, value in estimates.cpu.items()
        )
        plural = "" if estimates.threads == 1 else "s"
        lines = [
            f"latency, an estimate: {of_files} on {estimates.threads} thread{plural}",
            f"  {latency_error('cpu')}",
        ]
    else:
        lines = [f"latency on the CPU: no estimate, {estimates.reason}"]
    if estimates.edge_tpu:
        at_ports = ", ".join(
            f"{latency_text(latency.seconds)} at USB {usb}"
            for usb, latency in estimates.edge_tpu.items()
        )
        lines += [
            f"latency on the Edge TPU, an estimate: {at_ports}, if all of it maps",
            f"  {latency_error('edge_tpu')}",
        ]
        streamed = max(latency.streamed_bytes for latency in estimates.edge_tpu.values())
        if streamed:
            lines.append(f"  {streamed / 1e6:.1f} MB of parameters cross the bus each time")
    return lines


def estimates_json(estimates: LatencyEstimates) -> dict[str, Any]:
    """The same as plain data: milliseconds, null where nothing can be said."""
    return {
        "threads": estimates.threads,
        "cpu": {
            "milliseconds": {name: 1000 * value for name, value in estimates.cpu.items()} or None,
            "reason": estimates.reason,
            "error": asdict(latency_error("cpu")),
        },
        "edge_tpu": {
            "milliseconds": {
                f"usb{usb}": 1000 * latency.seconds for usb, latency in estimates.edge_tpu.items()
            },
            "streamed_bytes": next(iter(estimates.edge_tpu.values())).streamed_bytes,
            "error": asdict(latency_error("edge_tpu")),
        }
        if estimates.edge_tpu
        else None,
    }
