"""The statistics of a bench, by hand, and what the machine tells of itself."""

import resource
from pathlib import Path

import pytest

from tinyedge.devices.bench.bench import latency, peak_memory
from tinyedge.devices.bench.board_state import board_state, temperature, throttling


def test_latency_is_median_and_ninetieth_percentile() -> None:
    found = latency([4.0, 1.0, 3.0, 2.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 11.0])
    assert found._asdict() == {
        "runs": 11,
        "median": 6.0,
        "p90": 10.0,
        "minimum": 1.0,
        "maximum": 11.0,
    }
    # Between two neighbours: a tenth of the way from 9 to 10.
    assert latency([float(i) for i in range(1, 11)]).p90 == pytest.approx(9.1)


def test_one_slow_first_answer_moves_no_median() -> None:
    assert latency([900.0, 2.0, 2.0, 2.0]).median == 2.0


def test_peak_memory_is_the_kernels_own_account() -> None:
    peak = peak_memory()
    assert peak is not None
    # ru_maxrss also counts what the process was before it became Python.
    assert 0 < peak <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 * 1.01


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("throttled=0x0\n", ()),
        ("throttled=0x50000\n", ("under-voltage since boot", "throttled since boot")),
        ("throttled=0x50005\n", ("under-voltage", "throttled")),
        ("e0008\n", ("soft temperature limit", "clock capped since boot", "throttled since boot")),
        ("0\n", ()),
        ("VCHI initialization failed\n", None),
        ("", None),
        (None, None),
    ],
)
def test_throttling_is_told_in_words(word: str | None, expected: tuple[str, ...] | None) -> None:
    assert throttling(word) == expected


def test_the_hottest_zone_counts(tmp_path: Path) -> None:
    assert temperature(tmp_path) is None
    for name, text in (("0", "48700\n"), ("1", "51200\n"), ("2", "asleep\n")):
        zone = tmp_path / f"thermal_zone{name}"
        zone.mkdir()
        (zone / "temp").write_text(text)
    (tmp_path / "thermal_zone3").mkdir()
    assert temperature(tmp_path) == 51.2


def test_any_machine_has_a_state() -> None:
    state = board_state()
    assert state.temperature is None or -50 < state.temperature < 150
