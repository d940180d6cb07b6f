"""What runs beside an engine, with it and NumPy alone: on an emulated board, or here.

``python guest.py litert|ncnn ANSWER PHOTO.npy FILE...`` runs three inferences, marks the last one
by calls of getppid(), and writes the class to the file ANSWER. ``python guest.py ranges PHOTOS.npy
PARAM BIN BLOB...`` prints the largest absolute value of each blob, as JSON. Photos are (height,
width, channels) in [0, 1].
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ENGINES"]


def _litert(photo: NDArray[np.float32], file: str) -> Callable[[], Any]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(file, num_threads=1)
    interpreter.allocate_tensors()
    (given,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()
    values = photo
    if given["dtype"] == np.int8:
        scale, zero_point = given["quantization"]
        values = np.clip(np.rint(photo / scale) + zero_point, -128, 127).astype(np.int8)

    def run() -> Any:
        interpreter.set_tensor(given["index"], values[np.newaxis])
        interpreter.invoke()
        return interpreter.get_tensor(answer["index"])

    return run


def _ncnn(photo: NDArray[np.float32], param: str, binary: str, blob: str) -> Callable[[], Any]:
    net = _ncnn_net(param, binary)
    return lambda: _ncnn_blobs(net, photo, [blob])[0]


def _ncnn_net(param: str, binary: str) -> Any:
    import ncnn  # type: ignore[import-not-found,unused-ignore]

    net = ncnn.Net()
    net.opt.num_threads = 1
    if net.load_param(param) or net.load_model(binary):
        raise SystemExit(f"ncnn does not read {param}")
    return net


def _ncnn_blobs(net: Any, photo: NDArray[np.float32], blobs: list[str]) -> list[Any]:
    import ncnn

    extractor = net.create_extractor()
    planar = np.ascontiguousarray(photo.transpose(2, 0, 1))
    extractor.input("data", ncnn.Mat(planar))
    return [np.array(extractor.extract(blob)[1]) for blob in blobs]


ENGINES = {"litert": _litert, "ncnn": _ncnn}


def main() -> None:
    """Run what is named."""
    kind, *words = sys.argv[1:]
    if kind == "ranges":
        photos, param, binary, *blobs = words
        net = _ncnn_net(param, binary)
        found = [_ncnn_blobs(net, photo, blobs) for photo in np.load(photos)]
        print(json.dumps(np.max([[abs(b).max() for b in row] for row in found], 0).tolist()))
        return
    answer, photo, *files = words
    run = ENGINES[kind](np.load(photo), *files)
    run()
    run()
    os.getppid()
    scores = run()
    os.getppid()
    Path(answer).write_text(str(int(np.argmax(np.ravel(scores)))), encoding="utf-8")


if __name__ == "__main__":
    main()
