"""Photos resized by the runtime: how far they are from Darknet's, wherever they are fed."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import tinyedge
from tests.support.exports import Models
from tests.support.pixel_model import write_pixel_model
from tinyedge.cli import main
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.devices.runtime.fast_resize import FastResize, fast_resize
from tinyedge.devices.runtime.runtimes import find_runtime
from tinyedge.errors import DeviceError, TinyedgeWarning
from tinyedge.images import fit
from tinyedge.images.fit import fit_pixels
from tinyedge.images.load import load_input
from tinyedge.images.spec import FITS, Fit, InputSpec
from tinyedge.tflite.metadata import Normalization
from tinyedge.tflite.quantization import QuantParams

LITERT = FastResize("ai-edge-litert")
IMAGENET = Normalization((123.7, 116.3, 103.5), (58.4, 57.1, 57.4))


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(shape).integers(0, 256, shape, np.uint8)


def both(pixels: Any, size: tuple[int, int], fit: Fit, **how: Any) -> list[NDArray[np.generic]]:
    """The input as Darknet has it, and as it is resized fast."""
    channels = pixels.shape[2]
    quantization = how.pop("quantization", QuantParams.pixels())
    specs = (InputSpec(*size, channels, fit, quantization, resize=r, **how) for r in (None, LITERT))
    return [fit_pixels(pixels, spec) for spec in specs]


def levels_apart(exact: NDArray[np.generic], fast: NDArray[np.generic]) -> float:
    assert exact.dtype == fast.dtype
    assert exact.shape == fast.shape
    return float(np.abs(exact.astype(np.float64) - fast.astype(np.float64)).max())


_SIDES = st.integers(1, 90)


@settings(deadline=None, max_examples=150)
@given(
    st.tuples(_SIDES, _SIDES),
    st.tuples(_SIDES, _SIDES),
    st.sampled_from(FITS),
    st.sampled_from((1, 3)),
)
def test_no_sample_is_more_than_a_level_from_darknets(
    image: tuple[int, int], network: tuple[int, int], fit: Fit, channels: int
) -> None:
    assert levels_apart(*both(noise(*image, channels), network, fit)) <= 1


def test_a_last_row_that_darknet_leaves_dark_is_dark() -> None:
    exact, fast = both(np.full((256, 256, 3), 255, np.uint8), (224, 224), "stretch")
    assert exact[-1].max() < -100, "this height is none of those"
    np.testing.assert_array_equal(exact[-1], fast[-1])
    assert levels_apart(exact, fast) <= 1


def test_it_is_another_resize() -> None:
    exact, fast = both(noise(333, 333, 3), (224, 224), "crop")
    assert 0 < np.count_nonzero(exact != fast) < 0.05 * exact.size


def test_what_is_too_large_to_be_given_whole_is_resized_exactly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pixels = noise(60, 80, 3)
    monkeypatch.setattr(fit, "_MOST_GIVEN", 60 * 60)
    exact, fast = both(pixels, (31, 31), "crop")
    assert (exact != fast).any()
    exact, fast = both(pixels, (31, 31), "stretch")
    np.testing.assert_array_equal(exact, fast)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "quantization",
    [
        QuantParams.pixels(np.int8),
        QuantParams.pixels(np.uint8),
        QuantParams.per_tensor(float(np.float32(1 / 255)), -128, np.int8),
        QuantParams.per_tensor(0.0078125, 0, np.int8),
        QuantParams.per_tensor(0.0031, -101, np.int8),
        None,
    ],
)
def test_whole_levels_are_encoded_as_any_pixels(
    quantization: QuantParams | None, channels: int
) -> None:
    levels = np.arange(256, dtype=np.uint8).repeat(channels).reshape(16, 16, channels)
    normalizations = [Normalization((0.0,), (255.0,)), Normalization((127.5,), (127.5,))]
    for normalization in [*normalizations, *([IMAGENET] if channels == 3 else [])]:
        spec = InputSpec(16, 16, channels, "crop", quantization, normalization=normalization)
        expected = spec.encode(levels.astype(np.float32) / np.float32(255))
        found = spec.encode_levels(levels)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_a_float_input_has_whole_levels_of_a_photo(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    Image.fromarray(noise(90, 120, 3)).save(path)
    spec = InputSpec(40, 40, 3, "crop", resize=LITERT)
    found = np.asarray(load_input(path, spec), np.float64) * 255
    np.testing.assert_allclose(found, np.rint(found), atol=1e-4)
    exact = np.asarray(load_input(path, InputSpec(40, 40, 3, "crop")), np.float64) * 255
    assert np.abs(found - exact).max() <= 0.63


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("channels", [1, 3])
def test_a_photo_is_upright_first(tmp_path: Path, orientation: int, channels: int) -> None:
    path = tmp_path / "photo.png"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(noise(50, 70, 3)).save(path, exif=exif)
    specs = (
        InputSpec(20, 30, channels, "crop", QuantParams.pixels(), resize=resize)
        for resize in (None, LITERT)
    )
    assert levels_apart(*(load_input(path, spec) for spec in specs)) <= 1


def test_equal_ones_are_of_one_runtime_and_go_to_other_processes() -> None:
    assert pickle.loads(pickle.dumps(LITERT)) == LITERT
    assert hash(FastResize("ai-edge-litert")) == hash(LITERT)
    assert FastResize("tensorflow") != LITERT
    assert fast_resize(find_runtime()) == LITERT
    specs = [InputSpec(4, 4, 3, "crop", resize=resize) for resize in (None, LITERT)]
    assert specs[0] != specs[1]
    assert repr(specs[0]) != repr(specs[1])
    assert [str(spec) for spec in specs] == ["4x4x3, crop", "4x4x3, crop, resized fast"]


def test_what_the_runtime_cannot_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(DeviceError, match=r"resize a photo of 2 x 0 pixels .*--fast-resize away"):
        LITERT(np.empty((0, 2, 3), np.uint8), 4, 4)


# As a user types it.


def run(*words: object) -> Result:
    result = CliRunner().invoke(main, [*map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return result


@pytest.fixture
def bags(fashion_images: Path, tmp_path: Path) -> list[Path]:
    """Photos of more pixels than the network takes."""
    found = []
    for number, path in enumerate(sorted((fashion_images / "Bag").iterdir())[:6]):
        with Image.open(path) as image:
            larger = image.resize((60 + number % 2, 60), Image.Resampling.BICUBIC)
        found.append(tmp_path / f"{number}.png")
        larger.save(found[-1])
    return found


def test_run_answers_as_a_classifier_of_that_resize(
    fashion_models: Models, bags: list[Path]
) -> None:
    exact = Classifier(fashion_models.int8_model)
    fast = Classifier(fashion_models.int8_model, fast_resize=True)
    assert exact.spec.resize is None
    assert fast.spec.resize == LITERT
    inputs = [[model.preprocess(path) for path in bags] for model in (exact, fast)]
    assert levels_apart(np.array(inputs[0]), np.array(inputs[1])) == 1
    for option, model in (((), exact), (("--fast-resize",), fast)):
        result = run("run", fashion_models.int8_model, *bags, "--json", *option)
        for line, path in zip(result.stdout.splitlines(), bags, strict=True):
            said = [prediction["probability"] for prediction in json.loads(line)["predictions"]]
            assert said == [prediction.probability for prediction in model.classify(path)]


def test_workers_resize_so_too(fashion_models: Models, bags: list[Path]) -> None:
    words = ("run", fashion_models.int8_model, *bags, "--fast-resize", "--workers")
    alone, shared = ([*run(*words, count, "--json").stdout.splitlines()] for count in (1, 2))
    for one, other in zip(alone, shared, strict=True):
        assert json.loads(one)["predictions"] == json.loads(other)["predictions"]


def test_compare_feeds_int8_so_and_float_exactly(fashion_models: Models, bags: list[Path]) -> None:
    files = fashion_models.float_model, fashion_models.int8_model
    pattern = bags[0].parent / "*.png"
    words = ("compare", *files, "--data", pattern, "--unlabelled", "--json", "--fast-resize")
    result = run(*words)
    assert "28x28x1, crop, resized fast: their difference is that of the resize, too" in (
        " ".join(result.stderr.split())
    )
    said = json.loads(result.stdout)["kl"]["mean"]
    with pytest.warns(TinyedgeWarning, match="resized fast"):
        assert said == _kl(tinyedge.compare(*files, bags, fast_resize=True))
    models = Classifier(files[0]), Classifier(files[1], fast_resize=True)
    with pytest.warns(TinyedgeWarning, match="resized fast"):
        assert said == _kl(tinyedge.compare(*models, bags))
    assert said != _kl(tinyedge.compare(*files, bags))


def _kl(found: tinyedge.Comparison) -> float:
    assert found.divergence is not None
    return found.divergence.mean


def test_a_photo_of_the_networks_size_is_itself(tmp_path: Path) -> None:
    model = write_pixel_model(tmp_path / "m.tflite", labels=None)
    exact, fast = (Classifier(model, fast_resize=fast) for fast in (False, True))
    pixels = noise(1, 1, 3)
    np.testing.assert_array_equal(exact.preprocess(pixels), fast.preprocess(pixels))
