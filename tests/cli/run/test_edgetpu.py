"""``tinyedge run`` with an Edge TPU, real shared objects in the place of its delegate."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.commands import run_as_user, set_traps
from tests.support.delegates import built, profile
from tests.support.exports import Models
from tests.support.tflite_writer import Op, T, write_model
from tinyedge.devices.runtime.delegate import why_not
from tinyedge.modelcard import append_card, read_card


@pytest.fixture
def files(tmp_path: Path, fashion_models: Models) -> Path:
    """A folder as export and the compiler leave it: int8, coral with its card, compiled without."""
    folder = tmp_path / "out"
    folder.mkdir()
    shutil.copy(fashion_models.int8_model, folder / "net_int8.tflite")
    card = read_card(fashion_models.int8_model)
    assert card is not None
    compiled = write_model(
        Op("edgetpu-custom-op", [T((1, 28, 28, 1), scale=1 / 255)], [T((1, 10), scale=0.25)])
    )
    (folder / "net_coral_edgetpu.tflite").write_bytes(compiled)
    relu = Op("RELU", [T((1, 28, 28, 1))], [T((1, 28, 28, 1))])
    (folder / "net_coral.tflite").write_bytes(append_card(write_model(relu), card))
    return folder


@pytest.fixture
def image(fashion_images: Path) -> Path:
    return next((fashion_images / "Bag").iterdir())


def test_a_delegate_that_works_answers(files: Path, image: Path, tmp_path: Path) -> None:
    board = profile(tmp_path, built(tmp_path))
    model = files / "net_coral_edgetpu.tflite"
    for more in ((), ("--require-delegate",)):
        done = run_as_user("run", model, image, "--device", board, "--json", *more)
        assert done.returncode == 0, done.stderr
        best = json.loads(done.stdout)["predictions"][0]
        # The label is of the file it was compiled from; 100 steps of 0.25 leave nothing to others.
        assert (best["index"], best["label"]) == (3, "Dress")
        assert best["probability"] == pytest.approx(1)
        assert f"1 thread, through {tmp_path / 'libedgetpu_test.so'}" in done.stderr
        assert "note" not in done.stderr


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ('-DREFUSE="the chip is asleep"',),
            "refuses: no Coral accelerator is plugged in (it says: the chip is asleep)",
        ),
        (('-DREFUSE=""',), "refuses: no Coral accelerator is plugged in; see `lsusb`"),
        (("-DCRASH",), "crashes with the TFLite runtime that is installed (signal 11)"),
        (("-DSIGNAL=SIGTERM",), "was not tried to the end: its process was ended by SIGTERM"),
        (("-DFAIL",), "loads, but the inference fails through it: the chip is too hot"),
        (("-Dtflite_plugin_create_delegate=other",), "is no TFLite delegate"),
        (
            ("-DREFUSE=unknown_symbol()", "-Wl,--unresolved-symbols=ignore-all"),
            "cannot be loaded on this machine",
        ),
    ],
    ids=["refuses", "silent", "crashes", "ended", "fails", "no-delegate", "unresolved"],
)
def test_a_delegate_of_no_use_is_said_and_the_cpu_answers(
    files: Path, image: Path, tmp_path: Path, flags: tuple[str, ...], said: str
) -> None:
    board = profile(tmp_path, built(tmp_path, *flags))
    model = files / "net_coral_edgetpu.tflite"
    done = run_as_user("run", model, image, "--device", board, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["predictions"][0]["label"] == "Bag"
    note = next(line for line in done.stderr.splitlines() if line.startswith("note: "))
    assert said in note
    assert note.endswith(f"; running {files / 'net_int8.tflite'} on the CPU instead")
    done = run_as_user("run", model, image, "--device", board, "--require-delegate")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert said in done.stderr


def test_what_lies_in_the_folder_it_runs_in_is_not_imported_by_a_delegates_trial(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = built(tmp_path)
    monkeypatch.chdir(set_traps(tmp_path))
    model = files / "net_coral_edgetpu.tflite"
    assert why_not(str(library), model, ["ai-edge-litert"]) is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_delegates_trial_is_none_of_the_delegates(
    files: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """Sent to the whole process group, as Ctrl-C is and as systemd does."""
    started = tmp_path / "started"
    board = profile(tmp_path, built(tmp_path, f'-DHANG="{started}"'))
    command = ["run", files / "net_coral_edgetpu.tflite", "--watch", tmp_path, "--device", board]
    with subprocess.Popen(
        [sys.executable, "-m", "tinyedge", *map(str, command)],
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        deadline = time.monotonic() + 60
        while not started.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(process.pid, number)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, b"")


def test_what_is_no_library_is_told_from_one_that_is_missing(
    files: Path, image: Path, tmp_path: Path
) -> None:
    model = files / "net_coral_edgetpu.tflite"
    done = run_as_user("run", model, image, "--device", "coral-usb", "--require-delegate")
    assert done.returncode == 2
    assert (
        "libedgetpu.so.1 is not installed: install Coral's package libedgetpu1-std" in done.stderr
    )
    broken = tmp_path / "libedgetpu_broken.so"
    broken.write_bytes(b"\x7fELF and no more")
    done = run_as_user(
        "run", model, image, "--device", profile(tmp_path, broken), "--require-delegate"
    )
    assert done.returncode == 2
    assert f"{broken} cannot be loaded on this machine" in done.stderr


def test_a_file_that_was_not_compiled_runs_on_the_cpu_and_the_int8_one_before_coral(
    files: Path, image: Path
) -> None:
    for name, note in (
        ("net_int8.tflite", "running it on the CPU"),
        ("net_coral.tflite", f"running {files / 'net_int8.tflite'} on the CPU instead"),
    ):
        done = run_as_user("run", files / name, image, "--device", "coral-usb", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["predictions"][0]["label"] == "Bag"
        assert f"note: {files / name} is not compiled for the Edge TPU" in done.stderr
        assert f"{note}\n" in done.stderr
    done = run_as_user(
        "run", files / "net_int8.tflite", image, "--device", "coral-usb", "--require-delegate"
    )
    assert done.returncode == 2
    assert "is not compiled for the Edge TPU" in done.stderr


def test_without_a_file_to_stand_in_it_is_an_error_that_names_one(files: Path, image: Path) -> None:
    (files / "net_int8.tflite").unlink()
    (files / "net_coral.tflite").unlink()
    model = files / "net_coral_edgetpu.tflite"
    done = run_as_user("run", model, image, "--device", "coral-usb")
    assert done.returncode == 2
    assert "put net_int8.tflite or net_coral.tflite beside it to run on the CPU" in done.stderr


def test_a_compiled_file_on_another_device_says_what_it_needs(files: Path, image: Path) -> None:
    model = files / "net_coral_edgetpu.tflite"
    done = run_as_user("run", model, image, "--fit", "crop")
    assert done.returncode == 2
    assert "it was compiled for the Edge TPU and runs nowhere else: use --device" in done.stderr
    done = run_as_user("run", model, image, "--require-delegate")
    assert done.returncode == 2
    assert "host has no accelerator; use --device coral-usb" in done.stderr
