"""One cfg through everything: layer table, Keras, float and int8 .tflite against the C engine.

Random, well-scaled weights stand in for trained ones: they are written by tinyedge's own writer
and read by both sides, so that any cfg can be checked without a download.

``python -m benchmarks.fidelity.check CFG`` prints the result as one JSON object.
"""

import argparse
import dataclasses
import json
import multiprocessing
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.support import c_engine
from tests.support.random_weights import random_weights
from tinyedge.children import die_with_parent
from tinyedge.darknet.network import Network, read_network
from tinyedge.darknet.summary import layer_table
from tinyedge.darknet.weights import read_weights, write_weights
from tinyedge.errors import ExportError, TinyedgeWarning
from tinyedge.export.build.fold import fold
from tinyedge.modelcard import Quantizer, read_card
from tinyedge.progress import no_progress

__all__ = [
    "CALIBRATION_IMAGES",
    "TOLERANCE",
    "TUNED_OPERATIONS",
    "TUNED_PARAMETERS",
    "Fidelity",
    "check",
    "quantizer_of",
]

TOLERANCE = 1e-4
"""How far an output may be off, as a part of the engine's largest output."""

CALIBRATION_IMAGES = 4
TUNED_OPERATIONS, TUNED_PARAMETERS = 6e9, 1e7
"""Up to these a network is quantized by tinyedge's own quantizer, larger ones by the converter's,
which takes a tenth of the time.
"""
_SEED = 3


@dataclass(frozen=True)
class Fidelity:
    """What one cfg came to.

    Attributes:
        layers, operations, parameters: of the network as tinyedge builds it.
        same_operations: whether ``darknet ops`` counts the same, to the unit.
        same_table: whether the engine prints the same layer table, line by line.
        photo: the image both saw.
        keras, tflite: the largest difference of Keras's and the float .tflite's outputs from
            the engine's tensor before the softmax, divided by the largest of the engine's.
        int8_bytes: the size of the int8 file, asserted full-integer; None where there is none.
        int8_refusal: why there is none; empty where there is one.
        quantizer: that made it.
        int8_noise_db: what the export's own check says of it, signal over noise; None where that
            was not kept.
        engine_seconds: the C engine's part of the run.
    """

    layers: int
    operations: int
    parameters: int
    same_operations: bool
    same_table: bool
    photo: str
    keras: float
    tflite: float
    int8_bytes: int | None
    int8_refusal: str
    engine_seconds: float
    quantizer: Quantizer = "default"
    int8_noise_db: float | None = None

    @property
    def shortcoming(self) -> str:
        """What is not as it should be, or nothing."""
        found = {
            "another layer table than the engine's": not self.same_table,
            "another count of operations than the engine's": not self.same_operations,
            f"an output is off by more than {TOLERANCE:g}": not self._is_close,
            f"no int8 file: {self.int8_refusal}": self.int8_bytes is None,
        }
        return "; ".join(words for words, is_so in found.items() if is_so)

    @property
    def _is_close(self) -> bool:
        # Not so where a nan is compared.
        return self.keras <= TOLERANCE and self.tflite <= TOLERANCE


def check(cfg: Path, folder: Path) -> Fidelity:
    """Take `cfg` through everything; `folder` is for weights and models and has to be empty.

    Raises:
        TinyedgeError: tinyedge refuses the cfg, or cannot make its float file.
        RuntimeError: the engine failed.
    """
    from tinyedge.images.load import load_float_input
    from tinyedge.images.spec import InputSpec

    network = read_network(cfg)
    weights = folder / "random.weights"
    _apart(_write_weights, cfg, weights)
    photo = _photo(folder)
    pixels = load_float_input(photo, InputSpec(*network.input, "crop"))
    start = time.monotonic()
    engine = c_engine.layer_output(cfg, weights, pixels, _last_layer(network)).astype(np.float64)
    engine_seconds = time.monotonic() - start
    error = _relative_error(engine)
    of_keras = error(_apart(_keras_output, cfg, weights, pixels))
    quantizer = quantizer_of(network)
    refusal = _export(cfg, weights, folder, quantizer)
    of_tflite = error(_tflite_output(folder / "net_float.tflite", pixels))
    return Fidelity(
        layers=len(network.layers),
        operations=network.operations,
        parameters=network.parameters,
        same_operations=network.operations == c_engine.operations(cfg),
        same_table=layer_table(network) == c_engine.layer_table(cfg),
        photo=photo.name,
        keras=of_keras,
        tflite=of_tflite,
        int8_bytes=None if refusal else (folder / "net_int8.tflite").stat().st_size,
        int8_refusal=refusal,
        quantizer=quantizer,
        int8_noise_db=None if refusal else _noise(folder / "net_int8.tflite"),
        engine_seconds=engine_seconds,
    )


