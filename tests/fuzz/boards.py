"""Targets: what boards are said to be, and what they say themselves."""

import dataclasses
import functools
import json
from collections.abc import Iterator

from tests.fuzz.mutators import END, mutate_answers, mutate_json
from tests.fuzz.target import Target, scratch, written
from tests.support.commands import ROOT
from tinyedge.devices.bundle.assembly import CHECKSUMS, Bundle
from tinyedge.devices.bundle.target import Target as BoardTarget
from tinyedge.devices.deploy.board import Comparing, deploy_to
from tinyedge.devices.deploy.images import PackedImages
from tinyedge.devices.deploy.inventory import boards_of
from tinyedge.devices.deploy.report import as_json, as_text
from tinyedge.devices.deploy.ssh import Finished, Ssh
from tinyedge.devices.edgetpu.compiler import parse_log
from tinyedge.devices.profile import Profile, find_profile, read_profile
from tinyedge.devices.selftest import MANIFEST, read_manifest
from tinyedge.errors import TinyedgeError
from tinyedge.progress import no_progress

_ERRORS = b"\x1f"
_TOML = ('"""', "'''", "[", "]", "=", "1979-05-27", "nan", "inf", "0x7f", "1e400", "\\u0000", "{")


def _read_profile(content: bytes) -> None:
    profile = read_profile(written("fuzzed.toml", content))
    profile.usable_threads()
    json.dumps(profile._asdict(), allow_nan=False)


def _profile_seeds() -> Iterator[bytes]:
    for path in sorted((ROOT / "devices").glob("*.toml")):
        # Without the comments, which are most of it.
        lines = path.read_bytes().splitlines(keepends=True)
        yield b"".join(line for line in lines if not line.startswith(b"#"))
    yield b'description = "a"\nthreads = ' + b"9" * 5000
    yield b"a = " + b"[" * 500


def _read_inventory(content: bytes) -> None:
    """As lines and as TOML: what one of them refuses the other reads."""
    for name in ("fuzzed.txt", "fuzzed.toml"):
        try:
            boards = boards_of([], written(name, content), "pi4")
        except TinyedgeError as error:
            str(error)
            continue
        if not boards or not all(board.host and board.device for board in boards):
            raise AssertionError(f"{boards} are no boards")


def _inventory_seeds() -> Iterator[bytes]:
    yield b"pi@kitchen\npi@garden pi5  # new\n\n# old\n"
    yield b'[[board]]\nhost = "pi@kitchen"\n[[board]]\nhost = "b"\ndevice = "pi-zero2w"\n'
    yield "board = [{host = 'ä'}]".encode()
    yield b"-oProxyCommand=x\n"


def _read_log(content: bytes) -> None:
    log = parse_log(content.decode("utf-8", "replace"))
    _ = log.on_tpu, log.on_cpu, log.whole
    json.dumps(dataclasses.asdict(log), allow_nan=False)


def _log_seeds() -> Iterator[bytes]:
    for path in sorted((ROOT / "tests" / "data" / "edgetpu_logs").iterdir()):
        yield path.read_bytes()


@dataclasses.dataclass(frozen=True)
class _Board(Ssh):
    """A board that gives the answers of a file, whatever is asked."""

    given: list[bytes] = dataclasses.field(default_factory=list)

    def run(self, *_: object, **__: object) -> Finished:
        content = self.given.pop(0) if self.given else b"\1"
        stdout, _, stderr = content[1:].partition(_ERRORS)
        texts = [text.decode("utf-8", "replace") for text in (stdout, stderr)]
        return Finished(content[0] if content else 0, *texts)


_BUNDLE = Bundle("tinyedge-pi4", "profile/pi4.toml", {CHECKSUMS: b""})


def _bundle_for(target: BoardTarget) -> Bundle:
    _ = target.platforms, target.abis, target.bits
    return _BUNDLE


@functools.cache
def _pi4() -> Profile:
    return find_profile("pi4")


def _deploy(content: bytes) -> None:
    """Answers with `END` between: an exit code's byte, stdout, `_ERRORS`, stderr."""
    report = deploy_to(
        _Board("pi@fuzzed", given=content.split(END)),
        _pi4(),
        _bundle_for,
        prefix="~/tinyedge",
        service=None,
        comparing=Comparing("a.tflite", "b.tflite", PackedImages("ab" * 32, b"", 3)),
        progress=no_progress,
    )
    if report.error == "":
        raise AssertionError("it failed without a word")
    as_text([report])
    json.dumps(as_json([report]), allow_nan=False)


