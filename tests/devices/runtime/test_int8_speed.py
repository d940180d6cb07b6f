"""Why int8 is slower than float, where it is."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.support.exports import Models
from tests.support.mixed import mixed_models
from tests.support.pixel_model import write_pixel_model
from tests.support.tflite_writer import Op, T, write_model
from tinyedge.devices.runtime import int8_speed
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.devices.runtime.int8_speed import (
    float_beside,
    has_dot_product,
    slower_than_float,
)
from tinyedge.modelcard import ModelCard, append_card

ZEN4 = "flags\t\t: fpu sse2 avx2 fma avx512f avx512_vnni rdpid\n"
HASWELL = "flags\t\t: fpu sse2 avx2 fma bmi2\n"
ALDER_LAKE = "flags\t\t: fpu sse2 avx2 fma avx_vnni\n"
A72 = "Features\t: fp asimd evtstrm crc32 cpuid\n"
A76 = "Features\t: fp asimd evtstrm crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp\n"


@pytest.mark.parametrize(
    ("cpuinfo", "machine", "expected"),
    [
        (ZEN4 * 2, "x86_64", True),
        (ALDER_LAKE, "x86_64", True),
        (HASWELL * 4, "x86_64", False),
        (A72 * 4, "aarch64", False),
        (A76 * 4, "aarch64", True),
        (A76 * 4 + A72, "aarch64", False),
        (A76, "x86_64", False),
        ("model name\t: vnni\n", "x86_64", None),
        (HASWELL, "riscv64", None),
    ],
)
def test_the_kernel_tells_of_dot_products(
    cpuinfo: str, machine: str, expected: bool | None
) -> None:
    assert has_dot_product(cpuinfo, machine) is expected


def test_where_int8_is_not_slower_nothing_is_said(fashion_models: Models) -> None:
    int8 = Classifier(fashion_models.int8_model)
    assert slower_than_float(int8, 1.0, 1.0) is None
    assert slower_than_float(int8, 1.04, 1.0) is None


@pytest.mark.parametrize(
    ("cpuinfo", "reason"),
    [
        (HASWELL, "this CPU has no instructions for int8 dot products (VNNI)"),
        (ZEN4, "by its CPU it should not be: the machine was busy, or the network is so small"),
        ("", "4.14 ms: the machine was busy, or the network is so small"),
    ],
)
def test_the_cpu_is_the_reason_where_it_lacks_instructions(
    fashion_models: Models,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cpuinfo: str,
    reason: str,
) -> None:
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    monkeypatch.setattr(int8_speed, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(int8_speed, "running_board", lambda: None)
    said = slower_than_float(Classifier(fashion_models.int8_model), 5.3, 4.14)
    assert said is not None
    assert said.startswith("int8 takes 5.30 ms here, float 4.14 ms: ")
    assert reason in said
    assert said.endswith("4 times (5) in published times")


def test_of_a_mixed_file_nothing_is_said_of_int8_on_boards(
    fashion_models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text(HASWELL)
    monkeypatch.setattr(int8_speed, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(int8_speed, "running_board", lambda: None)
    mixed = mixed_models(fashion_models, tmp_path, {0: "float32", 2: "hybrid"}).int8_model
    said = slower_than_float(Classifier(mixed), 5.3, 4.14)
    assert said is not None
    assert said.startswith("the mixed file takes 5.30 ms here, float 4.14 ms: this CPU has no")
    assert said.endswith("precisions are chosen for a board's CPU, and not for this one")
    shutil.copy(fashion_models.float_model, tmp_path)
    assert float_beside(Classifier(mixed)) == tmp_path / "fashion_float.tflite"


def test_an_operator_that_xnnpack_lacks_is_the_reason(tmp_path: Path) -> None:
    """Whatever the CPU, and a board is no better at it."""
    image = T((1, 1, 1, 3), "int8", scale=1 / 255, zero_point=-128)
    alpha = T((1, 1, 3), "int8", np.zeros((1, 1, 3), np.int8), scale=1.0)
    out = T((1, 1, 1, 3), "int8", scale=1 / 255, zero_point=-128)
    path = tmp_path / "m_coral.tflite"
    card = ModelCard(
        name="m",
        height=1,
        width=1,
        channels=3,
        classes=3,
        fit="stretch",
        quantization="int8",
        softmax_groups=1,
    )
    path.write_bytes(append_card(write_model(Op("PRELU", [image, alpha], [out])), card))
    said = slower_than_float(Classifier(path), 2.0, 1.0)
    assert said is not None
    assert "XNNPACK has no int8 PRELU" in said
    assert "Raspberry Pi" not in said


def test_the_float_file_of_the_same_export_is_found(fashion_models: Models, tmp_path: Path) -> None:
    int8 = Classifier(fashion_models.int8_model)
    assert float_beside(int8) == fashion_models.float_model
    assert float_beside(Classifier(fashion_models.float_model)) is None
    # Alone, and beside another network's.
    shutil.copy(fashion_models.int8_model, tmp_path / "a_int8.tflite")
    alone = Classifier(tmp_path / "a_int8.tflite")
    assert float_beside(alone) is None
    write_pixel_model(tmp_path / "a_float.tflite")
    assert float_beside(alone) is None
    (tmp_path / "a_float.tflite").write_bytes(b"no model")
    assert float_beside(alone) is None
