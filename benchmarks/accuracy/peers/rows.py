"""The rows of the table: who quantizes, how, and who runs the result."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["BASELINE", "FLOAT", "GRAPH", "ROWS", "TUNED", "Row"]


@dataclass(frozen=True)
class Row:
    """One model of each network.

    Attributes:
        name: of its folder, and on the command line.
        title: in the table.
        engine: runs it; a key of `benchmarks.accuracy.peers.__main__`'s sessions.
        tool: makes it: ``tinyedge`` (the command), or a key of the quantizers there.
        options: of the tool: keyword arguments; of the command its words, and which file of those
            it writes.
        packages: of the peers' environment, whose versions make the numbers.
    """

    name: str
    title: str
    engine: str
    tool: str
    options: Mapping[str, Any] = field(default_factory=dict)
    packages: tuple[str, ...] = ()


_ONNX_RUNTIME = ("onnx", "onnxruntime")
_OPENVINO = ("openvino", "nncf")


def _tflite(name: str, title: str, file: str, *words: str) -> Row:
    options = {"words": words, "file": file}
    return Row(name, title, "litert", "tinyedge", options, ("ai-edge-litert",))


def _mixed(device: str) -> Row:
    return _tflite(f"mixed-{device}", f"tinyedge for {device}, mixed", "mixed", "--device", device)


def _ai_edge(name: str, title: str, *, whole_range: bool) -> Row:
    packages = ("ai-edge-litert", "ai-edge-quantizer")
    return Row(name, title, "litert", "ai-edge-quantizer", {"whole_range": whole_range}, packages)


def _onnx_runtime(method: str) -> Row:
    name, title = f"onnxruntime-{method.lower()}", f"ONNX Runtime, {method}"
    return Row(name, title, "onnxruntime", "onnxruntime", {"method": method}, _ONNX_RUNTIME)


def _nncf(name: str, title: str, *, preset: str, fast: bool) -> Row:
    options = {"preset": preset, "fast_bias_correction": fast}
    return Row(f"openvino-{name}", title, "openvino", "nncf", options, _OPENVINO)


FLOAT = _tflite("float", "float .tflite", "float", "--float-only")
BASELINE = _tflite("default", "TFLiteConverter default", "int8", "--quantizer", "default")
TUNED = _tflite("tuned", "tinyedge tuned", "int8", "--quantizer", "tuned")
GRAPH = Row("onnx", "float ONNX", "onnxruntime", "onnx", packages=_ONNX_RUNTIME)
"""The float graph that ONNX Runtime and OpenVINO quantize; it has no row in the table."""

ROWS = (
    FLOAT,
    BASELINE,
    TUNED,
    *map(_mixed, ("pi3", "pi4", "pi5", "pi")),
    _ai_edge("ai-edge-quantizer", "ai-edge-quantizer default", whole_range=False),
    _ai_edge("ai-edge-minmax", "ai-edge-quantizer, min and max", whole_range=True),
    *map(_onnx_runtime, ("MinMax", "Percentile", "Entropy")),
    _nncf("default", "OpenVINO, NNCF default", preset="performance", fast=True),
    _nncf("accurate", "OpenVINO, NNCF accurate bias", preset="performance", fast=False),
    _nncf("mixed", "OpenVINO, NNCF mixed, accurate bias", preset="mixed", fast=False),
    Row("ncnn", "ncnn", "ncnn", "ncnn", packages=("ncnn",)),
)
