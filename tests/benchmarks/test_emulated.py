"""The section of docs/boards.md that the emulated boards' benchmark writes."""

from typing import Any

import numpy as np

from benchmarks.emulated.costs import non_negative
from benchmarks.emulated.table import markdown


def _row(release: str, cpu: str, model: str, **values: Any) -> dict[str, Any]:
    same = {"inputs_equal": True, "numbers": 500, "numbers_equal": 500, "same_answer": 50}
    nothing = {"logit_difference": 0.0, "probability_difference": 0.0, "photos": 50}
    return {"release": release, "cpu": cpu, "model": model, **same, **nothing, **values}


def _text(*rows: dict[str, Any]) -> str:
    return markdown({"outputs": {"date": "2026-01-02", "measured": list(rows)}})


def test_systems_of_one_result_share_a_line_and_others_do_not() -> None:
    text = _text(
        _row("bookworm", "cortex-a53", "net_int8"),
        _row("bookworm", "cortex-a76", "net_int8"),
        _row("trixie", "cortex-a72", "net_int8"),
        _row("armhf", "cortex-a7", "net_int8", numbers_equal=250, same_answer=49)
        | {"logit_difference": 0.25, "probability_difference": 0.0123},
    )
    assert "| `net_int8` | bookworm A53, A76; trixie A72 | all | 0 | 0 | 50 of 50 |" in text
    assert "| `net_int8` | armhf Cortex-A7 | 50.00% | 2.5e-01 | 1.2e-02 | 49 of 50 |" in text
    assert "Measured 2026-01-02." in text


def test_it_says_where_input_tensors_differ() -> None:
    row = _row("armhf", "cortex-a7", "net_int8", inputs_equal=False)
    assert "the same everywhere" in _text(_row("trixie", "cortex-a53", "net_int8"))
    assert "the same but on armhf" in _text(row)


def test_one_number_that_differs_is_not_all() -> None:
    row = _row("trixie", "cortex-a53", "net_int8", numbers=100_000, numbers_equal=99_999)
    assert "| all |" not in _text(row)
    assert "100.0%" not in _text(row)


def test_terms_that_grow_together_are_fitted_as_one() -> None:
    """At the least squares of none below 0 no gradient is above 0 (Karush, Kuhn and Tucker)."""
    rng = np.random.default_rng(3)
    for case in range(60):
        terms = rng.uniform(0, 1, (int(rng.integers(3, 30)), 8))
        terms[:, 5:] = terms[:, :3] * rng.uniform(1, 9, 3)
        terms[:, 4] = 0 if case % 2 else terms[:, 0] + terms[:, 1]
        wanted = rng.uniform(0.5, 1, len(terms))
        found = non_negative(terms, wanted)
        gradient = terms.T @ (wanted - terms @ found)
        assert found.min() >= 0
        assert gradient.max() < 1e-6
        assert np.abs(gradient[found > 0]).max() < 1e-6
