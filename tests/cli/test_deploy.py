"""``tinyedge deploy`` over a real ssh connection, to this machine as the board."""

import errno
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from click.testing import CliRunner, Result

from tests.support.bundles import selftest_of, without_times
from tests.support.commands import need_programs, run_in_process
from tests.support.exports import Models
from tests.support.html_page import ParsedPage
from tests.support.json_page import faults
from tests.support.private_sshd import Sshd, private_sshd
from tinyedge.cli import main
from tinyedge.devices.bundle.target import Target
from tinyedge.devices.deploy.board import deploy_to
from tinyedge.devices.deploy.ssh import Ssh
from tinyedge.devices.profile import find_profile
from tinyedge.exit_codes import ExitCode
from tinyedge.progress import no_progress

pytestmark = pytest.mark.sshd


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with private_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


def deploy(*words: object) -> Result:
    """Run the command in this process, whatever comes of it."""
    return CliRunner().invoke(main, ["deploy", *map(str, words), "--device", "host"])


def boards(result: Result) -> list[dict[str, Any]]:
    """The boards of a --json report."""
    report = json.loads(result.stdout)
    assert next(iter(report.items())) == ("schema", "tinyedge.deploy/1")
    assert faults("deploy", report) == []
    found = report["boards"]
    assert isinstance(found, list)
    return found


def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def files(folder: Path) -> list[str]:
    """The names in a folder, hidden ones too; none where there is no folder."""
    return sorted(os.listdir(folder)) if folder.exists() else []


