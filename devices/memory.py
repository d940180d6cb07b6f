"""Whether a device's memory can hold a network at all."""

import warnings
from dataclasses import dataclass

from tinyedge.darknet.network import Network
from tinyedge.devices.profile import Profile
from tinyedge.errors import TinyedgeWarning

__all__ = ["Footprint", "check_memory", "footprint"]


@dataclass(frozen=True)
class Footprint:
    """The least memory one inference can do with; runtimes take more.

    Attributes:
        weight_bytes: of all weights.
        activation_bytes: of the input and output of the layer where both together are largest.
    """

    weight_bytes: int
    activation_bytes: int

    @property
    def total(self) -> int:
        """Both, in bytes."""
        return self.weight_bytes + self.activation_bytes

    def __str__(self) -> str:
        return (
            f"{self.total / 1e6:.1f} MB ({self.weight_bytes / 1e6:.1f} MB of weights,"
            f" {self.activation_bytes / 1e6:.1f} MB of activations)"
        )


def footprint(network: Network, number_bytes: int) -> Footprint:
    """Of the network with numbers of so many bytes: 4 in float32, 1 in int8."""
    numbers = max(layer.input.elements + layer.output.elements for layer in network.layers)
    return Footprint(number_bytes * network.parameters, number_bytes * numbers)


def check_memory(network: Network, device: Profile) -> None:
    """Warn (TinyedgeWarning), with the numbers, where `device` cannot hold the network.

    Says nothing of a device whose memory is not known.
    """
    if device.memory is None:
        return
    in_float, in_int8 = footprint(network, 4), footprint(network, 1)
    if in_float.total <= device.memory:
        return
    verdict = (
        f"the int8 file may fit with {in_int8}"
        if in_int8.total <= device.memory
        else f"nor does the int8 file fit with {in_int8}"
    )
    warnings.warn(
        f"{network.source}: the float file needs at least {in_float}, more than a"
        f" {device.description} has, {device.memory / 1e6:.1f} MB; {verdict}",
        TinyedgeWarning,
        stacklevel=2,
    )
