"""Which TFLite runtime this machine has."""

import importlib
import importlib.metadata
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyedge.errors import MissingPackageError
from tinyedge.quiet import native_output_hidden

__all__ = ["RUNTIMES", "Runtime", "find_runtime"]

# Distribution name -> the module that holds its Interpreter.
RUNTIMES = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
    "tensorflow": "tensorflow.lite.python.interpreter",
}


@dataclass(frozen=True)
class Runtime:
    """A TFLite runtime: its distribution's name and version, and its interpreter's class."""

    name: str
    version: str
    interpreter: Callable[..., Any]

    def load(self, model: bytes, *, threads: int) -> Any:
        """An interpreter of the .tflite with its tensors allocated, made without a word.

        Raises:
            ValueError, RuntimeError: the runtime cannot load it.
        """
        # TensorFlow's warns that it is to be replaced by the very runtime that comes first here.
        with native_output_hidden(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            interpreter = self.interpreter(model_content=model, num_threads=threads)
            interpreter.allocate_tensors()
        return interpreter


def find_runtime(order: Sequence[str] = tuple(RUNTIMES)) -> Runtime:
    """The first runtime of `order` that is installed and works with this numpy.

    Raises:
        MissingPackageError: none is; the message says of each one why, and what to type.
    """
    reasons = []
    for name in order:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            reasons.append(f"{name} is not installed")
            continue
        # Its extension was built for numpy 1: the import succeeds, Interpreter() does not.
        if name == "tflite-runtime" and int(np.__version__.split(".")[0]) > 1:
            reasons.append(
                f"tflite-runtime {version} needs numpy 1, this is {np.__version__}:"
                " pip install 'numpy<2'"
            )
            continue
        try:
            with native_output_hidden():
                module = importlib.import_module(RUNTIMES[name])
        except ImportError as error:
            reasons.append(f"{name} {version} does not import ({error})")
            continue
        return Runtime(name, version, module.Interpreter)
    raise MissingPackageError(
        "no TFLite runtime: " + "; ".join(reasons) + ". Type: pip install ai-edge-litert"
    )
