"""``tinyedge run`` as a user types it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from tests.support import strangers
from tests.support.commands import run_as_user, run_in_process
from tests.support.exports import Models
from tests.support.pixel_model import write_pixel_model
from tinyedge.cli import main
from tinyedge.devices.profile import find_profile, profile_names, this_machine_is
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.exit_codes import ExitCode


def run(*words: object) -> Result:
    """Run the command in this process, whatever comes of it."""
    return CliRunner().invoke(main, ["run", *map(str, words)])


def images_in(result: Result) -> list[str]:
    """The paths of JSON lines, in their order."""
    return [json.loads(line)["image"] for line in result.stdout.splitlines()]


@pytest.fixture
def bags(fashion_images: Path, tmp_path: Path) -> Path:
    """A folder of three photos, one of them in a subfolder, and a text file."""
    folder = tmp_path / "bags"
    (folder / "more").mkdir(parents=True)
    first, second, third = sorted((fashion_images / "Bag").iterdir())[:3]
    shutil.copy(first, folder / "a.png")
    shutil.copy(second, folder / "b.png")
    shutil.copy(third, folder / "more" / "c.png")
    (folder / "notes.txt").write_text("no photo")
    return folder


class TestOutput:
    """What is printed, and where."""

    def test_json_is_the_classifiers_answer_unrounded(self, model: Path, bags: Path) -> None:
        result = run_in_process("run", model, bags / "a.png", bags / "b.png", "--json")
        classifier = Classifier(model)
        answers = [json.loads(line) for line in result.stdout.splitlines()]
        assert [answer["image"] for answer in answers] == [f"{bags}/a.png", f"{bags}/b.png"]
        for answer in answers:
            assert list(answer) == ["schema", "image", "predictions", "milliseconds"]
            assert answer["schema"] == "tinyedge.run/1"
            assert answer["milliseconds"] > 0
            assert answer["predictions"] == [
                {"index": found.index, "label": found.label, "probability": found.probability}
                for found in classifier.classify(Path(answer["image"]), top=5)
            ]

    def test_text_is_a_line_a_class_below_each_photo(self, model: Path, bags: Path) -> None:
        result = run_in_process("run", model, bags / "a.png", bags / "b.png", "--top", 2)
        lines = result.stdout.splitlines()
        classifier = Classifier(model)
        assert len(lines) == 6
        for name, block in (("a.png", lines[:3]), ("b.png", lines[3:])):
            path, milliseconds, unit = block[0].rsplit(maxsplit=2)
            assert (path, unit) == (str(bags / name), "ms")
            assert float(milliseconds) >= 0
            assert block[1:] == [
                f"  {found.probability:.6f}  {found.label}"
                for found in classifier.classify(bags / name, top=2)
            ]

    def test_stderr_names_the_runtime_and_nothing_else(self, model: Path, bags: Path) -> None:
        done = run_as_user("run", model, bags / "a.png", "--json", "--threads", 1)
        assert done.returncode == 0
        assert len(done.stdout.splitlines()) == 1
        version = Classifier(model).runtime.version
        assert done.stderr == f"ai-edge-litert {version}, 1 thread\n"

    def test_threads_are_what_was_asked_for(self, model: Path, bags: Path) -> None:
        result = run_in_process("run", model, bags / "a.png", "--threads", 3)
        assert result.stderr.endswith(", 3 threads\n")

    @pytest.mark.parametrize("threads", [0, 1025])
    def test_so_many_threads_are_refused(self, model: Path, bags: Path, threads: int) -> None:
        result = run(model, bags / "a.png", "--threads", threads)
        assert (result.exit_code, result.stdout) == (2, "")
        assert f"Invalid value for '--threads': {threads} is not in the range" in result.stderr

    def test_the_devices_threads_are_the_default(self, model: Path, bags: Path) -> None:
        threads = find_profile("host").usable_threads()
        result = run_in_process("run", model, bags / "a.png")
        assert f", {threads} thread" in result.stderr

    def test_top_may_be_more_than_there_are_classes(self, model: Path, bags: Path) -> None:
        result = run_in_process("run", model, bags / "a.png", "--top", 1000, "--json")
        assert len(json.loads(result.stdout)["predictions"]) == 10


class TestMin:
    """``--min``: no class below a probability."""

    def test_what_is_below_is_left_out(self, model: Path, bags: Path) -> None:
        every = Classifier(model).classify(bags / "a.png", top=10)
        least = every[2].probability
        result = run_in_process("run", model, bags / "a.png", "--json", "--top", 10, "--min", least)
        found = json.loads(result.stdout)["predictions"]
        kept = [each for each in every if each.probability >= least]
        assert 3 <= len(kept) < 10
        assert [each["index"] for each in found] == [each.index for each in kept]

    def test_a_photo_without_any_says_so(self, model: Path, bags: Path) -> None:
        words = ("run", model, bags / "a.png", bags / "b.png", "--min", 1)
        result = run_in_process(*words)
        assert result.stdout.splitlines()[1::2] == ["  no class reaches 1"] * 2
        assert result.stderr.endswith("commonest answers: no class 2\n")
        answers = [
            json.loads(line) for line in run_in_process(*words, "--json").stdout.splitlines()
        ]
        assert [answer["predictions"] for answer in answers] == [[], []]

    @pytest.mark.parametrize("least", ["nan", "1.1", "-0.1"])
    def test_it_is_a_probability(self, model: Path, bags: Path, least: str) -> None:
        result = run(model, bags / "a.png", "--min", least)
        assert (result.exit_code, result.stdout) == (2, "")


class TestSummary:
    """What is said on stderr after several photos."""

    def test_it_counts_what_was_skipped_and_what_failed(self, model: Path, bags: Path) -> None:
        (bags / "aa.jpg").write_bytes(b"no photo")
        result = run(model, bags, bags / "notes.txt", bags / "a.png", "--json")
        assert result.exit_code == 2
        said = result.stderr.splitlines()
        assert said[-2].startswith("4 answered, 1 skipped, 1 error in ")
        assert said[-1] == "commonest answers: Bag 4"

    def test_one_photo_has_none(self, model: Path, bags: Path) -> None:
        assert run_in_process("run", model, bags / "a.png").stderr.count("\n") == 1

    def test_a_strangers_label_is_escaped_and_cut(self, tmp_path: Path) -> None:
        model = write_pixel_model(tmp_path / "m.tflite", ("\x1b[2J" + "red" * 30, "green", "blue"))
        for name, colour in (("a.png", (255, 0, 0)), ("b.png", (255, 0, 0)), ("c.png", (0, 9, 0))):
            Image.new("RGB", (1, 1), colour).save(tmp_path / name)
        said = run_in_process("run", model, tmp_path).stderr.splitlines()
        assert said[-1] == r"commonest answers: \x1b[2Jredredredredredredredredredred... 2, green 1"


class TestImages:
    """Which photos are meant."""

    def test_folders_and_patterns_and_files_in_the_order_given(
        self, model: Path, bags: Path
    ) -> None:
        result = run_in_process(
            "run", model, bags / "more" / "c.png", bags, f"{bags}/[ab].png", "--json"
        )
        names = [str(Path(path).relative_to(bags)) for path in images_in(result)]
        assert names == ["more/c.png", "a.png", "b.png", "more/c.png", "a.png", "b.png"]
        said = result.stderr.splitlines()
        assert re.fullmatch(r"6 answered in \d+\.\d s; median inference \d+\.\d ms", said[1]), said
        assert said[2:] == ["commonest answers: Bag 6"]

    @pytest.mark.parametrize(
        "name", ["with space.png", "[1].png", "*.png", "Tüte 袋.png", "-.png", "100%.png"]
    )
    def test_odd_names_are_names(self, model: Path, bags: Path, name: str) -> None:
        (bags / "a.png").rename(bags / name)
        result = run_in_process("run", model, bags / name, "--json")
        assert images_in(result) == [str(bags / name)]
        assert str(bags / name) in run_in_process("run", model, bags / name).stdout

    def test_a_name_that_is_no_text_is_shown_all_the_same(self, model: Path, bags: Path) -> None:
        name = os.fsdecode(b"bag-\xff.png")
        (bags / "a.png").rename(bags / name)
        utf8 = {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8:strict"}
        done = run_as_user("run", model, bags / name, environment=utf8)
        assert done.returncode == 0, done.stderr
        assert r"bag-\xff.png" in done.stdout
        done = run_as_user("run", model, bags / name, "--json", environment=utf8)
        assert json.loads(done.stdout)["image"] == str(bags / name)

    def test_a_named_file_that_is_no_image_is_an_error(self, model: Path, bags: Path) -> None:
        result = run(model, bags / "a.png", bags / "notes.txt", "--json")
        assert result.exit_code == 2
        assert images_in(result) == [str(bags / "a.png")]
        assert f"error: {bags}/notes.txt is not an image that can be read" in result.stderr

    def test_one_in_a_folder_is_reported_and_skipped(self, model: Path, bags: Path) -> None:
        (bags / "aa.jpg").write_bytes(b"no photo")
        for images in (bags, f"{bags}/*.*g"):
            result = run_in_process("run", model, images, "--json")
            assert images_in(result)[:2] == [str(bags / "a.png"), str(bags / "b.png")]
            assert f"\nskipped: {bags}/aa.jpg is not an image that can be read" in result.stderr

    def test_nothing_left_is_an_error(self, model: Path, tmp_path: Path) -> None:
        for name in ("a.jpg", "b.png"):
            (tmp_path / name).write_text("no photo")
        result = run(model, tmp_path)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert result.stderr.count("skipped: ") == 2
        assert result.stderr.endswith("\nerror: none of the 2 images can be read\n")

    @pytest.mark.parametrize("image", ["none.png", "none/*.png"])
    def test_a_name_of_nothing_is_an_error(
        self, model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, image: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        result = run(model, image)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"error: {image}: no ")
        assert result.stderr.count("\n") == 1


class TestModels:
    """Which model, and what it is told."""

    def test_one_without_a_card_needs_a_fit(self, tmp_path: Path) -> None:
        model, names, photo = (tmp_path / name for name in ("m.tflite", "names", "photo.png"))
        model.write_bytes(strangers.quantized_model("uint8", "uint8"))
        names.write_text("".join(f"class {i}\n" for i in range(strangers.CLASSES)))
        Image.fromarray(strangers.photo_like(5)).save(photo)
        result = run(model, photo, "--labels", names)
        assert result.exit_code == 2
        assert result.stderr == (
            f"error: {model}: it carries no model card, so how photos are fitted to it is unknown;"
            " say so with --fit crop, letterbox or stretch (and --labels NAMES)\n"
        )
        result = run_in_process("run", model, photo, "--labels", names, "--fit", "crop", "--json")
        expected = strangers.logits_by_hand(strangers.photo_like(5)).argmax()
        assert json.loads(result.stdout)["predictions"][0]["label"] == f"class {expected}"

    def test_labels_and_fit_override_the_cards(
        self, fashion_models: Models, tmp_path: Path
    ) -> None:
        names, photo = tmp_path / "names", tmp_path / "wide.png"
        names.write_text("".join(f"{i} class {i}\n" for i in reversed(range(10))))
        # Grey in the middle, white beside: cropped and stretched it is two different images.
        wide = Image.new("L", (84, 28), 255)
        wide.paste(90, (28, 0, 56, 28))
        wide.save(photo)
        words = ("run", fashion_models.float_model, photo, "--json", "--top", 10)
        cropped = run_in_process(*words)
        stretched = run_in_process(*words, "--fit", "stretch", "--labels", names)
        assert f"note: {names}: its lines begin with the index of their class" in stretched.stderr
        by_index: list[dict[int, float]] = []
        for result in (cropped, stretched):
            predictions = json.loads(result.stdout)["predictions"]
            by_index.append({found["index"]: found["probability"] for found in predictions})
        assert by_index[0] != by_index[1]
        assert {found["label"] for found in predictions} == {f"class {i}" for i in range(10)}

    def test_one_that_is_none_is_an_error_without_a_traceback(self, bags: Path) -> None:
        words = ("run", bags / "notes.txt", bags / "a.png")
        done = run_as_user(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"error: {bags}/notes.txt: no .tflite file that can be run: ")
        assert done.stderr.count("\n") == 1
        debugged = run_as_user("--debug", *words)
        assert debugged.returncode == 2
        assert "Traceback (most recent call last)" in debugged.stderr
        assert debugged.stderr.endswith(done.stderr)

    @pytest.mark.parametrize(
        ("name", "reason"),
        [("none", ": No such file or directory"), ("", " is a folder, not a file")],
    )
    def test_a_missing_one_is_an_error(
        self, bags: Path, tmp_path: Path, name: str, reason: str
    ) -> None:
        result = run(tmp_path / name, bags / "a.png")
        assert result.exit_code == 2
        assert result.stderr == f"error: {tmp_path / name}{reason}\n"


class TestDevice:
    """``--device``."""

    @pytest.mark.skipif(this_machine_is(find_profile("pi")), reason="this is a Raspberry Pi")
    def test_a_pi_elsewhere_is_noted_and_runs(self, model: Path, bags: Path) -> None:
        result = run_in_process("run", model, bags / "a.png", "--device", "pi", "--json")
        assert len(result.stdout.splitlines()) == 1
        assert result.stderr.startswith("note: this machine is no Raspberry Pi; running here\n")

    def test_an_unknown_one_lists_the_known(self, model: Path, bags: Path) -> None:
        result = run(model, bags / "a.png", "--device", "toaster")
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == (
            f"error: unknown device 'toaster'; known: {', '.join(profile_names())}\n"
        )


class TestEndings:
    """Ends that are not the command's own."""

    def test_a_reader_that_has_gone_ends_it_quietly(
        self, model: Path, fashion_images: Path
    ) -> None:
        with subprocess.Popen(
            [sys.executable, "-m", "tinyedge", "run", model, fashion_images / "Bag"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            said = process.stderr.read()
            assert process.wait(60) == ExitCode.STDOUT_CLOSED
        assert len(said.splitlines()) == 1
        assert said.startswith("ai-edge-litert ")

    def test_control_c_ends_it_quietly(self, model: Path) -> None:
        # A pipe nobody writes to: the command waits for its first byte until it is interrupted.
        with subprocess.Popen(
            [sys.executable, "-m", "tinyedge", "run", model, "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell's background jobs, and so perhaps these tests, ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        ) as process:
            try:
                assert process.stderr is not None
                assert process.stderr.readline().startswith("ai-edge-litert ")
                process.send_signal(signal.SIGINT)
                stdout, stderr = process.communicate(timeout=60)
            finally:
                process.kill()
        assert process.returncode == ExitCode.INTERRUPTED
        assert (stdout, stderr) == ("", "ended by SIGINT\n")

    def test_closed_streams_are_no_error(self, model: Path, bags: Path) -> None:
        command = f'"{sys.executable}" -m tinyedge run "{model}" "{bags}/a.png"'
        done = subprocess.run(
            f"{command} 2>&-", shell=True, capture_output=True, text=True, check=False
        )
        assert (done.returncode, len(done.stdout.splitlines())) == (0, 6)
