"""docs/json.md: every key that a command prints is there, with its type, and no other."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.support import foreign
from tests.support.commands import run_in_process
from tests.support.json_page import Key, faults, sections
from tests.support.pixel_model import write_pixel_model
from tests.support.toy import write_toy
from tinyedge.cli import COMMANDS, main
from tinyedge.devices.deploy import report as deploy_report
from tinyedge.devices.deploy.board import BoardReport
from tinyedge.devices.runtime import report as run_report
from tinyedge.devices.runtime.classifier import Classifier
from tinyedge.export.inspection import report as inspect_report
from tinyedge.export.inspection.result import (
    Divergence,
    InspectedLayer,
    Inspection,
    Requantization,
    Sensitivity,
)
from tinyedge.images.stream import SourceImage
from tinyedge.modelcard import Check
from tinyedge.tflite.metadata import Normalization

WITHOUT_JSON = {"completion", "demo"}
LOGS = Path(__file__).parents[1] / "data" / "edgetpu_logs"

Object = dict[str, Any]


def printed(*words: object) -> list[Object]:
    """The objects a command prints, whatever its exit code."""
    result = CliRunner().invoke(main, [*map(str, words), "--json"])
    assert result.exit_code in (0, 1, 3), result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


class Samples:
    """What each command prints of small models made here, and of each kind of file."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._monkeypatch = monkeypatch
        self._photos = folder / "photos"
        for name, colour in (("red", (250, 10, 10)), ("blue", (10, 20, 240))):
            for number in range(2):
                place = self._photos / name / f"{number}.png"
                place.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (1, 1), colour).save(place)
        (self._photos / "red" / "broken.png").write_bytes(b"no image")
        check = Check(
            against="float", source="photos", images=50, agreement=49, kl=0.01, noise_db=31.5
        )
        self._float_file = write_pixel_model(folder / "m_float.tflite", ids=("n1", "n2", "n3"))
        self._int8_file = write_pixel_model(
            folder / "m_int8.tflite",
            quantization="int8",
            quantizer="tuned",
            rewrites=("pool-before-leaky",),
            lowerings=("leaky",),
            seed=0,
            calibration="photos",
            calibration_sha256=("ab" * 32,),
            versions={"tinyedge": "0.1.0"},
            check=check,
            normalization=Normalization((127.5,) * 3, (127.5,) * 3),
            precision={"7": "hybrid"},
        )
        self._foreign = folder / "foreign.tflite"
        self._foreign.write_bytes(
            foreign.with_metadata(foreign.integer_model(foreign.SIGNED), foreign.SIGNED)
        )

    def devices(self) -> list[Object]:
        """Of the profiles, one of them broken."""
        own = self._folder / "config" / "tinyedge" / "devices"
        own.mkdir(parents=True)
        (own / "mine.toml").write_text("description = 1\n")
        self._monkeypatch.setenv("XDG_CONFIG_HOME", str(self._folder / "config"))
        return printed("devices")

    def zoo(self) -> list[Object]:
        """The list."""
        return printed("zoo")

    def zoo_table(self) -> list[Object]:
        """The table."""
        return printed("zoo", "--table")

    def fetch(self) -> list[Object]:
        """Of what is packaged."""
        return printed("fetch", "fashion")

    def summary(self) -> list[Object]:
        """Without a device, with the Edge TPU, with a board whose numbers are known."""
        words = ("summary", "fashion")
        return [
            *printed(*words),
            *printed(*words, "--device", "coral-usb"),
            *printed(*words, "--device", "pi4"),
        ]

    def check(self) -> list[Object]:
        """With edgetpu_compiler and without, of a float and of an integer file."""
        found = printed("check", self._float_file) + printed("check", self._foreign)
        compiler = self._folder / "bin" / "edgetpu_compiler"
        compiler.parent.mkdir()
        self._monkeypatch.setenv("PATH", str(compiler.parent), prepend=":")
        for log in ("leaky_16.log", "all_mapped_16.log"):
            compiler.write_text(f"#!/bin/sh\ncat {LOGS / log}\n")
            compiler.chmod(0o755)
            found += printed("check", self._foreign)
        return found

    def check_device(self) -> list[Object]:
        """Of a microcontroller: with its package and without, of a file that it does not take."""
        words = ("check", "--device", "tflm")
        found = printed(*words, self._float_file) + printed(*words, self._foreign)
        # A package of that name that cannot be imported.
        package = self._folder / "broken" / "tflite_micro" / "__init__.py"
        package.parent.mkdir(parents=True)
        package.write_text("raise ImportError('broken')\n")
        self._monkeypatch.syspath_prepend(package.parents[1])
        self._monkeypatch.setenv("PYTHONPATH", str(package.parents[1]), prepend=":")
        return found + printed(*words, self._foreign)

    def info(self) -> list[Object]:
        """With a model card of all there can be, and with metadata."""
        return [
            found
            for file in (self._float_file, self._int8_file, self._foreign)
            for found in printed("info", file)
        ]

    def run(self) -> list[Object]:
        """Of images, annotated ones, and one with a time."""
        words = ("run", self._float_file, self._photos)
        image = SourceImage("camera 0", self._photos / "red" / "0.png", time="2026-01-01T00:00:00")
        answer = Classifier(self._float_file).classify(image.content, 2)
        return [
            *printed(*words),
            *printed(*words, "--save", self._folder / "saved"),
            json.loads(json.dumps(run_report.as_json(image, answer))),
        ]

    def run_bench(self) -> list[Object]:
        """Of one photo, without operators and with them."""
        photo = self._photos / "red" / "0.png"
        words = ("run", self._float_file, photo, "--bench", 2)
        return printed(*words) + printed(*words, "--operators")

    def compare(self) -> list[Object]:
        """Without a gate and with one; without labels; of files whose answers differ."""
        words = ("compare", self._float_file, self._int8_file, "--data", self._photos)
        # It hardly sees red.
        card = {"quantization": "int8", "normalization": Normalization((0, 0, 0), (1000, 1, 1))}
        turned = write_pixel_model(self._folder / "turned.tflite", **card)
        return [
            *printed(*words),
            *printed(*words, "--max-drop", 1),
            *printed(*words, "--unlabelled", "--min-agreement", 90),
            *printed("compare", self._float_file, turned, "--data", self._photos),
        ]

    def calib(self) -> list[Object]:
        """With labels and without, with a file that is broken, and one to judge by."""
        random = np.random.default_rng(0)
        photos = self._folder / "noise"
        for name in ("a/0.png", "a/1.png", "b/2.png"):
            (photos / name).parent.mkdir(parents=True, exist_ok=True)
            pixels = random.integers(0, 256, (16, 16, 3), np.uint8)
            Image.fromarray(pixels).save(photos / name)
        (photos / "b" / "broken.png").write_bytes(b"no image")
        judged = photos / "a" / "0.png"
        return [
            *printed("calib", photos, "-o", self._folder / "set"),
            *printed("calib", photos / "b", "-o", self._folder / "other", "--data", judged),
        ]

    def calib_check(self) -> list[Object]:
        """Of a network with batch norm and of one without."""
        toy = write_toy(self._folder / "toy")
        words = ("calib", toy.photos, "--check", toy.cfg, "--weights", toy.weights)
        found = printed(*words)
        bare = self._folder / "bare.cfg"
        bare.write_text(toy.cfg.read_text().replace("batch_normalize=1\n", ""))
        weights = self._folder / "bare.weights"
        # Without the scales, means and variances of its five filters.
        content = toy.weights.read_bytes()
        weights.write_bytes(content[:36] + content[96:])
        return [*found, *printed("calib", toy.photos, "--check", bare, "--weights", weights)]

    def inspect(self) -> list[Object]:
        """With a softmax at the end and without, of a layer without weights and of one with."""
        rounded = Requantization("conv_2d", "t", (-1.0, 1.0), (-1.5, 1.5), 0.5)
        layers = [
            InspectedLayer(
                *(index, "convolutional", 30.0, 0.99, ratio, (1.0, 1.0), (rounded,), found, True),
                precision=None if index is None else "hybrid",
            )
            for index, ratio, found in (
                (None, None, None),
                (0, 40.0, Sensitivity(0.1, 0.1, 0.1, 0.1)),
                (1, float("inf"), None),
            )
        ]
        whole = Inspection("a" * 64, "b" * 64, 4, 75.0, Divergence(0.1, 0.1, 0.0), tuple(layers))
        none = Inspection("a" * 64, "b" * 64, 4, 75.0, None, tuple(layers[:1]))
        return [json.loads(json.dumps(inspect_report.as_json(each))) for each in (whole, none)]

    def export(self) -> list[Object]:
        """Of all files, and of the float file alone."""
        toy = write_toy(self._folder / "toy")
        words = ("export", *toy.source(), "-o", self._folder / "out")
        made = ("--calib", toy.photos, "--quantizer", "default", "--device", "coral-usb")
        return printed(*words, *made) + printed(*words, "--float-only")

    def bundle(self) -> list[Object]:
        """Without wheels."""
        words = ("bundle", self._float_file, "-o", self._folder / "bundle", "--online")
        return printed(*words) + printed(*words[:-2], self._folder / "b.tar.gz", "--online")

    def selftest(self) -> list[Object]:
        """Of a bundle."""
        place = self._folder / "tested"
        run_in_process("bundle", self._float_file, "-o", place, "--online")
        return printed("selftest", place)

    def deploy(self) -> list[Object]:
        """Of a board that was not reached, of one with all there can be, of one rolled back."""
        (tested,) = self.selftest()
        compared = self.compare()[-1]
        whole: Object = {
            "board": "Raspberry Pi 4",
            "python": "3.13",
            "architecture": "aarch64",
            "prefix": "/home/pi/tinyedge",
            "selftest": tested,
            "memory": 10**9,
            "comparison": compared,
            "notes": ["a note"],
        }
        back = {"back_to": "v1", "was": "v2", "models": ["m"], "selftest": tested}
        reports = [
            BoardReport("a", "pi4", error="no route"),
            BoardReport("b", "pi4", **whole),
            BoardReport("c", "pi4", rolled_back=back),  # type: ignore[arg-type]
        ]
        return [json.loads(json.dumps(deploy_report.as_json(reports)))]


