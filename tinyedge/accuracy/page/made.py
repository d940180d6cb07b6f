"""How a result was made, so that another can make it again."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["HowMade", "MadeFrom", "time_now"]


@dataclass(frozen=True)
class MadeFrom:
    """A model's file as it was measured.

    Attributes:
        path, bytes, sha256: the file, its size and the hash of its content, hexadecimal.
        kind: what it is in a few words: ``int8, quantizer tuned, calibrated on 200 photos``.
    """

    path: Path
    bytes: int
    sha256: str
    kind: str


@dataclass(frozen=True)
class HowMade:
    """What ran where.

    Attributes:
        command: as a shell takes it.
        time: ISO 8601, UTC.
        versions: of tinyedge, Python, the runtime and NumPy, by name.
        threads: of the runtime.
        cpu: what the machine calls its CPU; None where it does not say.
        dot_product: whether it has instructions for int8 dot products (VNNI; SDOT on ARM); None
            where it does not say.
        models: the files, the reference first.
    """

    command: str
    time: str
    versions: dict[str, str]
    threads: int
    cpu: str | None
    dot_product: bool | None
    models: tuple[MadeFrom, ...]

    def as_json(self) -> dict[str, object]:
        """For a command's JSON: the key ``made``."""
        return {
            "command": self.command,
            "time": self.time,
            "versions": self.versions,
            "threads": self.threads,
            "cpu": self.cpu,
            "dot_product": self.dot_product,
            "models": [
                {"path": str(each.path), "bytes": each.bytes, "sha256": each.sha256}
                for each in self.models
            ],
        }


def time_now() -> str:
    """ISO 8601, UTC, in seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")
