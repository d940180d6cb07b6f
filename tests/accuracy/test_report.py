"""What the report says of a comparison, to the letter, and that its numbers are whole in JSON."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tinyedge.accuracy.distributions import Histogram, Reliability, ReliabilityBin
from tinyedge.accuracy.gates import Gate, agreement_gate, drop_gate, kl_gate, undecided
from tinyedge.accuracy.report import as_json, as_text
from tinyedge.accuracy.result import (
    ClassName,
    ClassResult,
    Comparison,
    Divergence,
    Flip,
    FlipAnswer,
    ModelResult,
    NextStep,
    SkippedImage,
)
from tinyedge.accuracy.statistics import Interval

KL = Gate("max_kl", None, 0.0123456, Interval(0.0102345, 0.0149321), None, None, 0.0149321)
FLIP = Flip(
    Path("/photos/n01/sea.jpg"),
    ClassName(65, "sea snake"),
    FlipAnswer(65, "sea snake", 0.456),
    FlipAnswer(2, "shark", 0.5),
    0.25,
)
COMPARISON = Comparison(
    images=650,
    labelled=True,
    duplicates=0,
    skipped=(),
    classes=1000,
    threshold=None,
    float_model=ModelResult(Path("f"), 4_239_872, 100 * 398 / 650, 100 * 540 / 650, 0, 12.3456),
    int8_model=ModelResult(
        Path("i"),
        98_765,
        100 * 393 / 650,
        100 * 539 / 650,
        5,
        6.2,
        Reliability((ReliabilityBin(0.6, 0.7, 650, 0.65, 0.6),), 0.05),
    ),
    drop=100 * 5 / 650,
    interval=Interval(-0.4511, 1.9811),
    lost=12,
    gained=7,
    mcnemar_p=0.3592834,
    agreement=100 * 619 / 650,
    agreement_interval=Interval(93.321, 96.619),
    divergence=Divergence(
        0.0123456,
        0.05432,
        Interval(0.0102345, 0.0149321),
        Histogram((0.001, 0.01), (600,), 50),
    ),
    flips=(FLIP,) * 31,
    worst_classes=(
        ClassResult(65, "sea snake", 40, 30, 10, 0.001),
        ClassResult(2, "shark", 1, 1, 0, 0.3),
    ),
    float_worse=False,
    gates=(
        replace(drop_gate(12, 7, 650, None), strictest=1.9811),
        replace(agreement_gate(619, 650, None), strictest=93.321),
        KL,
    ),
    verdict=None,
    top_k=5,
)


def rows(comparison: Comparison, name: str) -> str:
    """The text of a row and of those below that bear no name, in one line."""
    found: list[str] = []
    for line in as_text(comparison).splitlines():
        if line.startswith(name.ljust(13)) or (found and line.startswith(" " * 13)):
            found.append(line[13:].strip())
        elif found:
            break
    return " ".join(found)


def judged(*gates: Gate, **changes: Any) -> Comparison:
    return replace(COMPARISON, gates=gates, **changes)


def test_text() -> None:
    assert as_text(COMPARISON).splitlines() == [
        "images       650",
        "                    float        int8",
        "top-1             61.23 %     60.46 %",
        "top-5             83.08 %     82.92 %",
        "ties                    0           5   (several classes score highest)",
        "file               4.2 MB     98.8 kB",
        "inference        12.35 ms     6.20 ms   (median)",
        # Rounded outward: -0.4511 to 1.9811.
        "drop         0.77 points of top-1, 95 % interval -0.46 to 1.99",
        "flips        12 right to wrong, 7 wrong to right; McNemar p 0.359",
        "agreement    619 of 650 images, 95.23 %, 95 % interval 93.32 to 96.62",
        "KL           mean 0.0123 nats, 95 % interval 0.0102 to 0.015",
        "             95th percentile 0.0543 nats",
        "worst flips  by KL, of 31; all of them: --flips FILE.csv",
        *[
            "             sea.jpg, which shows sea snake",
            "               sea snake 0.46 became shark 0.50",
        ]
        * 3,
        "lost most    sea snake 30 to 10 of 40",
        "passes       --max-drop 1.99, --min-agreement 93.32, --max-kl 0.015",
        "verdict      none: name a budget with --max-drop, --min-agreement or --max-kl",
    ]


def test_text_without_labels() -> None:
    unlabelled = replace(
        COMPARISON,
        labelled=False,
        float_model=replace(COMPARISON.float_model, top1=None, top5=None),
        int8_model=replace(COMPARISON.int8_model, top1=None, top5=None),
        drop=None,
        interval=None,
        lost=None,
        gained=None,
        mcnemar_p=None,
        worst_classes=(),
        flips=(replace(FLIP, truth=None),) * 31,
        gates=COMPARISON.gates[1:],
    )
    assert as_text(unlabelled).splitlines() == [
        "images       650, without labels",
        "                    float        int8",
        "ties                    0           5   (several classes score highest)",
        "file               4.2 MB     98.8 kB",
        "inference        12.35 ms     6.20 ms   (median)",
        "agreement    619 of 650 images, 95.23 %, 95 % interval 93.32 to 96.62",
        "KL           mean 0.0123 nats, 95 % interval 0.0102 to 0.015",
        "             95th percentile 0.0543 nats",
        "worst flips  by KL, of 31; all of them: --flips FILE.csv",
        *["             sea.jpg", "               sea snake 0.46 became shark 0.50"] * 3,
        "passes       --min-agreement 93.32, --max-kl 0.015",
        "verdict      none: name a budget with --min-agreement or --max-kl",
    ]
    found = as_json(unlabelled)
    assert found["labelled"] is False
    assert found["float"] == {"top1": None, "top5": None}
    assert found["drop"] == {"top1": None, "interval": None}
    assert found["flips"] == {"right_to_wrong": None, "wrong_to_right": None}


def test_text_of_a_pass() -> None:
    gate = replace(COMPARISON.gates[0], interval=COMPARISON.interval, budget=2.0, verdict="pass")
    assert rows(judged(gate, verdict="pass"), "verdict") == (
        "PASS: the drop is at most 1.99 points, within the budget of 2 (95 % confidence)"
    )


def test_text_of_a_fail() -> None:
    gate = replace(COMPARISON.gates[0], interval=Interval(1.509, 4), budget=1.5, verdict="fail")
    assert rows(judged(gate, verdict="fail"), "verdict") == (
        "FAIL: the drop is at least 1.50 points, over the budget of 1.5 (95 % confidence)"
    )


def test_text_of_an_open_question() -> None:
    gate = replace(COMPARISON.gates[0], budget=1.0, verdict="inconclusive", images_needed=21_034)
    assert rows(judged(gate, verdict="inconclusive"), "verdict") == (
        "INCONCLUSIVE: 650 images cannot tell whether the drop is within the budget of 1;"
        " about 21,034 images would tell, if flips stay as frequent"
    )
    hopeless = judged(replace(gate, images_needed=None), verdict="inconclusive")
    assert "no number of images would tell" in rows(hopeless, "verdict")


def test_text_of_several_gates_has_the_worst_first() -> None:
    agreement = agreement_gate(619, 650, 98)
    drop = drop_gate(12, 7, 650, 3)
    kl = replace(KL, budget=0.011, verdict="inconclusive", images_needed=2000)
    found = rows(judged(drop, agreement, kl, verdict="fail"), "verdict")
    assert found == (
        "FAIL: the agreement is at most 96.66 %, and at least 98 was asked (95 % confidence)"
        " INCONCLUSIVE: 650 images cannot tell whether the mean KL is within the budget of 0.011;"
        " about 2,000 images would tell, if others are like these"
        " PASS: the drop is at most 2.31 points, within the budget of 3 (95 % confidence)"
    )


def test_text_of_the_other_verdicts() -> None:
    for gate, said in (
        (agreement_gate(619, 650, 90), "PASS: the agreement is at least 93.26 %, and at least 90"),
        (agreement_gate(619, 650, 95), "cannot tell whether the agreement is at least 95 %; about"),
        (replace(KL, budget=0.5, verdict="pass"), "PASS: the mean KL is at most 0.015 nats, with"),
        (replace(KL, budget=0, verdict="fail"), "FAIL: the mean KL is at least 0.0102 nats, over"),
        (kl_gate([0.1] * 9, 0.5), "INCONCLUSIVE: 650 images cannot tell whether the mean KL"),
        (kl_gate([0.1] * 9, 0.5), "; it takes 100 at least"),
    ):
        assert said in rows(judged(gate), "verdict")


@pytest.mark.parametrize(
    ("high", "shown"), [(1.0, "1.00"), (1.0000001, "1.01"), (0.9999, "1.00"), (-0.301, "-0.30")]
)
def test_an_upper_end_is_never_shown_below_itself(high: float, shown: str) -> None:
    text = as_text(replace(COMPARISON, interval=Interval(-1.0, high)))
    assert f"95 % interval -1.00 to {shown}\n" in text


@pytest.mark.parametrize(
    "value", [0.0149321, 0.015, 0.1, 1.0, 9.999, 123.456, 99950.0, 1e-9, 3.0000000000000004, 0.0]
)
def test_the_divergence_that_is_told_to_pass_does(value: float) -> None:
    text = rows(judged(replace(KL, strictest=value)), "passes")
    shown = float(text.removeprefix("--max-kl "))
    assert value <= shown <= value * 1.01


def test_text_of_what_is_missing_or_odd() -> None:
    odd = replace(
        COMPARISON,
        classes=3,
        top_k=3,
        skipped=(SkippedImage(Path("a"), "a is damaged"),) * 2,
        duplicates=4,
        divergence=None,
        flips=(replace(FLIP, divergence=None),),
        worst_classes=(COMPARISON.worst_classes[1],),
        mcnemar_p=1e-7,
    )
    text = as_text(odd)
    assert "images       650, 2 skipped as unreadable, 4 of them copies of others" in text
    assert "\ntop-3  " in text
    assert "McNemar p below 0.001" in text
    assert "KL           none: it is of logits" in text
    assert "worst flips  by float's probability, of 1;" in text
    # One image of one lost is no sign of anything.
    assert "lost most    no class more than chance would have it" in text
    assert "worst flips" not in as_text(replace(odd, flips=()))
    assert "lost most    no class lost an image" in as_text(replace(odd, lost=0))
    few = replace(COMPARISON, divergence=Divergence(0.1, 0.2, None, Histogram((), (), 0)))
    assert "KL           mean 0.1 nats, no interval of fewer than 100 images\n" in as_text(few)


def test_no_line_is_longer_than_a_terminal_is_wide() -> None:
    long = Flip(
        Path("x" * 300, "\x1b[31m" + "y" * 300 + ".jpg"),
        ClassName(1, "z\n" * 200),
        FlipAnswer(1, "z\n" * 200, 0.5),
        FlipAnswer(2, "\u202e" * 200, 0.5),
        0.1,
    )
    gates = (drop_gate(12, 7, 650, 1), agreement_gate(619, 650, 95), replace(KL, budget=0.02))
    comparison = replace(
        COMPARISON,
        flips=(long,) * 4,
        worst_classes=(ClassResult(1, "w\n" * 100, 40, 30, 10, 0.001),),
        gates=gates,
        next_steps=(NextStep("inspect", "word " * 60),),
    )
    for shown in (comparison, replace(comparison, float_worse=True, verdict="inconclusive")):
        text = as_text(shown)
        assert max(map(len, text.splitlines())) <= 80
        assert text.isascii()
        assert "\x1b" not in text


def test_what_to_do_next_stands_last() -> None:
    steps = (NextStep("quantizer", "Try the other."), NextStep("page", "See the page."))
    advised = replace(COMPARISON, next_steps=steps)
    assert as_text(advised).splitlines()[-2:] == [
        "next         1. Try the other.",
        "             2. See the page.",
    ]
    assert as_json(advised)["next"] == [
        {"step": "quantizer", "text": "Try the other."},
        {"step": "page", "text": "See the page."},
    ]


def test_a_float_model_that_is_worse_was_fed_wrongly() -> None:
    gates = tuple(map(undecided, COMPARISON.gates))
    worse = replace(COMPARISON, float_worse=True, verdict="inconclusive", gates=gates)
    for comparison in (worse, replace(worse, gates=(undecided(drop_gate(3, 9, 650, 5)),))):
        assert rows(comparison, "verdict") == (
            "INCONCLUSIVE: the float file is worse than the int8 file (95 % confidence), which"
            " int8 cannot make it: it was fed wrongly. Say what its pixels are:"
            " --pixels, or --mean and --std"
        )
        assert "passes" not in as_text(comparison)


def test_json_is_never_rounded() -> None:
    shown = replace(
        COMPARISON,
        skipped=(SkippedImage(Path("a.png"), "a.png is damaged"),),
        flips=(FLIP,),
        gates=(KL,),
    )
    assert json.loads(json.dumps(as_json(shown), allow_nan=False)) == {
        "schema": "tinyedge.compare/1",
        "images": 650,
        "labelled": True,
        "float": {"top1": 100 * 398 / 650, "top5": 100 * 540 / 650},
        "int8": {"top1": 100 * 393 / 650, "top5": 100 * 539 / 650},
        "drop": {"top1": 100 * 5 / 650, "interval": [-0.4511, 1.9811]},
        "agreement": 100 * 619 / 650,
        "agreement_interval": [93.321, 96.619],
        "kl": {
            "mean": 0.0123456,
            "p95": 0.05432,
            "interval": [0.0102345, 0.0149321],
            "histogram": {"edges": [0.001, 0.01], "counts": [600], "below": 50},
        },
        "verdict": None,
        "float_worse": False,
        "max_drop": None,
        "images_needed": None,
        "gates": [
            {
                "gate": "max_kl",
                "budget": None,
                "measured": 0.0123456,
                "interval": [0.0102345, 0.0149321],
                "verdict": None,
                "images_needed": None,
                "strictest": 0.0149321,
            }
        ],
        "flips": {"right_to_wrong": 12, "wrong_to_right": 7},
        "mcnemar_p": 0.3592834,
        "ties": {"float": 0, "int8": 5},
        "bytes": {"float": 4_239_872, "int8": 98_765},
        "milliseconds": {"float": 12.3456, "int8": 6.2},
        "classes": 1000,
        "threshold": None,
        "left": 0,
        "top_k": 5,
        "worst_classes": [
            {
                "index": 65,
                "label": "sea snake",
                "images": 40,
                "float_correct": 30,
                "int8_correct": 10,
                "p": 0.001,
            },
            {
                "index": 2,
                "label": "shark",
                "images": 1,
                "float_correct": 1,
                "int8_correct": 0,
                "p": 0.3,
            },
        ],
        "changed_classes": [],
        "reliability": {
            "float": None,
            "int8": {
                "ece": 0.05,
                "bins": [
                    {"low": 0.6, "high": 0.7, "images": 650, "confidence": 0.65, "accuracy": 0.6}
                ],
            },
        },
        "duplicates": 0,
        "skipped": [{"image": "a.png", "reason": "a.png is damaged"}],
        "flipped": [
            {
                "image": "/photos/n01/sea.jpg",
                "label": {"index": 65, "label": "sea snake"},
                "float": {"index": 65, "label": "sea snake", "probability": 0.456},
                "int8": {"index": 2, "label": "shark", "probability": 0.5},
                "kl": 0.25,
            }
        ],
        "next": [],
    }


def test_json_says_first_what_it_is() -> None:
    assert next(iter(as_json(COMPARISON))) == "schema"


def test_images_needed_of_several_gates_are_the_most() -> None:
    open_gate = replace(KL, budget=0.011, verdict="inconclusive", images_needed=2000)
    other = replace(drop_gate(12, 7, 650, 1), verdict="inconclusive", images_needed=9000)
    both = judged(open_gate, other, verdict="inconclusive")
    assert as_json(both)["images_needed"] == 9000
    assert as_json(judged(open_gate, other, verdict="fail"))["images_needed"] is None
    hopeless = judged(open_gate, replace(other, images_needed=None), verdict="inconclusive")
    assert as_json(hopeless)["images_needed"] is None


def test_json_without_a_softmax_keeps_its_shape() -> None:
    found = as_json(replace(COMPARISON, divergence=None))["kl"]
    assert found == {"mean": None, "p95": None, "interval": None, "histogram": None}


def test_the_text_calls_a_mixed_file_so() -> None:
    mixed = replace(COMPARISON, int8_model=replace(COMPARISON.int8_model, kind="mixed"))
    texts = [as_text(each).splitlines() for each in (COMPARISON, mixed)]
    headings = [[line.split() for line in text if line.split()[:1] == ["float"]] for text in texts]
    assert headings == [[["float", "int8"]], [["float", "mixed"]]]
    assert as_json(mixed) == as_json(COMPARISON)