@pytest.fixture
def samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Samples:
    return Samples(tmp_path, monkeypatch)


# A bundle has a wheel made of the checkout, an export starts TensorFlow.
SLOW = {"bundle", "calib_check", "deploy", "export", "selftest"}


@pytest.mark.parametrize(
    "section",
    [
        pytest.param(name, marks=pytest.mark.long if name in SLOW else ())
        for name in dir(Samples)
        if name[0] != "_"
    ],
)
def test_what_a_command_prints_is_on_the_page(section: str, samples: Samples) -> None:
    name = section.replace("_", " --")
    for found in getattr(samples, section)():
        assert next(iter(found)) == "schema"
        assert found["schema"] == f"tinyedge.{name.partition(' ')[0]}/1"
        assert faults(name, found) == []


def test_no_command_is_forgotten() -> None:
    described = {name for name in sections() if "schema" in sections()[name].inside}
    assert {name.partition(" ")[0] for name in described} == set(COMMANDS) - WITHOUT_JSON
    assert {name.replace(" --", "_") for name in described} == {
        name for name in dir(Samples) if name[0] != "_"
    }
    for name in COMMANDS:
        assert ("--json" in run_in_process(name, "--help").stdout) == (name not in WITHOUT_JSON)


def test_each_link_leads_to_a_section_of_the_page() -> None:
    def types(key: Key) -> Iterator[str]:
        yield from key.types
        for inner in key.inside.values():
            yield from types(inner)

    named = {name for key in sections().values() for name in types(key)}
    assert named - set(sections()) <= {
        *("string", "integer", "number", "boolean", "object", "array", "null")
    }
    unlinked = set(sections()) - named
    assert all("schema" in sections()[name].inside for name in unlinked if sections()[name].inside)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"unheard_of": 1}, "run.unheard_of is not documented"),
        ({"milliseconds": "1"}, "run.milliseconds is '1', no number"),
        ({"predictions": [{"index": True, "label": "a", "probability": 1}]},
         "run.predictions[].index is True, no integer"),
        ({"image": None}, "run.image is None, no string"),
    ],
)  # fmt: skip
def test_what_the_page_does_not_say_is_a_fault(change: Object, fault: str) -> None:
    said = {"schema": "tinyedge.run/1", "image": "a", "predictions": [], "milliseconds": 1.5}
    assert faults("run", said) == []
    assert faults("run", said | change) == [fault]
    del said["image"]
    assert faults("run", said) == ["run.image is missing"]
