"""What SOURCE means."""

import os
import shutil
from pathlib import Path

import pytest

from tests.support.shipped import CFGS
from tinyedge.errors import CfgError
from tinyedge.zoo.models import MODELS, SourceFiles
from tinyedge.zoo.source import Source, find_source


def test_a_name_of_the_zoo_brings_all_it_has() -> None:
    source = find_source("fashion")
    assert source.name == "fashion"
    files = source.files
    assert files.cfg.read_text().startswith("# Fashion-MNIST")
    assert files.weights is not None
    assert files.weights.stat().st_size < 500_000
    assert files.labels is not None
    assert files.labels.read_text().split("\n")[0] == "T-shirt"
    assert files.ids is None
    assert files.calibration is not None
    assert len(list(files.calibration.rglob("*.png"))) == 200


def test_a_path_brings_the_cfg_alone(tmp_path: Path) -> None:
    path = tmp_path / "my.net.cfg"
    path.write_text("[net]\n")
    assert find_source(str(path)) == Source("my.net", SourceFiles(path))


def test_a_name_of_the_zoo_wins_over_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(MODELS["fashion"].cfg.path, tmp_path / "fashion")
    monkeypatch.chdir(tmp_path)
    assert find_source("fashion").files.weights is not None
    assert find_source("./fashion") == Source("fashion", SourceFiles(Path("fashion")))


@pytest.mark.parametrize("text", ["resnet", "", "no/such.cfg"])
def test_neither_is_an_error_that_lists_the_zoo(text: str) -> None:
    with pytest.raises(CfgError) as refusal:
        find_source(text)
    assert str(refusal.value) == (
        f"{text} is neither a .cfg file nor a model of the zoo ({', '.join(MODELS)})"
    )


@pytest.mark.parametrize("kind", ["folder", "FIFO", "link to nothing", "descriptor"])
def test_a_path_where_no_file_is_is_left_to_its_reader(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "net"
    if kind == "folder":
        path.mkdir()
    elif kind == "FIFO":
        os.mkfifo(path)
    elif kind == "link to nothing":
        path.symlink_to(tmp_path / "nothing")
    else:
        path = Path("/dev/fd/0")
    assert find_source(str(path)) == Source(path.name, SourceFiles(path))


def test_the_cfg_alone_needs_no_other_file_of_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYEDGE_CACHE", str(tmp_path / "none"))
    for name in ("fashion", "squeezenet"):
        source = find_source(name, cfg_only=True)
        assert source == Source(name, SourceFiles(MODELS[name].cfg.path))
    assert not (tmp_path / "none").exists()


@pytest.mark.c_engine
@pytest.mark.filterwarnings("ignore:.*nobody has vouched:tinyedge.errors.TinyedgeWarning")
def test_a_cfg_in_the_cache_is_all_that_summary_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "darknet19").mkdir()
    shutil.copy(CFGS / "darknet19.cfg", tmp_path / "darknet19")
    monkeypatch.setenv("TINYEDGE_CACHE", str(tmp_path))
    source = find_source("darknet19", cfg_only=True)
    assert source == Source("darknet19", SourceFiles(tmp_path / "darknet19" / "darknet19.cfg"))
