"""Photos resized by the runtime, in whole numbers: less exact than Darknet's floats, and faster."""

import warnings
from functools import lru_cache
from threading import get_ident

import numpy as np
from numpy.typing import NDArray

from tinyedge.devices.profile import RuntimeName
from tinyedge.devices.runtime.runtimes import (
    RUNTIME_ERRORS,
    Interpreter,
    Runtime,
    find_runtime,
    runs_int8_without_xnnpack,
)
from tinyedge.errors import DeviceError, TinyedgeWarning
from tinyedge.tflite.write import IMAGE, RESIZED, resize_bilinear

__all__ = ["FastResize", "fast_resize"]

# Sizes of photos for which an interpreter is kept, with a photo and its result in it; making one
# takes about as long as resizing a photo does.
_KEPT = 4


class FastResize:
    """TFLite's RESIZE_BILINEAR on uint8: a `tinyedge.images.spec.Resize`.

    XNNPACK mixes the four pixels that Darknet mixes, with weights of 11 bits, and rounds once
    (u8-ibilinear): a sample is at most 5/8 of a level of 255 from the mix that is not rounded.

    Attributes:
        runtime: whose operator it is.
    """

    def __init__(self, runtime: RuntimeName) -> None:
        """By a runtime that is installed, works, and has XNNPACK."""
        self.runtime = runtime

    def __call__(self, pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
        """Resize (h, w, c) to (height, width, c), from corner to corner; each side at least 2.

        Raises:
            DeviceError: the runtime cannot, for want of memory, say.
        """
        sizes = (*pixels.shape[:2], height, width)
        try:
            # One a thread, as interpreters serve one.
            interpreter = _interpreter(get_ident(), self.runtime, sizes, pixels.shape[2])
            interpreter.set_tensor(IMAGE, pixels[np.newaxis])
            interpreter.invoke()
            found = interpreter.get_tensor(RESIZED)
        except RUNTIME_ERRORS as error:
            raise DeviceError(
                f"{self.runtime} cannot resize a photo of {sizes[1]} x {sizes[0]} pixels"
                f" ({error}): leave --fast-resize away"
            ) from error
        return np.asarray(found[0], np.uint8)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FastResize) and self.runtime == other.runtime

    def __hash__(self) -> int:
        return hash(self.runtime)

    def __repr__(self) -> str:
        return f"FastResize({self.runtime!r})"


def fast_resize(runtime: Runtime) -> FastResize | None:
    """What resizes photos by this runtime.

    None where it has no XNNPACK for integers, with a TinyedgeWarning: its own kernels are slower
    than the exact resize.
    """
    if runs_int8_without_xnnpack(runtime, _interpreter(get_ident(), runtime.name, (2, 2, 2, 2), 1)):
        warnings.warn(
            f"{runtime} resizes without XNNPACK, and no faster: photos are resized exactly",
            TinyedgeWarning,
            stacklevel=3,
        )
        return None
    return FastResize(runtime.name)


@lru_cache(_KEPT)
def _interpreter(
    _thread: int, runtime: RuntimeName, sizes: tuple[int, int, int, int], channels: int
) -> Interpreter:
    model = resize_bilinear(sizes[:2], sizes[2:], channels)
    with warnings.catch_warnings():
        # Who wants it asks whether XNNPACK runs it.
        warnings.simplefilter("ignore")
        return find_runtime([runtime]).load(model, threads=1)
