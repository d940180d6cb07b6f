"""``tinyedge run --camera``, on videos that the real OpenCV reads as it reads a camera."""

import json
import os
import shutil
import signal
import socket
import threading
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from tests.support import strangers
from tests.support.commands import run_as_user, run_in_process, watched
from tests.support.linear_model import write_linear_model
from tests.support.mjpeg import mjpeg_server, shown_at
from tests.support.running import Running
from tinyedge.cli import main
from tinyedge.devices.camera import open_camera
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.errors import DeviceError
from tinyedge.system import INTERRUPTS


@pytest.fixture
def frames(fashion_images: Path, tmp_path: Path) -> list[Path]:
    """Five images that OpenCV takes for a video."""
    paths = []
    for number, folder in enumerate(sorted(fashion_images.iterdir())[:5]):
        paths.append(tmp_path / f"frame{number:02}.png")
        shutil.copy(min(folder.iterdir()), paths[-1])
    return paths


def test_a_video_is_answered_to_its_end_as_its_images_are(model: Path, frames: list[Path]) -> None:
    video = frames[0].parent / "frame%02d.png"
    before = datetime.now(UTC)
    result = run_in_process("run", model, "--camera", video, "--interval", 0, "--json")
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [list(answer) for answer in answers] == [
        ["schema", "image", "time", "predictions", "milliseconds"]
    ] * 5
    classifier = Classifier(model)
    for answer, frame in zip(answers, frames, strict=True):
        assert answer["image"] == str(video)
        predictions = [tuple(found.values()) for found in answer["predictions"]]
        assert predictions == list(classifier.classify(frame))
    times = [datetime.fromisoformat(answer["time"]) for answer in answers]
    # The time is cut to milliseconds.
    assert before.replace(microsecond=0) <= times[0] < times[-1] <= datetime.now(UTC)
    assert f"\n{video} by OpenCV " in result.stderr


def test_colours_are_not_taken_for_each_other(tmp_path: Path) -> None:
    model, image = tmp_path / "m.tflite", tmp_path / "frame0.png"
    model.write_bytes(strangers.quantized_model("uint8", "uint8"))
    Image.fromarray(strangers.photo_like(5)).save(image)
    shutil.copy(image, tmp_path / "frame1.png")
    words = ("--fit", "crop", "--json", "--top", 1)
    video = tmp_path / "frame%d.png"
    of_video = run_in_process("run", model, "--camera", video, "--interval", 0, *words)
    of_image = run_in_process("run", model, image, *words)
    first = json.loads(of_video.stdout.splitlines()[0])
    assert first["predictions"] == json.loads(of_image.stdout)["predictions"]


def test_text_names_the_time(model: Path, frames: list[Path]) -> None:
    video = frames[0].parent / "frame%02d.png"
    result = run_in_process("run", model, "--camera", video, "--interval", 0, "--top", 1)
    name, time, milliseconds, unit = result.stdout.splitlines()[0].split()
    assert (name, unit) == (str(video), "ms")
    assert datetime.fromisoformat(time) <= datetime.now(UTC)
    assert float(milliseconds) >= 0


@pytest.mark.parametrize("number", INTERRUPTS)
def test_a_signal_ends_the_wait_for_the_next_image(
    model: Path, frames: list[Path], number: signal.Signals
) -> None:
    video = frames[0].parent / "frame%02d.png"
    words = ("run", model, "--camera", video, "--interval", 3600, "--json")
    with Running(*words) as command:
        json.loads(command.answer())
        command.send(number)
        code, stdout, stderr = command.end()
    assert (code, stdout) == (0, "")
    assert stderr.splitlines()[1:] == [stderr.splitlines()[1]]
    assert stderr.splitlines()[1].startswith(f"{video} by OpenCV ")


