"""For operators that TFLite Micro has, a model of one in each type, and the package's verdicts."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.support.edgetpu_models import PASSING
from tests.support.tflite_writer import Op, T, constant, write_model

TYPES = ("float32", "int8", "uint8", "int16")
_IMAGE = T((1, 4, 4, 8))
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
# By operator and type, the scale and zero point that its output must have.
_FIXED_OUTPUTS = {
    ("LOGISTIC", "int8"): (1 / 256, -128),
    ("LOGISTIC", "int16"): (1 / 32768, 0),
    ("LOG_SOFTMAX", "int8"): (1 / 16, 127),
    ("SOFTMAX", "int8"): (1 / 256, -128),
    ("SOFTMAX", "int16"): (1 / 32768, 0),
    ("TANH", "int8"): (1 / 128, 0),
    ("TANH", "int16"): (1 / 32768, 0),
}

ONE_TYPE: dict[str, Op] = {
    **{name: op for name, op in PASSING.items() if name not in ("QUANTIZE", "RELU_N1_TO_1")},
    "DIV": Op("DIV", [_IMAGE, _IMAGE], [_IMAGE], "DivOptions"),
    "LEAKY_RELU": Op("LEAKY_RELU", [_IMAGE], [_IMAGE], "LeakyReluOptions", {"alpha": 0.125}),
    "PADV2": Op(
        "PADV2",
        [_IMAGE, constant([(0, 0), (1, 1), (1, 1), (0, 0)], "int32"), constant([-128])],
        [T((1, 6, 6, 8))],
        "PadV2Options",
    ),
    # Of 16,000 equal int8 its sum overflows, which ends the process.
    "SOFTMAX": Op("SOFTMAX", [_IMAGE], [_IMAGE], "SoftmaxOptions", {"beta": 1.0}),
    "SQUARED_DIFFERENCE": Op("SQUARED_DIFFERENCE", [_IMAGE, _IMAGE], [_IMAGE]),
    **{name: Op(name, [_IMAGE], [_IMAGE]) for name in ("ELU", "EXP", "HARD_SWISH", "LOG_SOFTMAX")},
}
"""By operator, one whose inputs and outputs are all of one type, int8."""
del ONE_TYPE["UNIDIRECTIONAL_SEQUENCE_LSTM"]


def typed(name: str, kind: str) -> Op:
    """The operator of `ONE_TYPE` with everything computed of that type, and constants to match."""

    def tensor(item: T | int | None) -> T | int | None:
        # Axes and shapes stay as they are, biases are as wide as their sums.
        if not isinstance(item, T) or (item.type == "int32" and item.scale is None):
            return item
        if item.type == "int32":
            return _of_type(item, {"float32": "float32", "int16": "int64"}.get(kind, "int32"))
        if item.data is not None and name in _WEIGHTED:
            return _of_type(item, "float32" if kind == "float32" else "int8")
        return _of_type(item, kind)

    def output(item: T) -> T:
        found = _of_type(item, kind)
        scale, zero_point = _FIXED_OUTPUTS.get((name, kind), (found.scale, 0))
        return replace(found, scale=scale, zero_point=zero_point)

    op = ONE_TYPE[name]
    return replace(op, inputs=list(map(tensor, op.inputs)), outputs=list(map(output, op.outputs)))


def _of_type(item: T, kind: str) -> T:
    data = None if item.data is None else item.data.astype(np.dtype(kind))
    return replace(item, type=kind, data=data, scale=0 if kind == "float32" else item.scale)


# One after the other in a process of its own each: it may crash, and prints to the descriptor.
_ASK = """
import json, os, sys
from tflite_micro import runtime
said = []
for path in sys.argv[1:]:
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.dup2(writing, 2)
        try:
            runtime.Interpreter.from_file(path, arena_size=2**20).invoke()
            os._exit(0)
        except BaseException as error:
            os.write(2, str(error).encode())
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        text = stream.read().decode()
    status = os.waitpid(process, 0)[1]
    said.append(text if os.WIFEXITED(status) else "crashed: " + text)
print(json.dumps(said))
"""


def micro_says(models: Mapping[str, Op | tuple[Op, ...]], folder: Path) -> dict[str, str]:
    """What TFLite Micro says of each model, empty where it runs; they are written to `folder`."""
    for name, ops in models.items():
        (folder / name).write_bytes(write_model(*((ops,) if isinstance(ops, Op) else ops)))
    done = subprocess.run(
        [sys.executable, "-c", _ASK, *(folder / name for name in models)],
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(models, json.loads(done.stdout), strict=True))
