"""That the code stands where the README says, and that imports go one way."""

import ast
import re
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.support.commands import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
# Where a package stands; tinyedge/export and tinyedge/devices are links.
RINGS = {"core": ROOT / "tinyedge", "devices": ROOT / "devices", "export": ROOT / "export"}
# What .gitignore names: environments, builds, caches, and the files that `make demo` leaves.
NOT_OURS = {line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split()}


def folders(parent: Path) -> list[str]:
    """The folders in it that belong to the project; a link belongs where it leads."""
    return sorted(
        path.name
        for path in parent.iterdir()
        if path.is_dir()
        and not path.is_symlink()
        and path.name not in NOT_OURS
        and not path.name.startswith(".")
        and path.suffix != ".egg-info"
    )


def pictured() -> set[tuple[str, ...]]:
    """The folders in the README's picture, each as the names on the way to it.

    A line names one folder and what it is for, or several; what stands two blanks deeper is
    inside.
    """
    (picture,) = re.findall(r"^```\n(tinyedge/ .*?)^```$", README, re.MULTILINE | re.DOTALL)
    found: set[tuple[str, ...]] = set()
    way: list[str] = []
    for line in picture.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        names = re.findall(r"(?:^|(?<=\s))([\w.]+)/(?=\s|$)", line)
        way = [*way[:depth], *names[:1]]
        found |= {(*way[:depth], name) for name in names}
    return found


def test_the_readmes_picture_names_every_folder_of_two_levels() -> None:
    top = folders(ROOT)
    there = {(name,) for name in top}
    there |= {(name, inner) for name in top for inner in folders(ROOT / name)}
    assert sorted(there - pictured()) == [], "folders the README's picture leaves out"


def test_the_picture_names_no_folder_that_is_gone() -> None:
    gone = [way for way in sorted(pictured()) if not ROOT.joinpath(*way).is_dir()]
    assert gone == []


def test_where_the_readme_says_to_look_there_is_a_file() -> None:
    (paragraph,) = re.findall(r"^Where does one look\?.*?\n\n", README, re.MULTILINE | re.DOTALL)
    names = re.findall(r"`([\w/]+\.py)`", paragraph)
    assert len(names) >= 4
    assert [name for name in names if not (ROOT / name).is_file()] == []


def test_the_index_of_docs_names_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\((\w+\.md)\)", index))
    assert linked == {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}


def modules() -> dict[str, Path]:
    """The project's modules by name."""
    found = {}
    for ring, folder in RINGS.items():
        for path in folder.rglob("*.py"):
            below = path.relative_to(folder).with_suffix("").parts
            if path.is_relative_to(folder) and not _through_a_link(path, folder):
                parts = ("tinyedge", *(() if ring == "core" else (ring,)), *below)
                found[".".join(parts).removesuffix(".__init__")] = path
    return found


def _through_a_link(path: Path, folder: Path) -> bool:
    return any(parent.is_symlink() for parent in path.parents if parent.is_relative_to(folder))


MODULES = modules()


def ring_of(module: str) -> str:
    part = module.split(".")[1] if "." in module else ""
    return part if part in ("devices", "export") else "core"


def part_of(module: str) -> str:
    """The folder of a module below its ring, or the module itself where it stands alone."""
    names = module.split(".")[(1 if ring_of(module) == "core" else 2) :]
    return names[0] if names else "__init__"


def imports(path: Path) -> Iterator[str]:
    """The modules a file imports, wherever in it; of the project's own, the file that is meant."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: the house imports by whole names"
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


IMPORTS = {module: sorted(set(imports(path))) for module, path in MODULES.items()}
OURS = {
    module: [name for name in names if name.split(".")[0] == "tinyedge"]
    for module, names in IMPORTS.items()
}


def test_every_import_of_ours_is_a_module_there_is() -> None:
    assert len(MODULES) > 150
    assert {name for names in OURS.values() for name in names} <= set(MODULES) | {
        # Not a module of ours, but the data beside them.
        "tinyedge.calib_data"
    }


def test_the_core_imports_neither_devices_nor_export_but_where_the_user_comes_in() -> None:
    wrong = [
        (module, name)
        for module, names in OURS.items()
        for name in names
        if ring_of(module) == "core"
        and ring_of(name) != "core"
        and module not in ("tinyedge", "tinyedge.__main__")
        and part_of(module) != "cli"
    ]
    assert wrong == []


def test_devices_do_not_import_export() -> None:
    wrong = [
        (module, name)
        for module, names in OURS.items()
        for name in names
        if ring_of(module) == "devices" and ring_of(name) == "export"
    ]
    assert wrong == []


def test_only_export_imports_tensorflow() -> None:
    wrong = [
        (module, name)
        for module, names in IMPORTS.items()
        for name in names
        if name.split(".")[0] in ("tensorflow", "keras") and ring_of(module) != "export"
    ]
    assert wrong == []


def pairs(ring: str) -> set[tuple[str, str]]:
    """Which part of a ring imports which other."""
    return {
        (part_of(module), part_of(name))
        for module, names in OURS.items()
        for name in names
        if ring_of(module) == ring_of(name) == ring and part_of(module) != part_of(name)
    }


def test_the_parts_of_export_know_few_others() -> None:
    """The number that tells whether its folders are stages: 101 when it was 48 flat files."""
    found = pairs("export")
    assert len(found) <= 25, sorted(found)


@pytest.mark.parametrize("ring", RINGS)
def test_no_circle_of_parts(ring: str) -> None:
    graph: dict[str, set[str]] = {}
    for module, name in pairs(ring):
        # The package's own attributes are read lazily and lead to everything.
        if "__init__" not in (module, name):
            graph.setdefault(module, set()).add(name)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"{ring}: {' <- '.join(error.args[1])}", pytrace=False)


def test_nothing_of_the_tests_is_imported_from_another_test() -> None:
    wrong = []
    for path in (ROOT / "tests").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"^\s*(?:from|import) (tests[\w.]*)", text, re.MULTILINE):
            if name.split(".")[-1].startswith(("test_", "conftest")):
                wrong.append((str(path.relative_to(ROOT)), name))
    assert wrong == []


def test_each_marker_is_told_and_run() -> None:
    """By make test-all or make test-slow, and by CONTRIBUTING's table."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lines = project["tool"]["pytest"]["ini_options"]["markers"]
    markers = {line.split(":")[0] for line in lines}
    (rest,) = re.findall(r"^REST := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {*rest.split(" or "), "slow"} == markers
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert {name for name in markers if f"\n| `{name}` |" not in contributing} == set()
