"""What any reader of a user's file does with what is no such file: one line, its own error."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.toy import write_toy
from tinyedge.cli import main
from tinyedge.darknet.cfg import read_cfg
from tinyedge.darknet.network import read_network
from tinyedge.darknet.weights import read_weights
from tinyedge.devices.deploy.inventory import boards_of
from tinyedge.devices.profile import read_profile
from tinyedge.devices.selftest import read_manifest
from tinyedge.errors import (
    CfgError,
    DatasetError,
    DeployError,
    DeviceError,
    ModelError,
    TinyedgeError,
    WeightsError,
)
from tinyedge.images.find import read_labelled
from tinyedge.images.labels import ClassNames, read_labels
from tinyedge.modelcard import read_card
from tinyedge.tflite.model import read_tflite


@dataclass(frozen=True)
class Reader:
    """A reader: the file's name, how it is read, and the class of its errors."""

    name: str
    read: Callable[[Path], object]
    error: type[TinyedgeError]


def _weights(path: Path) -> object:
    return read_weights(path, read_network(write_toy(path.parent / "toy").cfg))


READERS = [
    Reader("net.cfg", read_cfg, CfgError),
    Reader("net.weights", _weights, WeightsError),
    Reader("labels.txt", lambda path: read_labels(path, 2), DatasetError),
    Reader(
        "photos.tsv",
        lambda path: read_labelled(path, labels=None, ids=None, classes=2),
        DatasetError,
    ),
    Reader("board.toml", read_profile, DeviceError),
    Reader("boards.toml", lambda path: boards_of((), path, "pi4"), DeployError),
    Reader("boards.txt", lambda path: boards_of((), path, "pi4"), DeployError),
    Reader("bundle.json", lambda path: read_manifest(path.parent), ModelError),
    Reader("net.tflite", read_tflite, ModelError),
    Reader("card.tflite", read_card, ModelError),
]
_DIGITS = b"9" * 5000

readers = pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)


def refusal(reader: Reader, path: Path) -> str:
    """What the reader says; it may not be long, nor speak to the terminal."""
    with pytest.raises(reader.error) as caught:
        reader.read(path)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < len(str(path)) + 400
    return message


@readers
@pytest.mark.parametrize("kind", ["a named pipe", "a device"])
def test_what_is_no_file_is_not_opened(reader: Reader, kind: str, tmp_path: Path) -> None:
    path = tmp_path / reader.name
    if kind == "a named pipe":
        os.mkfifo(path)  # to open it would wait for ever
    else:
        path.symlink_to("/dev/zero")  # and this has no end
    assert f"{path} is {kind}, not a file" in refusal(reader, path)


@readers
def test_what_is_too_large_is_refused_before_it_is_read(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / reader.name
    with path.open("wb") as stream:
        stream.truncate(2**41)
    assert f"{path}: more than " in refusal(reader, path)


def test_deep_and_long_values_are_refused_where_they_mean_something(tmp_path: Path) -> None:
    for name, content in (
        ("net.cfg", b"[net]\nchannels=3\nheight=4\nwidth=" + _DIGITS),
        ("board.toml", b"a = " + b"[" * 50_000),
        ("board.toml", b"threads = " + _DIGITS),
        ("board.toml", b'description = "a"\nthreads = 0x' + b"f" * 50_000),
        ("boards.toml", b"[[board]]\nhost = 0x" + b"f" * 50_000),
        ("bundle.json", b'{"a":' * 100_000),
        ("bundle.json", b'{"format": ' + _DIGITS + b"}"),
    ):
        (tmp_path / name).write_bytes(content)
        (reader,) = (reader for reader in READERS if reader.name == name)
        if name == "net.cfg":
            with pytest.raises(CfgError, match="is beyond 2147483647"):
                read_network(tmp_path / name)
        else:
            refusal(reader, tmp_path / name)


@readers
@pytest.mark.parametrize(
    "content",
    [
        *(b"\xff\xfe", b"\0" * 64, b"[" * 100_000, b'{"a":' * 100_000, b"a = " + b"[" * 50_000),
        *(b"cores = " + _DIGITS, b"cores = 0x" + b"f" * 50_000, b"\x1b[2J\x1b]0;x\7" * 5000),
        *(b'{"format": ' + _DIGITS + b"}", b"[net]\nwidth=" + _DIGITS, b"a" * 200_000),
        *(b"a." * 20_000 + b"a = 1", b"[[board]]\nhost = 0x" + b"f" * 50_000),
    ],
    ids=lambda content: ascii(content[:12]),
)
def test_odd_content_is_read_or_is_an_error_of_one_line(
    reader: Reader, content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / reader.name
    path.write_bytes(content)
    # What is nonsense to one reader is a long label to another.
    try:
        reader.read(path)
    except reader.error:
        refusal(reader, path)


def test_a_class_of_thousands_of_digits_is_none() -> None:
    names = ClassNames(None, None, 3)
    assert names.find("9" * 5000, "here") is None
    assert names.find("0" * 5000, "here") == 0
    assert names.find("0002", "here") == 2


@pytest.mark.parametrize(
    "words",
    [
        ("summary", "fashion", "--device", "FILE.toml"),
        ("run", "FILE.tflite", "FILE.png"),
        ("summary", "FILE.cfg"),
        ("export", "FILE.cfg", "--weights", "FILE.weights", "--float-only", "-o", "out"),
        ("selftest", "FOLDER"),
        ("deploy", "FOLDER", "--inventory", "FILE.toml"),
        ("check", "FILE.tflite"),
    ],
    ids=lambda words: words[0],
)
def test_no_command_has_a_traceback_for_a_pipe_or_for_nested_values(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    for kind in ("pipe", "nested"):
        folder = tmp_path / kind
        folder.mkdir()
        for suffix in ("toml", "tflite", "png", "cfg", "weights"):
            path = folder / f"file.{suffix}"
            os.mkfifo(path) if kind == "pipe" else path.write_bytes(b"a = " + b"[" * 20_000)
        (folder / "bundle.json").write_bytes(b"[" * 100_000)
        named = [
            word.replace("FILE", f"{folder}/file").replace("FOLDER", str(folder)) for word in words
        ]
        result = CliRunner().invoke(main, named)
        # Whatever escapes the command line is its exception.
        assert isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == 2
        assert result.stderr.startswith("error: ")
        assert result.stderr.count("\n") == 1
