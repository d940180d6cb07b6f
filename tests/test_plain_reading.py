"""What is read without a library where it is plain: as that library reads it, or not at all."""

import io
import random
import tomllib
import zipfile
from pathlib import Path

import pytest

from tinyedge.errors import TinyedgeError
from tinyedge.files import reproducible_zip, zip_member
from tinyedge.toml import read_toml

DEVICES = sorted((Path(__file__).parents[1] / "devices").glob("*.toml"))
PIECES = (
    *('a = 1\n"', "#", " = ", " ", "[", "]", ", ", "1", "0", "_", "true", "\\", '"x"', "12", "\n"),
    *("-", ".", "é", "\t", "'", "key", "{", "}", "+", "e", "inf", "1979-05-27", '["a", "b"]'),
)


def read(text: str, folder: Path) -> dict[str, object]:
    path = folder / "it.toml"
    path.write_text(text, encoding="utf-8", newline="")
    return read_toml(path, what="a device profile", error=TinyedgeError)


@pytest.mark.parametrize("path", DEVICES, ids=lambda path: path.stem)
def test_a_profile_is_read_as_tomllib_reads_it(path: Path) -> None:
    text = path.read_text("utf-8")
    assert read_toml(path, what="a device profile", error=TinyedgeError) == tomllib.loads(text)


def test_no_text_is_read_otherwise_than_tomllib_reads_it(tmp_path: Path) -> None:
    chance, agreed = random.Random(0), 0
    for _ in range(8000):
        text = "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 9)))
        text = f"k = {text}" if chance.random() < 0.8 else text
        try:
            wanted = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            with pytest.raises(TinyedgeError):
                read(text, tmp_path)
            continue
        assert repr(read(text, tmp_path)) == repr(wanted)
        agreed += 1
    assert agreed > 300


def test_no_zip_is_read_otherwise_than_zipfile_reads_it() -> None:
    members = {"card.json": b"{}" * 300, "labels.txt": b"one\ntwo\n"}
    whole = reproducible_zip(members, behind=b"MODEL" * 50, compress=False)
    chance, agreed, refused = random.Random(1), 0, 0
    for number in range(4000):
        content = bytearray(whole)
        for _ in range(number and chance.randint(1, 3)):
            # Most in the directory, which is at the end.
            first = 0 if chance.random() < 0.3 else len(content) - 190
            content[chance.randrange(first, len(content))] = chance.randrange(256)
        for name in (*members, "none"):
            wanted: bytes | type[ValueError] | None
            try:
                wanted = read_by_zipfile(bytes(content), name)
            except Exception:  # whatever a damaged archive sets off
                wanted = ValueError
            if wanted is ValueError:
                refused += is_refused(bytes(content), name)
                continue
            assert zip_member(io.BytesIO(content), name, limit=1 << 20) == wanted
            agreed += 1
    assert agreed > 1000
    assert refused > 1000


def read_by_zipfile(content: bytes, name: str) -> bytes | None:
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return None
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(name) if name in archive.namelist() else None


def is_refused(content: bytes, name: str) -> bool:
    try:
        zip_member(io.BytesIO(content), name, limit=1 << 20)
    except ValueError:
        return True
    raise AssertionError(f"{name} was read, which zipfile does not")
