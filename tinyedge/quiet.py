"""Silence for native code that talks below Python's streams."""

import contextlib
import os
import sys
from collections.abc import Iterator

__all__ = ["native_output_hidden"]


@contextlib.contextmanager
def native_output_hidden() -> Iterator[None]:
    """Keep what native code prints in this block off the user's stdout and stderr.

    TensorFlow and the TFLite runtimes announce themselves from C++, so the file descriptors
    themselves are turned away for as long as the block runs.
    """
    _flush()
    with open(os.devnull, "wb") as nowhere:
        saved = _copies_of(1, 2)
        try:
            for descriptor in saved:
                os.dup2(nowhere.fileno(), descriptor)
            yield
        finally:
            _flush()
            for descriptor, copy in saved.items():
                os.dup2(copy, descriptor)
                os.close(copy)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # Python makes no stream of a descriptor that was closed before it started.
        if stream is not None:
            stream.flush()


def _copies_of(*descriptors: int) -> dict[int, int]:
    """A duplicate of each descriptor that is open."""
    copies = {}
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            copies[descriptor] = os.dup(descriptor)
    return copies
