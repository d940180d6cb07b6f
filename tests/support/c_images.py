"""The C engine's own image functions, called by ctypes.

They run in a process of their own: the engine calls exit() or abort() where it is displeased,
and its OpenCV need not meet TensorFlow. Pixels are float32 (h, w, c) on this side, planar on
the engine's.
"""

import ctypes
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LIBRARY = Path("/usr/lib/darknet/libdarknet.so")


class Call(NamedTuple):
    """One call, such as ``Call("letterbox_image", pixels, (224, 224))``.

    `image` may be a file's path: then the engine decodes it, with its own decoder.
    """

    function: str
    image: NDArray[np.float32] | Path
    arguments: tuple[int, ...]


def c_images(calls: Sequence[Call]) -> list[NDArray[np.float32]]:
    """What the C engine answers to each of the calls."""
    # As plain tuples: the script that reads them knows nothing of this module's name.
    request = pickle.dumps([tuple(call) for call in calls])
    finished = subprocess.run(
        [sys.executable, __file__], input=request, capture_output=True, check=False
    )
    if finished.returncode:
        said = finished.stderr.decode(errors="replace")
        raise RuntimeError(f"the C engine ended with {finished.returncode}: {said}")
    answers: list[NDArray[np.float32]] = pickle.loads(finished.stdout)
    return answers


class _Image(ctypes.Structure):
    """``typedef struct {int w; int h; int c; float *data;} image`` of darknet.h."""

    _fields_ = (
        ("w", ctypes.c_int),
        ("h", ctypes.c_int),
        ("c", ctypes.c_int),
        ("data", ctypes.POINTER(ctypes.c_float)),
    )


def _answer(library: ctypes.CDLL, call: Call) -> NDArray[np.float32]:
    function = getattr(library, call.function)
    function.argtypes = [_Image, *[ctypes.c_int] * len(call.arguments)]
    function.restype = _Image
    if isinstance(call.image, Path):
        library.load_image_color.restype = _Image
        source = library.load_image_color(bytes(call.image), 0, 0)
    else:
        planar = np.ascontiguousarray(call.image.transpose(2, 0, 1), np.float32)
        height, width, channels = call.image.shape
        pointer = planar.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        source = _Image(width, height, channels, pointer)
    made = function(source, *call.arguments)
    planar = np.ctypeslib.as_array(made.data, (made.c, made.h, made.w))
    return planar.transpose(1, 2, 0).copy()


def main() -> None:
    """Answer the calls pickled on stdin."""
    library = ctypes.CDLL(str(LIBRARY))
    calls = pickle.load(sys.stdin.buffer)
    sys.stdout.buffer.write(pickle.dumps([_answer(library, Call(*call)) for call in calls]))


if __name__ == "__main__":
    main()