def _board_seeds() -> Iterator[bytes]:
    facts = {
        "prefix": "/home/pi/tinyedge",
        "python": "3.11",
        "machine": "aarch64",
        "bits": 64,
        "libc": ["glibc", "2.36"],
        "board": "Raspberry Pi 4 Model B Rev 1.4",
        "installed": None,
        "has_images": True,
        "is_root": False,
        "free": 10**10,
        "memory": 10**9,
        "modules": ["numpy", "PIL"],
        "problem": None,
    }
    model = {"passed": True, "milliseconds": 1.5}
    tested = {"schema": "tinyedge.selftest/1", "passed": True, "models": [model]}
    compared = {
        "float": {"top1": 90.5},
        "int8": {"top1": 90.0},
        "drop": {"top1": 0.5, "interval": [-0.2, 1.2]},
        "agreement": 98.5,
        "milliseconds": {"float": 3.5, "int8": 1.5},
        "verdict": "pass",
    }
    good = [b"\0" + json.dumps(part).encode() for part in (facts, tested, compared)]
    yield END.join(good)
    yield END.join([good[0], b"\1", b""])
    there = facts | {"bits": 32, "machine": "armv7l", "has_images": False}
    yield END.join([b"\0" + json.dumps(there).encode(), good[1], b"\0", good[2]])
    yield b"\x7f" + _ERRORS + b"sh: 1: python3: not found\n"
    yield b"\0{}"
    yield b"\0Welcome\n" + good[0][1:] + _ERRORS + b"note: a note\n"
    yield b"\0" + b"[" * 2000
    yield b"\0" + b"9" * 5000


def _read_bundle(content: bytes) -> None:
    folder = scratch() / "bundle"
    folder.mkdir(exist_ok=True)
    with open(folder / MANIFEST, "wb", buffering=0) as stream:
        stream.write(content)
    manifest = read_manifest(folder)
    str(folder / manifest["profile"])
    for entry in manifest["models"]:
        str(folder / entry["file"])
        str(folder / entry["picture"])
        [float(score) for score in entry["scores"]]
        bool(entry["quantized"])
        " ".join(entry["runtime"])


def _bundle_seeds() -> Iterator[bytes]:
    entry = {
        "file": "models/a.tflite",
        "picture": "selftest/a.tflite.png",
        "runtime": ["ai-edge-litert", "2.0.3"],
        "quantized": True,
        "scores": [0.25, -1.5],
    }
    manifest = {
        "format": 1,
        "tinyedge": "0.1.0",
        "device": "pi4",
        "profile": "profile/pi4.toml",
        "python": "3.11",
        "architecture": "aarch64",
        "online": False,
        "debian_packages": [],
        "model": "models/a.tflite",
        "models": [entry],
    }
    yield json.dumps(manifest).encode()
    yield json.dumps({"name": "webpack stuff"}).encode()
    yield b"[" * 2000
    yield b'{"format": 1, "x": ' + b"9" * 5000 + b"}"


_JSON = ("null", "true", "NaN", "Infinity", "-1", "1e999", "[]", "{}", '""', '"\\u001b[2J"')
_KEYS = ("description", "threads", "runtimes", "delegate", "files", "input_type", "memory")
_ANSWERS = (
    *('"prefix": ', '"python": ', '"machine": ', '"bits": ', '"libc": ', '"board": '),
    *('"installed": ', '"has_images": ', '"passed": ', '"models": ', '"float": ', '"drop": '),
    *('"interval": ', '"top1": ', '"milliseconds": ', '"verdict": ', '"memory": ', END, _ERRORS),
)

TARGETS = (
    Target(
        name="profile",
        read=_read_profile,
        seeds=_profile_seeds,
        words=(*_TOML, *(f"{key} = " for key in _KEYS)),
        largest=1024,
    ),
    Target(
        name="inventory",
        read=_read_inventory,
        seeds=_inventory_seeds,
        words=(*_TOML, "[[board]]\n", "host = ", "device = ", "#", "\n"),
        largest=512,
    ),
    Target(
        name="compiler_log",
        read=_read_log,
        seeds=_log_seeds,
        words=("Mapped to Edge TPU", "MiB", "KiB", "Edge TPU Compiler version ", "ERROR:", "\n"),
    ),
    Target(
        name="board",
        read=_deploy,
        seeds=_board_seeds,
        words=(*_ANSWERS, *_JSON),
        mutate=mutate_answers,
    ),
    Target(
        name="bundle",
        read=_read_bundle,
        seeds=_bundle_seeds,
        words=(*_JSON, '"format": 1', '"models": ', '"scores": ', '"file": ', "../", "/etc/"),
        mutate=mutate_json,
    ),
)
