"""What classifiers answer to photos, to the last bit: run here and on a board, and compared.

    python outputs.py OUT.npz IMAGES MODEL...

IMAGES is a text file with a path a line. OUT holds for each model, by its file's name, the output
tensor dequantized (float64, exact: equal numbers are equal tensors), the probabilities, and a
sha256 of the input tensors. It needs nothing but tinyedge and a runtime.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyedge.devices.runtime.classifier import Classifier


def answers(model: Path, images: list[Path]) -> dict[str, NDArray[np.generic]]:
    """Arrays ``<name>.logits`` and ``.probabilities``, (n, classes), and ``.inputs``."""
    classifier = Classifier(model)
    digest = hashlib.sha256()
    logits = []
    for image in images:
        inputs = classifier.preprocess(image)
        digest.update(inputs.tobytes())
        logits.append(classifier.logits(inputs))
    return {
        f"{model.name}.inputs": np.frombuffer(digest.digest(), np.uint8),
        f"{model.name}.logits": np.stack(logits),
        f"{model.name}.probabilities": np.stack([classifier.probabilities(row) for row in logits]),
    }


def main() -> None:
    """Write the file that the command line asks for."""
    out, listed, *models = sys.argv[1:]
    images = [Path(line) for line in Path(listed).read_text(encoding="utf-8").splitlines()]
    arrays: dict[str, NDArray[np.generic]] = {}
    for model in models:
        arrays |= answers(Path(model), images)
    np.savez(out, **arrays)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
