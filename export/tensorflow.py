"""TensorFlow and Keras: imported without log output, and what they cannot do by themselves."""

import contextlib
import gc
import importlib.util
import io
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tinyedge.installation import export_package_missing
from tinyedge.memory import share_heaps
from tinyedge.system import native_output_hidden, native_output_is_shown

if TYPE_CHECKING:
    import keras

__all__ = [
    "check_tensorflow_is_installed",
    "deep_models",
    "differentiable",
    "require_tensorflow",
    "tensorflow_hushed",
]

# Keras walks a model by a call inside the call for what comes before; no layer is more of them.
_CALLS_A_LAYER = 20
# The least normal float32: below it TensorFlow flushes to 0.
_LEAST_FLOAT = 2.0**-126


def check_tensorflow_is_installed() -> None:
    """Check early for what would else fail after all the images have been read.

    Raises:
        MissingPackageError: it is not installed; the message says what brings it.
    """
    for package in ("tensorflow", "keras"):
        if importlib.util.find_spec(package) is None:
            raise export_package_missing("this command", package)


def require_tensorflow() -> None:
    """Import TensorFlow without a word on stdout or stderr.

    What is there behind the first import, a caller's own objects too, is searched for cycles no
    longer, until `gc.unfreeze`.

    Raises:
        MissingPackageError: it is not installed; the message says what brings it.
    """
    is_first = "tensorflow" not in sys.modules
    share_heaps()
    try:
        with tensorflow_hushed(), _matplotlib_left_out():
            import tensorflow  # noqa: F401
    except ModuleNotFoundError as error:
        raise export_package_missing("this command", error.name) from error
    if is_first:
        # 290,000 objects that live as long as the process: each search for cycles among them would
        # take a fifth of a second, and the last, at its end, nearly one.
        gc.freeze()


@contextlib.contextmanager
def tensorflow_hushed() -> Iterator[None]:
    """Hold back what TensorFlow prints, logs and warns about while the block runs.

    After `tinyedge.system.show_native_output` all of it comes out on stderr.
    """
    if native_output_is_shown():
        with native_output_hidden(), contextlib.redirect_stdout(sys.stderr):
            yield
        return
    with (
        native_output_hidden(),
        # What Python code prints would pass by where a progress bar has put its own streams.
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        logger = logging.getLogger("tensorflow")
        level = logger.level
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)


@contextlib.contextmanager
def deep_models(layers: int) -> Iterator[None]:
    """Let Keras build models of so many of Darknet's layers while the block runs."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(before + _CALLS_A_LAYER * layers)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


@contextlib.contextmanager
def _matplotlib_left_out() -> Iterator[None]:
    """Keep Keras, which TensorFlow imports, from importing matplotlib for galleries of images.

    That is a sixth of the time.
    """
    name = "matplotlib"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


def differentiable(model: "keras.Model") -> "keras.Model":
    """The same function of the same weights, whose gradients are numbers wherever its values are.

    Mish is written with the logarithm of a logistic function, whose operators a .tflite has. From
    88 on that function is 0 in a float32, the slope of the logarithm there infinite, and the slope
    of both, which is 0, no number.
    """
    import keras
    import tensorflow as tf

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def logarithm(values: tf.Tensor) -> Any:
        least = values.dtype.as_numpy_dtype(_LEAST_FLOAT)
        return tf.math.log(values), lambda upstream: upstream / tf.maximum(values, least)

    def called(operation: Any, *inputs: Any, **options: Any) -> Any:
        if _is_logarithm(operation):
            return keras.layers.Lambda(logarithm)(*inputs)
        return operation(*inputs, **options)

    if not any(map(_is_logarithm, model.operations)):
        return model
    return keras.models.clone_model(
        model, clone_function=lambda operation: operation, call_function=called
    )


def _is_logarithm(operation: Any) -> bool:
    return type(operation).__name__ == "Log"  # keras.ops.log's, which has no public name
