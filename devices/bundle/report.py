"""What a written bundle holds, for people and for programs."""

from pathlib import Path

from tinyedge.devices.bundle.assembly import Bundle
from tinyedge.files import bytes_sha256
from tinyedge.text import printable

__all__ = ["as_json", "as_text"]


def as_text(bundle: Bundle, output: Path, written: int) -> str:
    """One line per file, then where they are and how large what was `written` there is, bytes."""
    lines = [f"{len(content):>12,}  {name}" for name, content in bundle.files.items()]
    total = f"{bundle.bytes:>12,}  in {len(lines)} files"
    if written == bundle.bytes:
        return "\n".join([*lines, f"{total}: {printable(output)}"])
    archive = f"{written:>12,}  {printable(output)}"
    return "\n".join([*lines, f"{total}, once unpacked", archive])


def as_json(bundle: Bundle, output: Path, written: int) -> dict[str, object]:
    """``bytes`` of what was written, ``unpacked_bytes``, and each file's size and sha256."""
    files = [
        {"name": name, "bytes": len(content), "sha256": bytes_sha256(content)}
        for name, content in bundle.files.items()
    ]
    return {
        "schema": "tinyedge.bundle/1",
        "output": str(output),
        "identity": bundle.identity,
        "bytes": written,
        "unpacked_bytes": bundle.bytes,
        "files": files,
        "debian_packages": list(bundle.debian_packages),
        "delegate": bundle.delegate,
    }
