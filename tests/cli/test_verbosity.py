"""``-q`` and ``-v``, before and after the command."""

import os
import re
import warnings
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import tinyedge.cli
from tests.support.pixel_model import write_pixel_model
from tinyedge.cli import main
from tinyedge.cli.output import verbosity
from tinyedge.system import native_output_hidden


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [*map(str, words)])


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, ...]:
    """A run that has something to note: which runtime, another machine, a file that is no image."""
    folder = tmp_path_factory.mktemp("quiet")
    image = folder / "photos" / "red.png"
    image.parent.mkdir()
    Image.new("RGB", (1, 1), (200, 10, 20)).save(image)
    (image.parent / "broken.png").write_bytes(b"no image")
    model = write_pixel_model(folder / "pixel.tflite")
    return ("run", model, image.parent, "--device", "coral-usb")


def test_quiet_leaves_the_results_alone(words: tuple[object, ...]) -> None:
    usual = run(*words)
    assert usual.exit_code == 0
    assert "note: " in usual.stderr
    assert "skipped: " in usual.stderr
    before, after, named = run("-q", *words), run(*words, "-q"), run(*words, "--quiet")
    for quiet in (before, after, named):
        assert (quiet.exit_code, quiet.stderr) == (0, "")
        assert quiet.stdout.split()[:1] == usual.stdout.split()[:1]
        assert len(quiet.stdout.splitlines()) == len(usual.stdout.splitlines())


def test_quiet_still_tells_errors(words: tuple[object, ...], tmp_path: Path) -> None:
    for wrong in (("-q", "run", tmp_path / "none", tmp_path), ("run", "-q"), ("-q", "rum")):
        loud = run(*(word for word in wrong if word != "-q"))
        quiet = run(*wrong)
        assert quiet.exit_code == 2
        assert quiet.stderr == loud.stderr != ""
    broken = words[2]
    assert isinstance(broken, Path)
    named = run("-q", *words[:2], broken / "broken.png")
    assert named.exit_code == 2
    assert named.stderr.startswith("error: ")


def test_no_command_is_quiet_because_the_one_before_was(words: tuple[object, ...]) -> None:
    run("-q", *words)
    assert verbosity() == "normal"
    assert "note: " in run(*words).stderr


def test_the_last_one_counts(words: tuple[object, ...]) -> None:
    assert run("-q", *words, "-v").stderr != ""
    assert run("-v", *words, "-q").stderr == ""


@pytest.mark.filterwarnings("default::FutureWarning")
@pytest.mark.parametrize("flag", [None, "-v"])
def test_verbose_shows_what_other_libraries_say(
    flag: str | None, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def chatter(**_: object) -> None:
        with native_output_hidden():
            os.write(1, b"from a library's stdout\n")
            os.write(2, b"from a library's stderr\n")
        warnings.warn("deprecated", FutureWarning, stacklevel=2)

    command = main.get_command(click.Context(main), "devices")
    assert command is not None
    monkeypatch.setattr(command, "callback", chatter)
    main(["devices", *([flag] if flag else [])], standalone_mode=False)
    heard = capfd.readouterr()
    assert heard.out == ""
    expected = [
        "from a library's stdout",
        "from a library's stderr",
        "note: FutureWarning: deprecated",
    ]
    assert heard.err.splitlines() == (expected if flag else [])


def test_nothing_tells_an_error_by_what_quiet_silences() -> None:
    for file in Path(tinyedge.cli.__file__).parent.rglob("*.py"):
        assert not re.search(r"\bsay\(\s*f?\"(error|Error)", file.read_text()), file


def _small_network(folder: Path) -> tuple[Path, Path]:
    """A .cfg and a .weights that is enough for it."""
    cfg = folder / "small.cfg"
    cfg.write_text(
        "[net]\nheight=8\nwidth=8\nchannels=3\n[convolutional]\nfilters=4\nsize=1\n"
        "activation=linear\n[avgpool]\n[softmax]\n",
        encoding="utf-8",
    )
    weights = folder / "small.weights"
    weights.write_bytes(np.array([0, 1, 0, 0], np.int32).tobytes() + bytes(4 * 16))
    return cfg, weights


def test_verbose_says_what_took_how_long_of_work_that_fails(tmp_path: Path) -> None:
    cfg, weights = _small_network(tmp_path)
    weights.write_bytes(weights.read_bytes()[:-4])
    words = ("export", cfg, "--weights", weights, "--float-only", "-o", tmp_path)
    assert "CPU seconds" not in run(*words).stderr
    shown = run("-v", *words)
    assert shown.exit_code == 2
    told = shown.stderr
    head, stage, error = (told.index(s) for s in ("CPU seconds", "Reading the network", "error:"))
    assert head < stage < error


def test_verbose_says_what_took_how_long(tmp_path: Path) -> None:
    cfg, weights = _small_network(tmp_path)
    words = ("export", cfg, "--weights", weights, "--float-only", "-o", tmp_path)
    assert "CPU seconds" not in run(*words).stderr
    shown = run("-v", *words, "--json")
    assert shown.exit_code == 0, shown.stderr
    lines = shown.stderr.splitlines()
    head = re.compile(r"stage +seconds +CPU seconds")
    start = next(n for n, line in enumerate(lines) if head.match(line))
    rows = [re.split(r"  +", line.strip()) for line in lines[start + 1 :]]
    assert [row[0] for row in rows][:2] == ["Reading the network", "Starting TensorFlow"]
    *stages, whole = rows
    assert whole[0] == "all"
    together = sum(float(row[1]) for row in stages)
    assert float(whole[1]) == pytest.approx(together, abs=0.06 * len(rows))
    # TensorFlow alone takes hundreds of megabytes.
    assert 200 < float(whole[3]) < 20_000
