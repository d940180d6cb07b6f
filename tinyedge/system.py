"""The process and its system: native output hidden, and requests to stop."""

import contextlib
import os
import select
import signal
import sys
from collections.abc import Iterator
from types import FrameType

__all__ = ["StopRequest", "native_output_hidden", "stop_request"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


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


class StopRequest:
    """Whether the user, or the system, asked the program to end; see `stop_request`."""

    def __init__(self) -> None:
        self.made = False
        # A pipe, because a sleep starts anew after a signal and a flag alone would not end it.
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def waited(self, seconds: float) -> bool:
        """Wait for `seconds`, or until a request is made; whether there is one."""
        if not self.made:
            select.select([self._reader], [], [], seconds)
        return self.made

    def _make(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if not self.made:
            self.made = True
            os.write(self._writer, b".")

    def _close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


@contextlib.contextmanager
def stop_request() -> Iterator[StopRequest]:
    """SIGINT and SIGTERM make a request while this block runs, instead of ending it anywhere.

    Only the main thread may enter it.
    """
    request = StopRequest()
    before = {number: signal.signal(number, request._make) for number in _SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        request._close()
