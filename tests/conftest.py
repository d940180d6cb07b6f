"""What the tests share: the data they may need, and models exported once a session."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import tinyedge.export  # noqa: F401  # sets up TensorFlow, which some tests import themselves
from tests import emulated_pi as emulation
from tests.support import c_engine, private_sshd
from tinyedge.cli import main
from tinyedge.devices import profile

# Subprocesses run in other folders; a relative cache means the one beside the checkout.
if os.environ.get("TINYEDGE_CACHE"):
    os.environ["TINYEDGE_CACHE"] = str(Path(os.environ["TINYEDGE_CACHE"]).resolve())

_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz")


def _real_data() -> bool:
    cache = os.environ.get("TINYEDGE_CACHE")
    return cache is not None and (Path(cache) / "tiny" / "tiny.weights").is_file()


_AVAILABLE: dict[str, tuple[Callable[[], bool], str]] = {
    "real_data": (_real_data, "TINYEDGE_CACHE names no folder with Darknet's models"),
    "c_engine": (c_engine.is_installed, "Debian's package darknet is not installed"),
    "fashion_mnist": (
        _FASHION_MNIST.is_file,
        "Debian's package dataset-fashion-mnist is not installed",
    ),
    "sshd": (private_sshd.is_installed, "Debian's package openssh-server is not installed"),
    "pi_emulated": (
        emulation.can_be_set_up,
        "no Raspberry Pi can be emulated: needs Debian's apt on Linux 6.7 or newer, x86-64",
    ),
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out slow tests unless ``-m`` speaks of them."""
    if "slow" not in config.option.markexpr:
        slow = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose data is not here; on CI, where all of it must be, fail it."""
    for marker, (available, reason) in _AVAILABLE.items():
        if item.get_closest_marker(marker) and not available():
            if os.environ.get("CI"):
                pytest.fail(f"on CI nothing may be missing: {reason}", pytrace=False)
            pytest.skip(reason)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a user's own device profiles, empty."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "config" / "tinyedge" / "devices"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def device_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What stands for ``/proc/device-tree/model``, not there yet."""
    path = tmp_path / "model"
    monkeypatch.setattr(profile, "_DEVICE_TREE_MODEL", path)
    return path


@pytest.fixture(scope="session")
def cache() -> Path:
    """The folder with Darknet's models, labels and weights."""
    return Path(os.environ["TINYEDGE_CACHE"])


@pytest.fixture(scope="session")
def photos(cache: Path) -> Path:
    """Darknet's seven photos; dog.png and eagle.png as its engine decodes the JPEGs."""
    return cache.parent / "images"


@pytest.fixture(scope="session")
def imagenet(cache: Path) -> Path:
    """ImageNet photos: ``calib`` (200), ``val`` (650, a folder a WordNet id)."""
    return cache.parent / "imagenet"


@dataclass(frozen=True)
class Models:
    """The two files of one export."""

    float_model: Path
    int8_model: Path


@pytest.fixture(scope="session")
def fashion_models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """The built-in model, exported through the command line."""
    folder = tmp_path_factory.mktemp("fashion")
    run_in_process("export", "fashion", "-o", folder)
    return Models(folder / "fashion_float.tflite", folder / "fashion_int8.tflite")


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory, imagenet: Path) -> Models:
    """Tiny Darknet calibrated on the 200 photos; only for tests marked real_data."""
    folder = tmp_path_factory.mktemp("tiny")
    run_in_process("export", "tiny", "--calib", imagenet / "calib", "-o", folder)
    return Models(folder / "tiny_float.tflite", folder / "tiny_int8.tflite")


@pytest.fixture(scope="session")
def fashion_images() -> Path:
    """The built-in model's labelled test images, a folder a class."""
    import tinyedge.calib_data

    return Path(tinyedge.calib_data.__file__).parent / "fashion" / "test"


@pytest.fixture(scope="session")
def fifty(fashion_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of fifty of them."""
    manifest = tmp_path_factory.mktemp("fifty") / "fifty.tsv"
    manifest.write_text(
        "".join(
            f"{photo}\t{folder.name}\n"
            for folder in sorted(fashion_images.iterdir())
            for photo in sorted(folder.iterdir())[:5]
        )
    )
    return manifest


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of the checkout, so that nothing built before gets into it."""
    folder = tmp_path_factory.mktemp("wheel")
    rubbish = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info")
    root = Path(__file__).parents[1]
    shutil.copytree(root, folder / "checkout", symlinks=True, ignore=rubbish)
    pip("wheel", "--no-deps", "--wheel-dir", folder, folder / "checkout")
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def unpacked_wheel(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to name in PYTHONPATH, as pip installs the wheel for any Python."""
    folder = tmp_path_factory.mktemp("site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="session")
def emulated_pi() -> Callable[..., emulation.EmulatedPi]:
    """Raspberry Pis to run commands on, by release and board; only for tests marked pi_emulated."""
    return emulation.emulated_pi


def pip(*words: object) -> None:
    """Run pip, which must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def run_in_process(*words: object) -> Result:
    """Run a tinyedge command that must succeed, in this process."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result


def run_as_user(
    *words: object, cwd: Path | None = None, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``tinyedge`` in a process of its own, as a user's shell would."""
    command: Sequence[str] = [sys.executable, "-m", "tinyedge", *map(str, words)]
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
