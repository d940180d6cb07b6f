"""The command as a user types it: streams, exit codes, and numbers counted a second time."""

import csv
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
    assert "verdict      PASS: the drop is at most 18.14 points" in result.stdout


def test_a_fail_exits_with_1(tmp_path: Path) -> None:
    f, i, data = linear(tmp_path, WRONG)
    result = run(f, i, "--data", data, "--max-drop", 20)
    assert result.exit_code == 1
    assert "verdict      FAIL: the drop is at least 65.71 points" in result.stdout


def test_an_open_question_exits_with_3(tmp_path: Path) -> None:
    # 18.1 points may be lost though nothing was: 20 d - 1/4 = z root(20 d (1 - d)).
    f, i, data = linear(tmp_path)
    result = run(f, i, "--data", data, "--max-drop", 10, "--json")
    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert (found["verdict"], found["images_needed"]) == ("inconclusive", 40)


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


def one_output(folder: Path) -> tuple[object, ...]:
    """Two files of one output, the second 0.8 of the first, and ten faint cats and bright dogs."""
    for value in range(10):
        write_image(folder / "data" / "cat" / f"{value}.png", 10 * value)
        write_image(folder / "data" / "dog" / f"{value}.png", 130 + 10 * value)
    card = {"softmax_groups": 0, "labels": ("cat", "dog")}
    f = write_linear_model(folder / "f.tflite", ((1.0,),), **card)
    i = write_linear_model(folder / "i.tflite", ((0.8,),), quantization="int8", **card)
    return f, i, "--data", folder / "data"


def test_one_output_is_a_classifier_of_two_classes(tmp_path: Path) -> None:
    words = one_output(tmp_path)
    result = run(*words)
    assert result.exit_code == 0
    # 0.8 of 130, 140 and 150 is less than half of 255.
    assert "top-1            100.00 %     85.00 %\ntop-2 " in result.stdout
    assert "flips        3 right to wrong, 0 wrong to right" in result.stdout
    assert "agreement    17 of 20 images, 85.00 %" in result.stdout
    # Three of twenty, all of one class: chance does that to a class in two of nineteen draws.
    assert "lost most    no class more than chance would have it" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_a_threshold_decides_between_the_classes_of_one_output(tmp_path: Path) -> None:
    words = one_output(tmp_path)
    # 0.8 of 130 is 104, the least of the dogs; 90, the most of the cats, is less.
    fits = run(*words, "--threshold", 0.4)
    assert "top-1            100.00 %    100.00 %" in fits.stdout
    assert "(the output is at the threshold, 0.4)" in fits.stdout
    assert max(map(len, fits.stdout.splitlines())) <= 80
    # 50 and more are above 0.195 of 255, which of int8 is 62.2.
    low = json.loads(run(*words, "--threshold", 0.195, "--json").stdout)
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


def flat(folder: Path, images: int = 40) -> Path:
    """Photos without classes, beside each other; each of both answers is sure."""
    for value in range(images):
        write_image(folder / f"{value}.png", *((100 + value, 0), (0, 100 + value))[value % 2])
    return folder


def test_a_flat_folder_is_compared_without_labels(tmp_path: Path) -> None:
    f, i, _ = linear(tmp_path)
    result = run(f, i, "--data", flat(tmp_path / "photos"))
    assert result.exit_code == 0
    assert result.stdout.startswith("images       40, without labels\n")
    # Wilson: 40 d - 1/4 = 1.96 root(40 d (1 - d)) at d = 9.87 %.
    assert "agreement    40 of 40 images, 100.00 %, 95 % interval 90.13 to 100.00" in result.stdout
    assert "top-1" not in result.stdout
    assert "drop" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_a_pattern_an_image_and_a_list_have_no_labels(tmp_path: Path) -> None:
    f, i, data = linear(tmp_path)
    photos = flat(tmp_path / "photos", 4)
    listed = tmp_path / "list.txt"
    listed.write_text("photos/0.png\nphotos/2.png\n")
    for given, images in (
        (photos / "*.png", 4),
        (photos / "0.png", 1),
        (listed, 2),
        (data / "*" / "1.png", 2),
    ):
        result = run(f, i, "--data", given, "--json")
        assert result.exit_code == 0, result.stderr
        found = json.loads(result.stdout)
        assert (found["labelled"], found["images"]) == (False, images)
        assert found["drop"] == {"top1": None, "interval": None}


