"""``--html`` as a user types it: what is written, what is refused before the work."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from tests.support.commands import watched
from tests.support.html_page import ParsedPage
from tests.support.pixel_model import write_pixel_model
from tinyedge.cli import main
from tinyedge.files import file_sha256

LABELS = ("red", "green", "blue")


class Inputs:
    """Models whose scores are a photo's one pixel, and photos of three colours."""

    def __init__(self, folder: Path) -> None:
        self.float_file = write_pixel_model(folder / "m_float.tflite")
        self.int8_file = write_pixel_model(folder / "m_int8.tflite", quantization="int8")
        self.other = write_pixel_model(folder / "other.tflite", quantization="int8", seed=3)
        self.data = folder / "data"
        for place, name in enumerate(LABELS):
            for number in range(3):
                path = self.data / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                colour = [40 * number] * 3
                colour[place] = 250
                Image.new("RGB", (64, 48), tuple(colour)).save(path)
        (self.data / "red" / "broken.png").write_bytes(b"no image")
        self.page = folder / "page.html"

    @property
    def compare(self) -> tuple[object, ...]:
        return ("compare", self.float_file, self.int8_file, "--data", self.data)


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    return Inputs(tmp_path)


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def layers_of(float_sha256: str, int8_sha256: str) -> dict[str, Any]:
    return {
        "schema": "tinyedge.inspect/1",
        "sha256": {"float": float_sha256, "int8": int8_sha256},
        "images": 4,
        "layers": [],
    }


def test_compare_writes_a_page_and_prints_as_ever(inputs: Inputs) -> None:
    plain = run(*inputs.compare, "--json")
    done = run(*inputs.compare, "--json", "--max-drop", 50, "--html", inputs.page)
    assert done.exit_code == plain.exit_code == 0, done.output
    page = ParsedPage(inputs.page.read_bytes())
    assert page.faults == []
    found = json.loads(done.stdout)
    assert [each["sha256"] for each in found["made"]["models"]] == [
        file_sha256(inputs.float_file),
        file_sha256(inputs.int8_file),
    ]
    assert found["made"]["command"] in page.text
    assert found["made"]["command"].startswith("tinyedge compare ")
    assert found["made"]["command"].endswith(f"--html {inputs.page}")
    assert "on 9 photos" in page.text
    assert "broken.png" in page.text
    # Everything else is as without a page.
    for key in ("drop", "agreement", "kl", "flipped", "reliability"):
        assert found[key] == json.loads(plain.stdout)[key]


def test_a_gate_that_fails_leaves_a_page_too(inputs: Inputs) -> None:
    done = run(*inputs.compare, "--max-drop", 1, "--html", inputs.page)
    assert done.exit_code == 3
    assert "? inconclusive" in ParsedPage(inputs.page.read_bytes()).text


def test_layers_of_these_files_are_shown_and_of_others_refused(
    inputs: Inputs, tmp_path: Path
) -> None:
    layers = tmp_path / "layers.json"
    words = (*inputs.compare, "--html", inputs.page, "--layers", layers)
    hashes = file_sha256(inputs.float_file), file_sha256(inputs.int8_file)
    layers.write_text(json.dumps(layers_of(*hashes)))
    assert run(*words).exit_code == 0
    assert "Layer by layer" in ParsedPage(inputs.page.read_bytes()).text
    inputs.page.unlink()
    layers.write_text(json.dumps(layers_of(hashes[0], file_sha256(inputs.other))))
    done = run(*words)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"error: {layers} is of other models: its int8 file has")
    assert len(done.stderr.splitlines()) == 1
    assert not inputs.page.exists()


def test_several_files_share_a_page(inputs: Inputs) -> None:
    done = run(
        *("compare", inputs.float_file, inputs.int8_file, inputs.other),
        *("--data", inputs.data, "--html", inputs.page),
    )
    assert done.exit_code == 0, done.output
    page = ParsedPage(inputs.page.read_bytes())
    assert page.faults == []
    assert {"#m1", "#m2"} <= set(page.attributes("href"))


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--html", "page.csv"), "page.csv: a page is an .html file"),
        (("--layers", "x.json"), "--layers goes with --html"),
        (("--html", "missing.html/page.html"), "missing.html"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_work(
    inputs: Inputs, tmp_path: Path, words: tuple[str, ...], error: str
) -> None:
    (tmp_path / "missing.html").write_text("a file, no folder")
    option, name = words
    given = option, tmp_path / name
    done = run(*inputs.compare, *given)
    assert done.exit_code == 2
    assert error in done.stderr
    # Nothing was run: not even the runtime is named.
    assert "thread" not in done.stderr


def test_what_is_read_is_not_written_over(inputs: Inputs, tmp_path: Path) -> None:
    manifest = tmp_path / "list.html"
    manifest.write_text(f"{inputs.data / 'red' / '0.png'}\tred\n")
    before = manifest.read_bytes()
    words = ("compare", inputs.float_file, inputs.int8_file, "--data", manifest)
    done = run(*words, "--html", manifest)
    assert done.exit_code == 2
    assert "is read by this command and would be lost" in done.stderr
    assert manifest.read_bytes() == before


def test_run_writes_a_contact_sheet(inputs: Inputs) -> None:
    done = run("run", inputs.int8_file, inputs.data, "--html", inputs.page, "--top", 2)
    assert done.exit_code == 0, done.output
    page = ParsedPage(inputs.page.read_bytes())
    assert page.faults == []
    assert "9 photos answered, 1 could not be read" in page.text
    assert "broken.png" in page.text
    for label in LABELS:
        assert label in page.text
    uris = page.attributes("src")
    assert len(uris) == 9
    # In the order they were answered, the first of which is blue.
    with Image.open(io.BytesIO(base64.b64decode(uris[0].partition(",")[2]))) as image:
        assert image.size == (64, 48)
        assert image.getpixel((30, 20))[2] > 200  # type: ignore[index]


def test_runs_limits_are_said(inputs: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    from tinyedge.devices.runtime import answers_page

    monkeypatch.setattr(answers_page, "MOST_PICTURES", 2)
    monkeypatch.setattr(answers_page, "MOST_LISTED", 3)
    assert run("run", inputs.int8_file, inputs.data, "--html", inputs.page).exit_code == 0
    page = ParsedPage(inputs.page.read_bytes())
    assert len(page.attributes("src")) == 2
    said = (
        "The first 2 are shown with their photos; the next 3 are listed below without, and 4 more"
    )
    assert said in " ".join(page.text.split())


@pytest.mark.parametrize("words", [("--watch", "."), ("--camera", "0")])
def test_what_has_no_end_has_no_page(inputs: Inputs, words: tuple[str, str]) -> None:
    done = run("run", inputs.int8_file, *words, "--html", inputs.page)
    assert done.exit_code == 2
    assert "--html is of photos that come to an end" in done.stderr


def test_without_jinja2_one_line_names_the_extra(inputs: Inputs, tmp_path: Path) -> None:
    words = (*inputs.compare, "--html", inputs.page)
    done, imported = watched(tmp_path, *words, without=("jinja2",))
    assert done.returncode == 2
    assert done.stderr == (
        "error: a page (--html) needs the package jinja2, which tinyedge-darknet[report] brings,"
        " and so does [export] (README: Installing)\n"
    )
    assert not {"tensorflow", "matplotlib"} & imported


def test_without_a_page_jinja2_is_not_imported(inputs: Inputs, tmp_path: Path) -> None:
    done, imported = watched(tmp_path, *inputs.compare)
    assert done.returncode == 0, done.stderr
    assert not {"jinja2", "markupsafe", "matplotlib"} & imported
