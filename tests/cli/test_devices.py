"""``tinyedge devices``: what is listed, what is marked, and what becomes of a broken profile."""

import importlib.metadata
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.emulated_pi import EmulatedPi
from tests.support.commands import run_as_user, run_in_process, set_traps
from tests.support.delegates import built
from tinyedge.devices.profile import profile_names

pytestmark = pytest.mark.usefixtures("own")
LITERT = f"ai-edge-litert {importlib.metadata.version('ai-edge-litert')}"
CORES = len(os.sched_getaffinity(0))
THREADS = (
    "4 threads (the profile's 4)"
    if CORES >= 4
    else f"{CORES} thread{'' if CORES == 1 else 's'} (the profile's 4;"
    f" {CORES} core{'' if CORES == 1 else 's'} here)"
)


def _rows() -> dict[str, dict[str, object]]:
    rows = json.loads(run_in_process("devices", "--json").stdout)["devices"]
    return {row["name"]: row for row in rows}


def test_each_profile_says_what_it_would_use(device_tree: Path) -> None:
    result = run_in_process("devices")
    assert not device_tree.exists()
    lines = result.stdout.splitlines()
    assert all(len(line) <= 100 for line in lines)
    assert lines[0].split() == ["device", "board", "CPU", "memory"]
    heads = [line for line in lines[1:-1] if not line.startswith("   ")]
    assert [line[2:].split()[0] for line in heads] == profile_names()
    assert [line for line in heads if line.startswith("*")] == [
        heads[profile_names().index("host")]
    ]
    assert (
        "  pi5        Raspberry Pi 5           4 x Cortex-A76, 2.4 GHz, int8 dot product  -"
        in lines
    )
    assert lines.count(f"             {LITERT} (first of the order); {THREADS}") == 6
    assert lines[-2] == (
        "             no runtime (its firmware runs models; tinyedge check says what it takes)"
    )
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("model", "here"),
    [
        (b"Raspberry Pi 4 Model B Rev 1.4\0", "pi4"),
        (b"Raspberry Pi Zero 2 W Rev 1.0\0", "pi-zero2w"),
        (b"Raspberry Pi Compute Module 4 Rev 1.1\0", "pi"),
        (b"NVIDIA Jetson Nano Developer Kit\0", "host"),
    ],
    ids=["Pi 4", "Zero 2", "CM4", "Jetson"],
)
def test_one_is_marked(device_tree: Path, model: bytes, here: str) -> None:
    device_tree.write_bytes(model)
    rows = _rows()
    assert [name for name, row in rows.items() if row["here"]] == [here]
    pi = rows["pi"]["profile"]
    assert isinstance(pi, dict)
    assert pi["clock"] == (rows[here]["profile"]["clock"] if here != "host" else None)  # type: ignore[index]


def test_json_has_the_numbers_and_the_reasons(own: Path) -> None:
    (own / "mine.toml").write_text('description = "mine"\nthreads = 1\nclock = 900_000_000\n')
    mine = _rows()["mine"]
    settings = mine.pop("profile")
    assert mine == {
        "name": "mine",
        "here": False,
        "file": str(own / "mine.toml"),
        "error": None,
        "runtime": LITERT,
        "runtime_reason": "first of the order",
        "threads": 1,
        "threads_reason": "the profile's 1",
        "delegate": None,
        "delegate_reason": "none: the CPU alone",
    }
    assert isinstance(settings, dict)
    assert (settings["description"], settings["clock"], settings["memory"]) == ("mine", 9e8, None)


def test_a_microcontrollers_numbers_are_not_rounded_to_nothing(own: Path) -> None:
    text = 'description = "x"\nthreads = 1\nmicrocontroller = true\ncpu = "Cortex-M4"\n'
    (own / "small.toml").write_text(f"{text}clock = 16_000_000\nmemory = 262_144\n")
    (own / "larger.toml").write_text(f"{text}clock = 600_000_000\nmemory = 8_388_608\n")
    lines = [" ".join(line.split()) for line in run_in_process("devices").stdout.splitlines()]
    assert "small x Cortex-M4, 16 MHz 262.1 kB" in lines
    assert "larger x Cortex-M4, 600 MHz 8.4 MB" in lines


def test_a_broken_profile_hides_no_other(own: Path) -> None:
    (own / "broken.toml").write_text('description = "x"\nthreads = 0\n')
    (own / "a-name-of-some-length.toml").write_text('description = "whole"\nthreads = 1\n')
    reason = (
        f"{own / 'broken.toml'}: threads is 0; allowed: a whole number of threads from 1 to 1,024"
    )
    rows = _rows()
    assert list(rows) == profile_names()
    assert rows["broken"]["error"] == reason
    assert rows["broken"]["profile"] is None
    assert rows["a-name-of-some-length"]["runtime"] == LITERT
    text = run_in_process("devices").stdout
    assert " ".join(reason.split()) in " ".join(text.split())
    assert "  a-name-of-some-length\n             whole  " in text


def test_even_host_and_pi_may_be_broken(own: Path) -> None:
    for name in ("host", "pi"):
        (own / f"{name}.toml").write_text("threads = 0\n")
    assert not any(row["here"] for row in _rows().values())


