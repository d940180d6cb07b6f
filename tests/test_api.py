"""The Python API: what is public, that it is typed, loads when used, and is what commands call."""

import ast
import importlib
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tinyedge
from tests.support.commands import ROOT, run_in_process
from tests.support.exports import Models
from tests.support.toy import PHOTOS, Toy, write_toy

_PUBLIC = [
    "AnswerError",
    "CfgError",
    "Classification",
    "Classifier",
    "Comparison",
    "Comparisons",
    "DatasetError",
    "DeployError",
    "DeviceError",
    "ExportError",
    "Exported",
    "FetchError",
    "ImageError",
    "LabelledImage",
    "MissingPackageError",
    "ModelCard",
    "ModelError",
    "Network",
    "Prediction",
    "TinyedgeError",
    "TinyedgeWarning",
    "WeightsError",
    "WorkerError",
    "__version__",
    "compare",
    "compare_models",
    "export_model",
    "read_card",
    "read_network",
]

# Prints what importing tinyedge brought in besides, and the seconds it took.
_IMPORTED = """
import sys
before = set(sys.modules)
import tinyedge
print(*sorted(set(sys.modules) - before))
"""


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return write_toy(tmp_path / "toy")


def test_the_public_names() -> None:
    assert tinyedge.__all__ == _PUBLIC
    assert set(_PUBLIC) <= set(dir(tinyedge))


@pytest.mark.parametrize("name", _PUBLIC)
def test_each_name_is_documented_and_no_modules(name: str) -> None:
    value = getattr(tinyedge, name)
    folder = ROOT / "tinyedge"
    assert not (folder / name).exists()
    assert not (folder / f"{name}.py").exists()
    if name != "__version__":
        assert inspect.getdoc(value)
    if inspect.isfunction(value):
        signature = inspect.signature(value)
        assert signature.return_annotation is not inspect.Signature.empty
        for parameter in signature.parameters.values():
            assert parameter.annotation is not inspect.Parameter.empty


def test_every_error_is_public() -> None:
    import tinyedge.errors

    assert set(tinyedge.errors.__all__) <= set(tinyedge.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'tinyedge' has no attribute 'nonsense'"):
        tinyedge.nonsense  # type: ignore[attr-defined]  # noqa: B018


def test_a_type_checker_reads_each_name_where_it_is_loaded_from() -> None:
    """What the branch for type checkers imports is what `__getattr__` gives."""
    tree = ast.parse((ROOT / "tinyedge" / "__init__.py").read_text())
    (branch,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )
    typed = {
        alias.name: node.module
        for node in branch.body
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    }
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for name in set(_PUBLIC) - defined - {"__version__"}:
        assert getattr(importlib.import_module(typed[name]), name) is getattr(tinyedge, name)


def test_importing_it_loads_nothing_else() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTED],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    modules = set(done.stdout.split())
    assert "tinyedge" in modules
    assert modules <= {"importlib", "importlib._bootstrap", "tinyedge", "warnings"}


def test_a_path_an_array_and_an_image_are_classified_alike(
    fashion_models: Models, fashion_images: Path
) -> None:
    classifier = tinyedge.Classifier(str(fashion_models.int8_model))
    photo = min((fashion_images / "Bag").iterdir())
    expected = run_in_process("run", fashion_models.int8_model, photo, "--json", "--top", 3)
    answer = json.loads(expected.stdout)["predictions"]
    with Image.open(photo) as image:
        pixels = np.asarray(image.convert("RGB"))
        for given in (photo, str(photo), pixels, image):
            found = classifier.classify(given, top=3)
            assert isinstance(found, tinyedge.Classification)
            assert [prediction._asdict() for prediction in found] == answer


def test_compare_is_what_the_command_calls(fashion_models: Models, fifty: Path) -> None:
    models = fashion_models.float_model, fashion_models.int8_model
    printed = json.loads(
        run_in_process("compare", *models, "--data", fifty, "--max-drop", 20, "--json").stdout
    )
    found = tinyedge.compare(str(models[0]), tinyedge.Classifier(models[1]), fifty, max_drop=20)
    assert isinstance(found, tinyedge.Comparison)
    assert found.images == printed["images"] == 50
    assert found.drop == printed["drop"]["top1"]
    assert list(found.interval) == printed["drop"]["interval"]
    assert found.agreement == printed["agreement"]
    assert found.verdict == printed["verdict"]


