"""``tinyedge run --watch`` as a camera's folder fills."""

import io
import json
import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from PIL import Image

from tests.support.commands import run_as_user
from tests.support.running import Running
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.exit_codes import ExitCode
from tinyedge.system import INTERRUPTS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "incoming"
    path.mkdir()
    return path


def watching(model: Path, folder: Path, *more: object) -> Running:
    """The command, once it watches."""
    command = Running("run", model, "--watch", folder, "--interval", 0.1, "--json", *more)
    command.said(f"watching {folder}")
    return command


def put(source: Path, target: Path) -> None:
    """Have an image appear all at once, as cameras do it that rename."""
    hidden = target.parent / ".part"
    shutil.copy(source, hidden)
    hidden.rename(target)


def image_of(line: str) -> str:
    return str(json.loads(line)["image"])


def noise_jpeg(side: int) -> bytes:
    stream = io.BytesIO()
    Image.effect_noise((side, side), 80).save(stream, "JPEG")
    return stream.getvalue()


def test_a_new_image_is_answered_as_it_would_be_alone(
    model: Path, bags: list[Path], folder: Path
) -> None:
    with watching(model, folder, "--top", 3) as command:
        put(bags[0], folder / "new.png")
        answer = json.loads(command.answer())
    assert answer["image"] == str(folder / "new.png")
    expected = Classifier(model).classify(bags[0], top=3)
    assert [tuple(found.values()) for found in answer["predictions"]] == list(expected)


def test_only_new_images_are_answered_and_each_once(
    model: Path, bags: list[Path], folder: Path
) -> None:
    shutil.copy(bags[0], folder / "old.png")
    with watching(model, folder) as command:
        put(bags[1], folder / "a.png")
        assert image_of(command.answer()) == str(folder / "a.png")
        # Neither a touch nor a rewrite makes a new image of one; nor is a text one.
        os.utime(folder / "a.png")
        (folder / "old.png").write_bytes(bags[2].read_bytes())
        (folder / "notes.txt").write_text("no photo")
        put(bags[1], folder / ".hidden.png")
        (folder / "below" / "deep").mkdir(parents=True)
        put(bags[2], folder / "below" / "deep" / "b.PNG")
        assert image_of(command.answer()) == str(folder / "below" / "deep" / "b.PNG")
        command.send(signal.SIGTERM)
        assert command.end() == (0, "", "")


def test_what_takes_an_images_place_is_new(model: Path, bags: list[Path], folder: Path) -> None:
    latest = folder / "latest.png"
    with watching(model, folder) as command:
        for image in bags[:3]:
            put(image, latest)
            predictions = json.loads(command.answer())["predictions"]
            expected = Classifier(model).classify(image)
            assert predictions[0]["probability"] == expected[0].probability


def test_existing_images_are_answered_if_asked_oldest_first(
    model: Path, bags: list[Path], folder: Path
) -> None:
    for age, name in enumerate(("b.png", "c.png", "a.png")):
        shutil.copy(bags[0], folder / name)
        os.utime(folder / name, (1_000_000 + age, 1_000_000 + age))
    with watching(model, folder, "--existing") as command:
        answers = [image_of(command.answer()) for _ in range(3)]
    assert answers == [str(folder / name) for name in ("b.png", "c.png", "a.png")]


