"""Comparisons whose work a Dask scheduler's workers share: the same to the last digit."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tinyedge
from tests.support.commands import ROOT, need_programs, run_as_user, watched
from tests.support.dask_cluster import DaskCluster, dask_cluster
from tests.support.interrupted import interrupted
from tests.support.linear_model import Rows, write_linear_model
from tinyedge.cluster import Cluster
from tinyedge.cluster import cluster as connected
from tinyedge.shipping import shipped_file

pytestmark = pytest.mark.long

FLOAT: Rows = tuple(
    tuple(float(np.cos(7 * row + 3 * column)) for column in range(4)) for row in range(12)
)
COARSE: Rows = tuple(tuple(round(2 * weight) / 2 for weight in row) for row in FLOAT)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """A float model, an "int8" one, and 400 photos that take a while to decode."""
    folder = tmp_path_factory.mktemp("files")
    random = np.random.default_rng(1)
    for number in range(8):
        path = folder / "few" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (500, 500), np.uint8)).save(path, compress_level=1)
    for number in range(400):
        link = folder / "data" / str(number % 4) / f"{number:03}.png"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(folder / "few" / f"{number % 8}.png")
    (folder / "data" / "0" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return (
        write_linear_model(folder / "f.tflite", FLOAT),
        write_linear_model(folder / "i.tflite", COARSE, quantization="int8"),
        folder / "data",
    )


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskCluster]:
    with dask_cluster(tmp_path / "cluster") as found:
        yield found


def words(files: tuple[Path, ...], *more: object) -> tuple[object, ...]:
    f, i, data = files
    return ("compare", f, i, "--data", data, "--json", "--max-kl", 0.1, *more)


def numbers(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode in (0, 1, 3), done.stderr
    found = json.loads(done.stdout)
    del found["milliseconds"], found["models"][0]["milliseconds"], found["made"]
    return found


@pytest.fixture(scope="module")
def alone(files: tuple[Path, ...]) -> Any:
    """What one process finds."""
    found = numbers(run_as_user(*words(files, "--workers", 1)))
    assert (found["images"], len(found["skipped"])) == (400, 1)
    return found


# The others show that without --ship, too.
@pytest.mark.parametrize("ship", [pytest.param((), marks=pytest.mark.slow), ("--ship",)])
def test_two_workers_find_what_one_process_does(
    cluster: DaskCluster, files: tuple[Path, ...], alone: Any, ship: tuple[str, ...]
) -> None:
    for _ in range(2):
        cluster.add_worker()
    done = run_as_user(*words(files, "--scheduler", cluster.address, *ship))
    assert numbers(done) == alone


def test_shipped_files_need_not_be_there(
    cluster: DaskCluster, files: tuple[Path, ...], alone: Any, tmp_path: Path
) -> None:
    """The worker cannot read what the command reads."""
    # Whatever it opens there is not there; root could read what nobody may.
    wall = tmp_path / "wall.py"
    wall.write_text(
        "import io, os, pathlib, builtins\n"
        f"hidden = {str(files[0].parent)!r}\n"
        "def walled(function):\n"
        "    def opened(path, *words, **more):\n"
        "        if str(path).startswith(hidden):\n"
        "            raise FileNotFoundError(2, 'not on this worker', str(path))\n"
        "        return function(path, *words, **more)\n"
        "    return opened\n"
        "builtins.open = io.open = walled(io.open)\n"
        "os.open, os.stat = walled(os.open), walled(os.stat)\n"
    )
    cluster.add_worker("--preload", wall)
    done = run_as_user(*words(files, "--scheduler", cluster.address, "--ship"))
    assert numbers(done) == alone
    done = run_as_user(*words(files, "--scheduler", cluster.address))
    assert (done.returncode, done.stdout) == (2, "")
    assert "not on this worker" in done.stderr or "no such file" in done.stderr
    assert "Traceback" not in done.stderr


def test_two_commands_do_not_take_each_others_files(cluster: DaskCluster) -> None:
    cluster.add_worker()
    with (
        connected(cluster.address) as one,
        connected(cluster.address) as other,
        one.files_shipped({"a": b"of one"}) as first,
    ):
        with other.files_shipped({"a": b"of the other"}) as second:
            assert content_of(one, first) == b"of one"
            assert content_of(other, second) == b"of the other"
        assert content_of(one, first) == b"of one"
        with pytest.raises(FileNotFoundError):
            content_of(other, second)


_CANCELLED_AT_THEIR_END = """
import operator, sys, threading
from tinyedge.cluster import cluster
ended = threading.Event()
def busy():
    while not ended.is_set():
        sum(range(1000))
