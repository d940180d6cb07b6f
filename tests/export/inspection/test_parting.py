"""Where an int8 file parts from its float file, of an upsample too, whose TILE has no weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.commands import run_in_process
from tests.support.toy import PHOTOS, write_toy
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.export.inspection.parting import layer_errors, without_rounding


@pytest.fixture(scope="module")
def upsampled(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes, Any, Any]:
    """The two files of a net with an upsample, images, and the float file's answers."""
    folder = tmp_path_factory.mktemp("upsampled")
    toy = write_toy(folder)
    text = toy.cfg.read_text().replace("[avgpool]", "[upsample]\nstride=2\n[avgpool]")
    toy.cfg.write_text(text)
    words = (*toy.source(), "--calib", toy.photos, "--count", PHOTOS, "-o", folder)
    run_in_process("export", *words)
    files = [folder / f"toy_{kind}.tflite" for kind in ("float", "int8")]
    model = Classifier(files[0])
    images = [model.preprocess(path) for path in sorted(toy.photos.rglob("*.png"))]
    answers = np.stack([model.logits(image) for image in images])
    return *(Path(file).read_bytes() for file in files), np.concatenate(images), answers


def test_rounding_is_a_step_or_so(upsampled: tuple[bytes, bytes, Any, Any]) -> None:
    found = layer_errors(*upsampled)
    assert [layer.name for layer in found] == ["input", "0 convolutional", "1 convolutional"]
    assert max(layer.steps for layer in found) < 1.5


def test_the_answers_with_one_layer_in_int8(upsampled: tuple[bytes, bytes, Any, Any]) -> None:
    """Closer to the float file's than those of two, and not equal."""
    wanted = upsampled[3]
    for layer in layer_errors(*upsampled, with_answers=True)[1:]:
        assert layer.answers is not None
        assert layer.answers.shape == wanted.shape
        error = np.abs(layer.answers - wanted).max()
        assert 0 < error < 0.05 * np.ptp(wanted)


def test_without_rounding_only_the_weights_are_off(
    upsampled: tuple[bytes, bytes, Any, Any],
) -> None:
    float_file, int8_file, images, wanted = upsampled
    found = without_rounding(float_file, int8_file, images)
    assert 0 < np.abs(found.answers - wanted).max() < 0.02 * np.ptp(wanted)
    # Of the float file itself nothing is off.
    same = without_rounding(float_file, float_file, images)
    assert same.answers == pytest.approx(wanted, abs=1e-5 * np.abs(wanted).max())
