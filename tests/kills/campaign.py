"""One command killed again and again, at moments spread evenly over its run."""

import itertools
import os
import signal
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.kills.commands import Command, Watch

__all__ = ["Campaign", "Tally"]

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL)
_PATIENCE = 300
_MOST_MISSED = 4
_MARK = "TINYEDGE_KILLED"


@dataclass
class Tally:
    """What came of the kills of one command.

    Attributes:
        command: its name.
        seconds: the median of its whole runs.
        kills: signals that met it running; `early` of them before it had its own handlers, as when
            Python starts, and `late` those that came when it had ended.
        half_made: outputs that were neither the old nor the new ones.
        mixed: sets of whole outputs that were not of one run, until the next run: by another signal
            than SIGKILL; `mixed_killed` by SIGKILL, which may come between two renames.
        strays_at_once: temporary files left by another signal than SIGKILL.
        strays: what the next run left of temporary files.
        orphans: processes that outlived it.
        lost, twice: photos never answered, and those answered again.
        twice_killed: those answered again after a SIGKILL, one a kill, which may come between an
            answer and its line in the journal.
        wrong_codes: exit codes that are not the table's.
        notes: what was found, in words.
    """

    command: str
    seconds: float = 0.0
    kills: int = 0
    early: int = 0
    late: int = 0
    half_made: int = 0
    mixed: int = 0
    mixed_killed: int = 0
    strays_at_once: int = 0
    strays: int = 0
    orphans: int = 0
    lost: int = 0
    twice: int = 0
    twice_killed: int = 0
    wrong_codes: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def faults(self) -> int:
        """How much went wrong."""
        return (
            self.half_made
            + self.mixed
            + self.strays_at_once
            + self.strays
            + self.orphans
            + self.lost
            + self.twice
            + self.wrong_codes
        )


