"""The name, what is said of missing packages, and another project's files in the way."""

import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from tests.support.commands import ROOT, link_distributions, run_as_user
from tests.support.exports import Models
from tinyedge.installation import (
    DISTRIBUTION,
    export_package_missing,
    other_distribution,
    pip_advice,
)

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
INSTALLS_ANOTHER_PROJECT = re.compile(r"\bpip3? install (?:-\S+ )*['\"]?tinyedge(?![_-])")


def test_the_name_is_its_own_and_no_address_is_invented() -> None:
    assert PROJECT["name"] == DISTRIBUTION == "tinyedge-darknet"
    assert PROJECT["scripts"] == {"tinyedge": "tinyedge.__main__:main"}
    assert "urls" not in PROJECT


def test_nothing_tells_to_install_another_project() -> None:
    found = []
    folders = ("benchmarks", "calib_data", "devices", "docs", "export", "scripts", "tinyedge")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    for path in [*paths, *ROOT.glob("*.*"), ROOT / "Makefile"]:
        if path.suffix in (".md", ".py", ".sh", ".toml", ".txt", "") and path.is_file():
            text = " ".join(path.read_text(encoding="utf-8").split())
            found += [(path, match[0]) for match in INSTALLS_ANOTHER_PROJECT.finditer(text)]
    assert found == []
    for words in ("pip install tinyedge", "pip install -U 'tinyedge[export]'"):
        assert INSTALLS_ANOTHER_PROJECT.search(words)
    assert not INSTALLS_ANOTHER_PROJECT.search(
        "pip install tinyedge_darknet-0.1.0-py3-none-any.whl"
    )


def test_a_missing_package_is_named_with_what_brings_it() -> None:
    assert str(export_package_missing("a plot", "matplotlib", (3, 14))) == (
        "a plot needs the package matplotlib, which tinyedge-darknet[export] brings"
        " (README: Installing)"
    )


def test_of_tensorflow_it_says_which_pythons_have_it() -> None:
    for python in ((3, 11), (3, 12), (3, 13)):
        assert "[export]" in str(export_package_missing("export_model", "tensorflow", python))
    for package in ("tensorflow", "keras"):
        assert str(export_package_missing("this command", package, (3, 14))) == (
            "this command needs the package tensorflow, which has no wheel for Python 3.14:"
            " use Python 3.11 to 3.13"
        )


class TestAnotherProjectsFiles:
    def test_none(self, tmp_path: Path) -> None:
        for name in (
            "tinyedge",
            "tinyedge_darknet-0.1.0.dist-info",
            "tinyedge_other-1.0.dist-info",
            "tinyedge.egg-info",
            "tinyedges-1.0.dist-info",
        ):
            (tmp_path / name).mkdir()
        assert other_distribution(str(tmp_path)) is None
        assert other_distribution() is None

    @pytest.mark.parametrize("name", ["tinyedge-9.8", "TinyEdge-9.8"])
    def test_one(self, tmp_path: Path, name: str) -> None:
        (tmp_path / f"{name}.dist-info").mkdir()
        assert other_distribution(str(tmp_path)) == (
            f"another distribution, tinyedge 9.8, is installed in {tmp_path} too, and its files"
            " and these overwrite each other: pip uninstall tinyedge tinyedge-darknet, then install"
            " tinyedge-darknet again"
        )

    def test_a_folder_that_cannot_be_listed(self, tmp_path: Path) -> None:
        for name in ("none", "file"):
            (tmp_path / "file").write_text("")
            assert other_distribution(str(tmp_path / name)) is None

    def test_the_version_the_selftest_and_every_error_say_so_once(
        self, unpacked_wheel: Path, tmp_path: Path
    ) -> None:
        """Of each command once with nothing in the way, and once with something."""
        site = tmp_path / "site"
        site.mkdir()
        (site / "tinyedge").symlink_to(unpacked_wheel / "tinyedge")
        alone = {"PYTHONPATH": str(site)}
        note = f"note: another distribution, tinyedge 9.8, is installed in {site} too"
        # A program given by -m is looked for in the working directory first.
        calls = {
            ("--version",): 0,
            ("selftest", str(tmp_path)): 2,
            ("exprot",): 2,
            ("run", "none.tflite", "none.png"): 2,
            ("run",): 2,
        }

        def said(*words: str) -> tuple[int, list[str]]:
            done = run_as_user(*words, cwd=tmp_path, environment=alone)
            return done.returncode, [
                line for line in done.stderr.splitlines() if line.startswith("note: another")
            ]

        for words, code in calls.items():
            assert said(*words) == (code, [])
        (site / "tinyedge-9.8.dist-info").mkdir()
        for words, code in calls.items():
            found, lines = said(*words)
            assert (found, len(lines)) == (code, 1), words
            assert lines[0].startswith(note)
        for words in (("--help",), ("devices",)):
            assert said(*words) == (0, [])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Such a Python: this one's standard library with the file beside it, and packages."""
    home = tmp_path_factory.mktemp("system")
    original = Path(sysconfig.get_path("stdlib"))
    library = home / "lib" / original.name
    (library / "site-packages").mkdir(parents=True)
    for path in original.iterdir():
        if path.name not in ("site-packages", "dist-packages", "EXTERNALLY-MANAGED"):
            (library / path.name).symlink_to(path)
    (library / "EXTERNALLY-MANAGED").write_text("[externally-managed]\nError=Use apt.\n")
    link_distributions(library / "site-packages", ["click", "numpy", "pillow", "pip"])
    (library / "site-packages" / "tinyedge").symlink_to(ROOT / "tinyedge")
    return home


