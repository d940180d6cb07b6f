"""LiteRT, and Google's ai-edge-quantizer, which writes files for it."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.devices.runtime.runtimes import find_runtime

__all__ = ["LiteRTSession", "quantize"]


class LiteRTSession:
    """A .tflite; XNNPACK is the runtime's default."""

    def __init__(self, folder: Path) -> None:
        content = (folder / "model.tflite").read_bytes()
        self._interpreter = find_runtime(["ai-edge-litert"]).load(content, threads=1)
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]

    def feed(self, image: NDArray[np.float32]) -> None:
        """Round to the input's steps where it is an integer."""
        kind: Any = self._input["dtype"]
        values = image
        if kind != np.float32:
            scale, zero_point = self._input["quantization"]
            limits = np.iinfo(kind)
            steps = np.rint(image * np.float32(1 / scale)) + zero_point
            values = np.clip(steps, limits.min, limits.max).astype(kind)
        self._interpreter.set_tensor(self._input["index"], values[np.newaxis])

    def run(self) -> None:
        """Invoke the interpreter."""
        self._interpreter.invoke()

    def scores(self) -> NDArray[np.float64]:
        """Dequantized where the output is an integer."""
        values = self._interpreter.get_tensor(self._output["index"]).reshape(-1)
        if self._output["dtype"] == np.float32:
            return values.astype(np.float64)
        scale, zero_point = self._output["quantization"]
        return np.asarray((values.astype(np.float64) - zero_point) * scale)


def quantize(
    network: Path, calibration: NDArray[np.float32], folder: Path, *, whole_range: bool
) -> None:
    """The float .tflite by ai-edge-quantizer's recipe for int8 weights and activations.

    Args:
        network: the network's folder, with the float file.
        calibration: (n, height, width, channels).
        folder: where the model goes.
        whole_range: take the smallest and the largest value of all images. By default it takes a
            moving average over the images of each one's, which cuts the ranges.
    """
    from ai_edge_quantizer import calibrator, quantizer, recipe, recipe_manager
    from ai_edge_quantizer.utils import qsv_utils

    source = network / "float" / "model.tflite"
    interpreter: Any = find_runtime(["ai-edge-litert"]).load(source.read_bytes(), threads=1)
    ((signature, tensors),) = interpreter.get_signature_list().items()
    (name,) = tensors["inputs"]
    samples = {signature: [{name: image[np.newaxis]} for image in calibration]}
    rules = recipe.static_wi8_ai8()
    # It reports each operator it leaves float on stdout.
    with contextlib.redirect_stdout(None):
        tool = quantizer.Quantizer(str(source), rules)
        if whole_range:
            manager = recipe_manager.RecipeManager()
            manager.load_quantization_recipe(rules)
            observer = calibrator.Calibrator(str(source), qsv_update_func=qsv_utils.min_max_update)
            observer.calibrate(samples, manager)
            ranges = observer.get_model_qsvs()
        else:
            ranges = tool.calibrate(samples)
        result = tool.quantize(ranges)
    (folder / "model.tflite").write_bytes(result.quantized_model)
