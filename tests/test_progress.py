"""Progress: one line on a terminal, nothing anywhere else."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.exports import Models
from tests.support.terminal import Shown, run_on_a_terminal

# Long enough that each stage is drawn, ten times a second.
_WORK = """
import sys, time
from tinyedge.progress import progress_shown
with progress_shown(on_terminal=sys.stderr.isatty()) as progress:
    for description, steps, weight, total in (("first", 1, 1.0, {total}), ("second", 4, 3.0, None)):
        advance = progress(description, steps, weight=weight, total=total, unit="images")
        for _ in range(steps):
            time.sleep(0.3)
            advance()
print("result")
"""

_SIDE_BY_SIDE = """
import sys, threading, time
from tinyedge.progress import progress_of_each
with progress_of_each(on_terminal=True) as progress_of:
    def work(name):
        progress = progress_of(name)
        for stage in ("connecting", "copying"):
            advance = progress(stage, 3_000_000, unit="B")
            for _ in range(3):
                time.sleep(0.1)
                advance(1_000_000)
    threads = [threading.Thread(target=work, args=[f"pi@{name}"]) for name in "abc"]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""

_WITHOUT_RICH = "import sys; sys.modules['rich'] = None\n"


def work(script: str) -> Shown:
    return run_on_a_terminal([sys.executable, "-c", script])


def percents(lines: list[str]) -> list[int]:
    return [int(found[1]) for line in lines if (found := re.search(r"(\d+)%", line))]


def test_a_plan_has_one_bar_and_one_remaining_time_for_the_whole() -> None:
    shown = work(_WORK.format(total=4.0))
    assert (shown.code, shown.stdout) == (0, "result\n")
    assert all(line.startswith(("first", "second")) for line in shown.lines)
    found = percents(shown.lines)
    assert found == sorted(found)
    # A quarter of the weight is the first stage's: that is the whole's bar, not the stage's.
    assert max(percents([line for line in shown.lines if line.startswith("first")])) <= 25
    assert min(percents([line for line in shown.lines if line.startswith("second")])) >= 25
    assert any(re.search(r"2 of 4 images .*0?0:0[0-2]$", line.strip()) for line in shown.lines)


def test_without_a_plan_the_bar_is_the_stages() -> None:
    lines = work(_WORK.format(total=None)).lines
    first = percents([line for line in lines if line.startswith("first")])
    second = percents([line for line in lines if line.startswith("second")])
    assert first[0] == second[0] == 0
    assert set(second) >= {25, 50, 75}


def test_a_second_work_begins_at_nothing() -> None:
    lines = work(_WORK.format(total=4.0).replace('"second", 4, 3.0, None', '"second", 4, 3.0, 3.0'))
    second = percents([line for line in lines.lines if line.startswith("second")])
    assert second[0] == 0
    assert set(second) >= {25, 50, 75}


def test_works_side_by_side_have_a_line_each() -> None:
    lines = work(_SIDE_BY_SIDE).lines
    assert sorted(line[:4] for line in lines[-3:]) == ["pi@a", "pi@b", "pi@c"]
    for name in "abc":
        assert any(re.match(rf"pi@{name}: copying .* [0-3]\.0 of 3\.0 MB", line) for line in lines)


@pytest.mark.parametrize("total", [None, 4.0])
def test_without_rich_a_stage_is_a_line(total: float | None) -> None:
    shown = work(_WITHOUT_RICH + _WORK.format(total=total))
    assert (shown.code, shown.stdout, shown.lines) == (0, "result\n", ["first", "second"])


def test_side_by_side_without_rich_a_line_says_whose_it_is() -> None:
    lines = work(_WITHOUT_RICH + _SIDE_BY_SIDE).lines
    assert sorted(lines) == sorted(
        f"pi@{name}: {stage}" for name in "abc" for stage in ("connecting", "copying")
    )


def test_a_pipe_gets_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WORK.format(total=4.0)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("result\n", "")


def test_a_command_shows_it(fashion_models: Models, tmp_path: Path) -> None:
    words = ["bundle", fashion_models.int8_model, "--online", "--json", "-o", tmp_path / "out"]
    shown = run_on_a_terminal([sys.executable, "-m", "tinyedge", *words])
    assert shown.code == 0
    assert shown.stdout.count("\n") == 1
    assert any(line.startswith("choosing wheels for Python") for line in shown.lines)
