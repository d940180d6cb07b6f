"""Device profiles: those that ship, a user's own, and the messages about those that are wrong."""

import os
import platform
import sys
from pathlib import Path

import pytest

from tinyedge.devices.profile import (
    Profile,
    find_profile,
    profile_file,
    profile_names,
    running_board,
    system_architecture,
    this_machine_is,
)
from tinyedge.devices.runtime.runtimes import RUNTIMES
from tinyedge.errors import DeviceError

pytestmark = pytest.mark.usefixtures("own")
SHIPPED = ["coral-usb", "host", "pi", "pi-zero2w", "pi3", "pi4", "pi5", "tflm"]
LEAST = 'description = "a board"\nthreads = 2\n'
# As the kernel writes it there.
PI_4 = b"Raspberry Pi 4 Model B Rev 1.4\0"


def test_the_names_that_ship() -> None:
    assert profile_names() == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_can_be_used(name: str) -> None:
    found = find_profile(name)
    assert found.name == name
    assert found.description
    assert found.microcontroller == (name == "tflm")
    assert found.threads == (1 if name == "tflm" else 4)
    assert found.input_type == "int8"
    assert found.runtimes == tuple(RUNTIMES)
    assert found.files == (("float", "int8", "coral") if name == "coral-usb" else ("float", "int8"))
    assert found.delegate == ("libedgetpu.so.1" if name == "coral-usb" else None)


@pytest.mark.parametrize(
    ("name", "cpu", "gigahertz", "dot_product"),
    [
        ("pi-zero2w", "Cortex-A53", 1.0, False),
        ("pi3", "Cortex-A53", 1.4, False),
        ("pi4", "Cortex-A72", 1.5, False),
        ("pi5", "Cortex-A76", 2.4, True),
    ],
)
def test_a_board_has_its_numbers(name: str, cpu: str, gigahertz: float, dot_product: bool) -> None:
    board = find_profile(name)
    assert (board.architecture, board.cpu, board.cores) == ("aarch64", cpu, 4)
    assert board.clock == gigahertz * 1e9
    assert board.dot_product is dot_product
    assert board.memory_bandwidth
    assert board.device_tree_model
    assert board.device_tree_model.startswith("Raspberry Pi ")


@pytest.mark.parametrize("name", ["toaster", "", "../devices/host", "HOST"])
def test_an_unknown_name_lists_the_known(name: str) -> None:
    with pytest.raises(DeviceError) as refusal:
        find_profile(name)
    assert str(refusal.value) == f"unknown device {name!r}; known: {', '.join(SHIPPED)}"