class Campaign:
    """Kills one command, each time with the next signal; after each round it runs to its end."""

    def __init__(self, command: Command, folder: Path) -> None:
        """Keep its temporary files and what it prints in `folder`."""
        self.tally = Tally(command.name)
        self._command = command
        self._stdout = folder / "stdout"
        self._stderr = folder / "stderr"
        self._temporary = folder / "tmp"
        self._temporary.mkdir(parents=True)
        self._mark = uuid.uuid4().hex
        self._lengths: list[float] = []
        self._runs = 0
        # What SIGKILL left, and the next run has not cleared up yet.
        self._of_kills: set[str] = set()
        # What ended the run before.
        self._before: signal.Signals | None = None
        self._answered_again = 0

    def whole_run(self, words: Sequence[object] | None = None) -> None:
        """Run it to its end, which must be a good one, and look at what it leaves."""
        start = time.monotonic()
        if words is None:
            self._command.prepare(self._runs)
        process = self._start(words or self._command.words(self._runs))
        self._runs += 1
        try:
            if not self._command.by_itself:
                while not self._command.finished(self._stdout):
                    assert process.poll() is None, self._stderr.read_text()
                    assert time.monotonic() < start + _PATIENCE, "it does not come to its end"
                    time.sleep(0.02)
                process.send_signal(signal.SIGTERM)
            assert process.wait(_PATIENCE) == 0, self._stderr.read_text()
        finally:
            process.kill()
        self._lengths.append(time.monotonic() - start)
        self.tally.seconds = statistics.median(self._lengths)
        strays = [*self._command.leftovers(), *self._temporaries()]
        self.tally.strays += len(strays)
        self.tally.notes += [f"after the next run: {name}" for name in strays]
        self._count_answers(None)

    def kill(self, number: signal.Signals, share: float) -> None:
        """Run it, and send the signal when that share of its usual time has gone."""
        self._command.prepare(self._runs)
        process = self._start(self._command.words(self._runs))
        self._runs += 1
        # The last runs say most of how busy the machine is now.
        length = statistics.median(self._lengths[-3:])
        try:
            if isinstance(self._command, Watch):
                self._wait(process, length * share / 2)
                self._command.more()
                self._wait(process, length * share / 2)
            else:
                self._wait(process, length * share)
            running = process.poll() is None
            if running:
                process.send_signal(number)
            code = process.wait(_PATIENCE)
            # It was about to end: nothing that SIGKILL meets ends with a code of its own.
            running = running and (number, code) != (signal.SIGKILL, 0)
        finally:
            process.kill()
        self.tally.kills += running
        self.tally.late += not running
        self._check(number, code, running=running, share=share)
        self._count_answers(number if running else None)

    def _count_answers(self, ended_by: signal.Signals | None) -> None:
        """Count the photos that this run answered again, by what ended the one before."""
        if not isinstance(self._command, Watch):
            return
        again = sum(count - 1 for count in self._command.times_answered().values())
        more = again - self._answered_again
        # The one photo that was answered and had no line yet.
        excused = min(more, self._before == signal.SIGKILL)
        self.tally.twice_killed += excused
        self.tally.twice += more - excused
        if more > excused:
            before = "no signal" if self._before is None else self._before.name
            self.tally.notes.append(f"after {before}: {more} photos answered again")
        self._answered_again, self._before = again, ended_by

    def _check(self, number: signal.Signals, code: int, *, running: bool, share: float) -> None:
        tally, command = self.tally, self._command
        where = f"{number.name} at {share:.0%}"
        said = self._stderr.read_text()
        # Python itself ends with 1 where Ctrl-C comes before it runs anybody's code.
        unborn = code == 1 and "Fatal Python error: init_import_site" in said
        early = unborn or code == -number != -signal.SIGKILL
        tally.early += early
        if not unborn and code not in self._right_codes(number, said, running=running):
            tally.wrong_codes += 1
            tally.notes.append(f"{where}: exit code {code}: {said[-300:]}")
        elif not early and "Traceback" in said:
            tally.wrong_codes += 1
            tally.notes.append(f"{where}: {said[-600:]}")
        left = self._children(patience=10.0 if number == signal.SIGKILL else 0.0)
        tally.orphans += len(left)
        tally.notes += [f"{where}: still runs: {line}" for line in left]
        damaged = command.half_made(self._stdout)
        tally.half_made += len(damaged)
        tally.notes += [f"{where}: half made: {name}" for name in damaged]
        if not damaged and command.mixed():
            killed = number == signal.SIGKILL
            tally.mixed += not killed
            tally.mixed_killed += killed
        # Python starts, and ends, without the handlers that clean up.
        if number != signal.SIGKILL and not early:
            strays = [*command.leftovers(), *self._temporaries()]
            strays = [name for name in strays if name not in self._of_kills]
            tally.strays_at_once += len(strays)
            tally.notes += [f"{where}: left: {name}" for name in strays]
        self._of_kills = {*command.leftovers(), *self._temporaries()}

    def _right_codes(self, number: signal.Signals, said: str, *, running: bool) -> set[int]:
        # It may have ended, or been ending, when the signal came.
        ended = set() if running and number == signal.SIGKILL else {0}
        if number == signal.SIGKILL:
            return {-number, *ended}
        if self._command.ends_well and "watching" in said:
            return {0}
        # Before tinyedge's own code runs it is what any other program is.
        return {128 + number, -number, 0}

    def _start(self, words: Sequence[object]) -> "subprocess.Popen[bytes]":
        environment = os.environ | {_MARK: self._mark, "TMPDIR": str(self._temporary)}
        answers = self._command.answers if isinstance(self._command, Watch) else self._stdout
        with answers.open("ab" if answers != self._stdout else "wb") as stdout:
            self._stdout.touch()
            with self._stderr.open("wb") as stderr:
                return subprocess.Popen(
                    [sys.executable, "-m", "tinyedge", *map(str, words)],
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    env=environment,
                    start_new_session=True,
                    # A shell's background jobs ignore Ctrl-C, and so may this process.
                    preexec_fn=_listens,  # noqa: PLW1509
                )

    def _wait(self, process: "subprocess.Popen[bytes]", seconds: float) -> None:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return

    def _temporaries(self) -> list[str]:
        return sorted(os.listdir(self._temporary))

    def _children(self, *, patience: float) -> list[str]:
        """The command lines of processes that it started and that run still."""
        deadline = time.monotonic() + patience
        while True:
            found = [line for pid in os.listdir("/proc") if (line := self._marked(pid))]
            if not found or time.monotonic() >= deadline:
                return found
            time.sleep(0.02)

    def _marked(self, pid: str) -> str | None:
        folder = Path("/proc") / pid
        try:
            if not pid.isdecimal() or self._mark.encode() not in (folder / "environ").read_bytes():
                return None
            return (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:200] or None
        except OSError:
            return None


def _listens() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def campaign(
    command: Command, folder: Path, kills: int, step: Callable[[int], None] = lambda _: None
) -> Tally:
    """Kill the command so often, and run it to its end after each four of the kills.

    Args:
        command: not run yet.
        folder: for what it prints and keeps.
        kills: how many must meet it running; the signals take turns, and each is spread over the
            whole run.
        step: called with 1 after each kill.
    """
    fight = Campaign(command, folder)
    learn = getattr(command, "learn", None)
    if learn is not None:
        learn(fight.whole_run)
    fight.whole_run()
    for count in itertools.count():
        before = fight.tally.kills
        fight.kill(SIGNALS[count % len(SIGNALS)], (count % kills + 0.5) / kills)
        step(fight.tally.kills - before)
        last = fight.tally.kills == kills
        if last or count % len(SIGNALS) == len(SIGNALS) - 1:
            fight.whole_run()
        if last:
            break
        assert count < _MOST_MISSED * kills, "most signals come when it has ended"
    if isinstance(command, Watch):
        fight.tally.lost = command.count - len(command.times_answered())
    return fight.tally
