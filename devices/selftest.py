"""Whether a bundle's models answer here as they did on the computer that made it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal, TypedDict, cast

import numpy as np

from tinyedge.accuracy.statistics import top1
from tinyedge.devices.profile import Profile, find_profile
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.errors import ModelError, TinyedgeError
from tinyedge.files import read_bytes
from tinyedge.json_values import ValueCheck, field, parse_json, real, several, text, truth
from tinyedge.text import printable

__all__ = [
    "FORMAT",
    "MANIFEST",
    "BundledModel",
    "Manifest",
    "Outcome",
    "Promise",
    "as_json",
    "as_text",
    "read_manifest",
    "selftest",
]

MANIFEST = "bundle.json"
FORMAT = 1
"""Of the manifest: a bundle of another one is refused."""

# A score of a class takes some 22 bytes.
_MOST_BYTES = 64 << 20

# Its int8 kernels give the same bits on x86-64 and ARM, whatever the threads. Sums of floats
# depend on their order, and that on the processor: AVX-512 and NEON differ in the last bits.
_EXACT_RUNTIME = "ai-edge-litert"
# Of the largest score: far above the rounding of float32, far below what a mistake makes.
_ROUNDING = 1e-4
# Of a mixed file, whose float sums are rounded to int8 further on: where one lies between two steps
# its last bit decides, and what follows moves with it: by up to 0.003 on an emulated Cortex-A76,
# whose hybrid kernels add in another order; by 0.01 of Tiny Darknet where float sums did.
_STEPS = 0.03

# The first inference packs the weights.
_TIMED_RUNS, _TIMED_MILLISECONDS = 5, 500.0

Promise = Literal["bits", "rounding", "steps", "top-1"]


class BundledModel(TypedDict):
    """A model of a bundle: its files there, and its answer on the computer that made it."""

    file: str
    picture: str
    scores: list[float]
    quantized: bool
    # Name and version.
    runtime: list[str]


class Manifest(TypedDict):
    """What tinyedge reads of ``bundle.json``, which holds more."""

    profile: str
    models: list[BundledModel]
    # The file of the model that a service runs.
    model: str


@dataclass(frozen=True)
class Outcome:
    """How one model answered.

    Attributes:
        model: its path inside the bundle.
        passed: whether the board's answer is the computer's, as far as that is promised.
        promise: what is asked of the answer. ``bits`` for an int8 model where both run the same
            release of ai-edge-litert: every score must be equal. ``rounding`` for a float model:
            no score may differ by more than 1e-4 of the largest. ``steps`` for a mixed model
            where both run the same release of ai-edge-litert: by no more than 0.03 of it, and the
            likeliest class must be the same. ``top-1`` for the rest: that class alone.
        runtime: name and version of the runtime here.
        scores: how many the answer has.
        different: how many of them are not equal to the computer's.
        largest_difference: between two scores, 0.0 where all are equal.
        top_1_agrees: whether the likeliest class is the computer's.
        milliseconds: the median of five inferences, or of those of half a second, after the first;
            None where none was timed.
    """

    model: str
    passed: bool
    promise: Promise
    runtime: str
    scores: int
    different: int
    largest_difference: float
    top_1_agrees: bool
    milliseconds: float | None = None

    def __str__(self) -> str:
        if not self.different:
            said = f"all {self.scores} scores equal the computer's"
        else:
            said = (
                f"{self.different} of {self.scores} scores differ from the computer's, by"
                f" {self.largest_difference:.3g} at most; the likeliest class"
                f" {'agrees' if self.top_1_agrees else 'is another'}"
            )
        more = "; that is more than rounding"
        wanted = {"bits": "; all must be equal", "rounding": more, "steps": more}
        reason = "" if self.passed else wanted.get(self.promise, "")
        return f"{'passed' if self.passed else 'FAILED'}  {self.model}  {said}{reason}"


def read_manifest(bundle: Path) -> Manifest:
    """What the bundle, or what was installed from it, says of itself.

    Raises:
        ModelError: `bundle` is no such folder, is damaged, or was made by a newer tinyedge.
    """
    path = bundle / MANIFEST
    try:
        content = parse_json(read_bytes(path, limit=_MOST_BYTES, what="a bundle's manifest"))
    except (OSError, TinyedgeError, ValueError) as error:
        raise ModelError(
            f"{bundle} is no tinyedge bundle ({MANIFEST}: {getattr(error, 'strerror', error)})"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ModelError(f"{path} is not of format {FORMAT}, which this tinyedge reads")
    try:
        for name, check in _CHECKS.items():
            field(content, name, check)
    except ValueError as error:
        raise ModelError(f"{path} is damaged ({error}): make the bundle again") from None
    return cast(Manifest, content)


def _model(value: object) -> None:
    """Raise a ValueError unless it is a `BundledModel`."""
    for name, check in _MODEL_CHECKS.items():
        field(value, name, check)


def _models(value: object) -> None:
    """Raise a ValueError unless there is one: of none all would pass."""
    if not several(_model)(value):
        raise ValueError("a list of models")


def _file(value: object) -> None:
    """Raise a ValueError unless it is a path that stays inside the bundle."""
    path = PurePosixPath(text(value))
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise ValueError("a path inside the bundle")


def _scores(value: object) -> None:
    if not several(real())(value):
        raise ValueError("a list of numbers")


_MODEL_CHECKS: dict[str, ValueCheck] = {
    "file": _file,
    "picture": _file,
    "scores": _scores,
    "quantized": truth,
    "runtime": several(text, 2),
}
_CHECKS: dict[str, ValueCheck] = {"profile": _file, "model": _file, "models": _models}


def selftest(bundle: Path) -> list[Outcome]:
    """Run each model of the bundle on its image; outcomes in the bundle's order.

    Raises:
        ModelError: `bundle` is no bundle, or a model of it cannot be loaded.
        DeviceError: the profile in it cannot be read.
        ImageError: an image of it is damaged.
        MissingPackageError: no TFLite runtime is installed.
    """
    manifest = read_manifest(bundle)
    profile = find_profile(str(bundle / manifest["profile"]))
    return [_outcome(bundle, entry, profile) for entry in manifest["models"]]


def as_text(outcomes: Sequence[Outcome]) -> str:
    """One line per model."""
    return "\n".join(printable(str(outcome)) for outcome in outcomes)


def as_json(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """``passed``, and the fields of the `Outcome` of each model."""
    return {
        "schema": "tinyedge.selftest/1",
        "passed": all(outcome.passed for outcome in outcomes),
        "models": [asdict(outcome) for outcome in outcomes],
    }


def _outcome(bundle: Path, entry: BundledModel, profile: Profile) -> Outcome:
    classifier = Classifier(bundle / entry["file"], device=profile, delegate="exact")
    inputs = classifier.preprocess(bundle / entry["picture"])
    scores = classifier.logits(inputs)
    outcome = judge(
        entry["file"],
        scores.tolist(),
        entry["scores"],
        quantized=entry["quantized"],
        mixed=classifier.card.is_mixed,
        runtime=(classifier.runtime.name, classifier.runtime.version),
        computers_runtime=tuple(entry["runtime"]),
    )
    times: list[float] = []
    while not times or (len(times) < _TIMED_RUNS and sum(times) < _TIMED_MILLISECONDS):
        times.append(classifier.infer(inputs).milliseconds)
    return replace(outcome, milliseconds=float(np.median(times)))


def judge(
    model: str,
    scores: Sequence[float],
    expected: Sequence[float],
    *,
    quantized: bool,
    runtime: tuple[str, str],
    computers_runtime: tuple[str, ...],
    mixed: bool = False,
) -> Outcome:
    """Compare two answers of one model; a runtime is its name and version.

    `mixed` of a quantized model some of whose layers are in float.

    Raises:
        ModelError: the answers have different lengths.
    """
    if len(scores) != len(expected):
        raise ModelError(f"{model} gives {len(scores)} scores, the bundle says {len(expected)}")
    here, there = np.asarray(scores), np.asarray(expected)
    different = int((here != there).sum())
    largest = float(np.abs(here - there).max()) if different else 0.0
    agrees = bool(top1(here) == top1(there))
    greatest = float(np.abs(there).max())
    same_runtime = runtime == computers_runtime and runtime[0] == _EXACT_RUNTIME
    if not quantized:
        promise: Promise = "rounding"
        passed = largest <= _ROUNDING * greatest
    elif same_runtime and mixed:
        promise, passed = "steps", agrees and largest <= _STEPS * greatest
    elif same_runtime:
        promise, passed = "bits", different == 0
    else:
        promise, passed = "top-1", agrees
    return Outcome(
        model=model,
        passed=passed,
        promise=promise,
        runtime=" ".join(runtime),
        scores=len(scores),
        different=different,
        largest_difference=largest,
        top_1_agrees=agrees,
    )