def test_what_came_of_the_boards_is_told_though_the_page_cannot_be_written(
    fashion_models: Models, tmp_path: Path
) -> None:
    need_programs("prlimit")
    page = tmp_path / "boards.html"
    words = (
        "--host",
        "nobody@127.0.0.1",
        "--ssh-option",
        f"Port={closed_port()}",
        "--device",
        "host",
    )
    command = ["prlimit", "--fsize=1000", sys.executable, "-m", "tinyedge", "deploy", *words]
    model = str(fashion_models.int8_model)
    done = subprocess.run(
        [*command, model, "--json", "--html", page], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert json.loads(done.stdout)["boards"][0]["failed_at"] == "connect"
    assert done.stderr == f"error: {page}: File too large\n"
    assert files(tmp_path) == []


def test_one_of_two_boards_fails_and_the_other_is_served(
    sshd: Sshd, fashion_models: Models, fifty: Path, tmp_path: Path
) -> None:
    """Installed, tested, compared; the same numbers as here; nothing is copied a second time."""
    models = (fashion_models.float_model, fashion_models.int8_model)
    prefix = tmp_path / "a board's"
    missing = f"nobody@127.0.0.1.{closed_port()}.invalid"
    inventory = tmp_path / "boards.toml"
    inventory.write_text(
        f'[[board]]\nhost = "{missing}"\n\n[[board]]\nhost = "{sshd.host}"\ndevice = "host"\n'
    )
    words = (*models, "--inventory", inventory, "--prefix", prefix, "--data", fifty, "--json")
    page = tmp_path / "boards.html"
    result = deploy(*words, "--html", page, *sshd.words)
    assert result.exit_code == 1, result.output
    bad, good = boards(result)
    assert (bad["host"], bad["failed_at"]) == (missing, "connect")
    assert "Could not resolve hostname" in bad["error"]
    assert (good["error"], good["already_installed"]) == (None, False)
    assert without_times(good["selftest"]) == selftest_of(prefix)
    assert good["memory"] > 1 << 20
    assert (json.loads(result.stdout)["verdict"], good["verdict"]) == (None, None)
    shown = ParsedPage(page.read_bytes()).text
    assert "failed on 1 of 2" in shown
    assert f"{good['comparison']['drop']['top1']:.2f} points, 95 % interval" in shown
    here = json.loads(run_in_process("compare", *models, "--data", fifty, "--json").stdout)
    there = good["comparison"]
    for name in ("images", "float", "int8", "drop", "agreement"):
        assert there[name] == here[name]
    for name in ("right_to_wrong", "wrong_to_right"):
        assert there["flips"][name] == here["flips"][name]
    # A mean of floats, whose last bit hangs on the order of the photos.
    for name in ("mean", "p95"):
        assert there["kl"][name] == pytest.approx(here["kl"][name], rel=1e-12)

    version = (prefix / "current").readlink()
    (photos,) = (prefix / "photos").iterdir()
    age = photos.stat().st_ino
    again = (*models, "--host", sshd.host, "--prefix", prefix, "--data", fifty, *sshd.words)
    result = deploy(*again, "--max-drop", 100)
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= 100
    installed, compared = (
        [line for line in part.splitlines() if line] for part in result.stdout.split("\n\n")[:2]
    )
    head = installed[0]
    assert head.split() == ["host", "device", "system", "self-test", "ms", "free", "result"]
    assert float(installed[1][: head.index("ms") + 2].split()[-1]) > 0
    assert re.search(r" [\d,]+ MB  was ", installed[1])
    cells = ["host", "float", "int8", "drop,", "95", "%", "agree", "verdict"]
    assert compared[0].split() == cells
    assert f" {here['agreement']:.2f} %  pass" in compared[1]
    # Fifty photos cannot tell whether nothing was lost.
    result = deploy(*again, "--max-drop", 0.5, "--json")
    assert result.exit_code == ExitCode.INCONCLUSIVE, result.output
    report = json.loads(result.stdout)
    assert (report["passed"], report["verdict"]) == (False, "inconclusive")
    assert report["boards"][0]["verdict"] == "inconclusive"
    assert report["boards"][0]["comparison"]["max_drop"] == 0.5
    assert (prefix / "current").readlink() == version
    assert photos.stat().st_ino == age
    assert files(prefix) == ["bin", "current", "models", "photos", "versions"]


def test_killed_half_way_leaves_the_old_one_and_the_next_try_succeeds(
    sshd: Sshd, fashion_models: Models, tmp_path: Path
) -> None:
    prefix = tmp_path / "board"
    words = ("--host", sshd.host, "--prefix", prefix, *sshd.words)
    assert deploy(fashion_models.float_model, *words).exit_code == 0
    before = (prefix / "current").readlink()
    copying, installing = ".incoming-*", "versions/*/lib/*/site-packages/numpy"
    for sign in (copying, installing):
        kill_once_there_is(prefix, sign, fashion_models.int8_model, *words)
        assert (prefix / "current").readlink() == before
        assert selftest_of(prefix)["models"][0]["model"] == "models/fashion_float.tflite"
    result = deploy(fashion_models.int8_model, *words)
    assert result.exit_code == 0, result.output
    assert (prefix / "current").readlink() != before
    assert selftest_of(prefix)["models"][0]["model"] == "models/fashion_int8.tflite"
    assert not list(prefix.glob(".incoming-*"))

    # Back to the one before, which is told; and forth again.
    newer = (prefix / "current").readlink()
    result = deploy("--rollback", *words, "--json")
    assert result.exit_code == 0, result.output
    (board,) = boards(result)
    rolled = board["rolled_back"]
    assert (rolled["back_to"], rolled["was"]) == (before.name, newer.name)
    assert rolled["models"] == ["fashion_float.tflite"]
    assert (prefix / "current").readlink() == before
    assert selftest_of(prefix)["models"][0]["model"] == "models/fashion_float.tflite"
    result = deploy("--rollback", *words)
    assert result.exit_code == 0, result.output
    assert "back to" in result.stdout
    assert "fashion_int8.tflite" in result.stdout
    assert (prefix / "current").readlink() == newer

    # One that would not answer any more is not put into use.
    model = prefix / before / "models" / "fashion_float.tflite"
    model.write_bytes(model.read_bytes()[:1000])
    result = deploy("--rollback", *words, "--json")
    assert result.exit_code == 1
    (board,) = boards(result)
    assert board["failed_at"] == "rollback"
    assert board["error"].startswith(f"nothing was changed: {before} does not pass its self-test: ")
    assert (prefix / "current").readlink() == newer


def test_where_there_was_no_other_bundle_nothing_is_rolled_back(sshd: Sshd, tmp_path: Path) -> None:
    words = ("--host", sshd.host, *sshd.words, "--json", "--rollback")
    for prefix, reason in (
        (tmp_path / "none", f"no bundle is installed in {tmp_path / 'none'}"),
        (tmp_path / "one", "there is no bundle before the one in use: 20261126-1"),
    ):
        if prefix.name == "one":
            (prefix / "versions" / "20261126-1").mkdir(parents=True)
            (prefix / "current").symlink_to("versions/20261126-1")
        result = deploy(*words, "--prefix", prefix)
        assert result.exit_code == 1
        (board,) = boards(result)
        assert (board["failed_at"], board["error"]) == ("rollback", reason)


def test_boards_that_nobody_reaches_are_one_line_a_reason(
    fashion_models: Models, tmp_path: Path
) -> None:
    inventory = tmp_path / "boards.txt"
    silent = [f"pi@127.0.1.{number}" for number in range(1, 21)]
    unknown = ["pi@kitchen.invalid", "pi@garden.invalid"]
    inventory.write_text("".join(f"{host}\n" for host in (*silent, *unknown)))
    words = ("--inventory", inventory, "--ssh-option", f"Port={closed_port()}")
    result = deploy(fashion_models.int8_model, *words)
    assert result.exit_code == 1
    refused, unresolved = result.stdout.splitlines()
    assert re.fullmatch(
        r"20 boards: connect: ssh: connect to host \.\.\. port \d+: Connection refused"
        r" \(pi@127\.0\.1\.1, .*pi@127\.0\.1\.5 and 15 more\)",
        refused,
    ), refused
    assert unresolved.startswith("2 boards: connect: ssh: Could not resolve hostname ...: ")
    assert unresolved.endswith(" (pi@kitchen.invalid, pi@garden.invalid)")
    result = deploy(fashion_models.int8_model, *words, "--json")
    assert [board["host"] for board in boards(result)] == [*silent, *unknown]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--rollback", "m.tflite"), "--rollback takes no MODEL"),
        (("--rollback", "--online"), "--rollback takes no MODEL"),
        ((), "Missing argument 'MODEL...'"),
        (("m.tflite", "--max-drop", "1"), "--max-drop judges the drop on photos: give --data"),
        (("m.tflite", "--max-drop", "nan"), "nan is no number"),
    ],
)
def test_words_that_do_not_go_together_touch_no_board(words: tuple[str, ...], reason: str) -> None:
    result = deploy(*words, "--host", "pi@board.invalid")
    assert (result.exit_code, result.stdout) == (2, "")
    assert reason in result.stderr