@pytest.mark.parametrize(
    ("asked", "why"), [({"resume": True}, "a journal"), ({"ship": True}, "the scheduler")]
)
def test_what_would_be_passed_over_is_an_error(asked: dict[str, bool], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        tinyedge.compare_models(["a.tflite", "b.tflite"], "photos", **asked)  # type: ignore[arg-type]


def test_one_model_is_no_list_of_them() -> None:
    with pytest.raises(ValueError, match=r"^models is 'float\.tflite', not the float model and"):
        tinyedge.compare_models("float.tflite", "photos")


def test_images_in_a_list_must_all_be_readable(
    fashion_models: Models, fashion_images: Path, tmp_path: Path
) -> None:
    models = fashion_models.float_model, fashion_models.int8_model
    bag = min((fashion_images / "Bag").iterdir())
    broken = tmp_path / "Bag" / "broken.png"
    broken.parent.mkdir()
    broken.write_text("no image")
    (tmp_path / "Bag" / "bag.png").write_bytes(bag.read_bytes())
    skipped = tinyedge.compare(*models, tmp_path).skipped
    assert [image.path for image in skipped] == [broken]
    with pytest.raises(tinyedge.ImageError, match=r"broken\.png"):
        tinyedge.compare(
            *models, [tinyedge.LabelledImage(bag, 8), tinyedge.LabelledImage(broken, 8)]
        )


def test_an_image_that_is_none_is_an_image_error_and_a_label_that_is_none_a_dataset_error(
    fashion_models: Models, fashion_images: Path
) -> None:
    models = fashion_models.float_model, fashion_models.int8_model
    for name in (str(fashion_images), "a\0b", "nowhere.png"):
        with pytest.raises(tinyedge.ImageError):
            tinyedge.compare(*models, [name])
    bag = min((fashion_images / "Bag").iterdir())
    for index in (10, -1, 2**70):
        with pytest.raises(tinyedge.DatasetError, match=f"its label is class {index}, the models"):
            tinyedge.compare(*models, [tinyedge.LabelledImage(bag, index)])


def test_export_model_is_what_the_command_calls(toy: Toy, tmp_path: Path) -> None:
    words = ("--calib", toy.photos, "--count", PHOTOS, "--labels", toy.labels)
    run_in_process("export", *toy.source(), *words, "--keras", "-o", tmp_path / "command")
    with pytest.warns(
        tinyedge.errors.TinyedgeWarning, match="calibrating on 6 images, which is few"
    ):
        found = tinyedge.export_model(
            str(toy.cfg),
            str(tmp_path / "call"),
            weights=toy.weights,
            calibration=str(toy.photos),
            calibration_count=PHOTOS,
            labels=toy.labels,
            quantizer="default",
            keras=True,
        )
    assert isinstance(found, tinyedge.Exported)
    assert list(found.files) == ["float", "int8", "keras"]
    for path in found.files.values():
        assert path.read_bytes() == (tmp_path / "command" / path.name).read_bytes()
    assert found.card == tinyedge.read_card(str(found.files["int8"]))
    assert isinstance(found.card, tinyedge.ModelCard)
    with pytest.raises(tinyedge.ExportError, match=r"toy\.cfg needs its weights"):
        tinyedge.export_model(toy.cfg, tmp_path / "none")


def test_export_model_says_what_to_install() -> None:
    script = (
        "import sys\nsys.modules['tensorflow'] = None\nimport tinyedge\n"
        "try:\n    tinyedge.export_model('fashion', 'out')\n"
        "except tinyedge.MissingPackageError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "tensorflow, which tinyedge-darknet[export] brings" in done.stdout, done.stderr


def test_a_board_without_the_export_package_says_so_too() -> None:
    script = (
        "import sys\nsys.modules['tinyedge.export'] = None\nimport tinyedge\n"
        "try:\n    tinyedge.export_model('fashion', 'out')\n"
        "except tinyedge.MissingPackageError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "which tinyedge-darknet[export] brings" in done.stdout, done.stderr


def test_read_network_takes_text_and_paths(toy: Toy) -> None:
    network = tinyedge.read_network(str(toy.cfg))
    assert isinstance(network, tinyedge.Network)
    assert network == tinyedge.read_network(toy.cfg)
    assert tinyedge.read_network(toy.cfg, size=(16, 12)).input.width == 16
    for size in ("16x12", ("16", "12"), (16,), 16, (16.0, 12.0)):
        with pytest.raises(ValueError, match=r"^size is .*, not \(width, height\)$"):
            tinyedge.read_network(toy.cfg, size=size)  # type: ignore[arg-type]
    assert tinyedge.read_card(toy.photos / "0" / "0.png") is None
