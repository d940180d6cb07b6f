"""Which engine runs which file: the rows that both tables have."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.performance.models import NCNN, ONNX_INT8, OPENVINO_INT8
from benchmarks.performance.ncnn_files import ncnn_files
from benchmarks.performance.packages import DARKNET, TFLITE
from tinyedge.zoo.fetch import locate
from tinyedge.zoo.models import MODELS

__all__ = ["FLOAT", "INT8", "MIXED", "OURS", "Row", "engine_rows"]

FLOAT = "tinyedge float"
"""The row whose answer is the one that others are held against."""
MIXED = "tinyedge mixed"
"""The row of the boards alone."""
INT8 = "tinyedge int8"
OURS = (INT8, FLOAT, MIXED)
"""tinyedge's files in the runtime that it uses."""


class Row(NamedTuple):
    """A way to run the network.

    Attributes:
        engine: a key of engines.py's.
        requirements: what pip fetches for a board, which has LiteRT.
        arithmetic: what it multiplies, ``int8``, ``float``, or ``mixed``.
        files: that it is given.
    """

    engine: str
    requirements: tuple[str, ...]
    arithmetic: str
    files: tuple[Path, ...]

    @property
    def most_threads(self) -> int:
        """How many it can use of two: Darknet is built without OpenMP."""
        return 1 if self.engine == "darknet" else 2


def engine_rows(
    models: Path, made: Path, versions: Mapping[str, str], darknet: Path, board: str | None = None
) -> dict[str, Row]:
    """All rows by title; the first is tinyedge's int8 file.

    Args:
        models: the folder with tinyedge's files.
        made: that of `benchmarks.performance.models.peer_models`.
        versions: of the packages.
        darknet: libdarknet.so.
        board: where they run, which has files of its own, a mixed one among them.
    """
    files = locate(MODELS["tiny"])
    assert files.weights is not None
    source = files.cfg.absolute(), files.weights.absolute()
    stem = f"tiny_{board}" if board else "tiny"
    integer, runtime = models / f"{stem}_int8.tflite", TFLITE[0].replace("==", " ")
    packages = {
        "ONNX Runtime": "onnxruntime",
        "OpenVINO": "openvino",
        "ncnn": "ncnn",
        "OpenCV": "opencv-python-headless",
    }
    onnx, openvino, ncnn, opencv = (f"{title} {versions[p]}" for title, p in packages.items())
    onnx_wheel, openvino_wheel, ncnn_wheel, opencv_wheel = (
        (f"{package}=={versions[package]}",) for package in packages.values()
    )
    graph = made / "onnx" / "model.onnx"
    mixed = {MIXED: _litert(models / f"{stem}_mixed.tflite", "mixed")} if board else {}
    return {
        INT8: _litert(integer, "int8"),
        FLOAT: _litert(models / "tiny_float.tflite", "float"),
        **mixed,
        "TFLiteConverter's int8": _litert(models / "tiny_default_int8.tflite", "int8"),
        f"tinyedge int8, {runtime}": Row("tflite-runtime", TFLITE, "int8", (integer,)),
        f"{ncnn} int8": _ncnn(made, ncnn_wheel, "int8"),
        f"{ncnn}, its defaults": _ncnn(made, ncnn_wheel, "float"),
        f"{onnx} int8": Row("onnxruntime", onnx_wheel, "int8", (made / ONNX_INT8 / "model.onnx",)),
        f"{onnx} float": Row("onnxruntime", onnx_wheel, "float", (graph,)),
        f"{openvino} int8, NNCF {versions['nncf']}": Row(
            "openvino", openvino_wheel, "int8", (made / OPENVINO_INT8 / "model.xml",)
        ),
        f"{openvino}, its defaults": Row("openvino", openvino_wheel, "float", (graph,)),
        f"{opencv} DNN float": Row("opencv", opencv_wheel, "float", source),
        f"Darknet {DARKNET} (C) float": Row("darknet", (), "float", (darknet, *source)),
    }


def _litert(file: Path, arithmetic: str) -> Row:
    return Row("litert", (), arithmetic, (file,))


def _ncnn(made: Path, wheel: tuple[str, ...], kind: str) -> Row:
    return Row("ncnn", wheel, kind, ncnn_files(made / NCNN, kind))
