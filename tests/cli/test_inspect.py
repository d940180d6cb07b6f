"""``tinyedge inspect`` as a user types it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support.commands import run_as_user, run_in_process, watched
from tests.support.exports import Models
from tests.support.json_page import faults
from tests.support.toy import write_toy
from tinyedge.cli import main

LAYER_KEYS = {
    "layer",
    "kind",
    "precision",
    "snr",
    "cosine",
    "weight_snr",
    "alone",
    "alone_standard_error",
    "gives_back",
    "gives_back_standard_error",
    "worst",
    "gains",
    "roundings",
}


def run(models: Models, *words: object) -> Result:
    arguments = ["inspect", models.float_model, models.int8_model, *words]
    return CliRunner().invoke(main, [str(word) for word in arguments], catch_exceptions=False)


def test_json_has_every_number_of_every_layer(fashion_models: Models, fashion_images: Path) -> None:
    photos = fashion_images / "Bag" / "*.png"
    result = run(fashion_models, "--data", photos, "--count", 3, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert next(iter(found.items())) == ("schema", "tinyedge.inspect/1")
    assert faults("inspect", found) == []
    assert found["images"] == 3
    assert set(found["kl"]) == {"int8", "simulated", "exact"}
    assert [layer["layer"] for layer in found["layers"]] == [None, 0, 2, 3, 4, 6, 7, 8, 9, 10]
    for layer in found["layers"]:
        assert set(layer) == LAYER_KEYS
        assert (layer["weight_snr"] is None) == (layer["kind"] == "input")
        assert layer["roundings"]
        for rounding in layer["roundings"]:
            low, high = rounding["int8_range"]
            assert low <= 0 < high
            assert rounding["observed_range"][0] <= rounding["observed_range"][1]
            assert 0 <= rounding["saturated"] <= 100
    assert sum(layer["worst"] for layer in found["layers"]) <= 3


def test_the_table_names_the_layers_in_order_and_marks_the_worst(
    fashion_models: Models, fashion_images: Path
) -> None:
    words = ("--data", fashion_images, "--count", 24)
    found = json.loads(run(fashion_models, *words, "--json").stdout)
    lines = run(fashion_models, *words).stdout.splitlines()
    assert lines[0].startswith("24 images, same answer on ")
    rows = [line for line in lines if line[2:].split(" ")[0].isdigit() and line[0] in "* "]
    numbers = [int(line[2:].split(" ")[0]) for line in rows]
    assert numbers == [0, 2, 3, 4, 6, 7, 8, 9, 10]
    marked = [layer["layer"] for layer in found["layers"] if layer["worst"]]
    assert [n for n, line in zip(numbers, rows, strict=True) if line[0] == "*"] == marked
    assert lines[-2].startswith("* to blame most: ")


def test_nothing_but_the_table_is_said(fashion_models: Models, fashion_images: Path) -> None:
    done = run_as_user(
        "inspect",
        fashion_models.float_model,
        fashion_models.int8_model,
        "--data",
        fashion_images,
        "--count",
        1,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 image, same answer on ")
    assert done.stdout.endswith("no layer is blamed: one image tells no layer from another\n")
    assert done.stderr == ""


def test_calibration_images_are_told_as_compare_tells_them(
    fashion_models: Models, fashion_images: Path, tmp_path: Path
) -> None:

    from tinyedge.files import file_sha256
    from tinyedge.modelcard import append_card, read_card

    photo = min((fashion_images / "Bag").iterdir())
    card = read_card(fashion_models.int8_model)
    assert card is not None
    content = fashion_models.int8_model.read_bytes()
    marked = tmp_path / "marked.tflite"
    marked.write_bytes(
        append_card(
            content[: content.index(b"PK\x03\x04")],
            card._replace(calibration_sha256=(file_sha256(photo),)),
        )
    )
    models = Models(fashion_models.float_model, marked)
    result = run(models, "--data", photo.parent, "--count", 1)
    assert result.exit_code == 0
    said = f"1 of the 1 images calibrated the model ({photo})"
    assert said in result.stderr
    compared = CliRunner().invoke(
        main, ["compare", str(models.float_model), str(marked), "--data", str(photo)]
    )
    assert compared.exit_code == 2
    assert said in compared.stderr


def test_a_plot_is_an_image(fashion_models: Models, fashion_images: Path, tmp_path: Path) -> None:
    from PIL import Image

    words = ("--data", fashion_images, "--count", 24, "--plot")
    plots = []
    for name in ("one.png", "two.png"):
        result = run(fashion_models, *words, tmp_path / name)
        assert result.exit_code == 0, result.stderr
        plots.append((tmp_path / name).read_bytes())
    assert plots[0] == plots[1]
    with Image.open(tmp_path / "one.png") as plot:
        assert plot.format == "PNG"
        assert min(plot.size) > 500
        # Bars of layers to blame are red.
        colors = plot.convert("RGB").getcolors(1 << 24)
    assert colors is not None
    assert (200, 69, 47) in {color for _, color in colors}


def test_a_plot_that_cannot_be_made_is_said_before_the_work(
    fashion_models: Models, fashion_images: Path, tmp_path: Path
) -> None:
    words = ("--data", fashion_images, "--plot")
    result = run(fashion_models, *words, tmp_path / "plot.jpg")
    assert result.exit_code == 2
    assert result.stderr == f"error: {tmp_path}/plot.jpg: a plot is a .png file\n"
    files = (fashion_models.float_model, fashion_models.int8_model)
    done, imported = watched(
        tmp_path, "inspect", *files, *words, tmp_path / "plot.png", without=("matplotlib",)
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: a plot needs the package matplotlib, which tinyedge-darknet[export] brings"
        " (README: Installing)\n"
    )
    assert "tensorflow" not in imported


def test_a_plot_takes_the_place_of_nothing_that_is_read(
    fashion_models: Models, fashion_images: Path, tmp_path: Path
) -> None:
    photos, folder = tmp_path / "photos", tmp_path / "folder.png"
    photos.mkdir()
    folder.mkdir()
    photo = photos / "one.png"
    photo.write_bytes(next(fashion_images.rglob("*.png")).read_bytes())
    for plot, why in (
        (photo, "is read by this command and would be lost"),
        (folder, "is a folder, not a file to replace"),
        (Path("/proc/none/plot.png"), ""),
    ):
        result = run(fashion_models, "--data", photos, "--plot", plot)
        assert result.exit_code == 2
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"error: {plot if why else plot.parent}: {why}")
    assert photo.read_bytes() == next(fashion_images.rglob("*.png")).read_bytes()


@pytest.mark.parametrize("missing", ["tensorflow", "keras"])
def test_it_says_what_to_install(
    fashion_models: Models, fashion_images: Path, tmp_path: Path, missing: str
) -> None:
    files = (fashion_models.float_model, fashion_models.int8_model)
    done, _ = watched(tmp_path, "inspect", *files, "--data", fashion_images, without=(missing,))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"needs the package {missing}, which tinyedge-darknet[export] brings" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_image_is_an_error(fashion_models: Models, tmp_path: Path) -> None:
    result = run(fashion_models, "--data", tmp_path)
    assert result.exit_code == 2
    assert "no image in this folder" in result.stderr


def test_a_factor_that_the_float_file_has_in_its_weights(tmp_path: Path) -> None:
    """An upsample with a scale, which the converter folds into the layer behind it."""
    toy = write_toy(tmp_path)
    leaky, _, head = toy.cfg.read_text().partition("[convolutional]\nfilters=4")
    scaled = f"{leaky}[upsample]\nstride=2\nscale=3\n\n[convolutional]\nfilters=4{head}"
    toy.cfg.write_text(scaled, encoding="utf-8")
    words = ("--weights", toy.weights, "--calib", toy.photos, "-o", tmp_path)
    run_in_process("export", toy.cfg, *words)
    files = [tmp_path / f"toy_{kind}.tflite" for kind in ("float", "int8")]
    done = run_in_process("inspect", *files, "--data", toy.photos, "--json")
    found = json.loads(done.stdout)
    assert found["agreement"] == 100
    assert [layer["kind"] for layer in found["layers"]][-1] == "convolutional"
