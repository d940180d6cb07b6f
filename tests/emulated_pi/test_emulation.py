"""That the emulated board is one: its system, its CPU, its identity, and that it is shut off."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.emulated_pi import EmulatedPi

pytestmark = pytest.mark.pi_emulated

_SELF_PORTRAIT = """
import importlib.util, json, os, platform, subprocess, sys
from pathlib import Path

here = {
    "machine": platform.machine(),
    "python": sys.version.split()[0].rpartition(".")[0],
    "model": Path("/proc/device-tree/model").read_bytes().decode(),
    "dot_product": "asimddp" in Path("/proc/cpuinfo").read_text(),
    "child": subprocess.run(
        [sys.executable, "-c", "import platform; print(platform.machine())"],
        capture_output=True, text=True, check=True,
    ).stdout.strip(),
    "interfaces": [line.split(":")[0].strip()
                   for line in Path("/proc/net/dev").read_text().splitlines()[2:]],
    "tensorflow": importlib.util.find_spec("tensorflow") is not None,
    "variables": sorted(set(os.environ) - {"LC_CTYPE"}),
}
Path("/usr/left-behind").write_text("")
(Path(sys.argv[1]) / "handed-back").write_text("")
print(json.dumps(here))
"""


_OLD = {"machine": "aarch64", "child": "aarch64", "python": "3.11", "dot_product": False}
_NEW = {"machine": "aarch64", "child": "aarch64", "python": "3.13", "dot_product": True}
_SMALL = {"machine": "armv7l", "child": "armv7l", "python": "3.11", "dot_product": False}


@pytest.mark.parametrize(
    ("release", "board", "portrait"),
    [
        ("bookworm", "pi3", _OLD),
        ("bookworm", "pi4", _OLD),
        ("trixie", "pi5", _NEW),
        ("armhf", "pi3", _SMALL),
    ],
)
def test_it_is_the_board(
    emulated_pi: Callable[..., EmulatedPi],
    tmp_path: Path,
    release: str,
    board: str,
    portrait: dict[str, object],
) -> None:
    pi = emulated_pi(release, board, shared=[tmp_path])
    done = pi.run("python3", "-c", _SELF_PORTRAIT, tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        **portrait,
        "model": f"{pi.model}\0",
        "interfaces": ["lo"],
        "tensorflow": False,
        "variables": ["HOME", "LANG", "PATH", "QEMU_CPU", "QEMU_LD_PREFIX"],
    }
    assert (tmp_path / "handed-back").is_file()
    assert pi.run("test", "-e", "/usr/left-behind").returncode == 1


def test_scripts_run_there_and_a_signal_reaches_them(
    emulated_pi: Callable[..., EmulatedPi], tmp_path: Path
) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\ntrap 'echo ended; exit 7' TERM\necho begun\nread _\n")
    script.chmod(0o755)
    pi = emulated_pi(shared=[script])
    with subprocess.Popen(
        pi.command(script), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.terminate()
        assert process.stdout.read() == "ended\n"
    assert process.returncode == 7
