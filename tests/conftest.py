"""Fixtures that the tests share, and what the data they may need is missing for."""

import os
import signal
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

import tinyedge.export  # noqa: F401  # sets up TensorFlow, which some tests import themselves
from tests import emulated_pi as emulation
from tests.support import c_engine, fashion_mnist, private_sshd
from tests.support.commands import copy_sources, pip
from tests.support.exports import Exported, Models, exporter
from tests.support.once import made_once

# The same examples in every run, and no clock: a test that fails fails again. Others, and more of
# them, with --hypothesis-profile=explore.
settings.register_profile(
    "repeatable", derandomize=True, deadline=None, database=None, max_examples=50
)
settings.register_profile("explore", deadline=None, database=None, max_examples=3000)
settings.load_profile("repeatable")

# nohup and a shell's & have signals ignored, by what the tests start too.
for _number, _action in (
    (signal.SIGHUP, signal.SIG_DFL),
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGTERM, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _action)

# pytest-xdist says to its workers how wide a terminal is that they do not have; without it,
# readline, which pytest imports, says it to C's environment alone, which subprocesses inherit.
os.environ.pop("COLUMNS", None)
os.unsetenv("COLUMNS")
# Subprocesses run in other folders; a relative cache means the one beside the checkout.
if os.environ.get("TINYEDGE_CACHE"):
    os.environ["TINYEDGE_CACHE"] = str(Path(os.environ["TINYEDGE_CACHE"]).resolve())


def _real_data() -> bool:
    cache = os.environ.get("TINYEDGE_CACHE")
    return cache is not None and (Path(cache) / "tiny" / "tiny.weights").is_file()


# Fixtures by what they cost, the dearest last.
_COSTLY = ("fashion_models", "tiny_models")
_AVAILABLE: dict[str, tuple[Callable[[], bool], str]] = {
    "real_data": (_real_data, "TINYEDGE_CACHE names no folder with Darknet's models"),
    "c_engine": (c_engine.is_installed, "Debian's package darknet is not installed"),
    "fashion_mnist": (
        fashion_mnist.is_installed,
        "Debian's package dataset-fashion-mnist is not installed",
    ),
    "sshd": (private_sshd.is_installed, "Debian's package openssh-server is not installed"),
    "pi_emulated": (
        emulation.can_be_set_up,
        "no Raspberry Pi can be emulated: needs Debian's apt on Linux 6.7 or newer, x86-64",
    ),
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out slow tests unless ``-m`` speaks of them; begin with what takes long."""
    if "slow" not in config.option.markexpr:
        slow = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]
    # A worker begins where its part of the list does: so the exports are made beside other tests,
    # and not while the other workers wait for them.
    costs: Counter[Path] = Counter()
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        for cost, name in enumerate(_COSTLY, 1):
            if name in fixtures:
                costs[item.path] = max(costs[item.path], cost)
    items.sort(key=lambda item: -costs[item.path])


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
    from tinyedge.devices import profile

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


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run, the same for all its workers: see `tests.support.once`."""
    folder = tmp_path_factory.getbasetemp()
    return (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "shared"


@pytest.fixture(scope="session")
def exported(shared: Path) -> Exported:
    """The files of an export by the words behind ``tinyedge export``, made once a run."""
    return exporter(shared / "exports")


@pytest.fixture(scope="session")
def fashion_models(exported: Exported) -> Models:
    """The built-in model, exported through the command line."""
    return exported("fashion")


@pytest.fixture(scope="session")
def tiny_models(exported: Exported, imagenet: Path) -> Models:
    """Tiny Darknet calibrated on the 200 photos; only for tests marked real_data."""
    return exported("tiny", "--calib", imagenet / "calib")


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
def wheel(shared: Path) -> Path:
    """The wheel of a copy of the checkout, so that nothing built before gets into it."""

    def build(folder: Path) -> None:
        copy_sources(folder / "checkout")
        pip("wheel", "--no-deps", "--wheel-dir", folder, folder / "checkout")

    (built,) = made_once(shared / "wheel", build).glob("*.whl")
    return built


@pytest.fixture(scope="session")
def unpacked_wheel(wheel: Path, shared: Path) -> Path:
    """A folder to name in PYTHONPATH, as pip installs the wheel for any Python."""

    def unpack(folder: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)

    return made_once(shared / "site-packages", unpack)


@pytest.fixture(scope="session")
def emulated_pi() -> Callable[..., emulation.EmulatedPi]:
    """Raspberry Pis to run commands on, by release and board; only for tests marked pi_emulated."""
    return emulation.emulated_pi
