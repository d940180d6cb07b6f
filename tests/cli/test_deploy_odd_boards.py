"""``tinyedge deploy`` to boards with something odd about them, all at once beside good ones."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.support.bundles import selftest_of, without_times
from tests.support.commands import need_programs, run_in_process
from tests.support.exports import Models
from tests.support.odd_boards import (
    GOOD_BOARDS,
    ODD_BOARDS,
    STRANGE_ANSWERS,
    Boards,
    boards_of,
)
from tinyedge.cli import main

pytestmark = [pytest.mark.sshd, pytest.mark.long]

ALL = {**GOOD_BOARDS, **ODD_BOARDS, **STRANGE_ANSWERS}
ARMV6 = (
    "no TFLite runtime has a wheel for ARMv6 (Pi Zero, Zero W, Pi 1): it takes a Pi Zero 2 W, or a"
    " Pi 2 or later"
)
DAMAGED = "Python there: its answer is damaged: "
TOO_MUCH = "it printed more than 8 MB, which no answer has"
REASONS = {
    "ARMv6, a Pi Zero W": ARMV6,
    "32-bit x86": "no runtime has a wheel for i686; known: aarch64, armv7l, x86_64",
    "RISC-V": "no runtime has a wheel for riscv64; known: aarch64, armv7l, x86_64",
    "32-bit ARM, Python 3.13": "no TFLite runtime has a wheel for 32-bit ARM and Python 3.13",
    "musl, as of Alpine": "no TFLite runtime has a wheel for its C library, musl 1.2.5",
    "an old Python": "tinyedge needs Python 3.11 or newer, not 3.9",
    "no python3": "it has no python3: sudo apt install python3 python3-venv",
    "a python3 that does not start": "python3: cannot open shared object file",
    "no tar": "it has no tar, which an install needs",
    "a tar without gzip": "its tar cannot unpack a .tar.gz",
    "no venv": "Python there lacks venv: sudo apt install python3-venv",
    "a read-only home": "/home: Read-only file system",
    "a full disk": "/home: No space left on device",
    "a small disk": "No space left on device: ",
    "a home mounted noexec": "/home: it is mounted noexec",
    "no shell to log in": (
        "its login shell runs no program: This account is currently not available."
    ),
    "an answer of {}": f"{DAMAGED}prefix is missing",
    "numbers for strings": f"{DAMAGED}python is 3.11, not a version such as 3.11",
    "deep JSON": "its answer is no JSON (it is nested too deep): '[[[[",
    "JSON 500 deep": "its answer is no JSON (it is nested too deep): '{",
    "an integer of 5,000 digits": "its answer is no JSON (an integer of 5,000 digits",
    "an infinite number": "its answer is no JSON (Out of range float values",
    "control characters": rf"{DAMAGED}board is '\x1b]0;title\x07', not a line of at most 200",
    "half a surrogate pair": rf"{DAMAGED}board is '\ud800', not a text",
    "half a surrogate pair in its folder": rf"{DAMAGED}prefix is '/tmp/\ud800', not a folder",
    "no UTF-8": "its answer is no JSON (Expecting value: line 1 column 1 (char 0)): ",
    "NUL bytes": r"its answer is no JSON (Expecting value: line 1 column 1 (char 0)): '\x00\x00",
    "gigabytes for an answer": TOO_MUCH,
    "gigabytes of errors": TOO_MUCH,
    "gigabytes before the login": TOO_MUCH,
    "never answers": "it gave no answer within 30 seconds",
    "a login that hangs": "it gave no answer within 30 seconds",
    "crashes": "Segmentation fault",
}
STRANGE = {
    "a self-test of {}": "the self-test: its answer is damaged: passed is missing",
    "a self-test of no model": "passed is not what the models make of it",
    "a self-test that contradicts itself": "passed is not what the models make of it",
    "a self-test of words": "passed is 'yes', not true or false",
    "a self-test of numbers": "models[0] is 7, not an object",
    "a self-test with NaN": "NaN is no number of JSON",
    "a self-test with 1e999": "Out of range float values",
    "a deep self-test": "it is nested too deep",
    "a self-test of a list": "the self-test: its answer is no object: []",
    "a self-test of nothing": "ended with exit code 0 and without a word",
    "a comparison of {}": "compare: its answer is damaged: float is missing",
    "a comparison of words": "top1 is 'x', not a number",
    "a comparison of numbers": "compare: its answer is damaged: float is 1, not an object",
    "half an interval": "interval is [0], not a list of 2",
}


@pytest.fixture(scope="module")
def run(fashion_models: Models, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boards]:
    kinds = {kind: board for kind, board in ALL.items() if not board.missing}
    folder = tmp_path_factory.mktemp("odd")
    models = (fashion_models.float_model, fashion_models.int8_model)
    run_in_process("bundle", *models, "-o", folder / "bundle")
    checksums = (folder / "bundle" / "SHA256SUMS").read_bytes()
    with boards_of(folder / "boards", kinds, checksums) as boards:
        yield boards


@pytest.fixture(scope="module")
def reports(
    run: Boards, fashion_models: Models, fifty: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """Kind -> what one deploy to all of them reports of that board."""
    inventory = tmp_path_factory.mktemp("inventory") / "boards.txt"
    inventory.write_text("".join(f"{host} host\n" for host in run.hosts.values()))
    words: list[object] = [fashion_models.float_model, fashion_models.int8_model]
    words += ["--inventory", inventory, "--timeout", 30, "--data", fifty, "--json"]
    result = CliRunner().invoke(main, ["deploy", *map(str, words), *run.words])
    assert result.exit_code == 1, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    found = json.loads(result.stdout)["boards"]
    return dict(zip(run.hosts, found, strict=True))


def test_a_reason_stands_here_for_each() -> None:
    assert REASONS.keys() == ODD_BOARDS.keys()
    assert STRANGE.keys() == STRANGE_ANSWERS.keys()


@pytest.mark.parametrize("kind", ODD_BOARDS)
def test_the_true_reason_is_said_before_anything_is_copied(
    run: Boards, reports: dict[str, dict[str, Any]], kind: str
) -> None:
    need_programs(*ALL[kind].needs)
    report = reports[kind]
    assert REASONS[kind] in report["error"]
    assert "\n" not in report["error"]
    assert len(report["error"]) < 400
    assert report["failed_at"] == ("install" if kind == "a small disk" else "connect")
    assert run.received(kind) == 0


@pytest.mark.parametrize("kind", STRANGE_ANSWERS)
def test_a_strange_answer_is_that_boards_failure(
    reports: dict[str, dict[str, Any]], kind: str
) -> None:
    report = reports[kind]
    assert report["already_installed"] is True
    assert STRANGE[kind] in report["error"]
    assert "\n" not in report["error"]
    compared = STRANGE_ANSWERS[kind].compare
    assert report["failed_at"] == ("compare" if compared else "self-test")


@pytest.mark.parametrize("kind", GOOD_BOARDS)
def test_the_others_are_served(run: Boards, reports: dict[str, dict[str, Any]], kind: str) -> None:
    need_programs(*ALL[kind].needs)
    report = reports[kind]
    assert (report["error"], report["failed_at"]) == (None, None)
    assert report["comparison"]["images"] == 50
    assert without_times(report["selftest"]) == selftest_of(Path(report["prefix"]))
    assert run.received(kind) > 10_000_000
