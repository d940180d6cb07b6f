"""The wheel: what is in it, what it asks for, and that it works where nothing else is."""

import email
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.commands import ROOT, copy_sources, link_distributions, pip
from tests.support.exports import Models
from tinyedge import __version__
from tinyedge.devices.bundle.board_wheel import board_wheel

IMAGES = "tinyedge/calib_data/fashion/images.zip"


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
    """The Python of an environment that holds what pip brings of the wheel alone, no more.

    The packages are links to those installed here: nothing is downloaded.
    """
    folder = tmp_path_factory.mktemp("board")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    pip("--python", python, "install", "--no-deps", wheel)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    link_distributions(site_packages, sorted(closure(requirements)))
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
    assert information == f"tinyedge_darknet-{__version__}.dist-info"


def test_it_holds_every_module_and_all_data(members: list[str]) -> None:
    expected = {
        str(Path(folder, name).relative_to(ROOT))
        for folder, _, names in os.walk(ROOT / "tinyedge", followlinks=True)
        for name in names
        if Path(folder).name != "__pycache__"
    }
    images = {name for name in expected if name.endswith(".png")}
    assert len(images) == 1200
    held = {member for member in members if ".dist-info/" not in member}
    assert held == expected - images | {IMAGES}


def test_the_built_in_models_images_are_one_archive(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as outer, zipfile.ZipFile(outer.open(IMAGES)) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    folder = ROOT / "calib_data" / "fashion"
    assert held == {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.png")
    }


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
    check_same_wheel(wheel, unzipped, tmp_path)


@pytest.mark.long
def test_an_sdist_gives_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    checkout, tools, made = tmp_path / "checkout", tmp_path / "tools", tmp_path / "made"
    copy_sources(checkout)
    made.mkdir()
    with (ROOT / "pyproject.toml").open("rb") as stream:
        pip("install", "--target", tools, *tomllib.load(stream)["build-system"]["requires"])
    program = "import sys, setuptools.build_meta as backend; backend.build_sdist(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", program, made],
        cwd=checkout,
        env={**without_python_variables(), "PYTHONPATH": str(tools)},
        capture_output=True,
        check=True,
    )
    (sdist,) = made.iterdir()
    assert sdist.name == f"tinyedge_darknet-{__version__}.tar.gz"
    check_same_wheel(wheel, sdist, tmp_path)


def check_same_wheel(wheel: Path, source: Path, folder: Path) -> None:
    """Build `source` into `folder`, and compare."""
    pip("wheel", "--no-deps", "--wheel-dir", folder, source)
    (built,) = folder.glob("*.whl")
    assert built.name == wheel.name
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
        or (member.startswith("tinyedge/calib_data/") and member.endswith((".zip", ".weights")))
    }
    assert any(member.startswith("tinyedge/export/") for member in left_out)
    assert IMAGES in left_out
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


def test_export_and_report_are_extras(requirements: list[Requirement]) -> None:
    base = {canonicalize_name(each.name) for each in requirements if "extra" not in str(each)}

    def added(python: str, extra: str = "export") -> set[str]:
        environment = {"extra": extra, "python_version": python}
        return {
            each.name
            for each in requirements
            if each.marker is None or each.marker.evaluate(environment)
        } - base

    needed = {"jinja2", "matplotlib", "rich", "pooch", "platformdirs"}
    assert added("3.13") - {"Pillow"} == {*needed, "tensorflow"}
    # No wheel of it: the command says so when it is run.
    assert added("3.14") - {"Pillow"} == needed
    # A page needs none of what exporting does.
    assert added("3.14", "report") - {"Pillow"} == {"jinja2"}


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
    cache = {"TINYEDGE_CACHE": str(tmp_path / "cache")}
    fetched = elsewhere(board, tmp_path, "fetch", "fashion", "--json", **cache)
    assert fetched.returncode == 0, fetched.stderr
    test = Path(json.loads(fetched.stdout)["fashion"]["test"])
    assert test.is_relative_to(tmp_path / "cache")
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
    brings = "which tinyedge-darknet[export] brings (README: Installing)\n"
    cache = tmp_path / "cache"
    for words in (("export", "fashion", "-o", tmp_path / "out"), ("demo",)):
        done = elsewhere(board, tmp_path, *words, TINYEDGE_CACHE=str(cache))
        assert done.returncode == 2
        assert done.stderr == f"error: this command needs the package tensorflow, {brings}"
    done = elsewhere(board, tmp_path, "fetch", "tiny", TINYEDGE_CACHE=str(cache))
    assert done.returncode == 2
    assert done.stderr == f"error: downloading needs the package pooch, {brings}"
    # Before any other work: the built-in model is not even unpacked.
    assert list(tmp_path.iterdir()) == []


def test_the_boards_install_lists_the_zoo(board: Path, tmp_path: Path) -> None:
    nowhere = {"TINYEDGE_CACHE": "", "XDG_CACHE_HOME": str(tmp_path / "caches")}
    done = elsewhere(board, tmp_path, "zoo", "--json", **nowhere)
    assert (done.returncode, done.stderr) == (0, "")
    files = {model["name"]: model["files"] for model in json.loads(done.stdout)["models"]}
    assert (files["fashion"], files["tiny"]) == ("packaged", "missing")


@pytest.mark.long
def test_the_demo_works_from_the_installed_wheel(board: Path, tmp_path: Path) -> None:
    """With TensorFlow beside it, as the extra brings."""
    (site_packages,) = board.parents[1].glob("lib/python*/site-packages")
    variables = {"PYTHONPATH": str(site_packages), "TINYEDGE_CACHE": str(tmp_path / "cache")}
    done = elsewhere(sys.executable, tmp_path, "demo", **variables)
    assert done.returncode == 0, done.stderr
    assert f"--data {tmp_path}/cache/fashion/images-" in done.stdout
    assert "images       1000\n" in done.stdout
    assert str(ROOT) not in done.stdout
    assert sorted(path.name for path in (tmp_path / "tinyedge-demo").iterdir()) == [
        "fashion_float.tflite",
        "fashion_int8.tflite",
        "report.html",
    ]
    for step in ("$ tinyedge export ", "$ tinyedge compare ", "$ tinyedge run "):
        assert step in done.stdout
    assert done.stdout.endswith(
        f"The files are in {tmp_path}/tinyedge-demo. Look at {tmp_path}/tinyedge-demo/report.html"
        " in a browser. Next: tinyedge export --help\n"
    )