def kill_once_there_is(prefix: Path, sign: str, *words: object) -> None:
    """Deploy, and kill tinyedge and its ssh at once when the first new `sign` is seen."""
    had = set(prefix.glob(sign))
    command = [sys.executable, "-m", "tinyedge", "deploy", *map(str, words), "--device", "host"]
    with subprocess.Popen(command, start_new_session=True) as process:
        while not set(prefix.glob(sign)) - had:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("files_left", [12, 200])
def test_a_disk_that_runs_full_on_the_board_is_its_error_and_leaves_nothing(
    fashion_models: Models, tmp_path: Path, files_left: int
) -> None:
    """No room for the bundle's files, and none for the installed ones, where bytes are left."""
    disk, left = tmp_path / "disk", tmp_path / "left"
    disk.mkdir()
    small = tmp_path / "small"
    small.write_text(
        f"mount -t tmpfs -o size=1g,nr_inodes={files_left} tmpfs {disk}\n"
        'sh -c "$SSH_ORIGINAL_COMMAND"\n'
        f"code=$?; ls -A {disk} > {left}; exit $code\n"
    )
    command = f"unshare --user --map-root-user --mount sh {small}"
    with private_sshd(tmp_path / "sshd", force_command=command) as sshd:
        words = ("--host", sshd.host, "--prefix", disk / "tinyedge", *sshd.words)
        result = deploy(fashion_models.int8_model, *words, "--json")
    assert result.exit_code == 1
    (board,) = boards(result)
    assert board["failed_at"] == "install"
    assert "No space left on device" in board["error"]
    assert left.read_text() == ""


