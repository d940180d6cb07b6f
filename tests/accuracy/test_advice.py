"""What to do next, by what the cards know; each step where it is called for, and nowhere else."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import ROOT
from tinyedge.accuracy.advice import PAGE, next_steps
from tinyedge.accuracy.budgets import Budgets
from tinyedge.accuracy.observations import Answer, ImageAnswers, ObservationTable
from tinyedge.accuracy.result import Comparison, ModelFile, conclude
from tinyedge.modelcard import Check, ModelCard

FLOAT = ModelCard("net", 8, 8, 3, 10, "crop", "float32", 1, weights_sha256="aa" * 32)
INT8 = FLOAT._replace(
    quantization="int8",
    quantizer="tuned",
    calibration="photos",
    calibration_sha256=("bb" * 32,) * 200,
)
CHECK = Check("float", 50, "photos", 45, 0.02, 20.0)


def compared(
    float_right: int = 900, lost: int = 0, kl: float = 0.01, labelled: bool = True, **budgets: Any
) -> Comparison:
    """Of 1,000 images float names the first `float_right` rightly, int8 loses the first `lost`."""
    table = ObservationTable(1000, 2, labelled=labelled)
    labels = [number % 10 for number in range(1000)]
    for number, label in enumerate(labels):
        classes = [label if number < float_right else (label + 1) % 10] * 2
        if number < lost:
            classes[1] = (label + 2) % 10
        answers = tuple(
            Answer(top1, int(top1 != label) if labelled else None, False, 0.9) for top1 in classes
        )
        table.record(number, ImageAnswers(answers, (kl * (1 + number % 2 / 10),)))
    paths = [Path(f"{number}.jpg") for number in range(1000)]
    return conclude(
        table.observations(paths, labels if labelled else None),
        files=(ModelFile(Path("f"), 1, 1.0), ModelFile(Path("i"), 1, 1.0)),
        classes=10,
        labels=None,
        softmax=True,
        budgets=Budgets(**budgets),
        top_k=5,
        fed_rightly=True,
        skipped=(),
        duplicates=0,
    )


def steps(found: Comparison, float_card: ModelCard = FLOAT, **int8: Any) -> list[str]:
    return [step.name for step in next_steps(found, float_card, INT8._replace(**int8))]


def test_where_int8_did_well_there_is_nothing_to_do() -> None:
    assert steps(compared(), quantizer="default", calibration_sha256=()) == []
    # An open question is no fail.
    assert steps(compared(lost=2, max_drop=0.3)) == []


@pytest.mark.parametrize(
    "found",
    [
        compared(lost=100),
        compared(kl=0.1),
        compared(labelled=False, lost=150),
        compared(labelled=False, lost=30, min_agreement=99),
        compared(max_kl=0.001),
    ],
    ids=["drop", "kl", "agreement", "min-agreement", "max-kl"],
)
def test_a_fail_and_a_loss_beyond_doubt_have_a_way_on(found: Comparison) -> None:
    assert steps(found) == ["inspect", "page"]


@pytest.mark.parametrize(
    ("int8", "expected"),
    [
        ({"quantizer": "default"}, "quantizer"),
        ({"calibration": "batch norm statistics", "calibration_sha256": ()}, "calibration photos"),
        ({"calibration_sha256": ("bb" * 32,) * 99}, "more calibration photos"),
        ({"calibration_shift": 1.7}, "other calibration photos"),
        ({"check": CHECK}, "other calibration photos"),
        ({"batch_norm": "inside"}, "batch norm"),
        ({"lowerings": ("leaky-as-prelu",)}, "lowered file"),
    ],
)
def test_what_the_card_knows_comes_first(int8: dict[str, Any], expected: str) -> None:
    assert steps(compared(kl=0.1), **int8) == [expected, "inspect", "page"]


@pytest.mark.parametrize(
    "int8",
    [
        {"calibration_sha256": ("bb" * 32,) * 100},
        {"calibration_shift": 0.9},
        {"check": CHECK._replace(kl=0.03)},
        {"check": CHECK._replace(source="synthesized")},
        {"check": CHECK._replace(against="int8")},
        {"check": CHECK._replace(kl=None)},
        {"check": CHECK._replace(kl=0.0)},
    ],
)
def test_what_the_card_does_not_say_is_not_advised(int8: dict[str, Any]) -> None:
    assert steps(compared(kl=0.1), **int8) == ["inspect", "page"]


def test_the_layer_that_the_export_saw_is_named() -> None:
    check = CHECK._replace(kl=0.03, worst_layer="3 convolutional\x1b[2J")
    inspect, _ = next_steps(compared(kl=0.1), FLOAT, INT8._replace(check=check))
    assert inspect.text.endswith("the export saw most of it at layer 3 convolutional\\x1b[2J")


def test_few_photos_explain_a_divergence_that_grew() -> None:
    few = {"check": CHECK, "calibration_sha256": ("bb" * 32,) * 20}
    assert steps(compared(kl=0.1), **few) == ["more calibration photos", "inspect", "page"]


def test_a_file_of_others_has_no_layers_that_inspect_knows() -> None:
    assert steps(compared(kl=0.1), quantizer=None, calibration=None, calibration_sha256=()) == [
        "page"
    ]


def test_a_float_file_that_guesses_is_seen_to_first() -> None:
    guesses = compared(float_right=105)
    assert steps(guesses)[0] == "float file"
    (first, *_) = next_steps(guesses, FLOAT, INT8)
    assert "right on 105 of 1000 images" in first.text
    assert "--batch-norm (it was made with outside)" in first.text
    assert steps(compared(float_right=130)) == []


def test_a_float_file_that_was_fed_wrongly_is_told_in_the_verdict_alone() -> None:
    worse = replace(compared(lost=100), float_worse=True)
    assert next_steps(worse, FLOAT, INT8) == ()


def test_the_page_is_there() -> None:
    assert (ROOT / PAGE).is_file()
