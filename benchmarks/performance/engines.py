"""One engine in a process of its own, with it and NumPy alone: here, or on an emulated board.

- ``python engines.py times ENGINE THREADS PHOTO.npy FILE...`` prints JSON, a line each: its answer
  to the photo, then for each line on stdin the milliseconds of an inference.
- ``python engines.py marks ANSWER ENGINE PHOTO.npy FILE...`` runs three inferences, marks the last
  one by calls of getppid(), and writes its answer to the file ANSWER.
- ``python engines.py ranges PHOTOS.npy PARAM BIN BLOB...`` prints the largest absolute value of
  each blob of ncnn's, as JSON.

Photos are (height, width, channels) in [0, 1]. An answer is the first class and its probability.
"""

import ctypes
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

_Photo = NDArray[np.float32]
_Engine = tuple[Callable[[], Any], Callable[[], Any]]
"""An inference, and the probabilities of the last one."""


def _tflite(interpreter: Any, photo: _Photo) -> _Engine:
    interpreter.allocate_tensors()
    given, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    values: NDArray[Any] = photo
    if given["dtype"] == np.int8:
        scale, zero_point = given["quantization"]
        values = np.clip(np.rint(photo / scale) + zero_point, -128, 127).astype(np.int8)
    interpreter.set_tensor(given["index"], values[np.newaxis])

    def probabilities() -> Any:
        logits = interpreter.get_tensor(answer["index"]).astype(np.float64)
        if answer["dtype"] == np.int8:
            scale, zero_point = answer["quantization"]
            logits = (logits - zero_point) * scale
        return _softmax(logits)

    return interpreter.invoke, probabilities


def _litert(threads: int, photo: _Photo, file: str) -> _Engine:
    from ai_edge_litert.interpreter import Interpreter

    return _tflite(Interpreter(file, num_threads=threads), photo)


def _tflite_runtime(threads: int, photo: _Photo, file: str) -> _Engine:
    from tflite_runtime.interpreter import Interpreter  # type: ignore[import-not-found,unused-ignore]

    return _tflite(Interpreter(file, num_threads=threads), photo)


def _opencv(threads: int, photo: _Photo, cfg: str, weights: str) -> _Engine:
    import cv2

    cv2.setNumThreads(threads)
    net = cv2.dnn.readNetFromDarknet(cfg, weights)
    # An input that did not change would be answered from memory.
    values = _planar(photo)[np.newaxis]

    def run() -> Any:
        net.setInput(values)
        return net.forward()

    return run, run


def _onnx_runtime(threads: int, photo: _Photo, file: str) -> _Engine:
    import onnxruntime  # type: ignore[import-not-found,unused-ignore]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    given = {session.get_inputs()[0].name: _planar(photo)[np.newaxis]}

    def run() -> Any:
        return session.run(None, given)[0]

    return run, lambda: _softmax(run())


def _openvino(threads: int, photo: _Photo, file: str) -> _Engine:
    import openvino  # type: ignore[import-not-found,unused-ignore]

    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = openvino.Core().compile_model(file, "CPU", settings).create_infer_request()
    request.set_input_tensor(openvino.Tensor(_planar(photo)[np.newaxis]))
    return request.infer, lambda: _softmax(request.get_output_tensor(0).data)


def _ncnn(threads: int, photo: _Photo, param: str, binary: str) -> _Engine:
    net, planar = _ncnn_net(param, binary, threads), _planar(photo)
    blobs = net.output_names()

    def run() -> Any:
        return _ncnn_blobs(net, planar, blobs)[0]

    return run, lambda: _softmax(run())


def _darknet(threads: int, photo: _Photo, library: str, cfg: str, weights: str) -> _Engine:
    assert threads == 1, "it is built without OpenMP"
    engine = ctypes.CDLL(library)
    engine.load_network.restype = ctypes.c_void_p
    engine.network_predict.restype = ctypes.POINTER(ctypes.c_float)
    network = ctypes.c_void_p(engine.load_network(cfg.encode(), weights.encode(), 0))
    engine.set_batch_network(network, 1)
    planar = _planar(photo)
    pointer = planar.ctypes.data_as(ctypes.POINTER(ctypes.c_float))

    def run() -> Any:
        return engine.network_predict(network, pointer)

    return run, lambda: np.ctypeslib.as_array(run(), (engine.network_outputs(network),))


def _softmax(logits: Any) -> NDArray[np.float64]:
    values = np.exp(np.asarray(logits, np.float64) - np.max(logits))
    return np.asarray(values / values.sum())


def _planar(photo: _Photo) -> _Photo:
    """(channels, height, width)."""
    return np.ascontiguousarray(photo.transpose(2, 0, 1))


def _ncnn_net(param: str, binary: str, threads: int) -> Any:
    import ncnn  # type: ignore[import-not-found,unused-ignore]

    net = ncnn.Net()
    net.opt.num_threads = threads
    if net.load_param(param) or net.load_model(binary):
        raise SystemExit(f"ncnn does not read {param}")
    return net


def _ncnn_blobs(net: Any, planar: _Photo, blobs: list[str]) -> list[Any]:
    import ncnn

    extractor = net.create_extractor()
    extractor.input("data", ncnn.Mat(planar))
    return [np.array(extractor.extract(blob)[1]) for blob in blobs]


ENGINES: dict[str, Callable[..., _Engine]] = {
    "litert": _litert,
    "tflite-runtime": _tflite_runtime,
    "opencv": _opencv,
    "onnxruntime": _onnx_runtime,
    "openvino": _openvino,
    "ncnn": _ncnn,
    "darknet": _darknet,
}


def main() -> None:
    """Do what the first word says."""
    what, *words = sys.argv[1:]
    {"times": _times, "marks": _marks, "ranges": _ranges}[what](*words)


def _times(engine: str, threads: str, photo: str, *files: str) -> None:
    run, answer = ENGINES[engine](int(threads), np.load(photo), *files)
    for _ in range(20):
        run()
    _say(_answer(answer()))
    for _ in sys.stdin:
        run()  # the others' weights go out of the caches
        start = time.perf_counter_ns()
        run()
        _say((time.perf_counter_ns() - start) / 1e6)


def _marks(file: str, engine: str, photo: str, *files: str) -> None:
    run, answer = ENGINES[engine](1, np.load(photo), *files)
    run()
    run()
    os.getppid()
    run()
    os.getppid()
    Path(file).write_text(json.dumps(_answer(answer())), encoding="utf-8")


def _ranges(photos: str, param: str, binary: str, *blobs: str) -> None:
    net = _ncnn_net(param, binary, 1)
    found = [
        [abs(blob).max() for blob in _ncnn_blobs(net, _planar(photo), list(blobs))]
        for photo in np.load(photos, mmap_mode="r")
    ]
    print(json.dumps(np.max(found, 0).tolist()))


def _answer(probabilities: Any) -> dict[str, float]:
    flat = np.ravel(probabilities)
    first = int(np.argmax(flat))
    return {"class": first, "probability": float(flat[first])}


def _say(found: object) -> None:
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
