"""The page docs/calibration.md: what the calibration images do to Tiny Darknet in int8.

    python -m benchmarks.calibration [-o docs/calibration.md]

TINYEDGE_CACHE names the cache; imagenet/calib, imagenet/calib_more and imagenet/val lie beside
it. Each row is an export's integer file, made in this process; rows are kept in a folder
outside the repository, and what is there is not measured again unless --only names it. --minutes
ends the work in time: the page has what is measured by then, and the rest comes another time.
"""

import datetime
import json
import sys
import time
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import run
from benchmarks.accuracy.networks import is_prepared, prepare
from benchmarks.calibration.rows import ROWS, Row, calibration_images
from benchmarks.calibration.table import Result, markdown
from benchmarks.rows import measured, row_arguments
from tinyedge.accuracy import statistics
from tinyedge.darknet.network import Network, read_network
from tinyedge.darknet.weights import Weights, read_weights
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.export.build.fold import fold
from tinyedge.export.calibrate.images import CalibrationSet
from tinyedge.export.cards import read_facts
from tinyedge.export.pipeline import Prepared, observe
from tinyedge.export.request import ExportRequest
from tinyedge.export.tensorflow import require_tensorflow, tensorflow_hushed
from tinyedge.progress import no_progress
from tinyedge.zoo.models import SourceFiles

_THREADS = 2


@dataclass(frozen=True, eq=False)
class _Evaluation:
    """The network, and its float answers on the evaluation images."""

    files: SourceFiles
    network: Network
    weights: Weights
    images: NDArray[np.float32]
    labels: NDArray[np.intp]
    scores: NDArray[np.float64]


def main() -> None:
    """Measure what is not measured yet and write the page."""
    parser = row_arguments(__doc__.splitlines()[0], "calibration")
    parser.add_argument("--only", action="append", choices=[row.name for row in ROWS], default=[])
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    # Of the first row that is measured, if one is.
    prepared = cache(partial(_prepared, folder))

    def measure(row: Row) -> Result:
        return _measure(row, prepared(), folder / "model.tflite")

    minutes, only = arguments.minutes, arguments.only
    text = markdown(measured(ROWS, Result, measure, folder, minutes=minutes, only=only))
    if arguments.output is None:
        print(text, end="")
    else:
        arguments.output.write_text(text, encoding="utf-8")


def _measure(row: Row, evaluation: _Evaluation, model: Path) -> Result:
    print(f"{row.name} ...", end=" ", file=sys.stderr, flush=True)
    images = calibration_images(row, evaluation.network, evaluation.weights)
    start = time.monotonic()
    content = _integer_file(evaluation, images, model.parent)
    seconds = time.monotonic() - start
    model.write_bytes(content)
    scores = _scores(model, evaluation.images)
    divergence = statistics.kl_divergence(evaluation.scores, scores)
    right = statistics.top1(evaluation.scores) == evaluation.labels
    still = statistics.top1(scores) == evaluation.labels
    result = Result(
        date=datetime.date.today().isoformat(),
        seconds=seconds,
        evaluated=len(scores),
        calibrated=len(images),
        kl_mean=float(np.mean(divergence)),
        kl_p95=float(np.percentile(divergence, 95)),
        agreement=float(np.mean(statistics.top1(scores) == statistics.top1(evaluation.scores))),
        lost=int(np.sum(right & ~still)),
        gained=int(np.sum(~right & still)),
    )
    print(f"KL {result.kl_mean:.4f}, {seconds:.0f} s", file=sys.stderr, flush=True)
    return result


def _integer_file(evaluation: _Evaluation, images: NDArray[np.float32], folder: Path) -> bytes:
    files, network, weights = evaluation.files, evaluation.network, evaluation.weights
    assert files.weights is not None
    request = ExportRequest("tiny", files, folder)
    facts = read_facts(request, network, files.weights)
    calibration = CalibrationSet(images, ())
    prepared = Prepared(request, network, facts, calibration, weights.batch_norm, weights)
    made = observe(prepared, no_progress).files
    assert made is not None
    return made.integer(no_progress)


def _prepared(folder: Path) -> _Evaluation:
    require_tensorflow()
    from tinyedge.export.build.model import build_keras_model
    from tinyedge.export.tflite.convert import convert_float

    # The same arrays as those of the table of accuracy, which are large.
    shared = folder.parent / "accuracy" / "tiny"
    if not is_prepared(shared):
        prepare("tiny", shared)
    files = json.loads((shared / "network.json").read_text(encoding="utf-8"))
    source = SourceFiles(Path(files["cfg"]), Path(files["weights"]))
    network = read_network(source.cfg)
    weights = read_weights(Path(files["weights"]), network)
    images = np.load(shared / "evaluation.npy", mmap_mode="r")
    answers = folder / "float_scores.npy"
    if not answers.is_file():
        with tensorflow_hushed():
            content = convert_float(build_keras_model(network, fold(network, weights)))
        model = folder / "float.tflite"
        model.write_bytes(content)
        np.save(answers, _scores(model, images))
    labels = np.load(shared / "labels.npy")
    return _Evaluation(source, network, weights, images, labels, np.load(answers))


def _scores(model: Path, images: NDArray[np.float32]) -> NDArray[np.float64]:
    classifier = Classifier(model, threads=_THREADS, fit="crop")
    inputs = (classifier.spec.encode(image)[np.newaxis] for image in images)
    return np.stack([classifier.logits(pixels) for pixels in inputs])


if __name__ == "__main__":
    run(main)