def quantizer_of(network: Network) -> Quantizer:
    """Which quantizer its int8 file is made with here."""
    small = network.operations <= TUNED_OPERATIONS and network.parameters <= TUNED_PARAMETERS
    return "tuned" if small else "default"


def _noise(model: Path) -> float | None:
    card = read_card(model)
    return card.check.noise_db if card is not None and card.check is not None else None


def _last_layer(network: Network) -> int:
    """The index of the layer whose output the softmax, where there is one, is fed."""
    return max(layer.index for layer in network.layers if layer.kind not in ("softmax", "cost"))


def _relative_error(engine: NDArray[np.float64]) -> Callable[[NDArray[np.float64]], float]:
    def error(output: NDArray[np.float64]) -> float:
        assert output.shape == engine.shape, (output.shape, engine.shape)
        return float(abs(output - engine).max() / abs(engine).max())

    return error


def _apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call it in a process of its own, so that the next step finds the memory free again."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, die_with_parent) as apart:
        return apart.submit(function, *arguments).result()


def _write_weights(cfg: Path, weights: Path) -> None:
    warnings.simplefilter("ignore", TinyedgeWarning)
    network = read_network(cfg)
    write_weights(weights, network, random_weights(network, _SEED))


def _keras_output(cfg: Path, weights: Path, pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    warnings.simplefilter("ignore", TinyedgeWarning)
    network = read_network(cfg)
    from tinyedge.export.tensorflow import require_tensorflow, tensorflow_hushed

    require_tensorflow()
    with tensorflow_hushed():
        from tinyedge.export.build.model import build_keras_model

        model = build_keras_model(network, fold(network, read_weights(weights, network)))
        return _planar(np.asarray(model(pixels[np.newaxis]), np.float64)[0])


def _tflite_output(model: Path, pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    from tinyedge.devices.runtime.runtimes import find_runtime

    interpreter = find_runtime().load(model.read_bytes(), threads=os.cpu_count() or 1)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels[np.newaxis])
    interpreter.invoke()
    output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return _planar(output[0].astype(np.float64))


def _planar(output: NDArray[np.float64]) -> NDArray[np.float64]:
    """Flat, in Darknet's order: channel, row, column."""
    return output.transpose(2, 0, 1).ravel() if output.ndim == 3 else output


def _export(cfg: Path, weights: Path, folder: Path, quantizer: Quantizer) -> str:
    """Make the files in `folder`; the reason where there is no int8 file, else nothing."""
    from tinyedge.export.pipeline import export
    from tinyedge.export.request import ExportRequest
    from tinyedge.zoo.models import SourceFiles

    request = ExportRequest(
        name="net",
        files=SourceFiles(cfg=cfg, weights=weights, calibration=_calibration(folder)),
        output=folder,
        calibration_count=CALIBRATION_IMAGES,
        quantizer=quantizer,
    )
    try:
        export(request, progress=no_progress)
    except ExportError as error:
        float_only = dataclasses.replace(request, float_only=True)
        export(float_only, progress=no_progress)
        return str(error)
    return ""


def _shared(name: str) -> Path | None:
    """Data that is beside the cache where there is one."""
    cache = os.environ.get("TINYEDGE_CACHE")
    path = Path(cache).parent / name if cache else None
    return path if path is not None and path.exists() else None


def _photo(folder: Path) -> Path:
    """Darknet's photo of a dog, or a synthetic image where it is not here."""
    return _shared("images/dog.png") or _synthetic(folder / "synthetic.png", seed=0)


def _calibration(folder: Path) -> Path:
    photos = _shared("imagenet/calib")
    if photos is not None:
        return photos
    made = folder / "calibration"
    made.mkdir(exist_ok=True)
    for seed in range(1, 1 + CALIBRATION_IMAGES):
        _synthetic(made / f"{seed}.png", seed=seed)
    return made


def _synthetic(path: Path, seed: int) -> Path:
    """An image with large shapes and grain, the same every time."""
    rng = np.random.default_rng(seed)
    shapes = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).resize((640, 480))
    grain = rng.normal(0, 12, (480, 640, 3))
    Image.fromarray(np.clip(np.asarray(shapes) + grain, 0, 255).astype(np.uint8)).save(path)
    return path


def main() -> None:
    """Check one cfg and print the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cfg", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", TinyedgeWarning)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(dataclasses.asdict(check(arguments.cfg, Path(folder)))))


if __name__ == "__main__":
    main()
