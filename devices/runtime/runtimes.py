"""Which TFLite runtime this machine has."""

import importlib
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

from tinyedge.devices.profile import RuntimeName, system_architecture
from tinyedge.errors import MissingPackageError, TinyedgeWarning
from tinyedge.installation import pip_advice
from tinyedge.system import native_output_hidden
from tinyedge.text import MESSAGE, cut
from tinyedge.tflite.check import check_tflite

__all__ = [
    "RUNTIMES",
    "RUNTIME_ERRORS",
    "Choice",
    "Interpreter",
    "Runtime",
    "TensorDetails",
    "choose_runtime",
    "find_runtime",
    "runs_int8_without_xnnpack",
    "runtime_advice",
]

# Distribution name -> the module that holds its Interpreter.
RUNTIMES: Mapping[RuntimeName, str] = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
    "tensorflow": "tensorflow.lite.python.interpreter",
}

# What an interpreter raises where it cannot do as it is told.
RUNTIME_ERRORS = (ValueError, RuntimeError, SystemError, MemoryError)


class TensorDetails(TypedDict):
    """What an interpreter tells of a tensor; its quantization is (scale, zero point)."""

    name: str
    index: int
    shape: NDArray[np.int32]
    shape_signature: NDArray[np.int32]
    dtype: type[np.generic]
    quantization: tuple[float, int]


class Interpreter(Protocol):
    """What the interpreters of all runtimes have."""

    def allocate_tensors(self) -> None:
        """Plan the memory; before anything else."""

    def get_input_details(self) -> list[TensorDetails]:
        """The model's inputs, in their order."""

    def get_output_details(self) -> list[TensorDetails]:
        """The model's outputs, in their order."""

    def set_tensor(self, tensor_index: int, value: NDArray[np.generic], /) -> None:
        """Copy `value` into an input, which has its shape and type."""

    def invoke(self) -> None:
        """Run the model."""

    def get_tensor(self, tensor_index: int, /) -> NDArray[np.generic]:
        """A copy of what an output holds."""


class Runtime(NamedTuple):
    """A TFLite runtime.

    Attributes:
        name, version: of its package.
        interpreter: its interpreter's class.
        load_delegate: what loads a shared library as a delegate for it.
    """

    name: RuntimeName
    version: str
    interpreter: Callable[..., Interpreter]
    load_delegate: Callable[[str], object]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def load(self, model: bytes, *, threads: int, delegates: Sequence[object] = ()) -> Interpreter:
        """An interpreter of the .tflite, its tensors allocated; what the runtime prints is hidden.

        The file is checked first, for a runtime that is given a wrong one may crash. What
        `delegates` take of it runs through them. Warns (TinyedgeWarning) where an int8 model
        is slower here than it need be.

        Raises:
            FlatbufferError: it is no .tflite file that any runtime should be given.
            ValueError, RuntimeError, SystemError, MemoryError: this runtime cannot load it.
        """
        check_tflite(model)
        # TensorFlow's interpreter warns that ai-edge-litert replaces it.
        with native_output_hidden(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            interpreter = self.interpreter(
                model_content=model,
                num_threads=threads,
                experimental_delegates=list(delegates) or None,
            )
            interpreter.allocate_tensors()
        if runs_int8_without_xnnpack(self, interpreter):
            warnings.warn(
                f"{self} runs int8 without XNNPACK: it is slower, and its"
                " numbers differ a little from those of ai-edge-litert",
                TinyedgeWarning,
                stacklevel=2,
            )
        return interpreter


class Choice(NamedTuple):
    """The runtime to use, or None, and for each that was tried before it why it is not used."""

    runtime: Runtime | None
    passed_over: tuple[str, ...]


def choose_runtime(order: Sequence[RuntimeName] = tuple(RUNTIMES)) -> Choice:
    """The first runtime of `order` that is installed and works with this numpy, and why no earlier.

    Those after it are not tried, for importing one takes seconds.
    """
    reasons: list[str] = []
    for name in order:
        found = _runtime(name)
        if isinstance(found, Runtime):
            return Choice(found, tuple(reasons))
        reasons.append(found)
    return Choice(None, tuple(reasons))


def _runtime(name: RuntimeName) -> Runtime | str:
    """The runtime of that name, or why it cannot be used."""
    package = RUNTIMES[name].partition(".")[0]
    try:
        with native_output_hidden():
            # The package says it too; importlib.metadata is slow to load, and to ask.
            version = getattr(importlib.import_module(package), "__version__", None)
    except Exception as error:  # a broken package may raise anything
        if isinstance(error, ImportError) and error.name == package:
            return f"{name} is not installed"
        return f"{name} does not import ({_told(error)})"
    if version is None:  # a folder of that name, which Python takes for a package
        return f"{name} is not installed"
    # Its extension was built for numpy 1: the import succeeds, Interpreter() does not.
    if name == "tflite-runtime" and int(np.__version__.split(".")[0]) > 1:
        return f"tflite-runtime {version} needs numpy 1, this is {np.__version__}"
    try:
        with native_output_hidden():
            module = importlib.import_module(RUNTIMES[name])
        return Runtime(name, version, module.Interpreter, module.load_delegate)
    except Exception as error:
        return f"{name} {version} does not import ({_told(error)})"


def _told(error: Exception) -> str:
    text = cut(" ".join(str(error).split()), MESSAGE)
    return text if isinstance(error, ImportError) else f"{type(error).__name__}: {text}"


def find_runtime(order: Sequence[RuntimeName] = tuple(RUNTIMES)) -> Runtime:
    """The first runtime of `order` that is installed and works with this numpy.

    Raises:
        MissingPackageError: none is; the message says of each one why, and what to type.
    """
    chosen = choose_runtime(order)
    if chosen.runtime is None:
        reasons = "; ".join(chosen.passed_over)
        raise MissingPackageError(f"no TFLite runtime: {reasons}. {runtime_advice(order)}")
    return chosen.runtime


def runtime_advice(
    order: Sequence[RuntimeName] = tuple(RUNTIMES),
    machine: str | None = None,
    python: tuple[int, ...] = sys.version_info[:2],
    bits: int | None = None,
    *,
    managed: bool | None = None,
) -> str:
    """What to do for a runtime of `order` on this machine and this Python of so many bits.

    `managed` as of `pip_advice`.
    """
    architecture = system_architecture(machine, bits)
    if architecture == "armv6l":
        return "No TFLite runtime has a wheel for ARMv6 (Pi Zero, Zero W, Pi 1)"
    if architecture == "armv7l" or "ai-edge-litert" not in order:
        if "tflite-runtime" not in order:
            return pip_advice("tensorflow", managed=managed)
        if python < (3, 12):
            return pip_advice("tflite-runtime==2.14.0 'numpy<2'", managed=managed)
        version = ".".join(map(str, python))
        return f"tflite-runtime ends with Python 3.11, this is {version}: use a 64-bit system"
    return pip_advice("ai-edge-litert", managed=managed)


def runs_int8_without_xnnpack(runtime: Runtime, interpreter: Interpreter) -> bool:
    """Whether an integer model runs on TFLite's own kernels, as in tflite-runtime 2.14."""
    kinds = {tensor["dtype"] for tensor in interpreter.get_input_details()}
    if runtime.name == "ai-edge-litert" or not kinds & {np.int8, np.uint8}:
        return False
    # What a delegate took over is one operation of that name; no public call lists them.
    operations = getattr(interpreter, "_get_ops_details", None)
    return operations is not None and all(found["op_name"] != "DELEGATE" for found in operations())
