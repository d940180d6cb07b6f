"""What a board answers, believed only after every value that is used was checked."""

import json
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, NotRequired, TypedDict, cast, get_args

from tinyedge.accuracy.statistics import Verdict
from tinyedge.devices.deploy.ssh import Finished
from tinyedge.errors import DeployError
from tinyedge.json_values import (
    ValueCheck,
    field,
    integer,
    optional,
    parse_json,
    real,
    record,
    several,
    text,
    truth,
)
from tinyedge.text import shortened

__all__ = [
    "BoardFacts",
    "ComparisonJson",
    "RollbackJson",
    "SelftestJson",
    "board_facts",
    "comparison",
    "last_error",
    "rollback",
    "selftest",
]

# Deeper than any honest answer, and far from what Python's recursion can bear.
_DEEPEST = 20
_LONGEST_ERROR = 400
_LONGEST_NAME = 300
_LONGEST_MS = 1e9


class BoardFacts(NamedTuple):
    """What `scripts.PROBE` says of a board.

    Attributes:
        prefix: where tinyedge is to be installed there, absolute.
        python: the version of its python3, such as ``3.11``.
        machine: its kernel's name of the CPU, such as ``aarch64``.
        bits: of a pointer of its Python.
        libc: its C library's name and version; empty where it does not say.
        board: what the device tree says, or None.
        installed: the identity of the bundle there, or None.
        has_images: whether the images to compare on are there.
        is_root: whether the login is root's.
        free: how many bytes the user can write there.
        memory: how many bytes of it are free for programs (MemAvailable), or None.
        modules: those of numpy and PIL that its Python has.
        problem: why nothing can be installed there, or None.
    """

    prefix: str
    python: str
    machine: str
    bits: int
    libc: tuple[str, ...]
    board: str | None
    installed: str | None
    has_images: bool
    is_root: bool
    free: int
    memory: int | None
    modules: tuple[str, ...]
    problem: str | None


class _Tested(TypedDict):
    passed: bool
    # Of one inference; what an older tinyedge installed does not say it.
    milliseconds: NotRequired[float | None]


class SelftestJson(TypedDict):
    """What is read of ``tinyedge selftest --json``, which says more."""

    passed: bool
    models: list[_Tested]


class _Accuracy(TypedDict):
    top1: float


class _Drop(TypedDict):
    top1: float
    interval: list[float]


class _Milliseconds(TypedDict):
    int8: float
    float: float


class ComparisonJson(TypedDict):
    """What is read of ``tinyedge compare --json``, which says more."""

    # Percent.
    agreement: float
    float: _Accuracy
    int8: _Accuracy
    drop: _Drop
    milliseconds: _Milliseconds
    verdict: Verdict | None


class RollbackJson(TypedDict):
    """What `scripts.ROLLBACK` prints: versions by the names of their folders."""

    back_to: str
    was: str
    models: list[str]
    selftest: SelftestJson


def board_facts(finished: Finished) -> BoardFacts:
    """The facts in what the probe printed.

    Raises:
        DeployError: it printed none.
    """
    found = _object(finished, "Python there")
    try:
        return BoardFacts(**record(found, _FACTS, BoardFacts))
    except ValueError as error:
        raise DeployError(f"Python there: its answer is damaged: {error}") from None


def selftest(finished: Finished) -> SelftestJson:
    """What ``tinyedge selftest --json`` printed there.

    Raises:
        DeployError: it printed something else.
    """
    found = _object(finished, "the self-test")
    try:
        _check_selftest(found)
    except ValueError as error:
        raise DeployError(f"the self-test: its answer is damaged: {error}") from None
    return cast("SelftestJson", found)


def rollback(finished: Finished) -> RollbackJson:
    """What `scripts.ROLLBACK` printed there.

    Raises:
        DeployError: it printed something else, or that nothing could be rolled back.
    """
    found = _object(finished, "the rollback")
    try:
        for name in ("back_to", "was"):
            field(found, name, _line(_LONGEST_NAME))
        field(found, "models", several(_line(_LONGEST_NAME)))
        field(found, "selftest", _check_selftest)
    except ValueError as error:
        raise DeployError(f"the rollback: its answer is damaged: {error}") from None
    return cast("RollbackJson", found)


