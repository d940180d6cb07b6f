"""The campaign's short version: two kills of each command by each signal."""

import dataclasses
from pathlib import Path

import pytest

from tests.kills.__main__ import COMMANDS, as_text, commands
from tests.kills.campaign import SIGNALS, Tally, campaign

pytestmark = [pytest.mark.long, pytest.mark.sshd]


# calib writes its folder as export does: CI has not the time for both.
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name == "calib")) for name in COMMANDS],
)
def test_nothing_is_half_made_left_or_lost(tmp_path: Path, name: str) -> None:
    with commands(tmp_path, (name,)) as found:
        tally = campaign(found[name], tmp_path / name / "run", 2 * len(SIGNALS))
    assert tally.faults == 0, tally.notes
    assert tally.kills == 2 * len(SIGNALS)
    # Between an answer and its line in the journal.
    assert tally.twice_killed <= 2


def test_all_is_a_fault_but_what_was_missed_and_what_sigkill_explains() -> None:
    no_faults = {"command", "seconds", "notes", "kills", "early", "late"}
    no_faults |= {"mixed_killed", "twice_killed"}
    for each in dataclasses.fields(Tally):
        found = Tally("watch") if each.name == "command" else Tally("watch", **{each.name: 1})
        assert found.faults == (each.name not in no_faults), each.name


def test_the_table_fits_a_terminal() -> None:
    tally = Tally("compare", seconds=123.4, kills=100, early=10, late=10)
    assert all(len(line) <= 80 for line in as_text([tally]).splitlines())
