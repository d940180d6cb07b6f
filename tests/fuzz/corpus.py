"""What fuzzing learned and found, kept in the repository.

``corpus/NAME.zip`` holds the smallest set of files that reach all that was ever reached: hundreds
a reader, most of a few bytes, so that one archive a reader is easier on git than the files.
``finds/NAME/`` holds, one by one, files with which a reader once did what it may not.
"""

import hashlib
import zipfile
from collections.abc import Iterable
from pathlib import Path

from tinyedge.files import reproducible_zip, write_together

_FOLDER = Path(__file__).parent


def archive(name: str) -> Path:
    """Where the corpus of the target `name` is, or will be."""
    return _FOLDER / "corpus" / f"{name}.zip"


def read_corpus(name: str) -> list[bytes]:
    """The files of the corpus of `name`; none where there is no corpus yet."""
    path = archive(name)
    if not path.exists():
        return []
    with zipfile.ZipFile(path) as members:
        return [members.read(member) for member in members.namelist()]


def write_corpus(name: str, contents: Iterable[bytes]) -> None:
    """Replace the corpus of `name`; equal files give an equal archive."""
    members = {hashlib.sha256(content).hexdigest()[:16]: content for content in contents}
    # The short before the long: neighbours are alike, and a corpus is read from its beginning.
    ordered = sorted(members.items(), key=lambda item: (len(item[1]), item[1]))
    write_together({archive(name): reproducible_zip(dict(ordered))})


def finds(name: str) -> list[Path]:
    """The files with which the target `name` once failed, sorted."""
    folder = _FOLDER / "finds" / name
    return sorted(folder.iterdir()) if folder.is_dir() else []
