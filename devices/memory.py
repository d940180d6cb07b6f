"""Whether a device's memory can hold a network at all."""

import warnings

from tinyedge.darknet.network import Network
from tinyedge.devices.profile import Profile
from tinyedge.errors import TinyedgeWarning
from tinyedge.text import size_text

__all__ = ["check_memory"]


def check_memory(network: Network, device: Profile) -> None:
    """Warn (TinyedgeWarning), with the numbers, where `device` cannot hold the network.

    Says nothing of a device whose memory is not known, nor of a microcontroller, which keeps
    weights in flash: `tinyedge check` says what memory a file takes there.
    """
    if device.memory is None or device.microcontroller:
        return
    in_float, in_int8 = network.footprint(4), network.footprint(1)
    if in_float.total <= device.memory:
        return
    verdict = (
        f"the int8 file may fit with {in_int8}"
        if in_int8.total <= device.memory
        else f"nor does the int8 file fit with {in_int8}"
    )
    warnings.warn(
        f"{network.source}: the float file needs at least {in_float}, more than a"
        f" {device.description} has, {size_text(device.memory)}; {verdict}",
        TinyedgeWarning,
        stacklevel=2,
    )