def test_what_is_not_said_is_the_default(tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    path.write_text(LEAST)
    assert find_profile(str(path)) == Profile(
        name="board",
        description="a board",
        threads=2,
        runtimes=tuple(RUNTIMES),
        input_type="int8",
        files=("float", "int8"),
    )


def test_a_profile_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    path.write_text(
        'description = "a board"\ndevice_tree_model = "Board"\narchitecture = "armv7l"\n'
        'cpu = "Cortex-A7"\ncores = 2\nclock = 900_000_000\ndot_product = false\n'
        "cache = 262_144\nmemory = 536_870_912\nmemory_bandwidth = 1_600_000_000\nthreads = 1\n"
        'runtimes = ["tflite-runtime"]\ndelegate = "libboard.so"\ninput_type = "uint8"\n'
        'files = ["int8"]\nmicrocontroller = true\n'
    )
    assert find_profile(str(path)) == Profile(
        name="board",
        description="a board",
        device_tree_model="Board",
        microcontroller=True,
        architecture="armv7l",
        cpu="Cortex-A7",
        cores=2,
        clock=900_000_000,
        dot_product=False,
        cache=2**18,
        memory=512 * 2**20,
        memory_bandwidth=1_600_000_000,
        threads=1,
        runtimes=("tflite-runtime",),
        delegate="libboard.so",
        input_type="uint8",
        files=("int8",),
    )


def test_a_users_profile_is_known_by_name_and_replaces_ours(own: Path) -> None:
    (own / "board.toml").write_text(LEAST)
    (own / "pi4.toml").write_text(LEAST)
    assert profile_names() == sorted([*SHIPPED, "board"])
    assert find_profile("board").description == "a board"
    assert find_profile("pi4").threads == 2


def test_the_users_folder_is_in_the_home_where_nothing_else_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ".config" / "tinyedge" / "devices"
    folder.mkdir(parents=True)
    (folder / "board.toml").write_text(LEAST)
    monkeypatch.setenv("HOME", str(tmp_path))
    for said in ("", "relative/folder"):  # which the specification has ignored
        monkeypatch.setenv("XDG_CONFIG_HOME", said)
        assert "board" in profile_names()


def test_a_user_without_a_home_has_the_profiles_that_ship(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_such_user(uid: int) -> None:
        raise KeyError(uid)

    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", no_such_user)
    assert find_profile("host").name == "host"
    assert profile_names() == SHIPPED


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("colour = 1\n", "unknown key 'colour'; known: description, device_tree_model, "),
        ("threads = 2\n", "a device profile needs description"),
        ("", "a device profile needs description and threads"),
        ('description = ""\nthreads = 1\n', "description is ''; allowed: a line of text"),
        (LEAST + "cpu = 72\n", "cpu is 72; allowed: a line of text"),
        ('threads = "4"\n', "threads is '4'; allowed: a whole number of threads from 1 to 1,024"),
        ("threads = 0\n", "threads is 0; allowed: a whole number of threads from 1 to 1,024"),
        ("threads = true\n", "threads is True; allowed: a whole number"),
        ("cores = 1.5\n", "cores is 1.5; allowed: a whole number of cores from 1 to 1,024"),
        ("clock = 1500\n", "clock is 1500; allowed: a whole number of Hz from 1,000,000 to "),
        ("cache = 512\n", "cache is 512; allowed: a whole number of bytes from 1,024 to "),
        ("memory = 512\n", "memory is 512; allowed: a whole number of bytes from 65,536 to "),
        ("memory_bandwidth = 17\n", "memory_bandwidth is 17; allowed: a whole number of bytes a "),
        ("dot_product = 1\n", "dot_product is 1; allowed: true or false"),
        ("microcontroller = 1\n", "microcontroller is 1; allowed: true or false"),
        (
            'architecture = "arm"\n',
            'architecture is \'arm\'; allowed: "aarch64", "armv7l" or "x86_64"',
        ),
        ('input_type = "float"\n', 'input_type is \'float\'; allowed: "int8" or "uint8"'),
        ("runtimes = []\n", "runtimes is []; allowed: a list, each at most once, of "),
        ('runtimes = "tensorflow"\n', "runtimes is 'tensorflow'; allowed: a list, "),
        ('runtimes = ["onnx"]\n', "runtimes is ['onnx']; allowed: a list, each at most once, of "),
        (
            'files = ["int8", "int8"]\n',
            "files is ['int8', 'int8']; allowed: a list, each at most once, of"
            ' "float", "int8", "coral"',
        ),
        ("files = [1]\n", "files is [1]; allowed: a list"),
        ("delegate = 1\n", "delegate is 1; allowed: the name or path of a shared library"),
    ],
)
def test_a_wrong_profile_names_its_file_and_what_is_allowed(
    own: Path, content: str, message: str
) -> None:
    path = own / "board.toml"
    path.write_text(content)
    with pytest.raises(DeviceError) as refusal:
        find_profile("board")
    assert str(refusal.value).startswith(f"{path}: {message}")


def test_what_is_no_toml_at_all(tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    with pytest.raises(DeviceError, match="No such file or directory") as refusal:
        find_profile(str(path))
    assert str(refusal.value).startswith(f"{path}: ")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DeviceError, match=r"board\.toml is no UTF-8 text"):
        find_profile(str(path))
    path.write_text(f"threads = {'1' * 5000}\n")
    with pytest.raises(
        DeviceError, match=r"board\.toml: it holds an integer of thousands of digits$"
    ):
        find_profile(str(path))
    path.write_text("threads = 1 2\n")
    with pytest.raises(DeviceError, match="line 1, column"):
        find_profile(str(path))
    path.unlink()
    path.mkdir()
    with pytest.raises(DeviceError, match="is a folder, not a file"):
        find_profile(str(path))


