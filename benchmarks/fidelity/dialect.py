"""Classifiers of AlexeyAB's Darknet and of its forks: float files against OpenCV, int8 files.

    python -m benchmarks.fidelity.dialect FOLDER [-o docs/fidelity.md]

takes every .cfg in FOLDER, which are not part of the repository, with random weights through the
export, each in a process of its own. What was measured is kept, as by `benchmarks.fidelity`, and
`-o` writes its section anew on the page.
"""

import argparse
import functools
import json
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks import run
from benchmarks.fidelity.rows import Row, keep, kept, measured_apart
from benchmarks.places import imagenet, state
from tinyedge.errors import TinyedgeError, TinyedgeWarning
from tinyedge.files import file_sha256
from tinyedge.progress import no_progress

if TYPE_CHECKING:
    from tinyedge.darknet.network import Network

__all__ = ["dialect_path", "markdown"]

_Images = NDArray[np.float32]

HEADING = "## AlexeyAB's Darknet and its forks"
_SIZE = 128
"""Pixels each way of the int8 files, for time's sake; float files have the cfg's own."""
_CALIBRATION, _UNSEEN = 16, 32
_SEED = 3
# The tuned quantizer's steps, but fewer of them.
_FEWER: dict[str, int] = {
    "iterations": 40,
    "leaky_iterations": 60,
    "batch_pixels": 512,
    "sampled_pixels": 8_000,
    "sampled_windows": 4_000,
    "largest_window": 600,
}


def dialect_path(folder: Path) -> Path:
    """Where the measurements are kept in the benchmarks' cache."""
    return folder / "dialect.json"


def measure(cfg: Path, photos: Path, folder: Path) -> Row:
    """What one cfg comes to; `folder` is for the files made of it.

    Raises:
        TinyedgeError: it is refused, or a file of it is.
    """
    from tests.support import opencv_dnn
    from tests.support.naive import forward
    from tests.support.random_weights import random_weights
    from tinyedge.accuracy.statistics import kl_divergence, top1
    from tinyedge.darknet.network import read_network
    from tinyedge.darknet.weights import read_weights, write_weights
    from tinyedge.export.check import noise_db, run_file
    from tinyedge.export.quantize.config import QuantizerConfig
    from tinyedge.export.quantize.quantizer import Quantizer
    from tinyedge.modelcard import read_card

    network, small = read_network(cfg), read_network(cfg, size=(_SIZE, _SIZE))
    seen = sorted(photos.iterdir())[: _CALIBRATION + _UNSEEN]
    weights = folder / "random.weights"
    write_weights(weights, network, random_weights(network, _SEED))
    _export(cfg, weights, photos, folder, float_only=True)
    image = _load(network, seen[-1:])
    answer = run_file((folder / "net_float.tflite").read_bytes(), image, no_progress("")).answers[0]
    unknown = opencv_dnn.unknown(network)
    if unknown:
        behind = [layer for layer in network.layers if layer.kind not in ("softmax", "cost")]
        cut = replace(network, layers=tuple(behind))
        expected = forward(cut, read_weights(weights, network), image[0])
    else:
        expected = opencv_dnn.predict(cfg, weights, image[0])
    off = float(np.abs(answer - expected).max() / np.abs(expected).max())
    fewer = functools.partial(Quantizer, config=QuantizerConfig(**_FEWER))
    with patch("tinyedge.export.quantize.quantizer.Quantizer", fewer):
        _export(cfg, weights, photos, folder, size=(_SIZE, _SIZE))
    unseen = _load(small, seen[_CALIBRATION:])
    right = run_file((folder / "net_float.tflite").read_bytes(), unseen, no_progress("")).answers
    found, scale = run_file((folder / "net_int8.tflite").read_bytes(), unseen, no_progress(""))
    card = read_card(folder / "net_int8.tflite")
    assert card is not None
    assert card.check is not None
    return {
        "layers": len(network.layers),
        "parameters": network.parameters,
        "input": f"{network.input.width} x {network.input.height}",
        "oracle": f"definition ({unknown})" if unknown else "OpenCV",
        "off": off,
        "check_db": card.check.noise_db,
        "db": noise_db(right, found, scale),
        "agree": int(np.count_nonzero(top1(right) == top1(found))),
        "kl": float(kl_divergence(right, found).mean()),
        "int8_bytes": (folder / "net_int8.tflite").stat().st_size,
    }


def _load(network: "Network", paths: Sequence[Path]) -> _Images:
    from tinyedge.images.load import load_float_input
    from tinyedge.images.spec import InputSpec

    shape = network.input
    spec = InputSpec(shape.height, shape.width, shape.channels, "crop")
    return np.stack([load_float_input(path, spec) for path in paths])


def _export(cfg: Path, weights: Path, photos: Path, folder: Path, **options: Any) -> None:
    from tinyedge.export.pipeline import export
    from tinyedge.export.request import ExportRequest
    from tinyedge.zoo.models import SourceFiles

    files = SourceFiles(cfg=cfg, weights=weights, calibration=photos)
    request = ExportRequest(
        name="net", files=files, output=folder, calibration_count=_CALIBRATION, **options
    )
    export(request, progress=no_progress)


