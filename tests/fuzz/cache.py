"""Target: the sha256 that a first fetch left beside a file of the cache."""

import hashlib
import os
from collections.abc import Iterator
from unittest import mock

from tests.fuzz.target import Target, scratch, written
from tinyedge.zoo.cache import RemoteFile, mismatch

_FILE = RemoteFile("pinned.weights", "https://example.org/pinned.weights")
_CONTENT = b"weights"


def _read_pin(content: bytes) -> None:
    written("pinned.weights.sha256", content)
    path = scratch() / "pinned.weights"
    if not path.exists():
        written("pinned.weights", _CONTENT)
    with mock.patch.dict(os.environ, TINYEDGE_CACHE=str(scratch())):
        problem = mismatch(_FILE, path)
    if problem is not None and "\n" in problem:
        raise AssertionError(f"a problem is one line: {problem!r}")


def _pin_seeds() -> Iterator[bytes]:
    yield b"ab" * 32 + b"\n"
    yield hashlib.sha256(_CONTENT).hexdigest().encode()
    yield b"\xff\n\n"


TARGETS = (Target(name="pin", read=_read_pin, seeds=_pin_seeds, largest=256),)