with cluster(sys.argv[1]) as found:
    for _ in range(2):
        threading.Thread(target=busy).start()
    for _ in range(50):
        first, *others = [found.executor.submit(operator.truediv, 1, 0) for _ in range(3)]
        assert isinstance(first.exception(), ZeroDivisionError)
        for other in others:
            other.cancel()
    ended.set()
    assert found.executor.submit(operator.truediv, 6, 3).result() == 2
"""


def test_work_may_be_cancelled_while_it_comes_to_its_end(cluster: DaskCluster) -> None:
    cluster.add_worker()
    done = subprocess.run(
        [sys.executable, "-c", _CANCELLED_AT_THEIR_END, cluster.address],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def content_of(cluster: Cluster, ship: str) -> bytes:
    """Of the file "a" that its worker holds: by its path, as the worker has not these tests."""
    path: Path = cluster.executor.submit(shipped_file, ship, "a").result()
    return path.read_bytes()


def test_a_worker_that_is_lost_and_one_that_is_slow_change_nothing(
    cluster: DaskCluster, files: tuple[Path, ...], alone: Any
) -> None:
    lost, slow, _ = (cluster.add_worker() for _ in range(3))
    idle = cluster.tasks_done()
    ended = threading.Event()

    def disturb() -> None:
        while not ended.is_set():
            # It goes a tenth of the time.
            for number, seconds in ((signal.SIGSTOP, 0.09), (signal.SIGCONT, 0.01)):
                slow.send_signal(number)
                time.sleep(seconds)
            if lost.poll() is None and cluster.tasks_done() > idle:
                lost.kill()

    disturber = threading.Thread(target=disturb)
    disturber.start()
    try:
        done = run_as_user(*words(files, "--scheduler", cluster.address))
    finally:
        ended.set()
        disturber.join()
        slow.send_signal(signal.SIGCONT)
    assert lost.wait(10) == -signal.SIGKILL
    assert numbers(done) == alone


@pytest.fixture
def another_tinyedge(tmp_path: Path) -> dict[str, str]:
    """The environment in which version 0.0.7 is found."""
    other = tmp_path / "other"
    shutil.copytree(ROOT / "tinyedge", other / "tinyedge", symlinks=False)
    source = other / "tinyedge" / "__init__.py"
    text = source.read_text()
    source.write_text(text.replace(f'"{tinyedge.__version__}"', '"0.0.7"', 1))
    return {"PYTHONPATH": str(other)}


def test_a_worker_with_another_tinyedge_is_refused_by_name(
    cluster: DaskCluster, files: tuple[Path, ...], another_tinyedge: dict[str, str]
) -> None:
    cluster.add_worker()
    cluster.add_worker("--name", "old", environment=another_tinyedge)
    done = run_as_user(*words(files, "--scheduler", cluster.address))
    assert (done.returncode, done.stdout) == (2, "")
    assert "has tinyedge 0.0.7; here is tinyedge " in done.stderr
    assert "error: worker tcp://127.0.0.1:" in done.stderr


def test_a_scheduler_with_another_tinyedge_or_none_is_refused(
    files: tuple[Path, ...], another_tinyedge: dict[str, str], tmp_path: Path
) -> None:
    """It reads what it hands on."""
    missing = tmp_path / "missing" / "tinyedge"
    missing.mkdir(parents=True)
    (missing / "__init__.py").write_text("raise ModuleNotFoundError('none', name='tinyedge')\n")
    for environment, told in (
        (another_tinyedge, "tinyedge 0.0.7"),
        ({"PYTHONPATH": str(missing.parent)}, "no tinyedge"),
    ):
        folder = tmp_path / told.replace(" ", "-")
        with dask_cluster(folder, environment=environment) as cluster:
            done = run_as_user(*words(files, "--scheduler", cluster.address))
        assert (done.returncode, done.stdout) == (2, "")
        assert f"error: the scheduler at {cluster.address} has {told}; here is" in done.stderr


def test_a_scheduler_without_workers_and_none_at_all_are_errors(
    cluster: DaskCluster, files: tuple[Path, ...]
) -> None:
    done = run_as_user(*words(files, "--scheduler", cluster.address))
    assert (done.returncode, done.stdout) == (2, "")
    assert "has no workers: start some (dask worker)" in done.stderr
    for address in ("tcp://127.0.0.1:9", "nonsense://x"):
        done = run_as_user(
            *words(files, "--scheduler", address),
            environment={"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "2s"},
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert f"error: no scheduler answers at {address} (" in done.stderr
        assert "Traceback" not in done.stderr


def _certificate(folder: Path) -> Path:
    """One that vouches for itself, and its key."""
    folder.mkdir()
    names = ("-keyout", folder / "key", "-out", folder / "certificate")
    command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=dask")
    subprocess.run([*command, *names], check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_bytes((folder / "certificate").read_bytes() + (folder / "key").read_bytes())
    return both


def test_tls_lets_in_who_has_the_certificate(
    files: tuple[Path, ...], alone: Any, tmp_path: Path
) -> None:
    need_programs("openssl")
    own, other = (_certificate(tmp_path / name) for name in ("own", "other"))

    def environment(certificate: Path) -> dict[str, str]:
        variables = {
            f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(certificate)
            for name in ("CA_FILE", "CLIENT__CERT", "CLIENT__KEY")
        }
        return {**variables, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "2s"}

    with dask_cluster(tmp_path / "cluster", own) as cluster:
        cluster.add_worker()
        # As docs/cluster.md starts them.
        assert cluster.listens_at() == {"127.0.0.1"}
        address = cluster.address
        assert address.startswith("tls://")
        done = run_as_user(*words(files, "--scheduler", address), environment=environment(own))
        assert numbers(done) == alone
        for refused, variables in (
            (address, environment(other)),
            (address, {}),
            (address.replace("tls", "tcp"), environment(own)),
        ):
            done = run_as_user(*words(files, "--scheduler", refused), environment=variables)
            assert (done.returncode, done.stdout) == (2, "")
            assert f"error: no scheduler answers at {refused} (" in done.stderr
            assert "Traceback" not in done.stderr


def test_without_distributed_the_extra_is_named(files: tuple[Path, ...], tmp_path: Path) -> None:
    done, _ = watched(
        tmp_path, *words(files, "--scheduler", "tcp://127.0.0.1:9"), without=("distributed",)
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(
        "error: --scheduler needs the package distributed, which tinyedge-darknet[cluster] brings"
        " (README: Installing)\n"
    )


@contextmanager
def stopped(worker: "subprocess.Popen[bytes]") -> Iterator[None]:
    """It does nothing meanwhile: else it might end all of it first."""
    worker.send_signal(signal.SIGSTOP)
    yield
    time.sleep(0.5)
    worker.send_signal(signal.SIGCONT)


def test_ctrl_c_ends_it_and_resume_goes_on_alone(
    cluster: DaskCluster, files: tuple[Path, ...], alone: Any, tmp_path: Path
) -> None:
    worker = cluster.add_worker()
    journal = tmp_path / "j"
    code, out, err = interrupted(
        *words(files, "--journal", journal, "--scheduler", cluster.address),
        # The first of two is known then, and not on its way to the disk.
        when=lambda: journal.exists() and journal.read_text().count('"answers"') >= 2,
        during=stopped(worker),
    )
    assert code == 130, err
    assert out, err
    assert json.loads(out)["left"] > 0
    done = run_as_user(*words(files, "--journal", journal, "--resume", "--workers", 1))
    assert numbers(done) == alone
