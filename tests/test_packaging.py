"""The wheel: what is in it, what it asks for, and that it works where nothing else is."""

import email
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.commands import ROOT, copy_sources, pip
from tests.support.exports import Models
from tinyedge.devices.bundle.board_wheel import board_wheel


@pytest.fixture(scope="module")
def members(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def requirements(wheel: Path) -> list[Requirement]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = email.message_from_bytes(archive.read(name))
    return [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]


@pytest.fixture(scope="module")
def board(
    wheel: Path, requirements: list[Requirement], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The Python of an environment that holds what ``pip install tinyedge`` brings, no more.

    The packages are links to those installed here: nothing is downloaded.
    """
    folder = tmp_path_factory.mktemp("board")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    pip("--python", python, "install", "--no-deps", wheel)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    for name in sorted(closure(requirements)):
        distribution = importlib.metadata.distribution(name)
        installed = Path(str(distribution.locate_file("")))
        tops = {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}
        for top in tops:
            link = site_packages / top
            if not link.exists():
                link.symlink_to(installed / top)
    return python


def closure(requirements: list[Requirement]) -> set[str]:
    """The distributions that `requirements` bring to this machine, with all of theirs."""

    def wanted(found: list[Requirement]) -> Iterator[str]:
        for requirement in found:
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                yield canonicalize_name(requirement.name)

    names: set[str] = set()
    waiting = list(wanted(requirements))
    while waiting:
        name = waiting.pop()
        if name not in names:
            names.add(name)
            waiting += wanted(list(map(Requirement, importlib.metadata.requires(name) or ())))
    return names


def without_python_variables() -> dict[str, str]:
    """The environment without what could let the checkout in."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def elsewhere(
    python: Path | str, folder: Path, *words: object, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run ``tinyedge`` away from the checkout."""
    return subprocess.run(
        [str(python), "-m", "tinyedge", *map(str, words)],
        cwd=folder,
        env={**without_python_variables(), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_but_tinyedge_lands_in_site_packages(members: list[str]) -> None:
    tops = {member.split("/")[0] for member in members}
    (information,) = (top for top in tops if top.endswith(".dist-info"))
    assert tops == {"tinyedge", information}
    assert information.startswith("tinyedge-")


def test_it_holds_every_module_and_all_data(members: list[str]) -> None:
    expected = {
        str(Path(folder, name).relative_to(ROOT))
        for folder, _, names in os.walk(ROOT / "tinyedge", followlinks=True)
        for name in names
        if Path(folder).name != "__pycache__"
    }
    assert len(expected) > 1200
    held = {member for member in members if ".dist-info/" not in member}
    assert held == expected


def test_a_zip_of_the_sources_gives_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """One without links, such as a hosting site's unpacked on Windows: each is a small text."""
    checkout, unzipped = tmp_path / "checkout", tmp_path / "unzipped"
    copy_sources(checkout)
    links = [path for path in checkout.rglob("*") if path.is_symlink()]
    assert {path.name for path in links} == {"export", "devices", "calib_data"}
    for path in links:
        target = os.readlink(path)
        path.unlink()
        path.write_text(target)
    archive = shutil.make_archive(str(tmp_path / "sources"), "zip", checkout)
    shutil.unpack_archive(archive, unzipped)
    assert (unzipped / "tinyedge" / "export").read_text() == "../export"
    pip("wheel", "--no-deps", "--wheel-dir", tmp_path, unzipped)
    (built,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as ours, zipfile.ZipFile(built) as theirs:
        assert theirs.namelist() == ours.namelist()
        for name in ours.namelist():
            assert theirs.read(name) == ours.read(name)


def test_a_bundles_wheel_is_this_one_without_what_a_board_cannot_use(
    wheel: Path, board: Path, tmp_path: Path
) -> None:
    """Made where tinyedge is installed from its wheel, and from this checkout: the same bytes."""
    program = "from tinyedge.devices.bundle.board_wheel import board_wheel as b; print(*b())"
    done = subprocess.run(
        [board, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    name, content = board_wheel()
    assert done.stdout == f"{name} {content}\n"
    assert name == wheel.name
    (tmp_path / name).write_bytes(content)
    with zipfile.ZipFile(wheel) as whole, zipfile.ZipFile(tmp_path / name) as part:
        held = {member for member in part.namelist() if ".dist-info/" not in member}
        assert {member: part.read(member) for member in held} == {
            member: whole.read(member) for member in held
        }
        left_out = {member for member in whole.namelist() if ".dist-info/" not in member} - held
        information = f"{name.removesuffix('-py3-none-any.whl')}.dist-info"
        metadata = email.message_from_bytes(part.read(f"{information}/METADATA"))
        original = email.message_from_bytes(whole.read(f"{information}/METADATA"))
    assert left_out == {
        member
        for member in left_out
        if member.startswith("tinyedge/export/")
        or (member.startswith("tinyedge/calib_data/") and member.endswith((".png", ".weights")))
    }
    assert any(member.startswith("tinyedge/export/") for member in left_out)
    assert metadata["Version"] == original["Version"]
    assert metadata.get_all("Provides-Extra") is None
    assert metadata.get_all("Requires-Dist") == [
        text for text in original.get_all("Requires-Dist", []) if "extra ==" not in text
    ]


def test_it_bears_the_licence(members: list[str]) -> None:
    assert any(member.endswith(".dist-info/licenses/LICENSE") for member in members)
    assert "tinyedge/calib_data/fashion/LICENSE" in members


@pytest.mark.parametrize(
    ("machine", "python", "runtime"),
    [
        ("x86_64", "3.11", "ai-edge-litert"),
        ("aarch64", "3.11", "ai-edge-litert"),
        ("aarch64", "3.13", "ai-edge-litert"),
        ("armv7l", "3.11", "tflite-runtime"),
        # No wheel of any runtime: the command says so when it is run.
        ("armv7l", "3.13", None),
        ("armv6l", "3.11", None),
    ],
)
def test_a_board_needs_little(
    requirements: list[Requirement], machine: str, python: str, runtime: str | None
) -> None:
    environment = {"platform_machine": machine, "python_version": python, "extra": ""}
    base = [
        requirement
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate(environment)
    ]
    names = sorted(canonicalize_name(requirement.name) for requirement in base)
    assert names == sorted({"click", "numpy", "pillow", runtime} - {None})
    (numpy,) = (requirement for requirement in base if requirement.name == "numpy")
    assert numpy.specifier.contains("1.26.4")
    assert numpy.specifier.contains("2.2.0") is (machine != "armv7l")


def test_export_is_an_extra(requirements: list[Requirement]) -> None:
    extra = Marker("extra == 'export'")
    names = {requirement.name for requirement in requirements if requirement.marker == extra}
    assert names == {"matplotlib", "tensorflow", "rich", "pooch", "platformdirs"}


def test_the_boards_install_runs_and_compares(
    board: Path, fashion_models: Models, tmp_path: Path
) -> None:
    where = subprocess.run(
        [board, "-c", "import tinyedge; print(tinyedge.__file__)"],
        cwd=tmp_path,
        env=without_python_variables(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    package = Path(where).parent
    assert package.is_relative_to(board.parents[1])
    test = package / "calib_data" / "fashion" / "test"
    image = sorted((test / "Trouser").iterdir())[0]

    done = elsewhere(board, tmp_path, "run", fashion_models.int8_model, image, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["predictions"][0]["label"] == "Trouser"

    few = tmp_path / "few.tsv"
    few.write_text(
        "".join(f"{next(folder.iterdir())}\t{folder.name}\n" for folder in test.iterdir())
    )
    models = (fashion_models.float_model, fashion_models.int8_model)
    done = elsewhere(board, tmp_path, "compare", *models, "--data", few, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"] == 10


def test_the_boards_install_says_what_export_needs(board: Path, tmp_path: Path) -> None:
    for words in (("export", "fashion", "-o", tmp_path / "out"), ("demo",)):
        done = elsewhere(board, tmp_path, *words)
        assert done.returncode == 2
        assert done.stderr == (
            "error: this command needs the package tensorflow: pip install 'tinyedge[export]'\n"
        )
    done = elsewhere(board, tmp_path, "fetch", "tiny", TINYEDGE_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 2
    assert "pip install 'tinyedge[export]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_the_demo_works_from_the_installed_wheel(board: Path, tmp_path: Path) -> None:
    """With TensorFlow beside it, as the extra brings."""
    (site_packages,) = board.parents[1].glob("lib/python*/site-packages")
    done = elsewhere(sys.executable, tmp_path, "demo", PYTHONPATH=str(site_packages))
    assert done.returncode == 0, done.stderr
    assert str(site_packages) in done.stdout
    assert str(ROOT) not in done.stdout
    assert sorted(path.name for path in (tmp_path / "tinyedge-demo").iterdir()) == [
        "fashion_float.tflite",
        "fashion_int8.tflite",
    ]
    for step in ("$ tinyedge export ", "$ tinyedge compare ", "$ tinyedge run "):
        assert step in done.stdout
    assert done.stdout.endswith(
        f"The files are in {tmp_path}/tinyedge-demo. Next: tinyedge export --help\n"
    )
