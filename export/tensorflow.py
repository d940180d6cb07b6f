"""TensorFlow, imported and used without its log output."""

import contextlib
import importlib.util
import io
import logging
import sys
import warnings
from collections.abc import Iterator

from tinyedge.installation import export_package_missing
from tinyedge.system import native_output_hidden, native_output_is_shown

__all__ = [
    "check_tensorflow_is_installed",
    "deep_models",
    "require_tensorflow",
    "tensorflow_hushed",
]

# Keras walks a model by a call inside the call for what comes before; no layer is more of them.
_CALLS_A_LAYER = 20


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

    Raises:
        MissingPackageError: it is not installed; the message says what brings it.
    """
    try:
        with tensorflow_hushed(), _matplotlib_left_out():
            import tensorflow  # noqa: F401
    except ModuleNotFoundError as error:
        raise export_package_missing("this command", error.name) from error


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
