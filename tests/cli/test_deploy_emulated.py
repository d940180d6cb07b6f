"""``tinyedge deploy`` to emulated Raspberry Pis side by side, each behind an sshd of its own."""

import contextlib
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.emulated_pi import EmulatedPi
from tests.support.commands import run_in_process
from tests.support.exports import Models
from tests.support.private_sshd import private_sshd
from tinyedge.cli import main

pytestmark = [pytest.mark.sshd, pytest.mark.pi_emulated]

BOARDS = {"bookworm": "pi4", "trixie": "pi5", "armhf": "pi3"}


@pytest.fixture(scope="module")
def here(fashion_models: Models, fifty: Path) -> dict[str, Any]:
    """What ``compare --json`` says on this machine."""
    models = (fashion_models.float_model, fashion_models.int8_model)
    found = json.loads(run_in_process("compare", *models, "--data", fifty, "--json").stdout)
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def boards(
    emulated_pi: Callable[..., EmulatedPi],
    fashion_models: Models,
    fifty: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, dict[str, Any]]:
    """Release -> what one deploy to all of them reports of its board."""
    folder = tmp_path_factory.mktemp("boards")
    inventory = folder / "boards.txt"
    words: list[object] = [fashion_models.float_model, fashion_models.int8_model]
    words += ["--inventory", inventory, "--data", fifty, "--service", "/tmp", "--root", "--json"]
    with contextlib.ExitStack() as servers:
        lines, known = [], []
        for release, device in BOARDS.items():
            home, keys = folder / f"home of {release}", folder / f"sshd-{release}"
            home.mkdir()
            pi = emulated_pi(release, device, shared=[home])
            # The user's login shell as sshd runs it, but on the board.
            login = pi.command("bash", "-c", directory=home, environment={"HOME": str(home)})
            shell = folder / f"{release}.sh"
            shell.write_text(f'exec {shlex.join(login)} "$SSH_ORIGINAL_COMMAND"\n')
            sshd = servers.enter_context(private_sshd(keys, force_command=f"sh {shell}"))
            lines.append(f"ssh://{sshd.host}:{sshd.port} {device}\n")
            known.append(f"{keys}/known")
            words += ["--ssh-option", f"IdentityFile={keys}/user"]
        inventory.write_text("".join(lines))
        words += ["--ssh-option", f"UserKnownHostsFile={' '.join(known)}"]
        words += ["--ssh-option", "IdentitiesOnly=yes"]
        result = CliRunner().invoke(main, ["deploy", *map(str, words)])
    assert result.exit_code == 0, result.output
    reports = json.loads(result.stdout)["boards"]
    for report, (release, device) in zip(reports, BOARDS.items(), strict=True):
        assert report["device"] == device
        assert report["prefix"] == f"{folder}/home of {release}/tinyedge"
    return dict(zip(BOARDS, reports, strict=True))


@pytest.mark.parametrize(("release", "python"), [("bookworm", "3.11"), ("trixie", "3.13")])
def test_64_bits_answer_and_compare_as_here(
    boards: dict[str, dict[str, Any]], here: dict[str, Any], release: str, python: str
) -> None:
    board = boards[release]
    assert (board["architecture"], board["python"]) == ("aarch64", python)
    in_float, in_int8 = board["selftest"]["models"]
    assert in_float["promise"] == "rounding"
    assert in_float["largest_difference"] < 1e-5
    assert (in_int8["promise"], in_int8["different"]) == ("bits", 0)
    found = board["comparison"]
    assert found["images"] == 50
    for name in ("images", "float", "int8", "drop", "agreement", "flips", "ties"):
        assert found[name] == here[name]
    assert found["kl"]["mean"] == pytest.approx(here["kl"]["mean"], rel=1e-4)


def test_32_bits_answer_with_tflite_runtime(
    boards: dict[str, dict[str, Any]], here: dict[str, Any]
) -> None:
    board = boards["armhf"]
    assert (board["architecture"], board["python"]) == ("armv7l", "3.11")
    in_float, in_int8 = board["selftest"]["models"]
    assert in_float["largest_difference"] < 1e-5
    assert (in_int8["promise"], in_int8["runtime"]) == ("top-1", "tflite-runtime 2.14.0")
    assert board["comparison"]["float"] == here["float"]
    assert board["notes"][0].startswith("tflite-runtime 2.14.0 runs int8 without XNNPACK")


def test_the_service_is_written_where_systemd_does_not_run(
    boards: dict[str, dict[str, Any]],
) -> None:
    for board in boards.values():
        # It is the board that the profile means: nothing is noted of that.
        assert [note for note in board["notes"] if not note.startswith("tflite-runtime ")] == [
            "wrote /etc/systemd/system/tinyedge-watch.service; systemd does not run here, so it is"
            " not started"
        ]