def test_a_full_disk_on_this_computer_stands_in_the_boards_report(sshd: Sshd) -> None:
    def bundle_for(target: Target) -> NoReturn:
        del target
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/wheels")

    ssh = Ssh(sshd.host, tuple(sshd.options))
    host = find_profile("host")
    report = deploy_to(
        ssh,
        host,
        bundle_for,
        prefix="~/unused",
        service=None,
        comparing=None,
        progress=no_progress,
    )
    assert report.failed_at == "bundle"
    assert report.error == "[Errno 28] No space left on device: '/tmp/wheels'"


def test_what_ssh_refuses_is_said_with_what_to_do(
    sshd: Sshd, fashion_models: Models, tmp_path: Path
) -> None:
    model = fashion_models.int8_model
    stranger = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger], check=True)
    port = f"Port={sshd.port}"
    cases = {
        ("IdentitiesOnly=yes", f"IdentityFile={stranger}", sshd.options[3], port): (
            "Permission denied (publickey): put your key there with ssh-copy-id, or start an agent"
        ),
        (sshd.options[1], "UserKnownHostsFile=/dev/null", port): (
            "its host key is not known yet: connect once by hand, to accept its key"
        ),
        (f"Port={closed_port()}",): "Connection refused",
    }
    for options, reason in cases.items():
        words = [word for option in options for word in ("--ssh-option", option)]
        result = deploy(model, "--host", sshd.host, "--json", *words)
        assert result.exit_code == 1
        (board,) = boards(result)
        assert board["failed_at"] == "connect"
        assert board["error"].endswith(reason)


