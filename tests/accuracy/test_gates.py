"""Gates: each verdict, what it would take, and that the strictest budget told does pass."""

import math

import numpy as np
import pytest

from tinyedge.accuracy.budgets import MOST_KL, Budgets
from tinyedge.accuracy.gates import (
    Gate,
    agreement_gate,
    drop_gate,
    kl_gate,
    undecided,
    worst_verdict,
)

DIVERGENCES = list(np.random.default_rng(2).lognormal(-5, 1.2, 400))


def test_agreement_is_judged_by_wilsons_interval() -> None:
    # 615 of 650: 92.559 to 96.136.
    assert agreement_gate(615, 650, 92.55).verdict == "pass"
    assert agreement_gate(615, 650, 92.56).verdict == "inconclusive"
    assert agreement_gate(615, 650, 96.13).verdict == "inconclusive"
    assert agreement_gate(615, 650, 96.14).verdict == "fail"
    assert agreement_gate(615, 650, None).verdict is None
    assert agreement_gate(650, 650, 100).verdict == "inconclusive"
    assert agreement_gate(649, 650, 100).verdict == "fail"


def test_the_divergence_is_judged_by_its_interval() -> None:
    interval = kl_gate(DIVERGENCES, None).interval
    assert interval is not None
    assert kl_gate(DIVERGENCES, interval.high).verdict == "pass"
    assert kl_gate(DIVERGENCES, math.nextafter(interval.low, 0)).verdict == "fail"
    between = kl_gate(DIVERGENCES, (interval.high + kl_gate(DIVERGENCES, None).measured) / 2)
    assert between.verdict == "inconclusive"
    # Half of the way takes four times as many.
    assert between.images_needed == pytest.approx(1600, abs=1)


def test_a_divergence_of_few_images_is_never_decided() -> None:
    for budget in (0.0, MOST_KL):
        gate = kl_gate([0.001] * 29, budget)
        assert (gate.verdict, gate.images_needed, gate.strictest) == ("inconclusive", 100, None)


def test_what_is_decided_needs_no_more_images() -> None:
    gates = [
        gate
        for budget in (0.0, 50.0)
        for gate in (
            drop_gate(99, 1, 500, budget),
            agreement_gate(375, 500, 100 - budget),
            kl_gate(DIVERGENCES, budget),
        )
    ]
    assert [gate.verdict for gate in gates] == ["fail"] * 3 + ["pass"] * 3
    assert [gate.images_needed for gate in gates] == [None] * 6


@pytest.mark.parametrize("images", [1, 20, 650])
def test_the_strictest_budget_is_the_last_that_passes(images: int) -> None:
    for changed in {0, images // 20, images // 2, images}:
        strictest = agreement_gate(images - changed, images, None).strictest
        assert strictest is not None
        assert agreement_gate(images - changed, images, strictest).verdict == "pass"
        stricter = min(100.0, strictest + 1e-6)
        assert agreement_gate(images - changed, images, stricter).verdict != "pass"
        for lost, gained in ((changed, 0), (0, changed)):
            strictest = drop_gate(lost, gained, images, None).strictest
            assert strictest is not None
            assert drop_gate(lost, gained, images, strictest).verdict == "pass"
            if strictest:
                assert drop_gate(lost, gained, images, strictest - 1e-6).verdict != "pass"
    strictest = kl_gate(DIVERGENCES, None).strictest
    assert strictest is not None
    assert kl_gate(DIVERGENCES, strictest).verdict == "pass"
    assert kl_gate(DIVERGENCES, strictest * 0.999).verdict != "pass"


def test_what_was_measured_wrongly_is_undecided() -> None:
    gate = undecided(agreement_gate(1, 650, 99))
    assert (gate.verdict, gate.strictest) == ("inconclusive", None)
    assert agreement_gate(615, 650, 95).images_needed is not None
    assert undecided(agreement_gate(615, 650, 95)).images_needed is None
    assert undecided(agreement_gate(1, 650, None)).verdict is None


def test_the_worst_verdict_of_all() -> None:
    passed, failed = agreement_gate(650, 650, 50), agreement_gate(1, 650, 50)
    unknown, silent = agreement_gate(325, 650, 50), agreement_gate(325, 650, None)
    for gates, expected in (
        ([passed, silent], "pass"),
        ([passed, unknown], "inconclusive"),
        ([unknown, failed, passed], "fail"),
        ([silent], None),
    ):
        assert worst_verdict(gate.verdict for gate in gates) == expected


def test_a_gate_without_a_budget_has_no_verdict() -> None:
    gates: list[Gate] = [drop_gate(3, 1, 50, None), kl_gate(DIVERGENCES, None)]
    assert [(gate.budget, gate.verdict, gate.images_needed) for gate in gates] == [(None,) * 3] * 2


@pytest.mark.parametrize("name", ["max_drop", "min_agreement", "max_kl"])
@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, 1000.1, "1"])
def test_what_is_no_budget_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} is {value!r}, not a number from 0 to"):
        Budgets(**{name: value}).check()
