"""What may crash, in a child: a runtime written in C++ that gets a stranger's file."""

import os
import resource
import select
import signal
import struct
import traceback
from collections.abc import Callable
from typing import NamedTuple, NoReturn

# Files a child takes before it is replaced: a fork costs more than an inference.
_FILES_A_CHILD = 200
# A file that takes longer is let go: a large net is slow, and no fault.
_SECONDS = 10
_MEMORY = 6 << 30
_SIZE = struct.Struct("<I")
_FATAL = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL)


class DiedError(Exception):
    """What a function did in a child that it may not; `place` is equal for the same fault."""

    def __init__(self, place: str, text: str) -> None:
        super().__init__(text)
        self.place = place


class _Child(NamedTuple):
    process: int
    files: int  # the end of a pipe, as the next
    answers: int


class Forked:
    """A function of bytes, called in a child; whatever it raises or dies of is raised here."""

    def __init__(self, function: Callable[[bytes], None]) -> None:
        self._function = function
        self._child: _Child | None = None
        self._given: list[bytes] = []

    def __call__(self, content: bytes) -> None:
        """Call the function with `content`.

        Raises:
            DiedError: it raised an error, or its process died.
        """
        if self._child is None or len(self._given) >= _FILES_A_CHILD:
            self._end()
            self._child, self._given = self._fork(), []
        self._given.append(content)
        said = self._answer(self._child, content)
        if said is None:
            self._end(kill=True)
        elif said == b"":
            how, given = self._end(), self._given
            # A child may die of what an earlier file wrote into its memory.
            if len(given) > 1 and not self._dies_of(content):
                how += " of an earlier file"
            raise DiedError(how, f"the process {how}")
        elif said != b".":
            text = said.decode("utf-8", "replace")
            raise DiedError(text.splitlines()[-1].partition(":")[0], text)

    def _dies_of(self, content: bytes) -> bool:
        self._child, self._given = self._fork(), [content]
        died = self._answer(self._child, content) == b""
        self._end(kill=not died)
        return died

    def _answer(self, child: _Child, content: bytes) -> bytes | None:
        """``.`` of a call that returned, else its traceback; empty of a death, None of a hang."""
        try:
            _write(child.files, content)
        except BrokenPipeError:
            return b""
        ready, _, _ = select.select([child.answers], [], [], _SECONDS)
        return _read(child.answers) if ready else None

    def _fork(self) -> _Child:
        theirs, files = os.pipe()
        answers, ours = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(files)
            os.close(answers)
            self._serve(theirs, ours)
        os.close(theirs)
        os.close(ours)
        return _Child(process, files, answers)

    def _serve(self, files: int, answers: int) -> NoReturn:
        for number in (*_FATAL, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        # What the runtime prints of a bad file is of no interest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        while content := _read(files):
            try:
                self._function(content)
                said = b"."
            except BaseException:  # all of it is what the parent asks for
                said = traceback.format_exc().encode("utf-8", "replace")
            _write(answers, said)
        os._exit(0)

    def _end(self, *, kill: bool = False) -> str:
        """End the child; how it ended."""
        if self._child is None:
            return ""
        child, self._child = self._child, None
        if kill:
            os.kill(child.process, signal.SIGKILL)
        os.close(child.files)
        os.close(child.answers)
        _, status = os.waitpid(child.process, 0)
        code = os.waitstatus_to_exitcode(status)
        return f"ended with {code}" if code >= 0 else f"died of {signal.Signals(-code).name}"


def _write(pipe: int, content: bytes) -> None:
    message = memoryview(_SIZE.pack(len(content)) + content)
    while message:
        message = message[os.write(pipe, message) :]


def _read(pipe: int) -> bytes:
    """A message, or nothing where the other end has gone."""
    size = _exactly(pipe, _SIZE.size)
    return _exactly(pipe, _SIZE.unpack(size)[0]) if size else b""


def _exactly(pipe: int, count: int) -> bytes:
    parts = []
    while count:
        part = os.read(pipe, count)
        if not part:
            return b""
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