def test_a_host_key_that_changed_is_told_from_one_that_is_not_known(
    sshd: Sshd, fashion_models: Models, tmp_path: Path
) -> None:
    """As of a card that was flashed anew; what is said to type makes the key one not known."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True
    )
    known = tmp_path / "known hosts"
    name = f"[127.0.0.1]:{sshd.port}"
    known.write_text(f"{name} {(tmp_path / 'other.pub').read_text()}")
    options = (f"UserKnownHostsFile='{known}'", *sshd.options[:3])
    words = [word for option in options for word in ("--ssh-option", option)]
    errors = []
    for _ in range(2):
        result = deploy(fashion_models.int8_model, "--host", sshd.host, "--json", *words)
        assert result.exit_code == 1
        (board,) = boards(result)
        assert board["failed_at"] == "connect"
        errors.append(board["error"])
        typed = f"ssh-keygen -f '{known}' -R '{name}'"
        if not errors[1:]:
            subprocess.run(shlex.split(typed), check=True, capture_output=True)
    assert errors[0] == (
        f"its host key has CHANGED: if its card was flashed anew, type {typed} and connect once by"
        " hand; if not, this may be another machine that listens in"
    )
    assert "its host key is not known yet: connect once by hand, to accept its key" in errors[1]


@pytest.mark.skipif(os.geteuid() != 0, reason="root's login alone is root's")
def test_roots_login_gets_no_service_unless_asked(
    sshd: Sshd, fashion_models: Models, tmp_path: Path
) -> None:
    words = ("--host", sshd.host, "--prefix", tmp_path / "board", *sshd.words)
    result = deploy(fashion_models.int8_model, *words, "--service", tmp_path, "--json")
    assert result.exit_code == 1
    (board,) = boards(result)
    assert (board["failed_at"], board["error"]) == (
        "connect",
        "a service does not run as root unless asked: log in as the user it is for, or add --root",
    )
    assert not (tmp_path / "board").exists()
    result = deploy(fashion_models.int8_model, *words, "--root")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--root goes with --service" in result.stderr


@pytest.mark.parametrize("folder", ["incoming", "~/incoming", "./incoming", ""])
def test_a_services_folder_is_named_by_its_whole_path(fashion_models: Models, folder: str) -> None:
    """It was taken for one of the installer's own folder, where photos to compare on lie, too."""
    result = deploy(fashion_models.int8_model, "--host", "pi@kitchen", "--service", folder)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--service names a folder of the board by its whole path, such as" in result.stderr


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("b.txt", "pi@$(touch${IFS}x)\n", "of letters, digits, . _ and -"),
        ("b.txt", "pi;x@a\n", "'pi;x@a' is no host; expected USER@HOST, of letters, digits"),
        ("b.toml", "[[board]]\nhost = 'a`x`'\n", "'a`x`' is no host"),
        ("b.toml", "[[board]]\nhost = 'a b'\n", "'a b' is no host"),
        ("b.toml", '[[board]]\nhost = "a\\n"\n', "is no host"),
        ("b.txt", "pi@a pi4 now\n", "b.txt:1: expected HOST or HOST DEVICE, not 'pi@a pi4 now'"),
        ("b.txt", "# none\n\n", "b.txt names no board: name one with --host USER@HOST"),
        ("b.txt", "pi@a\n\npi@a pi4\n", "b.txt:3: pi@a is named twice: "),
        ("b.txt", "pi@a\npi@A\n", "b.txt:2: pi@A is named twice: "),
        ("b.txt", "pi@a\nssh://pi@a:22/\n", "b.txt:2: ssh://pi@a:22/ is named twice: "),
        ("b.txt", "ssh://pi@[FE80::1]\npi@fe80::1\n", "b.txt:2: pi@fe80::1 is named twice: "),
        ("b.txt", "ssh://pi@a:99999\n", "b.txt:1: ssh://pi@a:99999: no port is 99999"),
        ("b.txt", "ssh://pi@a:0\n", "b.txt:1: ssh://pi@a:0: no port is 0; expected 1 to 65535"),
        ("b.txt", "pi@kit\u2028chen\n", "b.txt:1: 'pi@kit\\u2028chen' is no host"),
        ("b.txt", "foo\x0bpi@y\n", "b.txt:1: 'foo\\x0bpi@y' is no host"),
        ("b.txt", "-oProxyCommand=x\n", "'-oProxyCommand=x' is no host; expected USER@HOST, of"),
        ("b.txt", "pi@a toaster\n", "unknown device 'toaster'"),
        ("b.toml", "[[board]\n", "b.toml: "),
        ("b.toml", "[[boards]]\nhost = 'a'\n", "tables [[board]] and nothing else"),
        ("b.toml", "[[board]]\ndevice = 'pi4'\n", 'board 1: expected host = "USER@HOST"'),
        ("b.toml", "[[board]]\nhost = 7\n", 'board 1: expected host = "USER@HOST"'),
    ],
)
def test_a_bad_inventory_touches_no_board(
    fashion_models: Models, tmp_path: Path, name: str, text: str, message: str
) -> None:
    inventory = tmp_path / name
    inventory.write_text(text)
    result = deploy(fashion_models.int8_model, "--inventory", inventory)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_bad_input_touches_no_board(fashion_models: Models, fifty: Path, tmp_path: Path) -> None:
    int8 = fashion_models.int8_model
    board = ("--host", "pi@board.invalid")
    (tmp_path / "no.tflite").write_bytes(b"no model")
    for words, message in (
        ((int8,), "error: there is no board: name one with --host USER@HOST"),
        ((tmp_path / "no.tflite", *board), "bears no model card"),
        ((int8, *board, "--data", fifty), "--data needs two models, a float and an int8"),
        (
            (int8, fashion_models.float_model, *board, "--data", tmp_path),
            "no image in a folder named after its class",
        ),
    ):
        result = deploy(*words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert message in result.stderr