def test_one_that_is_not_there_is_an_error(model: Path, tmp_path: Path) -> None:
    video = tmp_path / "none.avi"
    for source, name in (("99", "camera 99"), (video, video)):
        done = run_as_user("run", model, "--camera", source)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"error: {name} cannot be opened by OpenCV ")
        assert done.stderr.count("\n") == 1


def test_without_a_package_it_says_what_to_install(tmp_path: Path, model: Path) -> None:
    words = ("run", model, "--camera", "0")
    done, imported = watched(tmp_path, *words, without=("cv2", "picamera2"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: no package reads a camera here. On a Raspberry Pi type: sudo apt install"
        " python3-picamera2, elsewhere on Debian python3-opencv (a virtual environment sees them if"
        " made with --system-site-packages); in a virtual environment also: pip install"
        " opencv-python-headless\n"
    )
    assert "ai_edge_litert" not in imported


def test_of_an_address_the_newest_frame_is_answered_until_it_ends(tmp_path: Path) -> None:
    """Twenty frames a second, two answers: what a camera showed when it is said to have been."""
    # Of the pixels (left, right): white on the left, on the right, on both sides.
    model = write_linear_model(tmp_path / "m.tflite", ((1.0, -1.0, 0.7), (-1.0, 1.0, 0.7)))
    sides = [(255, 0), (0, 255), (255, 255)]
    with mjpeg_server(sides, frames_a_second=20, seconds=7) as address:
        words = ("--interval", 0.5, "--top", 1, "--json")
        done = run_as_user("run", model, "--camera", address("user:secret@"), *words)
    assert done.returncode == 2
    assert done.stderr.endswith(f"error: {address('')}: the stream has ended\n")
    assert "secret" not in done.stdout + done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) >= 8
    for answer in answers:
        assert answer["image"] == address("")
        time = datetime.fromisoformat(answer["time"]).timestamp()
        # A frame of just before the colours change may come just after.
        shown = {shown_at(time - late, len(sides)) for late in (0.0, 0.5)}
        assert answer["predictions"][0]["index"] in shown


def test_a_signal_ends_the_wait_for_a_stream(model: Path) -> None:
    with (
        mjpeg_server([(255, 0)], frames_a_second=0.05, seconds=60, at_once=40) as address,
        Running("run", model, "--camera", address(""), "--interval", 0, "--json") as command,
    ):
        command.said(" by OpenCV ")
        command.send(signal.SIGTERM)
        code, _, _ = command.end()
    assert code == 0


def test_an_address_where_nobody_answers_is_an_error(model: Path) -> None:
    address = "http://user:secret@127.0.0.1:9/stream"
    done = run_as_user("run", model, "--camera", address)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: http://127.0.0.1:9/stream cannot be opened by OpenCV ")
    assert done.stderr.count("\n") == 1


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["run", *map(str, words)])


def test_a_number_no_camera_can_have_is_an_error(model: Path) -> None:
    result = run(model, "--camera", 10**14)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: camera '{10**14}' is none that there can be\n"


@pytest.mark.parametrize("interval", ["-1", "nan", "inf"])
def test_an_interval_is_a_time(model: Path, interval: str) -> None:
    result = run(model, "--camera", "0", "--interval", interval)
    assert result.exit_code == 2
    assert "'--interval'" in result.stderr


def test_a_damaged_frame_is_an_error_and_not_the_end(model: Path, frames: list[Path]) -> None:
    frames[1].write_text("no image")
    video = frames[0].parent / "frame%02d.png"
    done = run_as_user("run", model, "--camera", video, "--interval", 0, "--json")
    assert done.returncode == 2
    assert done.stdout.count("\n") == 1
    assert done.stderr.splitlines()[-1] == (
        f"error: {video}: frame 2 of 5 cannot be read, nor those behind it"
    )
    assert "PNG signature" not in done.stderr


