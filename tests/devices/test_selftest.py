"""The verdict on two answers of one model."""

import json
from pathlib import Path

import pytest

from tests.support.exports import Models
from tests.support.mixed import mixed_models
from tinyedge.devices.bundle.reference import reference
from tinyedge.devices.profile import find_profile, profile_files
from tinyedge.devices.selftest import judge, selftest
from tinyedge.errors import ModelError

LITERT = ("ai-edge-litert", "2.3.0")
NEWER = ("ai-edge-litert", "2.4.0")
OLDER = ("tflite-runtime", "2.14.0")
EXPECTED = [0.5, 2.0, -1.0]


@pytest.mark.parametrize(
    ("scores", "quantized", "runtime", "promise", "passed"),
    [
        ([0.5, 2.0, -1.0], True, LITERT, "bits", True),
        ([0.5, 2.0, -1.1], True, LITERT, "bits", False),
        ([0.5, 2.0, -1.1], True, NEWER, "top-1", True),
        ([0.5, 2.0, -1.1], True, OLDER, "top-1", True),
        ([2.1, 2.0, -1.1], True, OLDER, "top-1", False),
        ([0.5, 2.0, -1.0001], False, LITERT, "rounding", True),
        ([0.5, 2.0, -1.0001], False, OLDER, "rounding", True),
        ([0.5, 2.0, -1.001], False, LITERT, "rounding", False),
        ([2.1, 2.0, -1.0], False, LITERT, "rounding", False),
        ([0.5, float("nan"), -1.0], False, LITERT, "rounding", False),
    ],
)
def test_what_is_asked_depends_on_model_and_runtime(
    scores: list[float], quantized: bool, runtime: tuple[str, str], promise: str, passed: bool
) -> None:
    outcome = judge(
        "m.tflite",
        scores,
        EXPECTED,
        quantized=quantized,
        runtime=runtime,
        computers_runtime=LITERT,
    )
    assert (outcome.promise, outcome.passed) == (promise, passed)
    assert str(outcome).startswith("passed  m.tflite  " if passed else "FAILED  m.tflite  ")


@pytest.mark.parametrize(
    ("scores", "runtime", "promise", "passed"),
    [
        ([0.5, 2.0, -1.0], LITERT, "steps", True),
        ([0.5, 1.95, -1.05], LITERT, "steps", True),
        ([0.5, 2.0, -1.07], LITERT, "steps", False),
        ([0.5, float("nan"), -1.0], LITERT, "steps", False),
        ([0.5, 2.0, -1.5], NEWER, "top-1", True),
        ([2.1, 2.0, -1.0], OLDER, "top-1", False),
    ],
)
def test_of_a_mixed_file_a_step_here_and_there_is_no_fault(
    scores: list[float], runtime: tuple[str, str], promise: str, passed: bool
) -> None:
    outcome = judge(
        *("m.tflite", scores, EXPECTED),
        quantized=True,
        mixed=True,
        runtime=runtime,
        computers_runtime=LITERT,
    )
    assert (outcome.promise, outcome.passed) == (promise, passed)
    # Close to one another, and of another class.
    close = judge(
        *("m.tflite", [1.0, 0.99], [0.99, 1.0]),
        quantized=True,
        mixed=True,
        runtime=LITERT,
        computers_runtime=LITERT,
    )
    assert not close.passed


def test_the_same_other_runtime_promises_no_bits() -> None:
    outcome = judge(
        "m.tflite", [3.0, 4.0], [3.5, 4.0], quantized=True, runtime=OLDER, computers_runtime=OLDER
    )
    assert (outcome.promise, outcome.passed) == ("top-1", True)
    assert str(outcome) == (
        "passed  m.tflite  1 of 2 scores differ from the computer's, by 0.5 at most; the likeliest"
        " class agrees"
    )


def test_one_score_is_on_one_side_of_a_half() -> None:
    for score, passed in ((0.9, True), (0.51, True), (0.49, False)):
        outcome = judge(
            "m.tflite", [score], [0.8], quantized=True, runtime=OLDER, computers_runtime=LITERT
        )
        assert (outcome.promise, outcome.passed) == ("top-1", passed)


def test_answers_of_other_lengths_are_an_error() -> None:
    with pytest.raises(ModelError, match="gives 1 scores, the bundle says 3"):
        judge("m.tflite", [1.0], EXPECTED, quantized=True, runtime=LITERT, computers_runtime=LITERT)


def test_a_mixed_file_of_a_bundle_is_known_by_its_card(
    fashion_models: Models, tmp_path: Path
) -> None:
    model = mixed_models(fashion_models, tmp_path, {0: "float32", 2: "hybrid"}).int8_model
    profile = find_profile("host")
    wanted = reference(model, profile)
    (tmp_path / "image.png").write_bytes(wanted.image)
    (tmp_path / "host.toml").write_bytes(profile_files()["host"].read_bytes())
    entry = {
        "file": model.name,
        "picture": "image.png",
        "scores": list(wanted.scores),
        "quantized": wanted.quantized,
        "runtime": [wanted.runtime, wanted.version],
    }
    manifest = {"format": 1, "profile": "host.toml", "model": model.name, "models": [entry]}
    (tmp_path / "bundle.json").write_text(json.dumps(manifest))
    (outcome,) = selftest(tmp_path)
    assert (outcome.promise, outcome.passed, outcome.different) == ("steps", True, 0)


ENTRY = {
    "file": "models/m.tflite",
    "picture": "selftest/m.png",
    "scores": [1.0],
    "quantized": True,
    "runtime": ["ai-edge-litert", "2.3.0"],
}


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"models": []},
        {"profile": 7, "model": "m", "models": [ENTRY]},
        {"profile": "profile/pi4.toml", "models": {}},
        {"profile": "profile/pi4.toml", "models": [{"file": "models/m.tflite"}]},
        {"profile": "/etc/evil.toml", "model": "m", "models": [ENTRY]},
        {"profile": "../evil.toml", "model": "m", "models": [ENTRY]},
        {"profile": "p", "model": "m", "models": []},
        {"profile": "p", "model": "m", "models": [{**ENTRY, "scores": ["1"]}]},
        {"profile": "p", "model": "m", "models": [{**ENTRY, "file": "../../m.tflite"}]},
        {"profile": "p", "model": "m", "models": [{**ENTRY, "runtime": "tensorflow"}]},
    ],
)
def test_a_damaged_bundle_is_an_error(tmp_path: Path, content: dict[str, object]) -> None:
    manifest = tmp_path / "bundle.json"
    manifest.write_text(json.dumps({"format": 1, **content}))
    with pytest.raises(ModelError) as refusal:
        selftest(tmp_path)
    assert str(refusal.value).startswith(f"{manifest} is damaged (")
    assert str(refusal.value).endswith("): make the bundle again")
