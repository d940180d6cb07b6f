"""Accelerators as Linux lists them, in a tree laid out like /sys and /dev."""

import os
from pathlib import Path

import pytest

from tinyedge.devices.edgetpu.usb import find_accelerators
from tinyedge.devices.runtime.delegate import _refusal


def plug(root: Path, name: str, ids: tuple[str, str], bus: int, device: int) -> Path:
    """A device on USB; gives the file that stands for it."""
    folder = root / "sys/bus/usb/devices" / name
    folder.mkdir(parents=True)
    values = (*ids, str(bus), str(device))
    for file, value in zip(("idVendor", "idProduct", "busnum", "devnum"), values, strict=True):
        (folder / file).write_text(f"{value}\n", encoding="ascii")
    node = root / f"dev/bus/usb/{bus:03}/{device:03}"
    node.parent.mkdir(parents=True, exist_ok=True)
    node.touch()
    return node


def test_only_coral_s_devices_are_found(tmp_path: Path) -> None:
    assert find_accelerators(tmp_path) == []
    plug(tmp_path, "usb1", ("1d6b", "0002"), 1, 1)
    (tmp_path / "sys/bus/usb/devices/1-0:1.0").mkdir()
    fresh = plug(tmp_path, "1-1", ("1a6e", "089a"), 1, 4)
    used = plug(tmp_path, "2-1", ("18d1", "9302"), 2, 11)
    (tmp_path / "dev/apex_0").touch()
    found = find_accelerators(tmp_path)
    assert [item.node for item in found] == [fresh, used, tmp_path / "dev/apex_0"]
    assert all(item.usable for item in found)


def test_a_refusal_is_told_by_what_is_plugged_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _refusal("", []).startswith("no Coral accelerator is plugged in")
    node = plug(tmp_path, "1-1", ("18d1", "9302"), 1, 4)
    assert "does not answer (it says: busy)" in _refusal("busy", find_accelerators(tmp_path))
    # Root may open everything, so the permission itself cannot be taken away here.
    monkeypatch.setattr(os, "access", lambda *_: False)
    said = _refusal("", find_accelerators(tmp_path))
    assert said.startswith(f"{node} may not be opened by this user; type: sudo usermod -aG plugdev")
