"""``tinyedge export --saved-model``: TensorFlow's own format, looked at by TensorFlow."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.support.commands import run_as_user, run_in_process
from tests.support.toy import Toy, write_toy
from tinyedge.cli import main
from tinyedge.devices.runtime.classifier import Classifier


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    done = run_as_user("export", "fashion", "--float-only", "--saved-model", "-o", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return write_toy(tmp_path / "toy")


def test_it_gives_the_float_files_logits(exported: Path, fashion_images: Path) -> None:
    from tinyedge.export.tensorflow import require_tensorflow, tensorflow_hushed

    require_tensorflow()
    with tensorflow_hushed():
        import tensorflow as tf

        model = tf.saved_model.load(str(exported / "fashion_saved_model"))
    classifier = Classifier(exported / "fashion_float.tflite")
    for photo in sorted(fashion_images.glob("*/*0.png"))[:10]:
        inputs = classifier.preprocess(photo)
        expected = classifier.logits(inputs)
        for function in (model.serve, model.signatures["serving_default"]):
            found = np.asarray(function(image=tf.constant(inputs))["logits"])
            assert found.shape == (1, 10)
            assert found[0] == pytest.approx(expected, abs=1e-4)


def test_the_same_inputs_give_the_same_bytes(exported: Path, tmp_path: Path) -> None:
    words = ("export", "fashion", "--float-only", "--saved-model", "--json", "-o", "here")
    done = run_as_user(*words, cwd=tmp_path, environment={"PYTHONHASHSEED": "7"})
    assert (done.returncode, done.stderr) == (0, "")
    assert contents(tmp_path / "here") == contents(exported)
    listed = {file["path"]: file["bytes"] for file in json.loads(done.stdout)["files"]}
    assert listed == {f"here/{name}": len(content) for name, content in contents(exported).items()}
    assert "here/fashion_saved_model/saved_model.pb" in listed


def test_it_replaces_another_whole(toy: Toy, tmp_path: Path) -> None:
    out = tmp_path / "out"
    folder = out / "toy_saved_model"
    words = ("export", *toy.source(), "--float-only", "--saved-model", "-o", out)
    run_in_process(*words)
    first = sorted(contents(folder))
    (folder / "saved_model.pb").write_bytes(b"old")
    stale = "variables/of-another-save"
    (folder / stale).write_bytes(b"")
    listed = json.loads((folder / "tinyedge-files.json").read_text())
    listed["files"].append(stale)
    (folder / "tinyedge-files.json").write_text(json.dumps(listed))
    lines = run_in_process(*words).stdout.splitlines()
    found = contents(folder)
    assert sorted(found) == first
    assert found["saved_model.pb"] != b"old"
    size = sum(map(len, found.values()))
    assert lines[1] == f"{folder}  {size:,} bytes"
    assert sorted(path.name for path in out.iterdir()) == ["toy_float.tflite", "toy_saved_model"]


def test_a_folder_of_other_things_is_not_replaced(toy: Toy, tmp_path: Path) -> None:
    notes = tmp_path / "out" / "toy_saved_model" / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("precious")
    words = ["export", *toy.source(), "--float-only", "--saved-model", "-o", notes.parent.parent]
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"error: {notes.parent} would be replaced, and holds what tinyedge did not write, such as"
        " notes.txt; move it out of the way\n"
    )
    assert list((tmp_path / "out").iterdir()) == [notes.parent]
    assert notes.read_text() == "precious"
