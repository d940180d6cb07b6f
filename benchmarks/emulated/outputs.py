"""Output tensors of models on emulated boards beside this machine's."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests import emulated_pi as emulation
from tests.emulated_pi import emulated_pi
from tinyedge.files import file_sha256

__all__ = ["SYSTEMS", "compare_outputs"]

SYSTEMS = (
    ("bookworm", "pi3"),
    ("bookworm", "pi4"),
    ("bookworm", "pi5"),
    ("armhf", "pi3"),
    ("trixie", "pi5"),
    ("trixie", "pi4"),
    ("trixie", "pi3"),
)
_Row = dict[str, Any]
_SCRIPT = Path(emulation.__file__).with_name("outputs.py")


def compare_outputs(
    models: Sequence[Path], photos: Sequence[Path], packages: Path, known: Sequence[_Row] = ()
) -> Iterator[_Row]:
    """A row for each system and model, over all `photos`; those in `known` are not made again.

    `packages` is a folder with tinyedge, as its wheel is unpacked. Differences are the largest of
    all numbers: of logits in logits, of probabilities in [0, 1].

    Raises:
        RuntimeError: a model does not run on a board.
    """
    have = {(row["release"], row["board"], row["sha256"]): row for row in known}
    hashes = {model: file_sha256(model) for model in models}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        listed = folder / "photos.txt"
        listed.write_text("".join(f"{photo}\n" for photo in photos))
        here = folder / "here.npz"
        subprocess.run(
            [sys.executable, _SCRIPT, here, listed, *models],
            env={**os.environ, "PYTHONPATH": str(packages)},
            check=True,
        )
        expected = dict(np.load(here))
        shared = {folder, packages, _SCRIPT, *models, *(photo.parent for photo in photos)}
        for release, board in SYSTEMS:
            pi = emulated_pi(release, board, shared=sorted(shared))
            for model in models:
                key = (release, board, hashes[model])
                if key in have:
                    yield have[key]
                    continue
                print(f"{release} {board} {model.stem}", file=sys.stderr, flush=True)
                there = folder / "there.npz"
                words = ["python3", _SCRIPT, there, listed, model]
                done = pi.run(*words, environment={"PYTHONPATH": str(packages)}, timeout=7200)
                if done.returncode != 0:
                    raise RuntimeError(done.stderr)
                yield {
                    **dict(zip(("release", "board", "sha256"), key, strict=True)),
                    "cpu": pi.cpu,
                    "model": model.stem,
                    "photos": len(photos),
                    **_difference(dict(np.load(there)), expected, model.name),
                }


def _difference(
    found: dict[str, NDArray[Any]], expected: dict[str, NDArray[Any]], model: str
) -> _Row:
    logits, wanted = found[f"{model}.logits"], expected[f"{model}.logits"]
    chances = found[f"{model}.probabilities"] - expected[f"{model}.probabilities"]
    return {
        "inputs_equal": bool(np.array_equal(found[f"{model}.inputs"], expected[f"{model}.inputs"])),
        "numbers": wanted.size,
        "numbers_equal": int(np.sum(logits == wanted)),
        "logit_difference": float(np.abs(logits - wanted).max()),
        "probability_difference": float(np.abs(chances).max()),
        "same_answer": int(np.sum(logits.argmax(axis=1) == wanted.argmax(axis=1))),
    }
