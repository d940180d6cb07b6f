"""The state of a board: its temperature, and whether it is throttled."""

import subprocess
from pathlib import Path
from typing import NamedTuple

from tinyedge import children

__all__ = ["BoardState", "board_state"]

_THERMAL = Path("/sys/class/thermal")
# Older kernels of Raspberry Pi OS tell it in a file; the command asks the firmware.
_THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
_VCGENCMD = ("vcgencmd", "get_throttled")

# Bits of get_throttled, after Raspberry Pi's documentation of vcgencmd.
_NOW = {
    0: "under-voltage",
    1: "clock capped",
    2: "throttled",
    3: "soft temperature limit",
}
_SINCE_BOOT = {bit + 16: f"{words} since boot" for bit, words in _NOW.items()}


class BoardState(NamedTuple):
    """The state of a board at one moment.

    Attributes:
        temperature: of the hottest thermal zone, degrees Celsius; None where there is none.
        throttling: what slows the board, or slowed it since it was started; empty where
            nothing does, None on a machine that does not tell, as all but a Raspberry Pi.
    """

    temperature: float | None
    throttling: tuple[str, ...] | None


def board_state() -> BoardState:
    """The state of this machine now."""
    return BoardState(temperature(), throttling(_throttled_word()))


def temperature(zones: Path = _THERMAL) -> float | None:
    """Degrees Celsius of the hottest of the kernel's thermal zones, None where there is none."""
    found = []
    for zone in zones.glob("thermal_zone*/temp"):
        try:
            found.append(int(zone.read_text()) / 1000)
        except (OSError, ValueError):  # a zone whose sensor sleeps says so with an error
            continue
    return max(found, default=None)


def throttling(word: str | None) -> tuple[str, ...] | None:
    """What ``get_throttled`` says, from ``throttled=0x50005`` or the number alone."""
    if word is None:
        return None
    try:
        bits = int(word.strip().rpartition("=")[2], 16)
    except ValueError:
        return None
    # What goes on now needs no second mention.
    now = [bit for bit in _NOW if bits >> bit & 1]
    before = [bit for bit in _SINCE_BOOT if bits >> bit & 1 and bit - 16 not in now]
    return tuple([_NOW[bit] for bit in now] + [_SINCE_BOOT[bit] for bit in before])


def _throttled_word() -> str | None:
    try:
        return _THROTTLED.read_text()
    except OSError:
        pass
    try:
        asked = children.run(_VCGENCMD, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout if asked.returncode == 0 else None