def test_folders_that_are_no_classes_stay_an_error_that_says_how_to_go_on(tmp_path: Path) -> None:
    f, i, data = linear(tmp_path)
    (data / "0").rename(data / "cats")
    result = run(f, i, "--data", data)
    assert result.exit_code == 2
    assert "1 of 2 folders name no class: 'cats'" in result.stderr
    how = "to name the classes: --labels FILE; to compare without labels: --unlabelled"
    assert how in " ".join(result.stderr.split())
    result = run(f, i, "--data", data, "--unlabelled", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["images"] == 20
    assert json.loads(result.stdout)["labelled"] is False


def test_a_line_without_its_label_stays_an_error(tmp_path: Path) -> None:
    f, i, data = linear(tmp_path)
    manifest = data / "list.tsv"
    manifest.write_text("0/1.png\t0\n1/1.png\n")
    result = run(f, i, "--data", manifest)
    assert result.exit_code == 2
    assert "list.tsv:2: no label" in result.stderr


def test_a_budget_for_the_drop_needs_labels(tmp_path: Path) -> None:
    f, i, _ = linear(tmp_path)
    result = run(f, i, "--data", flat(tmp_path / "photos"), "--max-drop", 1)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "have no labels" in result.stderr
    assert "--min-agreement and --max-kl judge without labels" in result.stderr


@pytest.mark.parametrize(
    ("rows", "words", "code"),
    [
        # Wilson: 100 d - 1/4 = 1.96 root(100 d (1 - d)) at d = 4.17 %.
        (RIGHT, ("--min-agreement", 95.5), 0),
        (RIGHT, ("--min-agreement", 97), 3),
        (RIGHT, ("--max-kl", 0), 0),
        (WRONG, ("--min-agreement", 50), 1),
        (WRONG, ("--max-kl", 0.001), 1),
        (WRONG, ("--max-kl", 1), 0),
        # The worst of several.
        (RIGHT, ("--min-agreement", 97, "--max-kl", 0), 3),
        (WRONG, ("--min-agreement", 50, "--max-kl", 1), 1),
    ],
)
def test_gates_that_need_no_labels(
    tmp_path: Path, rows: Rows, words: tuple[object, ...], code: int
) -> None:
    f, i, _ = linear(tmp_path, rows)
    result = run(f, i, "--data", flat(tmp_path / "photos", 100), *words)
    assert result.exit_code == code, result.output
    said = {0: "PASS", 1: "FAIL", 3: "INCONCLUSIVE"}[code]
    assert f"\nverdict      {said}: " in result.stdout


def test_the_budgets_told_to_pass_do(tmp_path: Path) -> None:
    # Half of the photos of class 0, the fainter ones, are lost.
    f, i, data = linear(tmp_path, ((0.5, 0), (0, 1)))
    for value in range(100):
        write_image(data / "0" / f"more{value}.png", 100 + value, 20 + 8 * (value % 10))
    first = run(f, i, "--data", data)
    passes = next(line for line in first.stdout.splitlines() if line.startswith("passes"))
    words = passes.removeprefix("passes").replace(",", "").split()
    assert words[::2] == ["--max-drop", "--min-agreement", "--max-kl"]
    assert run(f, i, "--data", data, *words).exit_code == 0
    for option, value in zip(words[::2], words[1::2], strict=True):
        stricter = float(value) + 0.02 if option == "--min-agreement" else float(value) * 0.98
        assert run(f, i, "--data", data, option, stricter).exit_code != 0


@pytest.mark.parametrize("option", ["--min-agreement", "--max-kl"])
@pytest.mark.parametrize("budget", ["-1", "nan", "inf", "1001", "much"])
def test_other_budgets_that_are_none_are_refused(tmp_path: Path, option: str, budget: str) -> None:
    result = run("f", "i", "--data", tmp_path, f"{option}={budget}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert option in result.stderr


def test_flips_are_written_and_are_those_in_json(tmp_path: Path) -> None:
    f, i, data = linear(tmp_path, WRONG)
    table = tmp_path / "out" / "flips.csv"
    result = run(f, i, "--data", data, "--flips", table, "--json")
    assert result.exit_code == 0, result.stderr
    flips = json.loads(result.stdout)["flipped"]
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(flips) == 20
    for row, flip in zip(rows, flips, strict=True):
        assert row["image"] == flip["image"]
        assert row["label"] == flip["label"]["label"] == flip["float"]["label"]
        assert row["int8"] == flip["int8"]["label"] != row["float"]
        assert float(row["float_probability"]) == flip["float"]["probability"]
        assert float(row["kl"]) == flip["kl"]
    assert [path.name for path in table.parent.iterdir()] == ["flips.csv"]


def test_flips_that_cannot_be_written_are_said_before_the_work(tmp_path: Path) -> None:
    f, i, data = linear(tmp_path)
    before = i.read_bytes()
    for name in (i, tmp_path / "flips.txt", data / "0"):
        result = run(f, i, "--data", data, "--flips", name)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "a table of answers is a .csv file" in result.stderr
    assert i.read_bytes() == before
    (tmp_path / "taken.csv").mkdir()
    result = run(f, i, "--data", data, "--flips", tmp_path / "taken.csv")
    assert (result.exit_code, result.stdout) == (2, "")


def test_after_a_fail_it_is_said_what_to_do(tmp_path: Path) -> None:
    card = {"quantizer": "default", "calibration_sha256": ("ab" * 32,) * 7}
    f, i, data = linear(tmp_path, WRONG, calibration="photos", **card)
    result = run(f, i, "--data", data, "--max-drop", 20)
    assert result.exit_code == 1
    after = result.stdout.partition("\nnext         ")[2]
    assert after.startswith("1. Export with --quantizer tuned")
    assert "2. Calibrate on more photos: this file was on 7" in after
    assert "docs/when_int8_is_not_good_enough.md" in after.splitlines()[-1]
    found = json.loads(run(f, i, "--data", data, "--max-drop", 20, "--json").stdout)
    assert [step["step"] for step in found["next"]] == [
        "quantizer",
        "more calibration photos",
        "inspect",
        "page",
    ]


def test_a_bad_file_is_skipped_in_a_pattern(tmp_path: Path) -> None:
    f, i, _ = linear(tmp_path)
    photos = flat(tmp_path / "photos", 4)
    (photos / "bad.png").write_text("no image")
    result = run(f, i, "--data", photos / "*.png", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert (found["images"], len(found["skipped"])) == (4, 1)