def markdown(rows: Sequence[Row]) -> list[str]:
    """The section of the page."""
    good = [row for row in rows if "failure" not in row]
    worst = max((row["off"] for row in good), default=0.0)
    lines = [
        HEADING,
        "",
        "Classifier cfgs of public forks, as their authors wrote them, by",
        "`python -m benchmarks.fidelity.dialect FOLDER -o docs/fidelity.md`. Weights are random",
        "and well-scaled, as above. *Float off*: the largest difference of the float `.tflite`'s",
        "outputs from the oracle's at the cfg's own size, divided by the oracle's largest output",
        f"(n = 1 photo); {worst:.1g} at most. The oracle is OpenCV's DNN module, which reads .cfg",
        "and .weights itself, or, where OpenCV does not know what the table names, the written",
        "definition (`tests/support/naive.py`). The int8 file passed the check that ends an",
        f"export. It is the tuned quantizer's at {_SIZE} x {_SIZE}, on {_CALIBRATION} photos and,",
        f"for time's sake, with {_FEWER['leaky_iterations']} learning steps a block of the 1,000",
        f"that an export takes and GPTQ in windows of up to {_FEWER['largest_window']} values.",
        "*SNR*, *same class* and *KL* are of the int8 file against the float file on",
        f"{_UNSEEN} other photos. Random networks tell photos apart little: where all photos have",
        "one class, *same class* says nothing.",
        "",
        "| cfg | layers | parameters | input | oracle | float off | SNR, dB | same class | KL, nats"
        " | int8 file |",
        "|---|---:|---:|---|---|---:|---:|---:|---:|---:|",
        *(_line(row) for row in rows),
    ]
    failures = [f"- {row['cfg']}: {row['failure']}" for row in rows if "failure" in row]
    if failures:
        lines += ["", "What has no int8 file, and why:", "", *failures]
    return lines


def _line(row: Row) -> str:
    if "failure" in row:
        return f"| {row['cfg']} |" + " - |" * 9
    cells = [
        row["cfg"],
        f"{row['layers']:,}",
        f"{row['parameters']:,}",
        row["input"],
        row["oracle"],
        f"{row['off']:.1e}",
        f"{row['db']:.1f}",
        f"{row['agree']} of {_UNSEEN}",
        f"{row['kl']:.1e}",
        f"{row['int8_bytes'] / 1e6:.2f} MB",
    ]
    return "| " + " | ".join(cells) + " |"


def _is_finished(row: Row | None, cfg: Path) -> bool:
    return row is not None and "failure" not in row and row["cfg_sha256"] == file_sha256(cfg)


def _operations(cfg: Path) -> int:
    from tinyedge.darknet.network import read_network

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TinyedgeWarning)
        return read_network(cfg).operations


def _write_section(page: Path, lines: Sequence[str]) -> None:
    """Replace the section on the page, or put it before the next one."""
    found = page.read_text(encoding="utf-8").splitlines()
    starts = [number for number, line in enumerate(found) if line.startswith("## ")]
    here = next((number for number in starts if found[number] == HEADING), None)
    begin = here if here is not None else (starts or [len(found)])[0]
    end = begin
    if here is not None:
        end = next((number for number in starts if number > here), len(found))
    text = [*found[:begin], *lines, "", *found[end:]]
    page.write_text("\n".join(text).rstrip() + "\n", encoding="utf-8")


def main() -> None:
    """Measure what is not measured yet and write the section."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cfgs", nargs="+", type=Path, help="cfgs, or folders of them")
    parser.add_argument("--photos", type=Path, help="[default: ImageNet photos beside the cache]")
    parser.add_argument("-o", "--output", type=Path, help="the page with the section")
    parser.add_argument("--fresh", action="store_true", help="measure finished rows again")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    photos = arguments.photos or imagenet() / "calib"
    if arguments.one:
        warnings.simplefilter("ignore", TinyedgeWarning)
        with tempfile.TemporaryDirectory() as folder:
            try:
                row = measure(arguments.cfgs[0], photos, Path(folder))
            except TinyedgeError as error:
                raise SystemExit(str(error)) from None
        print(json.dumps(row))
        return
    path = dialect_path(state())
    before: list[Row] = kept(path, [])
    rows = {row["cfg"]: row for row in before}
    cfgs = [
        cfg
        for given in arguments.cfgs
        for cfg in (sorted(given.glob("*.cfg")) if given.is_dir() else [given])
    ]
    for cfg in sorted(cfgs, key=_operations):
        if not arguments.fresh and _is_finished(rows.get(cfg.stem), cfg):
            continue
        words = ("--photos", str(photos), "--one")
        rows[cfg.stem] = row = measured_apart(cfg, "benchmarks.fidelity.dialect", *words)
        print(row.get("failure") or f"{row['seconds']:.0f} s", file=sys.stderr, flush=True)
        keep(path, [rows[name] for name in sorted(rows)])
    lines = markdown([rows[name] for name in sorted(rows)])
    if arguments.output is None:
        print("\n".join(lines))
    else:
        _write_section(arguments.output, lines)


if __name__ == "__main__":
    run(main)
