"""One process of libFuzzer: ``python -m tests.fuzz.guided NAME FINDS ITSELF [its arguments]``.

ITSELF is what libFuzzer starts to merge corpora: a program that calls this one again.

What the reader does that it may not is written into the folder FINDS, each fault once, and the
work goes on; a crash, a hang or too much memory ends the process, with a file of libFuzzer's own.
"""

import resource
import sys
import warnings
from pathlib import Path

import atheris  # type: ignore[import-untyped]


def main(name: str, finds: Path, itself: str, arguments: list[str]) -> None:
    """Hand `name` to libFuzzer, which never comes back."""
    with atheris.instrument_imports(include=["tinyedge"]):
        from tests.fuzz.target import allow_own_warnings, find_in
        from tests.fuzz.targets import TARGETS

        target = TARGETS[name]
        with warnings.catch_warnings():
            allow_own_warnings()
            # What is imported inside functions is instrumented, too, where a seed leads there.
            for seed in target.seeds():
                find_in(target, seed)
    allow_own_warnings()
    places: set[str] = set()

    def one(content: bytes) -> None:
        found = find_in(target, content)
        if found is not None and found.place not in places:
            places.add(found.place)
            (finds / found.name).write_bytes(found.content)
            (finds / f"{found.name}.txt").write_text(
                found.trace, encoding="utf-8", errors="replace"
            )

    if target.memory is not None:
        limit = _address_space() + target.memory
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    mutator = {} if target.mutate is None else {"custom_mutator": target.mutate}
    atheris.Setup([itself, *arguments], one, **mutator)
    atheris.Fuzz()


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
