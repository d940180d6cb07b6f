"""Tiny Darknet in the files of every engine, each made once."""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.accuracy.networks import CALIBRATION_IMAGES, write_sources
from benchmarks.accuracy.peers.rows import GRAPH, ROWS
from benchmarks.emulated.cores import CORES
from benchmarks.performance.ncnn_files import read_blobs, write_ncnn
from benchmarks.performance.sections import state
from tests.emulated_pi.installation import ensure
from tinyedge.darknet.network import read_network
from tinyedge.darknet.weights import read_weights
from tinyedge.export.build.fold import fold
from tinyedge.zoo.fetch import locate
from tinyedge.zoo.models import MODELS

__all__ = ["NCNN", "ONNX_INT8", "OPENVINO_INT8", "export_missing", "peer_models"]

ONNX_INT8, OPENVINO_INT8 = "onnxruntime-minmax", "openvino-default"
"""Rows of benchmarks/accuracy: both quantizers' defaults."""
NCNN = "ncnn"
"""The folder of ncnn's models in that of `peer_models`: ``float`` and ``int8``."""

_ROOT = Path(__file__).resolve().parents[2]
_ENGINES = Path(__file__).with_name("engines.py")
_MAKERS = ("ncnn", "nncf", "onnxruntime", "openvino")
"""The packages that have a part in other engines' files."""
_PEERS = {row.name: row for row in (GRAPH, *ROWS)}


def export_missing(folder: Path, calib: Path) -> None:
    """Export what is not in `folder` of tinyedge's files, on photos of the folder `calib`.

    They are ``tiny_float.tflite``, ``tiny_int8.tflite``, ``tiny_default_int8.tflite`` of
    TFLiteConverter's quantizer, and for each emulated board ``tiny_BOARD_int8.tflite`` and
    ``tiny_BOARD_mixed.tflite``.
    """
    exports: dict[str, tuple[str, tuple[str, ...]]] = {
        "tiny_float.tflite": ("tiny_float.tflite", ("--float-only",)),
        "tiny_int8.tflite": ("tiny_int8.tflite", ()),
        "tiny_default_int8.tflite": ("tiny_int8.tflite", ("--quantizer", "default")),
    }
    for board in CORES:
        device = ("--device", board)
        integer = (*device, "--precision", "integer")
        exports[f"tiny_{board}_int8.tflite"] = ("tiny_int8.tflite", integer)
        exports[f"tiny_{board}_mixed.tflite"] = ("tiny_mixed.tflite", device)
    folder.mkdir(parents=True, exist_ok=True)
    for name, (made, options) in exports.items():
        if (folder / name).is_file():
            continue
        print(f"exporting {name}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix=".making.", dir=folder) as scratch:
            words = ["export", "tiny", "--calib", calib, "--count", CALIBRATION_IMAGES, *options]
            _run([sys.executable, "-m", "tinyedge", *words, "-o", scratch])
            (Path(scratch) / made).rename(folder / name)


def peer_models(calib: Path, peers: Path, versions: Mapping[str, str]) -> Path:
    """The folder with other engines' files, made once of photos of `calib`.

    It has those of the rows of benchmarks/accuracy in folders of their names, and `NCNN`.

    Args:
        calib: a folder of photos.
        peers: Python of the environment of benchmarks/requirements.txt.
        versions: of what is installed there, by name.
    """
    recipe = json.dumps([str(calib.resolve()), [[name, versions[name]] for name in _MAKERS]])

    def build(folder: Path, scratch: Path) -> None:
        del scratch
        write_sources("tiny", folder, calib)
        for name in ("onnx", ONNX_INT8, OPENVINO_INT8):
            print(f"making {_PEERS[name].title}", file=sys.stderr, flush=True)
            (folder / name).mkdir()
            _run([peers, "-m", "benchmarks.accuracy.peers", "make", name, folder])
        _write_ncnn(folder, peers)

    digest = hashlib.sha256(recipe.encode()).hexdigest()[:8]
    return ensure(state(), f"models-{digest}", build)


def _write_ncnn(folder: Path, peers: Path) -> None:
    files = locate(MODELS["tiny"])
    assert files.weights is not None
    network = read_network(files.cfg)
    weights = fold(network, read_weights(files.weights, network))
    (folder / NCNN).mkdir()
    floating = write_ncnn(network, weights, folder / NCNN, "float")
    blobs = read_blobs(network)
    words = [peers, _ENGINES, "ranges", folder / "calibration.npy", *floating, *blobs.values()]
    largest = json.loads(_run(words).splitlines()[-1])
    write_ncnn(network, weights, folder / NCNN, "int8", dict(zip(blobs, largest, strict=True)))


def _run(words: list[Any]) -> str:
    """What it printed."""
    done = subprocess.run(
        list(map(str, words)), cwd=_ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))} failed:\n{done.stderr[-2000:]}")
    return done.stdout
