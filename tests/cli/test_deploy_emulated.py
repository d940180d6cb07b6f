"""``tinyedge deploy`` to emulated Raspberry Pis, each behind an sshd of its own."""

import contextlib
import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.conftest import Models, run_in_process
from tests.emulated_pi import EmulatedPi
from tests.private_sshd import private_sshd
from tinyedge.cli import main

BOARDS = {"bookworm": "pi4", "trixie": "pi5", "armhf": "pi3"}


@pytest.mark.sshd
@pytest.mark.pi_emulated
def test_three_systems_side_by_side(
    emulated_pi: Callable[..., EmulatedPi],
    fashion_models: Models,
    fashion_images: Path,
    tmp_path: Path,
) -> None:
    """Each gets wheels for its Python and architecture, answers as here and compares as here."""
    models = (fashion_models.float_model, fashion_models.int8_model)
    few = tmp_path / "few.tsv"
    photos = [
        (photo, folder.name)
        for folder in sorted(fashion_images.iterdir())
        for photo in sorted(folder.iterdir())[:5]
    ]
    few.write_text("".join(f"{photo}\t{label}\n" for photo, label in photos))
    inventory = tmp_path / "boards.txt"
    words: list[object] = ["--inventory", inventory, "--compare", few, "--json"]
    with contextlib.ExitStack() as servers:
        lines, known = [], []
        for release, device in BOARDS.items():
            home = tmp_path / f"home of {release}"
            home.mkdir()
            pi = emulated_pi(release, device, shared=[home])
            # The user's login shell as sshd runs it, but on the board.
            login = pi.command("bash", "-c", directory=home, environment={"HOME": str(home)})
            shell = tmp_path / f"{release}.sh"
            shell.write_text(f'exec {shlex.join(login)} "$SSH_ORIGINAL_COMMAND"\n')
            folder = tmp_path / f"sshd-{release}"
            sshd = servers.enter_context(private_sshd(folder, force_command=f"sh {shell}"))
            lines.append(f"ssh://{sshd.host}:{sshd.port} {device}\n")
            known.append(f"{folder}/known")
            words += ["--ssh-option", f"IdentityFile={folder}/user"]
        inventory.write_text("".join(lines))
        words += ["--ssh-option", f"UserKnownHostsFile={' '.join(known)}"]
        words += ["--ssh-option", "IdentitiesOnly=yes"]
        result = CliRunner().invoke(main, ["deploy", *map(str, (*models, *words))])
    assert result.exit_code == 0, result.output
    here = json.loads(run_in_process("compare", *models, "--data", few, "--json").stdout)
    reports = json.loads(result.stdout)["boards"]
    for report, (release, device) in zip(reports, BOARDS.items(), strict=True):
        assert report["device"] == device
        assert report["prefix"] == str(tmp_path / f"home of {release}" / "tinyedge")
        # It is the board that the profile means.
        assert report["board"].startswith("Raspberry Pi ")
        assert report["notes"] == []
        float_outcome, int8_outcome = report["selftest"]["models"]
        assert float_outcome["promise"] == "rounding"
        assert float_outcome["largest_difference"] < 1e-5
        compared = report["comparison"]
        assert compared["images"] == here["images"] == 50
        assert compared["float"] == here["float"]
        if release == "armhf":
            assert (report["architecture"], report["python"]) == ("armv7l", "3.11")
            assert int8_outcome["runtime"] == "tflite-runtime 2.14.0"
            assert int8_outcome["promise"] == "top-1"
            continue
        python = {"bookworm": "3.11", "trixie": "3.13"}[release]
        assert (report["architecture"], report["python"]) == ("aarch64", python)
        assert (int8_outcome["promise"], int8_outcome["different"]) == ("bits", 0)
        for name in ("int8", "drop", "agreement", "flips", "ties"):
            assert compared[name] == here[name]
        assert compared["kl"]["mean"] == pytest.approx(here["kl"]["mean"], rel=1e-4)
