"""``tinyedge export --precision mixed``, as a user types it."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tinyedge
from tests.support.commands import run_as_user, run_in_process
from tests.support.exports import Exported
from tests.support.toy import write_toy
from tinyedge.devices.latency.instructions import operator_precision
from tinyedge.export.quantize.curve import curve_plot
from tinyedge.export.quantize.precision import Mixed
from tinyedge.export.tflite.mixed import mixed_file
from tinyedge.modelcard import append_card
from tinyedge.tflite.model import read_tflite


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--device", "host"), "such as --device pi4"),
        (("--device", "coral-usb"), "such as --device pi4"),
        (("--device", "pi4", "--input", "uint8"), "takes int8, not uint8"),
    ],
)
def test_what_cannot_be_mixed(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    toy = write_toy(tmp_path)
    source = (toy.cfg, "--weights", toy.weights, "--calib", toy.photos)
    done = run_as_user("export", *source, *words, "--precision", "mixed", "-o", tmp_path / "out")
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.long
def test_a_mixed_file_stands_in_place_of_the_int8_file(tmp_path: Path) -> None:
    """The built-in network: its head at least is in float, and its card says what is."""
    output = tmp_path / "out"
    words = ("--device", "pi", "--precision", "mixed", "--latency-budget", "1.3", "--json")
    done = run_in_process("export", "fashion", *words, "-o", output)
    assert sorted(path.name for path in output.iterdir()) == [
        "fashion_float.tflite",
        "fashion_mixed.tflite",
    ]
    assert set(json.loads(done.stdout)["check"]) == {"float", "mixed"}
    path = output / "fashion_mixed.tflite"
    card = tinyedge.read_card(path)
    assert card is not None
    graph = read_tflite(path).subgraphs[0]
    weighted = [op for op in graph.operators if graph.tensors[op.outputs[0]].type == "float32"]
    kinds = {operator_precision(graph, op) for op in weighted}
    assert "float32" in kinds
    assert set(card.precision.values()) <= {"float32", "hybrid"}
    assert len(card.precision) >= 1
    photo = next(Path("calib_data/fashion/test").rglob("*.png"))
    found, float_found = (
        tinyedge.Classifier(output / f"fashion_{kind}.tflite").classify(photo)
        for kind in ("mixed", "float")
    )
    assert found[0].index == float_found[0].index
    assert np.abs(found.scores - float_found.scores).max() < 0.5


@pytest.mark.long
def test_where_the_output_alone_is_float_the_card_says_so(tmp_path: Path) -> None:
    """The last layer before the average, and a budget that leaves every layer in int8."""
    words = ("--device", "pi4", "--precision", "mixed", "--latency-budget", "0.5")
    words = (*words, "--no-rewrite", "average-before-linear", "--count", "30")
    run_in_process("export", "fashion", *words, "-o", tmp_path)
    path = tmp_path / "fashion_mixed.tflite"
    card = tinyedge.read_card(path)
    assert card is not None
    assert card.precision == {"output": "float32"}
    graph = read_tflite(path).subgraphs[0]
    assert graph.tensors[graph.outputs[0]].type == "float32"
    weighted = [op for op in graph.operators if op.name == "CONV_2D"]
    assert {operator_precision(graph, op) for op in weighted} == {"int8"}


@pytest.mark.long
def test_a_head_alone_in_float_is_calibrated_on_all_photos(
    exported: Exported, tmp_path: Path
) -> None:
    """It answers as the integer file does whose head is written in float."""
    words = ("fashion", "--quantizer", "default")
    budget = ("--precision", "mixed", "--device", "pi4", "--latency-budget", "0.5")
    run_in_process("export", *words, *budget, "-o", tmp_path)
    card = tinyedge.read_card(tmp_path / "fashion_mixed.tflite")
    assert card is not None
    written = tmp_path / "head.tflite"
    head_alone = mixed_file(exported(*words).int8_model.read_bytes(), {})
    written.write_bytes(append_card(head_alone, card))
    photo = next(Path("calib_data/fashion/test").rglob("*.png"))
    found, wanted = (
        tinyedge.Classifier(path).classify(photo).scores
        for path in (tmp_path / "fashion_mixed.tflite", written)
    )
    assert np.array_equal(found, wanted)


@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("--device", "pi-zero2w"), "mixed"),
        (("--device", "pi"), "mixed"),
        (("--device", "pi4", "--input", "uint8"), "int8"),
        (("--device", "host"), "int8"),
    ],
)
def test_a_pi_of_64_bits_takes_a_mixed_file(
    words: tuple[str, ...], kind: str, tmp_path: Path
) -> None:
    toy = write_toy(tmp_path)
    output = tmp_path / "out"
    source = (*toy.source(), "--calib", toy.photos)
    run_in_process("export", *source, *words, "-o", output)
    name = toy.cfg.stem
    assert sorted(path.name for path in output.iterdir()) == sorted(
        (f"{name}_float.tflite", f"{name}_{kind}.tflite")
    )


@pytest.mark.long
def test_the_curve_is_shown_and_drawn(tmp_path: Path) -> None:
    plot = tmp_path / "curve.png"
    words = ("--device", "pi4", "--precision", "mixed", "--pareto", plot, "--count", "30")
    done = run_in_process(
        "export", "fashion", "--quantizer", "default", *words, "--json", "-o", tmp_path / "out"
    )
    curve = json.loads(done.stdout)["pareto"]
    assert [point["cycles"] for point in curve] == sorted(point["cycles"] for point in curve)
    divergences = [point["divergence"] for point in curve]
    assert divergences == sorted(divergences, reverse=True)
    assert curve[0]["cycles"] <= 1
    assert all(point["boards"]["pi4"]["instructions"] > 1e6 for point in curve)
    with Image.open(plot) as image:
        assert image.format == "PNG"


def test_a_curve_that_cannot_be_drawn_is_said_before_the_work(tmp_path: Path) -> None:
    toy = write_toy(tmp_path)
    photo, folder = next(toy.photos.rglob("*.png")), tmp_path / "folder.png"
    folder.mkdir()
    before = photo.read_bytes()
    words = (*toy.source(), "--calib", toy.photos, "--device", "pi4", "-o", tmp_path / "out")
    for plot, why in (
        (photo, "is read by this command and would be lost"),
        (folder, "is a folder, not a file to replace"),
    ):
        done = run_as_user("export", *words, "--pareto", plot)
        assert done.returncode == 2
        assert done.stderr == f"error: {plot}: {why}\n"
        assert not (tmp_path / "out").exists()
    assert photo.read_bytes() == before


def test_a_curve_is_drawn_of_any_name() -> None:
    point = Mixed(b"", {}, (), ratio=1.0, divergence=0.1)
    with Image.open(io.BytesIO(curve_plot([point], 1.0, r"price in $ or $\frac on pi4"))) as image:
        assert image.format == "PNG"


@pytest.mark.parametrize(
    "words", [("--device", "host"), ("--device", "pi4", "--input", "uint8"), ("--float-only",)]
)
def test_a_budget_is_of_mixed_files(words: tuple[str, ...], tmp_path: Path) -> None:
    toy = write_toy(tmp_path)
    source = (*toy.source(), "--calib", toy.photos, "--latency-budget", "0.5")
    done = run_as_user("export", *source, *words, "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "are of a file in mixed precision, and none is made" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_curve_is_of_mixed_files(tmp_path: Path) -> None:
    words = ("--pareto", tmp_path / "curve.png", "--precision", "integer", "-o", tmp_path)
    done = run_as_user("export", "fashion", *words)
    assert done.returncode == 2
    assert "--pareto goes with --precision mixed" in done.stderr


@pytest.mark.long
def test_probabilities_of_a_mixed_file_are_float(tmp_path: Path) -> None:
    words = ("--device", "pi5", "--precision", "mixed", "--probabilities", "--count", "30")
    run_in_process("export", "fashion", "--quantizer", "default", *words, "-o", tmp_path)
    classifier = tinyedge.Classifier(tmp_path / "fashion_mixed.tflite")
    photo = next(Path("calib_data/fashion/test").rglob("*.png"))
    scores = classifier.classify(photo).scores
    assert scores.sum() == pytest.approx(1, abs=1e-5)
    assert not np.array_equal(np.rint(scores * 256), scores * 256)
