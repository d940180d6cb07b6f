"""The examples of docs/api.md run, in the folder it describes, and print what it says."""

import re
import shutil
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

import tinyedge
import tinyedge.calib_data

_PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
# An example, and behind most of them what it prints.
_EXAMPLE = re.compile(r"^```python\n(.*?)^```\n(?:```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder the page describes, as the working folder."""
    fashion = Path(tinyedge.calib_data.__file__).parent / "fashion"
    for name in ("fashion.cfg", "fashion.weights", "fashion.labels"):
        shutil.copy(fashion / name, tmp_path)
    shutil.copy(min((fashion / "test" / "Bag").iterdir()), tmp_path / "bag.png")
    for kind in (fashion / "test").iterdir():
        (tmp_path / "labelled" / kind.name).mkdir(parents=True)
        for photo in sorted(kind.iterdir())[:10]:
            shutil.copy(photo, tmp_path / "labelled" / kind.name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_example_prints_what_stands_below_it(folder: Path) -> None:
    namespace: dict[str, object] = {}
    examples = _EXAMPLE.findall(_PAGE)
    assert len(examples) == _PAGE.count("```python") >= 9
    for code, expected in examples:
        printed = StringIO()
        with redirect_stdout(printed):
            exec(compile(code, str(folder / "api.md"), "exec"), namespace)
        assert printed.getvalue() == expected, code


def test_the_page_names_all_there_is() -> None:
    named = set(re.findall(r"`(?:tinyedge\.)?(\w+)[`(]", _PAGE))
    assert set(tinyedge.__all__) <= named
