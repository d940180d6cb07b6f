"""What a written bundle holds, for people and for programs."""

from pathlib import Path

from tinyedge.devices.bundle.assembly import Bundle
from tinyedge.files import bytes_sha256
from tinyedge.text import printable

__all__ = ["as_json", "as_text"]


def as_text(bundle: Bundle, output: Path) -> str:
    """One line per file, then their sum and where they are."""
    lines = [f"{len(content):>12,}  {name}" for name, content in bundle.files.items()]
    total = f"{bundle.bytes:>12,}  in {len(lines)} files: {printable(output)}"
    return "\n".join([*lines, total])


def as_json(bundle: Bundle, output: Path) -> dict[str, object]:
    """Each file with its size and sha256."""
    files = [
        {"name": name, "bytes": len(content), "sha256": bytes_sha256(content)}
        for name, content in bundle.files.items()
    ]
    return {
        "schema": "tinyedge.bundle/1",
        "output": str(output),
        "identity": bundle.identity,
        "bytes": bundle.bytes,
        "files": files,
        "debian_packages": list(bundle.debian_packages),
        "delegate": bundle.delegate,
    }