@pytest.mark.parametrize("source", ["frame%02d.png", "frame00.png"])
def test_a_pipe_among_the_frames_is_not_opened(
    model: Path, frames: list[Path], source: str
) -> None:
    frames[3].unlink()
    os.mkfifo(frames[3])
    done = run_as_user("run", model, "--camera", frames[0].parent / source)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: {frames[3]} is no camera, video file or sequence: it is not opened\n"
    )


@pytest.mark.parametrize(
    "scheme", ["file:", "concat:", "async:http://u:secret@127.0.0.1:9/", "pipe:"]
)
def test_ffmpegs_other_protocols_lead_nowhere(model: Path, tmp_path: Path, scheme: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = run_as_user("run", model, "--camera", f"{scheme}{tmp_path}/pipe")
    assert (done.returncode, done.stdout) == (2, "")
    assert "is no camera" in done.stderr
    assert "secret" not in done.stderr


def test_a_signal_while_an_address_is_opened_ends_it_well(model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/s"
        with Running("run", model, "--camera", address) as command:
            connection, _ = silent.accept()
            command.send(signal.SIGTERM)
            connection.close()
            # OpenCV tries once more.
            silent.close()
            assert command.end() == (0, "", "")


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "device", "folder"])
def test_what_is_no_video_is_not_opened(model: Path, tmp_path: Path, kind: str) -> None:
    source = tmp_path / "camera"
    if "pipe" in kind:
        os.mkfifo(tmp_path / "pipe")
        source.symlink_to("pipe")
    elif kind == "device":
        source = Path("/dev/zero")
    else:
        source.mkdir()
    done = run_as_user("run", model, "--camera", source)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: {source} is no camera, video file or sequence: it is not opened\n"
    )


@pytest.mark.parametrize("before", ["", "http://127.0.0.1/"])
def test_a_name_that_is_no_text_is_an_error(model: Path, before: str) -> None:
    """OpenCV's Python binding ends with a segmentation fault."""
    done = run_as_user("run", model, "--camera", before + os.fsdecode(b"a\xff"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: {before}a\\xff: OpenCV takes no name that is not UTF-8: rename it\n"
    )


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://127.0.0.1:9/s?user=admin&pwd=secret", "http://127.0.0.1:9/s?..."),
        ("http://admin:secret@127.0.0.1:9/s#secret", "http://127.0.0.1:9/s"),
        ("rtsp:admin:secret@127.0.0.1/s", "rtsp:127.0.0.1/s"),
        ("rtsp://admin:secret@[bad/s", "rtsp://[bad/s"),
        ("RTSP://admin:s@e/c:secret@127.0.0.1:9/s", "RTSP://127.0.0.1:9/s"),
        ("http://admin:a?secret@127.0.0.1:9/s?pwd=secret", "http://?..."),
        ("http:127.0.0.1:9/s?pwd=secret", "http:127.0.0.1:9/s?..."),
        ("file://admin:secret@[x", "file://[x"),
        (
            "souphttpsrc location=http://admin:secret@127.0.0.1:9/s ! appsink",
            "souphttpsrc location=http://127.0.0.1:9/s ! appsink",
        ),
    ],
)
def test_what_may_be_secret_of_an_address_is_not_shown(
    model: Path, address: str, shown: str
) -> None:
    done = run_as_user("run", model, "--camera", address)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"error: {shown} " in done.stderr
    assert "secret" not in done.stderr


def test_the_end_of_a_stream_just_when_a_frame_is_taken_is_not_missed() -> None:
    """What the stream's thread does between two steps of this one, done there by this one."""
    with mjpeg_server([(255, 0)], frames_a_second=20, seconds=60) as address:
        stream = open_camera(address(""))

        class EndsFirst(threading.Event):
            def clear(self) -> None:
                stream.close()
                super().clear()

        vars(stream)["_came"] = EndsFirst()
        looks = count()
        assert stream.frame(lambda: False) is not None
        with pytest.raises(DeviceError, match="the stream has ended"):
            stream.frame(lambda: next(looks) > 10)
