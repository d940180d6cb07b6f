"""Times of a model's operators, in a process of its own: ``python -m`` this module.

The arguments are LiteRT's C library, a model, threads, and how many inferences to time. What comes
of it is one line of JSON on stdout: a `Profile`'s fields, or an `error` alone. A library of another
interface may crash, which leaves no line, only a signal.

The C library is asked because no interpreter that Python has tells what XNNPACK's operators take.
"""

import ctypes
import json
import statistics
import sys
from ctypes import byref, c_char_p, c_int, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from tinyedge.tflite.model import read_tflite_bytes

__all__ = ["Profile", "ProfiledOperator", "main"]

_WARM_UP_RUNS = 10
_CPU = 1
_WRITE = 1
# More than any version's LiteRtRankedTensorType has, which is passed on as it is.
_TENSOR_TYPE_BYTES = 256
# TFLite's types of events: an operator that its own kernel runs, and one inside a delegate. A part
# that a delegate runs is an event of its own, with the time of its operators.
_OWN_KERNEL = 1 << 1
_IN_A_DELEGATE = 1 << 3
_UNWRITTEN = b"\xee"


class ProfiledOperator(NamedTuple):
    """An operator that ran.

    Attributes:
        type: as XNNPACK calls it, such as ``Convolution (NHWC, QC8) IGEMM``; as TFLite does where
            its own kernel ran.
        xnnpack: whether it is XNNPACK's.
        node: its place in the file; of XNNPACK's, its place in the part that is delegated.
        milliseconds: the median.
    """

    type: str
    xnnpack: bool
    node: int
    milliseconds: float


class Profile(NamedTuple):
    """What `main` measured.

    Attributes:
        inference: of a whole inference, not profiled, the median in milliseconds.
        fastest: the shortest of these. A machine with other work interrupts nearly every inference
            and hardly any operator: then the operators' medians add up to this.
        operators: in the order in which they run.
    """

    inference: float
    fastest: float
    operators: list[ProfiledOperator]


class _Event(ctypes.Structure):
    """LiteRT's ProfiledEventData; times in microseconds."""

    _fields_ = (
        ("tag", c_char_p),
        ("type", c_uint32),
        ("start", c_uint64),
        ("elapsed", c_uint64),
        ("memory", c_int64 * 6),
        ("node", c_int64),
        ("graph", c_int64),
        ("source", c_uint32),
    )


class _Library:
    """LiteRT's C interface, of which each function gives 0 or a status."""

    def __init__(self, path: str) -> None:
        self._library = ctypes.CDLL(path)

    def call(self, name: str, *arguments: object) -> None:
        """Raises RuntimeError where the status says so, AttributeError without the function."""
        function = getattr(self._library, name)
        function.restype = c_int
        if status := function(*arguments):
            raise RuntimeError(f"{name} gives status {status}")

    def made(self, name: str, *arguments: object) -> c_void_p:
        """The handle that a function writes behind its last argument."""
        handle = c_void_p()
        self.call(name, *arguments, byref(handle))
        return handle


