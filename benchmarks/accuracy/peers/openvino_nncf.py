"""OpenVINO and its quantizer NNCF."""

from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray

from benchmarks.accuracy.peers.onnx_graph import planar

__all__ = ["OpenVINOSession", "quantize"]


class OpenVINOSession:
    """An .xml with its .bin on the CPU plugin."""

    def __init__(self, folder: Path) -> None:
        core = openvino.Core()
        # A CPU with bf16 would else compute in it what is not int8.
        settings = {
            "INFERENCE_NUM_THREADS": 1,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
        }
        model = core.compile_model(folder / "model.xml", "CPU", settings)
        self._request = model.create_infer_request()

    def feed(self, image: NDArray[np.float32]) -> None:
        """Hand the image over, channels first."""
        self._request.set_input_tensor(openvino.Tensor(planar(image)))

    def run(self) -> None:
        """Infer what was fed."""
        self._request.infer()

    def scores(self) -> NDArray[np.float64]:
        """As they come out: float."""
        return np.asarray(self._request.get_output_tensor(0).data, np.float64).reshape(-1)


def quantize(
    network: Path,
    calibration: NDArray[np.float32],
    folder: Path,
    *,
    preset: str,
    fast_bias_correction: bool,
) -> None:
    """nncf.quantize on every calibration image; all else is its default.

    Args:
        network: the network's folder, with the float graph.
        calibration: (n, height, width, channels).
        folder: where the model goes.
        preset: ``performance``, NNCF's default, has symmetric activations, ``mixed`` asymmetric.
        fast_bias_correction: False is what NNCF calls accurate.
    """
    import nncf

    # Unlike Core.read_model this folds the reshape in front of each bias, without which NNCF
    # takes the convolutions to have none and corrects none.
    model = openvino.convert_model(network / "onnx" / "model.onnx")
    quantized = nncf.quantize(
        model,
        nncf.Dataset(calibration, planar),
        preset=nncf.QuantizationPreset(preset),
        subset_size=len(calibration),
        fast_bias_correction=fast_bias_correction,
    )
    openvino.save_model(quantized, folder / "model.xml", compress_to_fp16=False)
