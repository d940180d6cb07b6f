"""What the report says of a comparison, to the letter, and that its numbers are whole in JSON."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tinyedge.accuracy.report import as_json, as_text
from tinyedge.accuracy.result import ClassResult, Comparison, Divergence, ModelResult, SkippedImage
from tinyedge.accuracy.statistics import Interval

COMPARISON = Comparison(
    images=650,
    duplicates=0,
    skipped=(),
    classes=1000,
    threshold=None,
    float_model=ModelResult(Path("f"), 4_239_872, 100 * 398 / 650, 100 * 540 / 650, 0, 12.3456),
    int8_model=ModelResult(Path("i"), 98_765, 100 * 393 / 650, 100 * 539 / 650, 5, 6.2),
    drop=100 * 5 / 650,
    interval=Interval(-0.4511, 1.9811),
    lost=12,
    gained=7,
    mcnemar_p=0.3592834,
    agreement=100 * 619 / 650,
    divergence=Divergence(0.0123456, 0.05432),
    worst_classes=(ClassResult(65, "sea snake", 4, 3, 1), ClassResult(2, "shark", 1, 1, 0)),
    max_drop=None,
    float_worse=False,
    verdict=None,
    images_needed=None,
    top_k=5,
)


def last_lines(comparison: Comparison) -> str:
    return as_text(comparison).partition("verdict      ")[2]


def test_text() -> None:
    assert as_text(COMPARISON).splitlines() == [
        "images       650",
        "                    float        int8",
        "top-1             61.23 %     60.46 %",
        "top-5             83.08 %     82.92 %",
        "ties                    0           5   (several classes score highest)",
        "file              4.24 MB     98.8 kB",
        "inference        12.35 ms     6.20 ms   (median)",
        # Rounded outward: -0.4511 to 1.9811.
        "drop         0.77 points of top-1, 95 % interval -0.46 to 1.99",
        "flips        12 right to wrong, 7 wrong to right; McNemar p 0.359",
        "agreement    619 of 650 images, 95.23 %",
        "KL           mean 0.0123, 95th percentile 0.0543 nats",
        "lost most    sea snake 3 to 1 of 4; shark 1 to 0 of 1",
        "verdict      none: name a budget for the drop with --max-drop POINTS",
    ]


def test_text_of_a_pass() -> None:
    passed = replace(COMPARISON, max_drop=2.0, verdict="pass")
    assert last_lines(passed) == (
        "PASS: the drop is at most 1.99 points, within the budget of 2 (95 % confidence)"
    )


def test_text_of_a_fail() -> None:
    failed = replace(COMPARISON, interval=Interval(1.509, 4), max_drop=1.5, verdict="fail")
    assert last_lines(failed) == (
        "FAIL: the drop is at least 1.50 points, over the budget of 1.5 (95 % confidence)"
    )


def test_text_of_an_open_question() -> None:
    unsettled = replace(COMPARISON, max_drop=1.0, verdict="inconclusive", images_needed=21_034)
    assert last_lines(unsettled).splitlines() == [
        "INCONCLUSIVE: 650 images cannot tell whether the drop is within the budget of 1;",
        "             about 21,034 images would tell, if flips stay as frequent",
    ]
    hopeless = replace(unsettled, images_needed=None)
    assert "no number of images would tell" in last_lines(hopeless)


@pytest.mark.parametrize(
    ("high", "shown"), [(1.0, "1.00"), (1.0000001, "1.01"), (0.9999, "1.00"), (-0.301, "-0.30")]
)
def test_an_upper_end_is_never_shown_below_itself(high: float, shown: str) -> None:
    text = as_text(replace(COMPARISON, interval=Interval(-1.0, high)))
    assert f"95 % interval -1.00 to {shown}\n" in text


def test_text_of_what_is_missing_or_odd() -> None:
    text = as_text(
        replace(
            COMPARISON,
            classes=3,
            top_k=3,
            skipped=(SkippedImage(Path("a"), "a is damaged"),) * 2,
            duplicates=4,
            divergence=None,
            worst_classes=(),
            mcnemar_p=1e-7,
        )
    )
    assert "images       650, 2 skipped as unreadable, 4 of them copies of others" in text
    assert "\ntop-3  " in text
    assert "McNemar p below 0.001" in text
    assert "KL           none: it is of logits" in text
    assert "lost most    no class lost an image" in text


def test_a_float_model_that_is_worse_was_fed_wrongly() -> None:
    worse = replace(COMPARISON, float_worse=True, verdict="inconclusive")
    for comparison in (worse, replace(worse, max_drop=5.0)):
        assert last_lines(comparison).splitlines() == [
            "INCONCLUSIVE: the float file is worse than the int8 file (95 % confidence), which",
            "             int8 cannot make it: it was fed wrongly. Say what its pixels are:",
            "             --pixels, or --mean and --std",
        ]


def test_json_is_never_rounded() -> None:
    found = as_json(replace(COMPARISON, skipped=(SkippedImage(Path("a.png"), "a.png is damaged"),)))
    assert json.loads(json.dumps(found, allow_nan=False)) == {
        "schema": "tinyedge.compare/1",
        "images": 650,
        "float": {"top1": 100 * 398 / 650, "top5": 100 * 540 / 650},
        "int8": {"top1": 100 * 393 / 650, "top5": 100 * 539 / 650},
        "drop": {"top1": 100 * 5 / 650, "interval": [-0.4511, 1.9811]},
        "agreement": 100 * 619 / 650,
        "kl": {"mean": 0.0123456, "p95": 0.05432},
        "verdict": None,
        "float_worse": False,
        "max_drop": None,
        "images_needed": None,
        "flips": {"right_to_wrong": 12, "wrong_to_right": 7},
        "mcnemar_p": 0.3592834,
        "ties": {"float": 0, "int8": 5},
        "bytes": {"float": 4_239_872, "int8": 98_765},
        "milliseconds": {"float": 12.3456, "int8": 6.2},
        "classes": 1000,
        "threshold": None,
        "top_k": 5,
        "worst_classes": [
            {
                "index": 65,
                "label": "sea snake",
                "images": 4,
                "float_correct": 3,
                "int8_correct": 1,
            },
            {"index": 2, "label": "shark", "images": 1, "float_correct": 1, "int8_correct": 0},
        ],
        "duplicates": 0,
        "skipped": [{"image": "a.png", "reason": "a.png is damaged"}],
    }


def test_json_says_first_what_it_is() -> None:
    assert next(iter(as_json(COMPARISON))) == "schema"


def test_json_without_a_softmax_keeps_its_shape() -> None:
    assert as_json(replace(COMPARISON, divergence=None))["kl"] == {"mean": None, "p95": None}
