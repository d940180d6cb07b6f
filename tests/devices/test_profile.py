"""Device profiles: those that ship, and the messages about those that are wrong."""

import os
from pathlib import Path

import pytest

from tinyedge.devices import profile
from tinyedge.devices.interpreters import RUNTIMES
from tinyedge.devices.profile import Profile, find_profile, profile_names, this_machine_is
from tinyedge.errors import DeviceError

WHOLE = 'description = "a board"\nthreads = 2\ninput_type = "int8"\nruntimes = ["ai-edge-litert"]\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of profiles in place of the package's own."""
    monkeypatch.setattr(profile, "_FOLDER", tmp_path)
    return tmp_path


def test_host_and_pi_ship() -> None:
    assert {"host", "pi"} <= set(profile_names())
    assert profile_names() == sorted(profile_names())


@pytest.mark.parametrize("name", profile_names())
def test_what_ships_can_be_used(name: str) -> None:
    found = find_profile(name)
    assert found.name == name
    assert found.description
    assert found.threads >= 1
    assert found.input_type in ("int8", "uint8")
    assert found.runtimes
    assert set(found.runtimes) <= set(RUNTIMES)


@pytest.mark.parametrize("name", ["toaster", "", "../devices/host", "host.toml", "HOST"])
def test_an_unknown_name_lists_the_known(name: str) -> None:
    with pytest.raises(DeviceError) as refusal:
        find_profile(name)
    assert str(refusal.value) == f"unknown device {name!r}; known: {', '.join(profile_names())}"


def test_a_profile_is_read_whole(folder: Path) -> None:
    (folder / "board.toml").write_text(WHOLE + 'device_tree_model = "Board"\n')
    assert find_profile("board") == Profile(
        "board", "a board", 2, "int8", ("ai-edge-litert",), "Board"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('threads = "', "Invalid initial character|Unterminated|Expected|Illegal"),
        (WHOLE + "colour = 1\n", "unknown key 'colour'; known: description, device_tree_model,"),
        ("threads = 2\n", "a device profile needs description, input_type, runtimes$"),
    ],
    ids=["no TOML", "unknown key", "missing keys"],
)
def test_a_wrong_profile_names_its_file(folder: Path, content: str, message: str) -> None:
    path = folder / "board.toml"
    path.write_text(content)
    with pytest.raises(DeviceError, match=message) as refusal:
        find_profile("board")
    assert str(refusal.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("device_tree", "is_it"),
    [
        (b"Raspberry Pi 4 Model B Rev 1.4\0", True),
        (b"Raspberry Pi Zero 2 W Rev 1.0\0", True),
        (b"NVIDIA Jetson Nano Developer Kit\0", False),
        (b"\xff\xfe\0", False),
        (None, False),
    ],
    ids=["Pi 4", "Zero 2", "Jetson", "no text", "no device tree"],
)
def test_a_board_is_known_by_its_device_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device_tree: bytes | None, is_it: bool
) -> None:
    path = tmp_path / "model"
    if device_tree is not None:
        path.write_bytes(device_tree)
    monkeypatch.setattr(profile, "_DEVICE_TREE_MODEL", path)
    assert this_machine_is(find_profile("pi")) is is_it
    assert this_machine_is(find_profile("host"))


def test_threads_are_no_more_than_the_cores_allowed() -> None:
    many, one = (Profile("x", "x", threads, "int8", ()) for threads in (10_000, 1))
    cores = os.sched_getaffinity(0)
    assert many.usable_threads() == len(cores)
    assert one.usable_threads() == 1
    os.sched_setaffinity(0, {min(cores)})
    try:
        assert many.usable_threads() == 1
    finally:
        os.sched_setaffinity(0, cores)
