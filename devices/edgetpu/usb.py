"""Coral's accelerators among the devices that Linux lists, and whether this user may open them."""

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Accelerator", "find_accelerators"]

# Global Unichip until its firmware is loaded by the first use, Google after it (udev's rules of
# Coral's package libedgetpu1-std).
_USB_IDS = {("1a6e", "089a"), ("18d1", "9302")}
_ROOT = Path("/")


@dataclass(frozen=True)
class Accelerator:
    """An Edge TPU: the file that stands for it in /dev, and whether this process may use that."""

    node: Path
    usable: bool


def find_accelerators(root: Path = _ROOT) -> list[Accelerator]:
    """Those on USB, then those on PCIe; `root` is where sys and dev are."""
    nodes = []
    for folder in sorted((root / "sys/bus/usb/devices").glob("*")):
        if (_line(folder / "idVendor"), _line(folder / "idProduct")) in _USB_IDS:
            bus, device = _line(folder / "busnum"), _line(folder / "devnum")
            nodes.append(root / "dev/bus/usb" / bus.zfill(3) / device.zfill(3))
    nodes += sorted((root / "dev").glob("apex_*"))
    return [Accelerator(node, os.access(node, os.R_OK | os.W_OK)) for node in nodes]


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
