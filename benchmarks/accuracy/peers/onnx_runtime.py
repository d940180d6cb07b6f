"""ONNX Runtime and its static quantization."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from benchmarks.accuracy.peers.onnx_graph import INPUT, planar

__all__ = ["ONNXRuntimeSession", "quantize"]

# Histogram calibration keeps every activation of as many images in memory at a time.
_IMAGES_AT_A_TIME = 20


class ONNXRuntimeSession:
    """An .onnx file on the CPU provider with all optimizations, its default."""

    def __init__(self, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._input: dict[str, NDArray[np.float32]] = {}
        self._output: Any = None

    def feed(self, image: NDArray[np.float32]) -> None:
        """Keep the image, channels first."""
        self._input = {INPUT: planar(image)}

    def run(self) -> None:
        """Run the session."""
        self._output = self._session.run(None, self._input)

    def scores(self) -> NDArray[np.float64]:
        """As they come out: float."""
        return np.asarray(self._output[0], np.float64).reshape(-1)


class _Images(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, images: NDArray[np.float32]) -> None:
        self._images = images
        self._left = iter(images)

    def __len__(self) -> int:
        return len(self._images)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Go on with these images; ONNX Runtime's name."""
        self._left = iter(self._images[start_index:end_index])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next image's input, or None behind the last; ONNX Runtime's name."""
        image = next(self._left, None)
        return None if image is None else {INPUT: planar(image)}


def quantize(network: Path, calibration: NDArray[np.float32], folder: Path, *, method: str) -> None:
    """QDQ, int8 weights a channel, uint8 activations; all else is ONNX Runtime's default.

    On x86 its kernels multiply uint8 by int8; int8 activations have the same steps, moved by
    128.

    Args:
        network: the network's folder, with the float graph.
        calibration: (n, height, width, channels).
        folder: where the model goes.
        method: a name of ONNX Runtime's CalibrationMethod.
    """
    count = len(calibration)
    stride = max(n for n in range(1, _IMAGES_AT_A_TIME + 1) if count % n == 0)
    with tempfile.TemporaryDirectory() as scratch:
        prepared = Path(scratch) / "prepared.onnx"
        quant_pre_process(network / "onnx" / "model.onnx", prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            folder / "model.onnx",
            _Images(calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod[method],
            # The name says MinMax; the stride is that of every method's.
            extra_options={"CalibStridedMinMax": stride},
        )