class _ProfiledModel:
    """A model on the CPU, its input zeros; it lives as long as the process."""

    def __init__(self, library: _Library, content: bytes, threads: int) -> None:
        self._library = library
        environment = library.made("LiteRtCreateEnvironment", c_int(0), None)
        # LiteRT keeps pointers into both.
        self._content = content
        self._options = {
            b"runtime_options_string": ctypes.create_string_buffer(b"enable_profiling = true\n"),
            b"xnnpack": ctypes.create_string_buffer(b"num_threads = %d\n" % threads),
        }
        model = library.made(
            "LiteRtCreateModelFromBuffer", environment, content, c_size_t(len(content))
        )
        options = library.made("LiteRtCreateOptions")
        library.call("LiteRtSetOptionsHardwareAccelerators", options, c_int(_CPU))
        self._keep = ctypes.CFUNCTYPE(None, c_void_p)(lambda _: None)
        for name, text in self._options.items():
            given = library.made("LiteRtCreateOpaqueOptions", c_char_p(name), text, self._keep)
            library.call("LiteRtAddOpaqueOptions", options, given)
        self._compiled = library.made("LiteRtCreateCompiledModel", environment, model, options)
        self._profiler = library.made("LiteRtCompiledModelGetProfiler", self._compiled)
        signature = library.made("LiteRtGetModelSignature", model, c_size_t(0))
        self._input, self._output = (
            (c_void_p * 1)(self._buffer(environment, signature, which))
            for which in ("Input", "Output")
        )
        self._zero(c_void_p(self._input[0]))

    def run(self) -> None:
        """One inference."""
        one = c_size_t(1)
        buffers = (one, self._input, one, self._output)
        self._library.call("LiteRtRunCompiledModel", self._compiled, c_size_t(0), *buffers)

    def profiled(self) -> list[ProfiledOperator]:
        """The operators of one inference, in their order."""
        call, profiler = self._library.call, self._profiler
        call("LiteRtResetProfiler", profiler)
        call("LiteRtStartProfiler", profiler)
        self.run()
        call("LiteRtStopProfiler", profiler)
        count = c_int()
        call("LiteRtGetNumProfilerEvents", profiler, byref(count))
        size = ctypes.sizeof(_Event) * count.value
        # Room for events of another version, which are larger, so that they are seen to be.
        space = ctypes.create_string_buffer(_UNWRITTEN * (4 * size), 4 * size)
        call("LiteRtGetProfilerEvents", profiler, count, space)
        # What pads the last one may not be written.
        if not 0 <= size - len(space.raw.rstrip(_UNWRITTEN)) < ctypes.alignment(_Event):
            raise RuntimeError("its profiler's events are laid out otherwise than in version 2.3")
        return [
            ProfiledOperator(
                event.tag.decode("utf-8", "replace"),
                event.type == _IN_A_DELEGATE,
                event.node,
                event.elapsed / 1000,
            )
            for event in (_Event * count.value).from_buffer(space)
            if event.type in (_OWN_KERNEL, _IN_A_DELEGATE)
        ]

    def _buffer(self, environment: c_void_p, signature: c_void_p, which: str) -> c_void_p:
        library, first = self._library, c_size_t(0)
        needs = library.made(
            f"LiteRtGetCompiledModel{which}BufferRequirements", self._compiled, first, first
        )
        tensor = library.made(f"LiteRtGetSignature{which}TensorByIndex", signature, first)
        kind = ctypes.create_string_buffer(_TENSOR_TYPE_BYTES)
        library.call("LiteRtGetRankedTensorType", tensor, kind)
        return library.made(
            "LiteRtCreateManagedTensorBufferFromRequirements", environment, kind, needs
        )

    def _zero(self, buffer: c_void_p) -> None:
        size = c_size_t()
        self._library.call("LiteRtGetTensorBufferPackedSize", buffer, byref(size))
        address = c_void_p()
        self._library.call("LiteRtLockTensorBuffer", buffer, byref(address), c_int(_WRITE))
        ctypes.memset(address, 0, size.value)
        self._library.call("LiteRtUnlockTensorBuffer", buffer)


def main(library: str, model: Path, threads: int, runs: int) -> Profile:
    """Time whole inferences and profiled ones in turn.

    Raises:
        OSError: the library cannot be loaded, or the model not read.
        AttributeError: the library lacks a function.
        RuntimeError: one of its functions fails, or its profiler is another than expected.
    """
    profiled = _ProfiledModel(_Library(library), read_tflite_bytes(model), threads)
    for _ in range(_WARM_UP_RUNS):
        profiled.run()
    whole: list[float] = []
    inferences: list[list[ProfiledOperator]] = []
    for _ in range(runs):
        start = perf_counter()
        profiled.run()
        whole.append(1000 * (perf_counter() - start))
        inferences.append(profiled.profiled())
    first = inferences[0]
    if not first or any([*map(_which, each)] != [*map(_which, first)] for each in inferences):
        raise RuntimeError("its profiler tells of no operators, or of others each time")
    operators = [
        each[0]._replace(milliseconds=statistics.median(one.milliseconds for one in each))
        for each in zip(*inferences, strict=True)
    ]
    return Profile(statistics.median(whole), min(whole), operators)


def _which(operator: ProfiledOperator) -> tuple[str, bool, int]:
    return operator.type, operator.xnnpack, operator.node


def _told() -> dict[str, object]:
    library, model, threads, runs = sys.argv[1:]
    try:
        return main(library, Path(model), int(threads), int(runs))._asdict()
    except Exception as error:  # whatever it is, the process that asks must hear of it
        return {"error": " ".join(str(error).split()) or type(error).__name__}


if __name__ == "__main__":
    print(json.dumps(_told(), allow_nan=False), flush=True)
