"""Ending at a signal between two pieces of work, never within one."""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["StopRequest", "stop_request"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether the user, or the system, asked the program to end; see `stop_request`."""

    def __init__(self) -> None:
        self.made = False
        # A pipe, because a sleep starts anew after a signal and a flag alone would not end it.
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def waited(self, seconds: float) -> bool:
        """Wait so many seconds or until a request is made; whether there is one."""
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


@contextmanager
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
