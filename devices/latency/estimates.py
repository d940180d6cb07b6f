"""The latency estimates of a Darknet network's files on a device."""

from dataclasses import dataclass, field

from tinyedge.darknet.network import Network
from tinyedge.devices.latency.roofline import (
    EdgeTpuLatency,
    cpu_latency,
    no_estimate,
    usb_latencies,
)
from tinyedge.devices.latency.work import network_work
from tinyedge.devices.profile import Profile

__all__ = ["LatencyEstimates", "latency_estimates"]

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
        edge_tpu = usb_latencies(
            macs=sum(layer.macs for layer in work),
            parameter_bytes=sum(layer.weights for layer in work),
            input_bytes=network.layers[0].input.elements,
            output_bytes=network.layers[-1].output.elements,
        )
    threads = min(profile.threads, profile.cores or profile.threads)
    return LatencyEstimates(threads, cpu, reason, edge_tpu)
