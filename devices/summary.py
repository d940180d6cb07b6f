"""What a network costs, and what a device makes of it, for people and for programs."""

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import indent

from tinyedge.darknet import summary
from tinyedge.darknet.network import Footprint, Network
from tinyedge.devices.latency import report
from tinyedge.devices.latency.estimates import LatencyEstimates, latency_estimates
from tinyedge.devices.latency.instructions import costs_are_known
from tinyedge.devices.memory import check_memory
from tinyedge.devices.profile import Profile
from tinyedge.table import WIDTH, folded
from tinyedge.text import size_text

__all__ = ["DeviceCosts", "as_json", "as_text", "device_costs"]

_NUMBER_BYTES = {"float32": 4, "int8": 1}


@dataclass(frozen=True)
class DeviceCosts:
    """What a device makes of a network.

    Attributes:
        profile: the device.
        needs: the memory by the type of the numbers, ``float32`` and ``int8``.
        latency: estimates, nothing measured.
    """

    profile: Profile
    needs: Mapping[str, Footprint]
    latency: LatencyEstimates


def device_costs(network: Network, profile: Profile) -> DeviceCosts:
    """Of `network` on the board of `profile`; warns as `check_memory`."""
    check_memory(network, profile)
    needs = {name: network.footprint(width) for name, width in _NUMBER_BYTES.items()}
    return DeviceCosts(profile, needs, latency_estimates(network, profile))


def as_text(network: Network, costs: DeviceCosts | None = None, *, width: int = WIDTH) -> str:
    """Darknet's table with its sums; below it what they mean on the device."""
    lines = [summary.as_text(network, width=width)]
    if costs is not None:
        memory = costs.profile.memory
        said = "unknown" if memory is None else size_text(memory)
        lines.append(f"{costs.profile.name}: memory {said}")
        lines += [f"  {name:<7} needs at least {need}" for name, need in costs.needs.items()]
        if costs.profile.microcontroller:
            lines.append("  weights lie in flash; tinyedge check says what memory a file takes")
        lines.append(indent(report.as_text(costs.latency), "  "))
        if costs_are_known(costs.profile):
            # The integer file's cycles are its budget.
            lines.append("  export makes a mixed file by default, in about int8's time")
        else:
            lines.append("  export makes an integer file by default")
        if costs.profile.delegate_warning is not None:
            lines.append(f"  {costs.profile.delegate_warning}")
    return folded("\n".join(lines), width=width)


def as_json(network: Network, costs: DeviceCosts | None = None) -> dict[str, object]:
    """The same as plain data: bytes, milliseconds; the costs only where there is a device."""
    content = {"schema": "tinyedge.summary/1", **summary.as_json(network)}
    if costs is not None:
        content |= {
            "device": costs.profile.name,
            "device_memory": costs.profile.memory,
            "delegate": costs.profile.delegate,
            "needs": {name: need.total for name, need in costs.needs.items()},
            "latency_estimate": report.as_json(costs.latency),
            "precision": "mixed" if costs_are_known(costs.profile) else "integer",
        }
    return content
