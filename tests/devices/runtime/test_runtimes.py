"""Which runtime is found, and what is said of those that are not."""

import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.linear_model import write_linear_model
from tinyedge.devices.runtime.runtimes import (
    RUNTIMES,
    choose_runtime,
    find_runtime,
    runtime_advice,
)
from tinyedge.errors import MissingPackageError


@pytest.fixture
def without_tflite_runtime() -> None:
    try:
        importlib.metadata.version("tflite-runtime")
    except importlib.metadata.PackageNotFoundError:
        return
    pytest.skip("tflite-runtime is installed here")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that Python takes for tflite-runtime's package."""
    folder = tmp_path / "tflite_runtime"
    folder.mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in ("tflite_runtime", "tflite_runtime.interpreter"):
        sys.modules.pop(name, None)


def test_litert_comes_first() -> None:
    assert list(RUNTIMES) == ["ai-edge-litert", "tflite-runtime", "tensorflow"]
    found = find_runtime()
    assert found.name == "ai-edge-litert"
    assert found.version == importlib.metadata.version("ai-edge-litert")


@pytest.mark.usefixtures("without_tflite_runtime")
def test_the_order_is_followed_past_what_is_missing() -> None:
    assert find_runtime(["tflite-runtime", "tensorflow", "ai-edge-litert"]).name == "tensorflow"


@pytest.mark.parametrize("name", ["ai-edge-litert", "tensorflow"])
def test_each_loads_a_model_without_a_word(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    model = write_linear_model(tmp_path / "model.tflite", ((1.0, 0.5),)).read_bytes()
    capfd.readouterr()
    interpreter = find_runtime([name]).load(model, threads=1)
    assert [list(tensor["shape"]) for tensor in interpreter.get_output_details()] == [[1, 2]]
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("without_tflite_runtime")
@pytest.mark.usefixtures("package")
def test_a_folder_of_its_name_is_no_runtime() -> None:
    with pytest.raises(MissingPackageError, match="tflite-runtime is not installed"):
        find_runtime(["tflite-runtime"])


@pytest.mark.usefixtures("without_tflite_runtime")
def test_none_says_what_was_tried_and_what_to_type() -> None:
    with pytest.raises(MissingPackageError) as refusal:
        find_runtime(["tflite-runtime"])
    assert str(refusal.value) == (
        f"no TFLite runtime: tflite-runtime is not installed. {runtime_advice(['tflite-runtime'])}"
    )


def test_one_that_does_not_import_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    # What Python itself keeps there for a module that must not be imported.
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    version = importlib.metadata.version("ai-edge-litert")
    with pytest.raises(MissingPackageError) as refusal:
        find_runtime(["ai-edge-litert"])
    assert f"ai-edge-litert {version} does not import (" in str(refusal.value)


@pytest.mark.parametrize("module", ["__init__.py", "interpreter.py"])
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("raise TypeError('Descriptors cannot\\n be created')", "TypeError: Descriptors cannot be"),
        ("None.API", "AttributeError: 'NoneType' object has no attribute"),
        ("raise OSError('libflatbuffers.so: cannot open')", "OSError: libflatbuffers.so"),
        ("Interpreter = = 1", "SyntaxError: invalid syntax"),
    ],
)
@pytest.mark.usefixtures("without_tflite_runtime")
def test_one_that_breaks_when_it_is_imported_is_passed_over(
    package: Path, monkeypatch: pytest.MonkeyPatch, module: str, line: str, reason: str
) -> None:
    monkeypatch.setattr(np, "__version__", "1.26.4")
    (package / "__init__.py").write_text('__version__ = "2.14.0"\n')
    with (package / module).open("a") as stream:
        stream.write(f"{line}\n")
    chosen = choose_runtime(["tflite-runtime", "ai-edge-litert"])
    assert chosen.runtime is not None
    assert chosen.runtime.name == "ai-edge-litert"
    (said,) = chosen.passed_over
    version = "" if module == "__init__.py" else " 2.14.0"
    assert said.startswith(f"tflite-runtime{version} does not import ({reason}")
    assert "\n" not in said


@pytest.mark.skipif(int(np.__version__.split(".")[0]) < 2, reason="numpy 1 suits tflite-runtime")
@pytest.mark.usefixtures("without_tflite_runtime")
def test_tflite_runtime_is_not_loaded_beside_numpy_2(package: Path) -> None:
    (package / "__init__.py").write_text('__version__ = "2.14.0"\n')
    with pytest.raises(MissingPackageError) as refusal:
        find_runtime(["tflite-runtime"])
    assert str(refusal.value) == (
        f"no TFLite runtime: tflite-runtime 2.14.0 needs numpy 1, this is {np.__version__}."
        f" {runtime_advice(['tflite-runtime'])}"
    )


@pytest.mark.parametrize(
    ("machine", "bits", "python", "advice"),
    [
        ("x86_64", 64, (3, 14), "Type: pip install ai-edge-litert"),
        ("aarch64", 64, (3, 13), "Type: pip install ai-edge-litert"),
        ("armv7l", 32, (3, 11), "Type: pip install tflite-runtime==2.14.0 'numpy<2'"),
        # Raspberry Pi OS: 32 bits under a 64-bit kernel.
        ("aarch64", 32, (3, 11), "Type: pip install tflite-runtime==2.14.0 'numpy<2'"),
        ("armv6l", 32, (3, 11), "No TFLite runtime has a wheel for ARMv6 (Pi Zero, Zero W, Pi 1)"),
        (
            *("armv7l", 32, (3, 13)),
            "tflite-runtime ends with Python 3.11, this is 3.13: use a 64-bit system",
        ),
    ],
)
def test_the_advice_is_for_this_machine(
    machine: str, bits: int, python: tuple[int, int], advice: str
) -> None:
    assert runtime_advice(tuple(RUNTIMES), machine, python, bits, managed=False) == advice


def test_the_advice_is_of_the_order() -> None:
    only = ["tflite-runtime"]
    typed = "Type: pip install tflite-runtime==2.14.0 'numpy<2'"
    assert runtime_advice(only, "x86_64", (3, 11), 64, managed=False) == typed
    assert runtime_advice(only, "x86_64", (3, 12), 64).startswith("tflite-runtime ends with")
    advice = runtime_advice(["tensorflow"], "x86_64", bits=64, managed=False)
    assert advice == "Type: pip install tensorflow"


@pytest.mark.parametrize(
    ("bits", "requirements"), [(64, "ai-edge-litert"), (32, "tflite-runtime==2.14.0 'numpy<2'")]
)
def test_the_advice_is_one_that_a_pis_own_python_takes(bits: int, requirements: str) -> None:
    advice = runtime_advice(tuple(RUNTIMES), "aarch64", (3, 11), bits, managed=True)
    assert "Type: pip install" not in advice
    assert "tinyedge deploy" in advice
    assert (
        "python3 -m venv --system-site-packages ~/tinyedge-env"
        f" && ~/tinyedge-env/bin/pip install {requirements};"
    ) in advice