def test_a_half_written_image_is_answered_when_it_is_whole(
    model: Path, bags: list[Path], folder: Path
) -> None:
    image, content = folder / "slow.jpg", noise_jpeg(300)
    with watching(model, folder) as command, image.open("wb", buffering=0) as stream:
        stream.write(content[: len(content) // 2])
        note = command.said("slow.jpg")
        assert note.startswith(f"note: {image} is damaged or cut short")
        assert note.endswith("; it is tried again if it changes\n")
        # The watch goes on meanwhile.
        put(bags[0], folder / "other.png")
        assert image_of(command.answer()) == str(folder / "other.png")
        stream.write(content[len(content) // 2 :])
        assert image_of(command.answer()) == str(image)
        command.send(signal.SIGTERM)
        assert command.end() == (0, "", "")


def test_a_bad_file_is_noted_once(model: Path, bags: list[Path], folder: Path) -> None:
    with watching(model, folder) as command:
        (folder / "bad.jpg").write_text("no photo")
        command.said("bad.jpg is not an image that can be read")
        for number in range(3):
            put(bags[number], folder / f"{number}.png")
            assert image_of(command.answer()) == str(folder / f"{number}.png")
        command.send(signal.SIGTERM)
        assert command.end() == (0, "", "")


@pytest.mark.parametrize("number", INTERRUPTS)
def test_a_signal_ends_it_between_answers(
    model: Path, bags: list[Path], folder: Path, number: signal.Signals
) -> None:
    for count in range(200):
        shutil.copy(bags[0], folder / f"{count:03}.png")
    with watching(model, folder, "--existing") as command:
        first = command.answer()
        command.send(number)
        code, stdout, stderr = command.end()
    assert code == 0
    assert re.fullmatch(r"(many photos wait: .*\n)?", stderr)
    lines = [first, *stdout.splitlines(keepends=True)]
    assert [image_of(line) for line in lines] == [
        str(folder / f"{count:03}.png") for count in range(len(lines))
    ]


@pytest.mark.parametrize("where", ["before", "during"])
def test_a_signal_that_python_loses_while_it_begins_ends_it(
    model: Path, folder: Path, where: str
) -> None:
    program = (
        "import os, signal, sys, weakref\n"
        "import tinyedge, tinyedge.cli.run.command as command\n"
        "class Thing:\n    pass\n"
        "def lose():\n"
        "    thing = Thing()\n"
        "    reference = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGTERM))\n"
        "    del thing\n"
        "name = {'before': 'running_profile', 'during': 'Classifier'}[sys.argv.pop(1)]\n"
        "place = command if name == 'running_profile' else tinyedge\n"
        "real = getattr(place, name)\n"
        "def losing(*words, **more):\n    lose()\n    return real(*words, **more)\n"
        "setattr(place, name, losing)\n"
        "from tinyedge.cli import main\nmain(sys.argv[1:])\n"
    )
    with Running(where, "run", model, "--watch", folder, program=program) as command:
        assert command.end() == (0, "", "")


def test_after_sigkill_what_was_printed_is_whole_and_another_goes_on(
    model: Path, bags: list[Path], folder: Path
) -> None:
    for count in range(50):
        shutil.copy(bags[0], folder / f"{count:02}.png")
    with watching(model, folder, "--existing") as command:
        first = command.answer()
        command.send(signal.SIGKILL)
        code, stdout, _ = command.end()
    assert code == -signal.SIGKILL
    assert stdout == "" or stdout.endswith("\n")
    assert all(image_of(line) for line in [first, *stdout.splitlines()])
    with watching(model, folder, "--existing") as command:
        assert len({image_of(command.answer()) for _ in range(50)}) == 50


@pytest.mark.parametrize("number", [*INTERRUPTS, signal.SIGKILL])
def test_with_a_journal_another_goes_on_where_it_ended(
    model: Path, bags: list[Path], folder: Path, tmp_path: Path, number: signal.Signals
) -> None:
    names = [str(folder / f"{count:02}.png") for count in range(40)]
    words = ("--existing", "--journal", tmp_path / "journal")
    with watching(model, folder, *words) as command:
        for name in names[:30]:
            put(bags[0], Path(name))
        answers = [command.answer() for _ in range(5)]
        command.send(number)
        answers += command.end()[1].splitlines()
    for name in names[30:]:
        put(bags[0], Path(name))
    with watching(model, folder, *words) as command:
        while image_of(answers[-1]) != names[-1]:
            answers.append(command.answer())
        command.send(signal.SIGTERM)
        code, stdout, stderr = command.end()
    assert (code, stdout, stderr) == (0, "", "")
    given = [image_of(answer) for answer in answers]
    # Killed between the answer and its line in the journal, one comes again.
    assert len(given) - len(names) in ((0, 1) if number == signal.SIGKILL else (0,))
    assert sorted(set(given)) == names


def test_a_journal_that_is_none_is_an_error(model: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine\n")
    done = run_as_user("run", model, "--watch", folder, "--journal", tmp_path / "notes")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: {tmp_path}/notes is no journal that tinyedge wrote: name another file\n"
    )
    assert (tmp_path / "notes").read_text() == "mine\n"


def test_a_full_disk_is_an_error_and_a_second_try_succeeds(
    model: Path, bags: list[Path], folder: Path
) -> None:
    shutil.copy(bags[0], folder / "a.png")
    words = ("run", model, "--watch", folder, "--existing", "--interval", 0.1)
    with open("/dev/full", "wb") as full, Running(*words, stdout=full) as command:
        command.said("watching")
        code, _, stderr = command.end()
    assert (code, stderr) == (2, "error: No space left on device\n")
    with Running(*words) as command:
        assert command.answer().startswith(f"{folder}/a.png  ")


def test_a_reader_that_has_gone_ends_it(model: Path, bags: list[Path], folder: Path) -> None:
    read, write = os.pipe()
    with open(write, "wb") as pipe:
        command = Running("run", model, "--watch", folder, "--interval", 0.1, stdout=pipe)
    with command:
        command.said("watching")
        os.close(read)
        put(bags[0], folder / "a.png")
        assert command.end() == (ExitCode.STDOUT_CLOSED, "", "")


def test_a_reader_of_stderr_that_has_gone_ends_nothing(
    model: Path, bags: list[Path], folder: Path
) -> None:
    with watching(model, folder) as command:
        command.close_stderr()
        (folder / "bad.jpg").write_text("no photo")
        put(bags[0], folder / "a.png")
        assert image_of(command.answer()) == str(folder / "a.png")
        put(bags[1], folder / "b.png")
        assert image_of(command.answer()) == str(folder / "b.png")
        command.send(signal.SIGTERM)
        assert command.end() == (0, "", "")


def test_photos_far_below_are_answered_and_noted(
    model: Path, bags: list[Path], folder: Path
) -> None:
    """Their paths are longer than the system takes at once."""
    name, here = "d" * 100, os.open(folder, os.O_RDONLY)
    for _ in range(45):
        os.mkdir(name, dir_fd=here)
        inside = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inside
    deep = folder.joinpath(*[name] * 45)
    with watching(model, folder) as command:
        for image, content in (("a.png", bags[0].read_bytes()), ("b.png", b"none")):
            descriptor = os.open(f".{image}", os.O_CREAT | os.O_WRONLY, dir_fd=here)
            with open(descriptor, "wb") as stream:
                stream.write(content)
            os.rename(f".{image}", image, src_dir_fd=here, dst_dir_fd=here)
        assert image_of(command.answer()) == str(deep / "a.png")
        assert "is tried again" in command.said("b.png")
        command.send(signal.SIGTERM)
        assert command.end() == (0, "", "")
    os.close(here)


def test_a_folder_that_goes_is_an_error(model: Path, folder: Path) -> None:
    with watching(model, folder) as command:
        folder.rmdir()
        assert command.end() == (2, "", f"error: {folder}: No such file or directory\n")


def test_no_folder_is_an_error(model: Path, folder: Path) -> None:
    done = run_as_user("run", model, "--watch", folder / "none")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {folder}/none: no such folder to watch\n"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "give IMAGE... or --watch DIR or --camera NUMBER, one of the three"),
        (("a.png", "--watch", "."), "give IMAGE... or --watch DIR or --camera NUMBER, one of"),
        (("--watch", ".", "--camera", "0"), "give IMAGE... or --watch DIR or --camera NUMBER"),
        (("--watch", ".", "--bench", "1"), "--bench times photos: give IMAGE..."),
        (("-", "--bench", "1"), "--bench times photos it can take again: name them, not -"),
        (("--camera", ""), "--camera takes a camera's number, a file or an address"),
        (("a.png", "--existing"), "--existing goes with --watch"),
        (("a.png", "--rewritten"), "--rewritten goes with --watch"),
        (("--camera", "0", "--journal", "j"), "--journal keeps which photos were answered: give"),
        (
            ("--camera", "0", "--workers", "2"),
            "--workers share photos that are named: --watch shares",
        ),
        (
            ("--watch", ".", "--workers", "2"),
            "--workers share photos that are named: --watch shares",
        ),
        (("a.png", "--bench", "1", "--workers", "2"), "--workers share photos that are named"),
        (("a.png", "--bench", "1", "--journal", "j"), "--journal keeps which photos were answered"),
        (
            ("--watch", ".", "--journal", "j", "--resume"),
            "--resume is of IMAGE...: --watch goes on",
        ),
        (("a.png", "--resume"), "--resume goes on with a journal: name it with --journal"),
        (("a.png", "--journal", "j", "--html", "h"), "--html shows the answers of one run: not"),
        (("a.png", "--journal", "none", "--resume"), "--resume: there is no journal none"),
    ],
)
def test_sources_do_not_mix(model: Path, words: tuple[str, ...], reason: str) -> None:
    done = run_as_user("run", model, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"\nerror: {reason}" in done.stderr