class TestTheSystemsPython:
    """PEP 668, on a Python that pip refuses to install into."""

    @staticmethod
    def run(home: Path, *words: object) -> subprocess.CompletedProcess[str]:
        variables = {key: value for key, value in os.environ.items() if key[:6] != "PYTHON"}
        return subprocess.run(
            [sys._base_executable, *map(str, words)],  # type: ignore[attr-defined]
            cwd=home,
            env={**variables, "PYTHONHOME": str(home)},
            capture_output=True,
            text=True,
            check=False,
        )

    def test_pip_refuses_and_tinyedge_knows_what_to_type(
        self, home: Path, fashion_models: Models, fashion_images: Path
    ) -> None:
        done = self.run(home, "-m", "pip", "install", "ai-edge-litert")
        assert done.returncode == 1
        assert "error: externally-managed-environment" in done.stderr
        photo = next((fashion_images / "Bag").iterdir())
        done = self.run(home, "-m", "tinyedge", "run", fashion_models.int8_model, photo)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert done.stderr.endswith(f" {pip_advice('ai-edge-litert', managed=True)}\n")

    def test_a_virtual_environment_of_it_is_no_such_python(
        self, home: Path, tmp_path: Path
    ) -> None:
        program = "from tinyedge.installation import is_externally_managed as f; print(f())"
        assert self.run(home, "-c", program).stdout == "True\n"
        make = [sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"]
        subprocess.run(make, check=True)
        done = subprocess.run(
            [tmp_path / "venv" / "bin" / "python", "-c", program],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == "False\n"

    @pytest.mark.skipif(
        not Path("/usr/lib/python3/dist-packages").is_dir(), reason="no Debian's own Python here"
    )
    def test_debians_own_is_one(self) -> None:
        code = "import sys; from tinyedge.installation import is_externally_managed as f"
        done = subprocess.run(
            ["/usr/bin/python3", "-c", f"{code}; print(*sys.version_info[:2], f())"],
            env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.endswith("True\n")

    def test_the_advice_is_three_commands(self) -> None:
        advice = pip_advice("ai-edge-litert", managed=True)
        make, install = advice.partition("type: ")[2].partition(";")[0].split(" && ")
        assert shlex.split(make)[:4] == ["python3", "-m", "venv", "--system-site-packages"]
        assert install == "~/tinyedge-env/bin/pip install ai-edge-litert"
        assert advice.endswith("~/tinyedge-env/bin/python -m tinyedge")