def test_the_reason_why_not_the_first_runtime(own: Path) -> None:
    (own / "a.toml").write_text(
        'description = "a"\nthreads = 1\nruntimes = ["tflite-runtime", "ai-edge-litert"]\n'
    )
    row = _rows()["a"]
    assert row["runtime"] == LITERT
    assert str(row["runtime_reason"]).startswith("tflite-runtime ")


def test_no_runtime_is_a_row_too(own: Path) -> None:
    (own / "a.toml").write_text('description = "a"\nthreads = 1\nruntimes = ["tflite-runtime"]\n')
    row = _rows()["a"]
    assert row["runtime"] is None
    assert "tflite-runtime is not installed. " in str(row["runtime_reason"])
    assert "no runtime (tflite-runtime is not installed. " in run_in_process("devices").stdout


def test_a_delegate_is_tried(own: Path, tmp_path: Path) -> None:
    for name, library in (("libc", "libc.so.6"), ("none", str(tmp_path / "libnone.so"))):
        (own / f"{name}.toml").write_text(
            f'description = "{name}"\nthreads = 1\ndelegate = "{library}"\n'
        )
    rows = _rows()
    assert (rows["libc"]["delegate"], rows["libc"]["delegate_reason"]) == (
        "libc.so.6",
        "libc.so.6: loads",
    )
    assert rows["none"]["delegate"] is None
    assert rows["none"]["delegate_reason"] == (
        f"none: {tmp_path / 'libnone.so'}: cannot open shared object file:"
        " No such file or directory"
    )


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("for (;;) pause();", "cannot be loaded within 1 seconds"),
        ("signal(SIGTERM, SIG_IGN); for (;;) pause();", "cannot be loaded within 1 seconds"),
        ("for (;;) write(2, said, sizeof said);", "cannot be loaded within 1 seconds"),
        ("abort();", "crashes when it is loaded (signal 6)"),
        ("exit(0);", "ends the process that loads it (exit code 0)"),
        ("write(1, said, sizeof said);", "loads"),
    ],
    ids=["blocks", "stubborn", "talks", "crashes", "exits", "says"],
)
def test_a_library_may_do_what_it_likes_when_it_is_loaded(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, said: str
) -> None:
    source = tmp_path / "library.c"
    source.write_text(
        "#include <signal.h>\n#include <stdlib.h>\n#include <unistd.h>\n"
        "static char said[65536];\n"
        f"__attribute__((constructor)) static void loaded(void) {{ {code} }}\n"
    )
    library = built(tmp_path, source=source)
    for name in ("one", "other"):
        (own / f"{name}.toml").write_text(
            f'description = "x"\nthreads = 1\ndelegate = "{library}"\n'
        )
    monkeypatch.setattr("tinyedge.devices.listing._PATIENCE", 1)
    rows = _rows()
    found = {(rows[name]["delegate"], rows[name]["delegate_reason"]) for name in ("one", "other")}
    assert found == {(str(library) if said == "loads" else None, f"{library}: {said}")}


def test_what_lies_in_the_folder_it_runs_in_is_not_imported(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own / "mine.toml").write_text('description = "x"\nthreads = 1\ndelegate = "libc.so.6"\n')
    monkeypatch.chdir(set_traps(tmp_path))
    assert _rows()["mine"]["delegate_reason"] == "libc.so.6: loads"


def test_a_users_shell_sees_the_users_profiles(own: Path) -> None:
    (own / "mine.toml").write_text('description = "mine"\nthreads = 1\n')
    done = run_as_user("devices")
    assert done.returncode == 0
    assert "\n  mine       mine " in done.stdout
    assert done.stderr == ""


@pytest.mark.pi_emulated
@pytest.mark.parametrize(
    ("release", "board", "wanted"),
    [
        (
            *("bookworm", "pi4"),
            {
                "cpu": "Cortex-A72",
                "architecture": "aarch64",
                "runtime": LITERT,
                "reason": "first of the order",
            },
        ),
        (
            *("armhf", "pi3"),
            {
                "cpu": "Cortex-A53",
                "architecture": "armv7l",
                "runtime": "tflite-runtime 2.14.0",
                "reason": "ai-edge-litert is not installed",
            },
        ),
    ],
    ids=["64-bit Pi 4", "32-bit Pi 3"],
)
def test_a_board_knows_itself(
    emulated_pi: Callable[..., EmulatedPi],
    unpacked_wheel: Path,
    release: str,
    board: str,
    wanted: dict[str, str],
) -> None:
    pi = emulated_pi(release, board, shared=[unpacked_wheel])
    packages = {"PYTHONPATH": str(unpacked_wheel)}
    done = pi.run("python3", "-m", "tinyedge", "devices", "--json", environment=packages)
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)["devices"]}
    assert [name for name, row in rows.items() if row["here"]] == [board]
    pi_row = rows["pi"]
    assert (pi_row["runtime"], pi_row["runtime_reason"]) == (wanted["runtime"], wanted["reason"])
    assert pi_row["profile"]["cpu"] == wanted["cpu"]
    assert pi_row["profile"]["architecture"] == wanted["architecture"]
    assert pi_row["profile"]["description"] == rows[board]["profile"]["description"]
