"""One engine in a process of its own: it times an inference whenever it is asked for one.

``python engines.py ENGINE PHOTO.npy FILE...``; a line on stdin is a round. Each answers with a line
of JSON: first the class it gives the photo, then milliseconds.
"""

import json
import sys
import time
from collections.abc import Callable
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
    values = np.ascontiguousarray(photo.transpose(2, 0, 1)[np.newaxis])

    def run() -> Any:
        net.setInput(values)
        return net.forward()

    return run, run


ENGINES = {"litert": _litert, "tflite-runtime": _tflite_runtime, "opencv": _opencv}


def main() -> None:
    """Load, answer once, and time a run for each line."""
    engine, photo, *files = sys.argv[1:]
    run, answer = ENGINES[engine](np.load(photo), *files)
    for _ in range(20):
        run()
    print(json.dumps(int(np.argmax(np.ravel(answer())))), flush=True)
    for _ in sys.stdin:
        run()  # the others' weights go out of the caches
        start = time.perf_counter_ns()
        run()
        print(json.dumps((time.perf_counter_ns() - start) / 1e6), flush=True)


if __name__ == "__main__":
    main()
