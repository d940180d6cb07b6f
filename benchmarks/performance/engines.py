"""One engine in a process of its own, with it and NumPy alone: here, or on an emulated board.

- ``python engines.py times ENGINE PHOTO.npy FILE...`` prints JSON, a line each: the class it gives
  the photo, then for each line on stdin the milliseconds of an inference.
- ``python engines.py marks ANSWER ENGINE PHOTO.npy FILE...`` runs three inferences, marks the last
  one by calls of getppid(), and writes the class to the file ANSWER.
- ``python engines.py ranges PHOTOS.npy PARAM BIN BLOB...`` prints the largest absolute value of
  each blob of ncnn's, as JSON.

Photos are (height, width, channels) in [0, 1].
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ENGINES"]

_Run = Callable[[], Any]


def _tflite(interpreter: Any, photo: NDArray[np.float32]) -> tuple[_Run, _Run]:
    interpreter.allocate_tensors()
    given, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    values = photo
    if given["dtype"] == np.int8:
        scale, zero_point = given["quantization"]
        values = np.clip(np.rint(photo / scale) + zero_point, -128, 127).astype(np.int8)
    interpreter.set_tensor(given["index"], values[np.newaxis])
    return interpreter.invoke, lambda: interpreter.get_tensor(answer["index"])


def _litert(photo: NDArray[np.float32], file: str) -> tuple[_Run, _Run]:
    from ai_edge_litert.interpreter import Interpreter

    return _tflite(Interpreter(file, num_threads=1), photo)


def _tflite_runtime(photo: NDArray[np.float32], file: str) -> tuple[_Run, _Run]:
    from tflite_runtime.interpreter import Interpreter  # type: ignore[import-not-found,unused-ignore]

    return _tflite(Interpreter(file, num_threads=1), photo)


def _opencv(photo: NDArray[np.float32], cfg: str, weights: str) -> tuple[_Run, _Run]:
    import cv2

    cv2.setNumThreads(1)
    net = cv2.dnn.readNetFromDarknet(cfg, weights)
    # An input that did not change would be answered from memory.
    values = _planar(photo)[np.newaxis]

    def run() -> Any:
        net.setInput(values)
        return net.forward()

    return run, run


def _ncnn(photo: NDArray[np.float32], param: str, binary: str, blob: str) -> tuple[_Run, _Run]:
    net, planar = _ncnn_net(param, binary), _planar(photo)

    def run() -> Any:
        return _ncnn_blobs(net, planar, [blob])[0]

    return run, run


def _planar(photo: NDArray[np.float32]) -> NDArray[np.float32]:
    """(channels, height, width)."""
    return np.ascontiguousarray(photo.transpose(2, 0, 1))


def _ncnn_net(param: str, binary: str) -> Any:
    import ncnn  # type: ignore[import-not-found,unused-ignore]

    net = ncnn.Net()
    net.opt.num_threads = 1
    if net.load_param(param) or net.load_model(binary):
        raise SystemExit(f"ncnn does not read {param}")
    return net


def _ncnn_blobs(net: Any, planar: NDArray[np.float32], blobs: list[str]) -> list[Any]:
    import ncnn

    extractor = net.create_extractor()
    extractor.input("data", ncnn.Mat(planar))
    return [np.array(extractor.extract(blob)[1]) for blob in blobs]


ENGINES: dict[str, Callable[..., tuple[_Run, _Run]]] = {
    "litert": _litert,
    "tflite-runtime": _tflite_runtime,
    "opencv": _opencv,
    "ncnn": _ncnn,
}


def main() -> None:
    """Do what the first word says."""
    what, *words = sys.argv[1:]
    {"times": _times, "marks": _marks, "ranges": _ranges}[what](*words)


def _times(engine: str, photo: str, *files: str) -> None:
    run, answer = ENGINES[engine](np.load(photo), *files)
    for _ in range(20):
        run()
    print(_class(answer()), flush=True)
    for _ in sys.stdin:
        run()  # the others' weights go out of the caches
        start = time.perf_counter_ns()
        run()
        print(json.dumps((time.perf_counter_ns() - start) / 1e6), flush=True)


def _marks(file: str, engine: str, photo: str, *files: str) -> None:
    run, answer = ENGINES[engine](np.load(photo), *files)
    run()
    run()
    os.getppid()
    run()
    os.getppid()
    Path(file).write_text(str(_class(answer())), encoding="utf-8")


def _ranges(photos: str, param: str, binary: str, *blobs: str) -> None:
    net = _ncnn_net(param, binary)
    found = [_ncnn_blobs(net, _planar(photo), list(blobs)) for photo in np.load(photos)]
    print(json.dumps(np.max([[abs(b).max() for b in row] for row in found], 0).tolist()))


def _class(scores: Any) -> int:
    return int(np.argmax(np.ravel(scores)))


if __name__ == "__main__":
    main()
