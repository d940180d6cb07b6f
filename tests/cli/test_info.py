"""``tinyedge info``, as it is typed."""

import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support.commands import run_in_process
from tests.support.linear_model import write_image, write_linear_model
from tinyedge.cli import main


def refused(*words: object) -> Result:
    """The result of a command that ends with an error."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert (result.exit_code, result.stdout) == (2, "")
    return result


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_linear_model(tmp_path / "m.tflite", ((1.0, 2.0, 0.5),), labels=("a", "b", "c"))


def test_it_says_what_the_file_is(model: Path) -> None:
    result = run_in_process("info", model)
    assert result.stdout.startswith(f"{model}  {model.stat().st_size:,} bytes\nsha256 ")
    assert "input           1x1x1 float32; stretch; pixels become 0 to 1\n" in result.stdout
    assert "3 classes, logits; run and compare apply the softmax\n" in result.stdout
    assert "labels          3: a, b, c\n" in result.stdout
    assert result.stderr == ""


def test_json_has_the_whole_card(model: Path) -> None:
    content = json.loads(run_in_process("info", model, "--json").stdout)
    with zipfile.ZipFile(model) as archive:
        card = json.loads(archive.read("model_card.json"))
    assert content["schema"] == "tinyedge.info/1"
    assert content["labels"] == ["a", "b", "c"]
    assert (content["inputs"][0]["shape"], content["outputs"][0]["type"]) == (
        [1, 1, 1, 1],
        "float32",
    )
    # But for what it is stored as.
    same = content["card"].keys() & card.keys() - {"labels"}
    assert {"fit", "name", "temperature", "check"} <= same
    assert {key: content["card"][key] for key in same} == {key: card[key] for key in same}


def test_its_labels_serve_as_labels(model: Path, tmp_path: Path) -> None:
    names = tmp_path / "names"
    result = run_in_process("info", model, "--write-labels", names)
    assert f"{names}: 3 labels" in result.stderr
    assert names.read_text() == "a\nb\nc\n"
    bare = write_linear_model(tmp_path / "bare.tflite", ((1.0, 2.0, 0.5),))
    photo = write_image(tmp_path / "white.png", 255)
    answer = run_in_process("run", bare, photo, "--labels", names, "--json")
    assert json.loads(answer.stdout)["predictions"][0]["label"] == "b"


def test_a_file_without_labels_writes_none(tmp_path: Path) -> None:
    bare = write_linear_model(tmp_path / "bare.tflite", ((1.0, 2.0),))
    result = refused("info", bare, "--write-labels", tmp_path / "names")
    assert "it has no labels to write" in result.stderr
    assert not (tmp_path / "names").exists()


def test_labels_that_cannot_be_written_are_said_first(model: Path, tmp_path: Path) -> None:
    for target, said in ((tmp_path, "is a folder"), (model / "names", "Not a directory")):
        assert said in refused("info", model, "--write-labels", target).stderr


@pytest.mark.parametrize("command", [("summary",), ("export", "-o", "out")])
def test_who_asks_elsewhere_is_sent_here(model: Path, command: tuple[str, ...]) -> None:
    result = refused(command[0], model, *command[1:])
    assert f"{model} is no .cfg: what a .tflite file is, `tinyedge info` says" in result.stderr


def test_labels_never_replace_the_model(model: Path, tmp_path: Path) -> None:
    before = model.read_bytes()
    link = tmp_path / "link.tflite"
    link.hardlink_to(model)
    for target in (model, link):
        result = refused("info", model, "--write-labels", target)
        assert "is read by this command and would be lost" in result.stderr
    assert model.read_bytes() == before
