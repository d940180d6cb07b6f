"""The exit codes of every command, in one table; README, docs/run.md and --help say the same."""

from enum import IntEnum

__all__ = ["CODE_OF_VERDICT", "GATES", "ExitCode", "NothingLeft", "exit_codes_of"]


class ExitCode(IntEnum):
    """What a command's end means to the program that called it.

    Attributes:
        meaning: the same in words.
    """

    meaning: str

    def __new__(cls, value: int, meaning: str) -> "ExitCode":
        """A code of that value."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code

    DONE = 0, "done"
    FAILED = 1, "failed the gate"
    ERROR = 2, "an error, told in one line"
    INCONCLUSIVE = 3, "inconclusive: these photos cannot tell"
    # EX_SOFTWARE of sysexits.h.
    UNEXPECTED = 70, "an unexpected error, which is a fault of tinyedge"
    # As a shell reports what a signal has ended: 128 and its number.
    HANGUP = 129, "ended by SIGHUP: the terminal has closed"
    INTERRUPTED = 130, "ended by SIGINT: Ctrl-C"
    STDOUT_CLOSED = 141, "the reader of stdout has gone (SIGPIPE)"
    TERMINATED = 143, "ended by SIGTERM"


class NothingLeft(SystemExit):
    """The command is done, and the process may end at once: no file, child or device is open."""

    def __init__(self) -> None:
        """Of `ExitCode.DONE`."""
        super().__init__(int(ExitCode.DONE))


CODE_OF_VERDICT = {
    None: ExitCode.DONE,
    "pass": ExitCode.DONE,
    "inconclusive": ExitCode.INCONCLUSIVE,
    "fail": ExitCode.FAILED,
}
"""By the verdict on what int8 cost (`tinyedge.accuracy.statistics.Verdict`); None without one."""

GATES = {
    "calib": "photos unlike those the network was trained on",
    "check": "something stays on the CPU",
    "compare": "int8 costs more than a budget",
    "deploy": "a board failed, or its drop is over the budget",
    "selftest": "a model failed",
}
"""The commands that may fail a gate, and what that means there."""
_INCONCLUSIVE = ("compare", "deploy")


def exit_codes_of(command: str | None) -> dict[ExitCode, str]:
    """The codes with which a command, or where it is None any command, may end; their meanings."""
    found = {code: code.meaning for code in ExitCode}
    if command is None:
        return found
    if command not in _INCONCLUSIVE:
        del found[ExitCode.INCONCLUSIVE]
    if command in GATES:
        found[ExitCode.FAILED] += f": {GATES[command]}"
    else:
        del found[ExitCode.FAILED]
    if command == "run":
        found[ExitCode.DONE] += "; --watch and --camera also when a signal ends them"
    return found
