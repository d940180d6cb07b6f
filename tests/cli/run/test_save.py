"""``tinyedge run --save DIR``: copies with the answers on them."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from tests.support.commands import run_in_process
from tests.support.pixel_model import write_pixel_model
from tests.support.running import Running
from tinyedge.cli import main


def run(*words: object) -> Result:
    """Run the command in this process, whatever comes of it."""
    return CliRunner().invoke(main, ["run", *map(str, words)])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whose answer is the photo's colour, and whose labels are a stranger's."""
    labels = ("../red", "gr\x1b[2Jün", "袋")
    return write_pixel_model(tmp_path_factory.mktemp("model") / "m.tflite", labels)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name, colour in (("a/1.png", "red"), ("b/1.png", "red"), ("b/1.bmp", "lime")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (300, 400), colour).save(folder / name)
    return folder


def test_each_photo_has_a_copy_of_its_own_however_they_are_called(
    model: Path, photos: Path, tmp_path: Path
) -> None:
    copies = tmp_path / "copies"
    result = run_in_process("run", model, photos, "--save", copies, "--json")
    saved = [json.loads(line)["saved"] for line in result.stdout.splitlines()]
    assert len(set(saved)) == 3
    assert sorted(saved) == sorted(str(path) for path in copies.iterdir())
    assert result.stderr.endswith(f"saved: {copies}\n")
    for line in result.stdout.splitlines():
        answer = json.loads(line)
        with Image.open(answer["saved"]) as copy, Image.open(answer["image"]) as photo:
            assert (copy.format, copy.size) == ("JPEG", photo.size)
            lowest = np.asarray(copy)[-50:].astype(int)
            assert np.abs(lowest - np.asarray(photo)[-50:]).max() < 8
            assert np.asarray(copy)[:60, :60].min() < 128
    # The same photos have the same names again.
    run_in_process("run", model, photos, "--save", copies)
    assert len(list(copies.iterdir())) == 3


def test_a_photo_stands_upright(model: Path, tmp_path: Path) -> None:
    photo = Image.new("RGB", (600, 400), "white")
    photo.paste((255, 0, 0), (0, 0, 100, 400))
    exif = Image.Exif()
    exif[0x0112] = 6  # its rows are seen as columns: what is left is above
    photo.save(tmp_path / "p.jpg", exif=exif, quality=95)
    result = run_in_process("run", model, tmp_path / "p.jpg", "--save", tmp_path / "out", "--json")
    with Image.open(json.loads(result.stdout)["saved"]) as copy:
        assert copy.size == (400, 600)
        assert not copy.getexif()
        red, _, blue = copy.getpixel((395, 50))  # type: ignore[misc]
        assert red > 200
        assert blue < 60
        assert min(copy.getpixel((395, 550))) > 200  # type: ignore[type-var, arg-type]


@pytest.mark.parametrize(
    "name", ["...png", "-rf.png", "a\nb.png", "x" * 250 + ".png", "袋.png", "..\\..\\x.png"]
)
def test_no_name_leads_out_of_the_folder(model: Path, tmp_path: Path, name: str) -> None:
    Image.new("RGB", (30, 40), "red").save(tmp_path / "p.png")
    os.rename(tmp_path / "p.png", tmp_path / name)
    copies = tmp_path / "deep" / "copies"
    run_in_process("run", model, tmp_path / name, "--save", copies)
    (copy,) = copies.iterdir()
    assert copy.name.isascii()
    assert copy.name[0] not in ".-"
    assert copy.suffix == ".jpg"


def test_a_photo_on_stdin_is_saved_too(model: Path, photos: Path, tmp_path: Path) -> None:
    content = (photos / "a" / "1.png").read_bytes()
    words = ["run", str(model), "-", "--save", str(tmp_path / "out")]
    result = CliRunner().invoke(main, words, input=content)
    assert result.exit_code == 0, result.output
    (copy,) = (tmp_path / "out").iterdir()
    assert result.stderr.endswith(f"saved: {copy}\n")
    assert copy.name.startswith("stdin-")


@pytest.mark.parametrize("place", ["", "out", "in/deeper", "link"])
def test_a_watched_folder_gets_no_copies(
    model: Path, photos: Path, tmp_path: Path, place: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (photos / "link").symlink_to(outside)
    for save in {photos / place, outside if place == "link" else photos / place}:
        result = run(model, "--watch", photos, "--save", save)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "lies in the folder that is watched" in result.stderr
    assert sorted(path.name for path in photos.iterdir()) == ["a", "b", "link"]


def test_a_link_to_itself_is_no_folder_for_copies(
    model: Path, photos: Path, tmp_path: Path
) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for words in ((photos,), ("--watch", photos)):
        result = run(model, *words, "--save", loop)
        assert (result.exit_code, result.stdout) == (2, "")
        assert f"error: {loop}: " in result.stderr


@pytest.mark.parametrize("place", [".copies", "@eaDir/copies"])
def test_a_folder_that_no_watch_enters_may_have_them(
    model: Path, photos: Path, tmp_path: Path, place: str
) -> None:
    waiting = tmp_path / "waiting.png"
    shutil.copy(photos / "a" / "1.png", waiting)
    words = ("run", model, "--watch", photos, "--save", photos / place, "--interval", 0.1, "--json")
    with Running(*words) as command:
        command.said("watching")
        waiting.rename(photos / "2.png")
        saved = Path(json.loads(command.answer())["saved"])
        assert saved.parent == photos / place
        assert saved.is_file()


def test_a_folder_that_is_named_gets_them_with_a_note(model: Path, photos: Path) -> None:
    result = run_in_process("run", model, photos, "--save", photos / "out")
    assert f"note: the next run over {photos} will find the copies in {photos}/out, too\n" in (
        result.stderr
    )


def test_where_nothing_can_be_written_nothing_is_answered(
    model: Path, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    result = run(model, photos, "--save", tmp_path / "file" / "out")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1


def test_a_bench_saves_nothing(model: Path, photos: Path, tmp_path: Path) -> None:
    result = run(model, photos, "--bench", 1, "--save", tmp_path / "out")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--save is for answers, and --bench gives none" in result.stderr
