"""The command as a user types it: streams, exit codes, and numbers counted a second time."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.support.exports import Models
from tests.support.linear_model import Rows, write_image, write_linear_model
from tinyedge.cli import main
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.files import file_sha256

RIGHT: Rows = ((1, 0), (0, 1))
WRONG: Rows = ((0, 1), (1, 0))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["compare", *map(str, arguments)], catch_exceptions=False)


def linear(folder: Path, int8: Rows = RIGHT, **card: Any) -> tuple[Path, Path, Path]:
    """A right float model, an "int8" one, and a folder of twenty images of two classes."""
    for value in range(10):
        write_image(folder / "data" / "0" / f"{value}.png", 100 + value, 0)
        write_image(folder / "data" / "1" / f"{value}.png", 0, 100 + value)
    return (
        write_linear_model(folder / "f.tflite", RIGHT),
        write_linear_model(folder / "i.tflite", int8, quantization="int8", **card),
        folder / "data",
    )


def test_a_pass_exits_with_0(tmp_path: Path) -> None:
    f, i, data = linear(tmp_path)
    result = run(f, i, "--data", data, "--max-drop", 20)
    assert result.exit_code == 0
    assert "verdict      PASS: the drop is at most 16.12 points" in result.stdout


def test_a_fail_exits_with_1(tmp_path: Path) -> None:
    f, i, data = linear(tmp_path, WRONG)
    result = run(f, i, "--data", data, "--max-drop", 20)
    assert result.exit_code == 1
    assert "verdict      FAIL: the drop is at least 67.77 points" in result.stdout


def test_an_open_question_exits_with_3(tmp_path: Path) -> None:
    # z^2 / (20 + z^2) = 16.1 points may be lost though nothing was.
    f, i, data = linear(tmp_path)
    result = run(f, i, "--data", data, "--max-drop", 10, "--json")
    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert (found["verdict"], found["images_needed"]) == ("inconclusive", 35)


@pytest.mark.parametrize("rows", [RIGHT, WRONG])
def test_without_a_budget_there_is_no_verdict_and_the_exit_code_is_0(
    tmp_path: Path, rows: Rows
) -> None:
    f, i, data = linear(tmp_path, rows)
    result = run(f, i, "--data", data, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["verdict"] is None


@pytest.mark.parametrize("budget", ["-1", "nan", "inf", "101", "much"])
def test_a_budget_that_is_none_is_refused(tmp_path: Path, budget: str) -> None:
    result = run("f", "i", "--data", tmp_path, f"--max-drop={budget}")
    assert result.exit_code == 2
    assert "--max-drop" in result.stderr
    assert result.stdout == ""


def test_calibration_images_are_an_error(tmp_path: Path) -> None:
    image = write_image(tmp_path / "data" / "0" / "3.png", 103, 0)
    f, i, data = linear(tmp_path, calibration_sha256=(file_sha256(image),))
    result = run(f, i, "--data", data)
    assert result.exit_code == 2
    assert "error: 1 of the 20 images calibrated the model" in result.stderr
    assert result.stdout == ""


def test_a_bad_file_is_skipped_in_a_folder(tmp_path: Path) -> None:
    f, i, data = linear(tmp_path)
    (data / "1" / "bad.png").write_text("no image")
    result = run(f, i, "--data", data, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert (found["images"], len(found["skipped"])) == (20, 1)
    assert "skipped: " in result.stderr
    assert "bad.png" in result.stderr


def test_a_bad_file_is_an_error_in_a_manifest(tmp_path: Path) -> None:
    f, i, data = linear(tmp_path)
    (data / "bad.png").write_text("no image")
    manifest = data / "list.tsv"
    manifest.write_text("0/1.png\t0\nbad.png\t1\n")
    result = run(f, i, "--data", manifest)
    assert result.exit_code == 2
    assert "bad.png" in result.stderr
    assert result.stdout == ""


def test_labels_and_ids_name_the_folders(tmp_path: Path) -> None:
    f, i, data = linear(tmp_path, WRONG)
    (data / "0").rename(data / "cat")
    (data / "1").rename(data / "n02")
    (tmp_path / "labels").write_text("cat\ndog\n")
    (tmp_path / "ids").write_text("n01\nn02\n")
    options = ("--labels", tmp_path / "labels", "--ids", tmp_path / "ids")
    found = json.loads(run(f, i, "--data", data, *options, "--json").stdout)
    assert found["images"] == 20
    assert [item["label"] for item in found["worst_classes"]] == ["cat", "dog"]
    assert run(f, i, "--data", data).exit_code == 2


def test_results_on_stdout_and_all_else_on_stderr(tmp_path: Path) -> None:
    f, i, data = linear(tmp_path)
    result = run(f, i, "--data", data, "--threads", 1, "--device", "host")
    assert result.stdout.startswith("images       20\n")
    assert result.stderr.endswith(", 1 thread\n")
    assert run(f, i, "--data", data, "--device", "abacus").exit_code == 2


def test_a_model_without_a_card_needs_a_fit(tmp_path: Path) -> None:
    f, i, data = linear(tmp_path)
    stranger = f.read_bytes()
    f.write_bytes(stranger[: stranger.rindex(b"PK\x03\x04")])
    result = run(f, i, "--data", data)
    assert result.exit_code == 2
    assert "--fit" in result.stderr
    assert run(f, i, "--data", data, "--fit", "stretch").exit_code == 0


def check_by_a_second_count(models: Models, data: Path, names: list[str], pattern: str) -> None:
    """Compare on `data`, whose folders bear `names`, and count everything again from `classify`."""
    result = run(models.float_model, models.int8_model, "--data", data, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)

    float_model, int8_model = Classifier(models.float_model), Classifier(models.int8_model)
    counts: Counter[str] = Counter()
    divergences = []
    paths = list(data.glob(pattern))
    for path in paths:
        truth = names.index(path.parent.name)
        best, distributions = {}, {}
        for name, model in (("float", float_model), ("int8", int8_model)):
            answer = model.classify(path, top=len(names))
            best[name] = [prediction.index for prediction in answer]
            distributions[name] = {item.index: item.probability for item in answer}
            counts[f"{name} top1"] += best[name][0] == truth
            counts[f"{name} top5"] += truth in best[name][:5]
        right = best["float"][0] == truth, best["int8"][0] == truth
        counts["agree"] += best["float"][0] == best["int8"][0]
        counts["lost"] += right == (True, False)
        counts["gained"] += right == (False, True)
        p, q = distributions["float"], distributions["int8"]
        divergences.append(sum(p[k] * math.log(p[k] / q[k]) for k in p if p[k]))

    n = len(paths)
    assert found["images"] == n
    for name in ("float", "int8"):
        for top in ("top1", "top5"):
            assert found[name][top] == pytest.approx(100 * counts[f"{name} {top}"] / n)
    assert found["flips"] == {"right_to_wrong": counts["lost"], "wrong_to_right": counts["gained"]}
    assert found["drop"]["top1"] == pytest.approx(100 * (counts["lost"] - counts["gained"]) / n)
    low, high = found["drop"]["interval"]
    # Wald's interval, which at this many images is Tango's to a few tenths of a point.
    half = 196 * math.sqrt(counts["lost"] + counts["gained"]) / n
    assert (low + high) / 2 == pytest.approx(found["drop"]["top1"], abs=0.3)
    assert (high - low) / 2 == pytest.approx(half, abs=0.3)
    assert found["agreement"] == pytest.approx(100 * counts["agree"] / n)
    assert found["kl"]["mean"] == pytest.approx(float(np.mean(divergences)), rel=1e-6)
    assert found["kl"]["p95"] == pytest.approx(float(np.percentile(divergences, 95)), rel=1e-6)
    for name, file in (("float", models.float_model), ("int8", models.int8_model)):
        assert found["bytes"][name] == file.stat().st_size


def test_the_built_in_models_agree_with_a_second_count(
    fashion_models: Models, fashion_images: Path
) -> None:
    labels = Classifier(fashion_models.float_model).card.labels
    assert labels is not None
    folders = [label.replace("/", "_") for label in labels]
    check_by_a_second_count(fashion_models, fashion_images, folders, "*/*.png")


@pytest.mark.real_data
def test_tiny_darknet_agrees_with_a_second_count(tiny_models: Models, imagenet: Path) -> None:
    ids = Classifier(tiny_models.float_model).card.ids
    assert ids is not None
    check_by_a_second_count(tiny_models, imagenet / "val", list(ids), "*/*.*")


def test_the_built_in_models_in_the_wrong_order_are_refused(
    fashion_models: Models, fashion_images: Path
) -> None:
    result = run(fashion_models.int8_model, fashion_models.float_model, "--data", fashion_images)
    assert result.exit_code == 2
    assert "name the float model first" in result.stderr


def test_one_output_is_a_classifier_of_two_classes(tmp_path: Path) -> None:
    for value in range(10):
        write_image(tmp_path / "data" / "cat" / f"{value}.png", 10 * value)
        write_image(tmp_path / "data" / "dog" / f"{value}.png", 130 + 10 * value)
    card = {"softmax_groups": 0, "labels": ("cat", "dog")}
    f = write_linear_model(tmp_path / "f.tflite", ((1.0,),), **card)
    i = write_linear_model(tmp_path / "i.tflite", ((0.8,),), quantization="int8", **card)
    result = run(f, i, "--data", tmp_path / "data")
    assert result.exit_code == 0
    # 0.8 of 130, 140 and 150 is less than half of 255.
    assert "top-1            100.00 %     85.00 %\ntop-2 " in result.stdout
    assert "flips        3 right to wrong, 0 wrong to right" in result.stdout
    assert "agreement    17 of 20 images, 85.00 %" in result.stdout
    assert "lost most    dog 10 to 7 of 10" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_a_threshold_decides_between_the_classes_of_one_output(tmp_path: Path) -> None:
    for value in range(10):
        write_image(tmp_path / "data" / "cat" / f"{value}.png", 10 * value)
        write_image(tmp_path / "data" / "dog" / f"{value}.png", 130 + 10 * value)
    card = {"softmax_groups": 0, "labels": ("cat", "dog")}
    f = write_linear_model(tmp_path / "f.tflite", ((1.0,),), **card)
    i = write_linear_model(tmp_path / "i.tflite", ((0.8,),), quantization="int8", **card)
    arguments = (f, i, "--data", tmp_path / "data", "--threshold")
    # 0.8 of 130 is 104, the least of the dogs; 90, the most of the cats, is less.
    fits = run(*arguments, 0.4)
    assert "top-1            100.00 %    100.00 %" in fits.stdout
    assert "(the output is at the threshold, 0.4)" in fits.stdout
    assert max(map(len, fits.stdout.splitlines())) <= 80
    # 50 and more are above 0.195 of 255, which of int8 is 62.2.
    low = json.loads(run(*arguments, 0.195, "--json").stdout)
    assert low["threshold"] == 0.195
    assert low["flips"] == {"right_to_wrong": 0, "wrong_to_right": 2}
    assert low["float"]["top1"] == 75


def test_a_threshold_is_for_one_output(tmp_path: Path) -> None:
    model = write_linear_model(tmp_path / "f.tflite", ((1.0, 0.5),))
    write_image(tmp_path / "data" / "0" / "0.png", 10)
    result = run(model, model, "--data", tmp_path / "data", "--threshold", 0.3)
    assert result.exit_code == 2
    assert f"{model}: it has 2 outputs, the answer is the highest of them" in result.stderr
    for outside in ("nan", "-0.1", "1.1"):
        result = run(model, model, "--data", tmp_path / "data", "--threshold", outside)
        assert result.exit_code == 2
        assert "--threshold" in result.stderr


def test_two_names_given_to_one_output_are_said(tmp_path: Path) -> None:
    names = tmp_path / "two.names"
    names.write_text("cat\ndog\n")
    write_image(tmp_path / "data" / "cat" / "0.png", 10)
    f = write_linear_model(tmp_path / "f.tflite", ((1.0,),), softmax_groups=0)
    i = write_linear_model(tmp_path / "i.tflite", ((0.9,),), softmax_groups=0, quantization="int8")
    result = run(f, i, "--data", tmp_path / "data", "--labels", names, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["classes"] == 2
    assert "1 is taken to mean 'dog', 0 'cat'" in result.stderr
