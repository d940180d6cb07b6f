"""The process and its system: threads, native output hidden, and signals that ask it to end."""

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType, ModuleType

__all__ = [
    "INTERRUPTS",
    "MOST_THREADS",
    "Interrupted",
    "StopRequest",
    "check_interrupted",
    "forget_interrupt",
    "interruptible",
    "interrupts_held",
    "native_output_hidden",
    "native_output_is_shown",
    "show_native_output",
    "stop_request",
    "untold",
]

INTERRUPTS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
"""The signals that ask a program to end: of a terminal that closes, of Ctrl-C, of the system."""
MOST_THREADS = 1024
"""Of a runtime: where the system gives no more of them runtimes crash."""

# Of a second signal within so many seconds of the first nothing comes: who presses Ctrl-C twice
# gets no half-made cleaning up. One that comes later ends a cleaning up that hangs.
_GRACE = 5.0
# After so many seconds an interrupt that got lost is raised again.
_AGAIN = 0.3
# Packages whose Python code takes locks that other threads wait for, or keeps books of threads and
# processes: what is raised within it leaves a lock taken for good, or a book wrong.
_TAKE_LOCKS = {"concurrent", "logging", "multiprocessing", "queue", "subprocess", "threading"}
# After so many seconds it is seen whether such code has come further, and after so many it has had
# its time: the whole program may be called by it.
_SOON, _TOO_LONG = 0.02, 2.0


@contextlib.contextmanager
def untold(module: ModuleType, hook: str, error: type[BaseException]) -> Iterator[None]:
    """While this block runs, a hook that tells of lost exceptions says nothing of those of a type.

    Args:
        module: that the hook is an attribute of.
        hook: ``unraisablehook`` of `sys`, or ``excepthook`` of `threading`.
        error: the type.
    """
    told = getattr(module, hook)

    def unless(lost: "sys.UnraisableHookArgs | threading.ExceptHookArgs") -> None:
        if not issubclass(lost.exc_type, error):
            told(lost)

    setattr(module, hook, unless)
    try:
        yield
    finally:
        setattr(module, hook, told)


class _NativeOutput:
    is_shown = False


def show_native_output(shown: bool) -> None:
    """Choose whether `native_output_hidden` lets it come out on stderr from now on."""
    _NativeOutput.is_shown = shown


def native_output_is_shown() -> bool:
    """Whether it comes out on stderr."""
    return _NativeOutput.is_shown


@contextlib.contextmanager
def native_output_hidden() -> Iterator[None]:
    """Keep what native code prints in this block off the user's stdout and stderr.

    TensorFlow and the TFLite runtimes announce themselves from C++, so the file descriptors
    themselves are turned away for as long as the block runs: to nowhere, or to stderr after
    `show_native_output`.
    """
    _flush()
    with open(os.devnull, "wb") as nowhere:
        saved = _copies_of(1, 2)
        try:
            target = saved.get(2) if _NativeOutput.is_shown else None
            for descriptor in saved:
                os.dup2(nowhere.fileno() if target is None else target, descriptor)
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


class Interrupted(BaseException):
    """One of `INTERRUPTS` has come; see `interruptible`.

    No KeyboardInterrupt, which click and others turn into an answer of their own.
    """

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.number = number


class _Interrupts:
    """What has come; the main thread alone writes it."""

    def __init__(self) -> None:
        self.blocks = 0
        self.held = 0
        self.forget()

    def forget(self) -> None:
        """Begin anew: nothing has come."""
        self.first: signal.Signals | None = None
        self.at = 0.0
        self.pending = False
        self.due = False
        self.stood: tuple[FrameType, int] | None = None

    def come(self, number: int, frame: FrameType | None) -> None:
        """The handler."""
        now = time.monotonic()
        if self.first is not None and now - self.at < _GRACE:
            return
        self.first, self.at = self.first or signal.Signals(number), now
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
        if self.held:
            self.pending = True
        else:
            self._raise_out_of(frame)

    def come_again(self, number: int, frame: FrameType | None) -> None:
        """The timer's handler: raise what has got lost, or was put off.

        Python drops an exception that is raised in a callback of a weak reference, in __del__ or
        in what native code calls, and goes on.
        """
        del number
        if self.first is None:
            return
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
        if not self.held and (self.due or not _is_interrupted(sys.exc_info()[1])):
            self._raise_out_of(frame)

    def _raise_out_of(self, frame: FrameType | None) -> None:
        """Raise, but put it off while code that takes locks is at work; it may wait, though."""
        assert self.first is not None
        stands = None if frame is None else (frame, frame.f_lasti)
        is_early = time.monotonic() - self.at < _TOO_LONG
        self.due = is_early and stands != self.stood and _takes_locks(frame)
        if self.due:
            self.stood = stands
            signal.setitimer(signal.ITIMER_REAL, _SOON)
            return
        self.stood = None
        raise Interrupted(self.first)

    @contextlib.contextmanager
    def lost_and_raised_again(self) -> Iterator[None]:
        """Have it raised until it gets through."""
        with untold(sys, "unraisablehook", Interrupted):
            handler = signal.signal(signal.SIGALRM, self.come_again)
            try:
                yield
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, handler)


_interrupts = _Interrupts()


def _takes_locks(frame: FrameType | None) -> bool:
    """Whether that is, or is called by, code of `_TAKE_LOCKS`, or enters or leaves a block."""
    if frame is not None and frame.f_globals.get("__name__") == contextlib.__name__:
        return True
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] in _TAKE_LOCKS:
            return True
        frame = frame.f_back
    return False


def _is_interrupted(error: BaseException | None) -> bool:
    """Whether that is what is cleaned up after just now."""
    while error is not None:
        if isinstance(error, Interrupted):
            return True
        error = error.__context__
    return False


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """While this block runs, each of `INTERRUPTS` raises `Interrupted` in the main thread.

    One that is ignored, as nohup has it of SIGHUP and a shell of its background jobs' SIGINT,
    stays so. Uses SIGALRM. In another thread the block does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with contextlib.ExitStack() as stack:
        if not _interrupts.blocks:
            _interrupts.forget()
            stack.enter_context(_interrupts.lost_and_raised_again())
        _interrupts.blocks += 1
        try:
            with _handled(_interrupts.come):
                yield
                check_interrupted()
        finally:
            _interrupts.blocks -= 1


def forget_interrupt() -> None:
    """Have the end that one of `INTERRUPTS` asked for be an ordinary one."""
    _interrupts.forget()


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Have `Interrupted` raised at the end of this block, not inside: for what must not be cut.

    In another thread than the main one nothing is ever raised, and the block does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _interrupts.held += 1
    try:
        yield
    finally:
        _interrupts.held -= 1
        if _interrupts.pending and not _interrupts.held:
            _interrupts.pending = False
            check_interrupted()


def check_interrupted() -> None:
    """Raise `Interrupted` where one of `INTERRUPTS` has come; any thread may ask."""
    if _interrupts.first is not None:
        raise Interrupted(_interrupts.first)


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
    """`INTERRUPTS` make a request while this block runs, instead of ending it anywhere.

    Only the main thread may enter it. One that is ignored stays so; inside an `interruptible`
    block they raise again.
    """
    check_interrupted()
    request = StopRequest()
    try:
        with _handled(request._make):
            yield request
    finally:
        request._close()


@contextlib.contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {}
    try:
        for number in INTERRUPTS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, handler)
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