def comparison(finished: Finished) -> ComparisonJson:
    """What ``tinyedge compare --json`` printed there.

    Raises:
        DeployError: it printed something else.
    """
    found = _object(finished, "compare")
    try:
        for name in ("float", "int8", "drop"):
            field(found, name, lambda part: field(part, "top1", real(-100, 100)))
        field(found["drop"], "interval", several(real(-100, 100), 2))
        field(found, "agreement", real(0, 100))
        field(found, "milliseconds", lambda part: field(part, "float", real(0, _LONGEST_MS)))
        field(found["milliseconds"], "int8", real(0, _LONGEST_MS))
        field(found, "verdict", optional(_verdict))
    except ValueError as error:
        raise DeployError(f"compare: its answer is damaged: {error}") from None
    return cast("ComparisonJson", found)


def last_error(finished: Finished) -> str:
    """The line that says most: the error's, or a self-test's that failed, or the last."""
    lines = [line.strip() for line in finished.stderr.splitlines() if line.strip()]
    lines += [line.strip() for line in finished.stdout.splitlines() if line.strip()]
    for sign in ("FAILED", "No space left", "error: ", "ERROR: "):
        found = [line for line in lines if sign in line]
        if found:
            return found[0].removeprefix("error: ")[:_LONGEST_ERROR]
    if lines:
        return lines[-1][:_LONGEST_ERROR]
    return f"ended with exit code {finished.code} and without a word"


def _object(finished: Finished, what: str) -> dict[str, Any]:
    """The JSON object that a program printed as its last line."""
    lines = finished.stdout.strip().splitlines()
    try:
        found = parse_json(lines[-1] if lines else "")
        _check_plain(found, _DEEPEST)
    except ValueError as error:
        # A program that failed says why, and prints no JSON.
        if finished.code or not lines:
            raise DeployError(last_error(finished)) from None
        said = shortened(lines[-1])
        raise DeployError(f"{what}: its answer is no JSON ({error}): {said}") from None
    if not isinstance(found, dict):
        raise DeployError(f"{what}: its answer is no object: {shortened(found)}")
    return found


def _check_plain(value: object, depth: int) -> None:
    """Raise a ValueError unless the report can take `value` in as it is, and write it as JSON."""
    if depth == 0:
        raise ValueError("it is nested too deep")
    if isinstance(value, dict):
        for item in value.values():
            _check_plain(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _check_plain(item, depth - 1)
    else:
        json.dumps(value, allow_nan=False)


def _check_selftest(value: object) -> None:
    passed = field(value, "passed", truth)
    each = field(value, "models", several(_tested))
    if not each or passed != all(each):
        raise ValueError("passed is not what the models make of it")


def _tested(model: object) -> bool:
    passed: bool = field(model, "passed", truth)
    if isinstance(model, dict) and "milliseconds" in model:
        field(model, "milliseconds", optional(real(0, _LONGEST_MS)))
    return passed


def _verdict(value: object) -> str:
    if value not in get_args(Verdict):
        raise ValueError("pass, fail or inconclusive")
    return str(value)


def _line(longest: int, least: int = 0) -> ValueCheck:
    """A text of one line, without control characters."""

    def check(value: object) -> str:
        found = text(value)
        if not least <= len(found) <= longest or not found.isprintable():
            some = f"{least} to {longest}" if least else f"at most {longest}"
            raise ValueError(f"a line of {some} characters")
        return found

    return check


def _matching(pattern: str, what: str) -> ValueCheck:
    def check(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(what)
        return value

    return check


def _folder(value: object) -> str:
    """An absolute path, which may have bytes that are no text, as any file's name may."""
    found: str = _matching(r"/[^\0\r\n]{0,4000}", "a folder")(value)
    try:
        os.fsencode(found)
    except UnicodeEncodeError:
        raise ValueError("a folder") from None
    return found


def _pointer_bits(value: object) -> int:
    if value not in (32, 64) or type(value) is not int:
        raise ValueError("32 or 64")
    return value


_FACTS: Mapping[str, ValueCheck] = {
    "prefix": _folder,
    "python": _matching(r"\d{1,2}\.\d{1,3}", "a version such as 3.11"),
    "machine": _matching(r"[A-Za-z0-9._-]{1,40}", "a CPU's name"),
    "bits": _pointer_bits,
    "libc": several(_line(40), 2),
    "board": optional(_line(200)),
    "installed": optional(_matching("[0-9a-f]{64}", "a sha256")),
    "has_images": truth,
    "is_root": truth,
    "free": integer(0, 1 << 63),
    "memory": optional(integer(0, 1 << 63)),
    "modules": several(_matching("numpy|PIL", "numpy or PIL")),
    # Without a word it would fail without a reason.
    "problem": optional(_line(_LONGEST_ERROR, 1)),
}