@pytest.mark.parametrize(
    ("model", "boards"),
    [
        (PI_4, ["pi", "pi4"]),
        (b"Raspberry Pi Zero 2 W Rev 1.0\0", ["pi", "pi-zero2w"]),
        (b"Raspberry Pi 3 Model B Plus Rev 1.3\0", ["pi", "pi3"]),
        (b"Raspberry Pi 5 Model B Rev 1.0\0", ["pi", "pi5"]),
        (b"Raspberry Pi Compute Module 4 Rev 1.1\0", ["pi"]),
        (b"NVIDIA Jetson Nano Developer Kit\0", []),
        (b"\xff\xfe\0", []),
        (None, []),
    ],
    ids=["Pi 4", "Zero 2", "Pi 3", "Pi 5", "CM4", "Jetson", "no text", "no device tree"],
)
def test_a_board_is_known_by_its_device_tree(
    device_tree: Path, model: bytes | None, boards: list[str]
) -> None:
    if model is not None:
        device_tree.write_bytes(model)
    anywhere = ["coral-usb", "host"]
    found = [name for name in SHIPPED if this_machine_is(find_profile(name))]
    assert found == sorted([*anywhere, *boards])
    board = running_board()
    assert (board.name if board else None) == (boards[1] if len(boards) > 1 else None)


def test_pi_is_whatever_board_it_runs_on(device_tree: Path, own: Path) -> None:
    elsewhere = find_profile("pi")
    assert elsewhere.description == "Raspberry Pi"
    assert (elsewhere.cpu, elsewhere.cores, elsewhere.clock) == (None, None, None)
    device_tree.write_bytes(PI_4)
    (own / "broken.toml").write_text("threads = 0\n")  # which is another's trouble
    pi4 = find_profile("pi4")
    assert find_profile("pi") == pi4._replace(name="pi", device_tree_model="Raspberry Pi")
    for name in ("host", "coral-usb"):
        found = find_profile(name)
        assert (found.cpu, found.clock, found.cache) == (pi4.cpu, pi4.clock, pi4.cache)
        assert found.description in ("this machine", "Coral USB Accelerator")
    # A user's own profile of this board is believed before ours.
    (own / "mine.toml").write_text(
        LEAST + 'device_tree_model = "Raspberry Pi 4"\nclock = 2_000_000_000\n'
    )
    assert find_profile("pi").clock == 2_000_000_000


def test_pi_is_as_wide_as_its_system(device_tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device_tree.write_bytes(PI_4)
    assert find_profile("pi").architecture == "aarch64"
    monkeypatch.setattr(sys, "maxsize", 2**31 - 1)
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert find_profile("pi").architecture == "armv7l"


@pytest.mark.parametrize(
    ("machine", "bits", "architecture"),
    [
        ("aarch64", 64, "aarch64"),
        ("x86_64", 64, "x86_64"),
        # 32-bit systems under a 64-bit kernel.
        ("aarch64", 32, "armv7l"),
        ("armv8l", 32, "armv7l"),
        ("x86_64", 32, "i686"),
        ("armv7l", 32, "armv7l"),
        ("armv6l", 32, "armv6l"),
        ("riscv64", 64, "riscv64"),
    ],
)
def test_programs_are_built_for_the_system_not_the_kernel(
    machine: str, bits: int, architecture: str
) -> None:
    assert system_architecture(machine, bits) == architecture
    assert find_profile("pi4").architecture == "aarch64"


def test_threads_are_no_more_than_the_cores_allowed() -> None:
    many, one = (
        Profile(name="x", description="x", threads=threads, runtimes=()) for threads in (10_000, 1)
    )
    cores = os.sched_getaffinity(0)
    assert many.usable_threads() == len(cores)
    assert one.usable_threads() == 1
    os.sched_setaffinity(0, {min(cores)})
    try:
        assert many.usable_threads() == 1
    finally:
        os.sched_setaffinity(0, cores)


def test_a_file_is_named_by_a_path_too_and_needs_no_suffix(tmp_path: Path) -> None:
    for name in ("board.toml", "board"):
        path = tmp_path / name
        path.write_text(LEAST)
        assert find_profile(path) == find_profile(str(path))
        assert find_profile(path).name == "board"
        assert profile_file(path) == profile_file(str(path)) == path


def test_a_name_comes_before_a_file_that_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pi4").write_text(LEAST)
    monkeypatch.chdir(tmp_path)
    assert profile_file("pi4").name == "pi4.toml"
    assert profile_file("./pi4") == Path("pi4")
    assert find_profile("./pi4").description == "a board"
