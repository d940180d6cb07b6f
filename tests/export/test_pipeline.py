"""The stages of an export: what a user can mend falls in the first, without TensorFlow."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.toy import CLASSES, PHOTOS, Toy, write_toy
from tinyedge.darknet.network import read_network
from tinyedge.devices.profile import find_profile, read_profile
from tinyedge.errors import (
    CfgError,
    DatasetError,
    ExportError,
    TinyedgeError,
    TinyedgeWarning,
    WeightsError,
)
from tinyedge.export.pipeline import Prepared, convert, export, finish, prepare
from tinyedge.export.request import ExportRequest
from tinyedge.modelcard import read_card
from tinyedge.progress import Advance, no_progress
from tinyedge.zoo.models import SourceFiles

MIXED = {"precision": "mixed", "boards": (find_profile("pi4"),)}
# Prepares what the request of the arguments names, and prints what of TensorFlow was imported.
_PREPARE = """
import sys
from pathlib import Path
from tinyedge.devices.profile import find_profile
from tinyedge.export.pipeline import prepare
from tinyedge.export.request import ExportRequest
from tinyedge.progress import no_progress
from tinyedge.zoo.source import find_source

source = find_source("fashion")
request = ExportRequest(
    source.name, source.files, Path(sys.argv[1]), keras=True, saved_model=True,
    device=find_profile("coral-usb"),
)
prepared = prepare(request, progress=no_progress)
assert prepared.calibration is not None
found = [name for name in sys.modules if name.split(".")[0] in ("tensorflow", "keras", "jax")]
print(len(prepared.calibration.inputs), found)
"""


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return write_toy(tmp_path / "toy")


@pytest.fixture
def request_(toy: Toy, tmp_path: Path) -> ExportRequest:
    """A request that can be prepared."""
    return ExportRequest(
        "toy",
        SourceFiles(toy.cfg, toy.weights, labels=toy.labels, calibration=toy.photos),
        tmp_path / "out",
        calibration_count=PHOTOS,
        quantizer="default",
    )


def prepared(request: ExportRequest) -> Prepared:
    return prepare(request, progress=no_progress)


def test_prepare_imports_no_tensorflow_and_writes_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PREPARE, str(tmp_path / "out")],
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "200 []\n"), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_prepare_reads_all_that_is_named(request_: ExportRequest, toy: Toy) -> None:
    found = prepared(request_)
    assert found.network == read_network(toy.cfg)
    assert found.facts.labels == ("ash", "birch", "cedar", "date palm")
    assert found.facts.ids is None
    assert found.calibration is not None
    assert found.calibration.inputs.shape == (PHOTOS, 6, 8, 3)
    assert found.weights is not None
    assert len(found.weights.layers) == 2


def no_photos(request: ExportRequest) -> ExportRequest:
    return replace(request, files=replace(request.files, calibration=None))


def damaged_cfg(request: ExportRequest) -> ExportRequest:
    request.files.cfg.write_text("[net]\nwidth=8\n")
    return request


def detector(request: ExportRequest) -> ExportRequest:
    with request.files.cfg.open("a") as file:
        file.write("[yolo]\n")
    return request


def no_weights(request: ExportRequest) -> ExportRequest:
    return replace(request, files=replace(request.files, weights=None))


def short_weights(request: ExportRequest) -> ExportRequest:
    assert request.files.weights is not None
    request.files.weights.write_bytes(request.files.weights.read_bytes()[:-4])
    return request


def few_labels(request: ExportRequest) -> ExportRequest:
    assert request.files.labels is not None
    request.files.labels.write_text("ash\n")
    return request


def empty_id(request: ExportRequest) -> ExportRequest:
    ids = request.files.cfg.with_name("ids")
    ids.write_text("n1\nn2\n\nn4\n")
    return replace(request, files=replace(request.files, ids=ids))


def broken_photos(request: ExportRequest) -> ExportRequest:
    assert request.files.calibration is not None
    for photo in request.files.calibration.rglob("*.png"):
        photo.write_text("no photo")
    return request


def changed_cfg(old: str, new: str, **changes: bool) -> Callable[[ExportRequest], ExportRequest]:
    def change(request: ExportRequest) -> ExportRequest:
        request.files.cfg.write_text(request.files.cfg.read_text().replace(old, new))
        return replace(request, **changes)  # type: ignore[arg-type]  # all of them are flags

    return change


def without_head(request: ExportRequest) -> ExportRequest:
    text = request.files.cfg.read_text()
    request.files.cfg.write_text(text.replace("[avgpool]", "").replace("[softmax]", ""))
    return request


def no_statistics(request: ExportRequest) -> ExportRequest:
    request = changed_cfg("batch_normalize=1\n", "")(request)
    return replace(no_photos(request), data_free=True)


def file_for_folder(request: ExportRequest) -> ExportRequest:
    request.output.write_text("mine")
    return request


def folder_for_file(request: ExportRequest) -> ExportRequest:
    (request.output / "toy_int8.tflite").mkdir(parents=True)
    return request


def file_for_saved_model(request: ExportRequest) -> ExportRequest:
    request.output.mkdir()
    (request.output / "toy_saved_model").write_text("mine")
    return replace(request, saved_model=True)


def other_folder_for_saved_model(request: ExportRequest) -> ExportRequest:
    (request.output / "toy_saved_model").mkdir(parents=True)
    (request.output / "toy_saved_model" / "notes.txt").write_text("mine")
    return replace(request, saved_model=True)


def nowhere(request: ExportRequest) -> ExportRequest:
    # Where nobody can make a folder, root neither.
    return replace(request, output=Path("/proc/nowhere"))


def photos_elsewhere(request: ExportRequest) -> ExportRequest:
    return replace(request, files=replace(request.files, calibration=Path("/nowhere")))


@pytest.mark.filterwarnings("ignore::tinyedge.errors.TinyedgeWarning")
@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (damaged_cfg, CfgError, "toy.cfg:1"),
        (detector, CfgError, "it finds boxes"),
        (changed_cfg("channels=3", "channels=2"), ExportError, "its input has 2 channels"),
        (changed_cfg("activation=leaky", "activation=stair"), ExportError, "float alone"),
        (without_head, ExportError, "without labels and ids"),
        (no_weights, ExportError, "toy.cfg needs its weights"),
        (short_weights, WeightsError, "toy.weights"),
        (few_labels, DatasetError, "names 1 class, the network has 4 outputs"),
        (empty_id, DatasetError, "this line names no class"),
        (no_photos, ExportError, "an int8 file needs photos to calibrate with"),
        (broken_photos, DatasetError, "none of its 6 images can be read"),
        (photos_elsewhere, DatasetError, "/nowhere: no such folder or manifest"),
        (no_statistics, ExportError, "no convolution has batch_normalize=1"),
        (file_for_folder, ExportError, "is a file; -o names a folder"),
        (folder_for_file, IsADirectoryError, "is a folder, not a file to replace"),
        (file_for_saved_model, NotADirectoryError, "is no folder to replace"),
        (other_folder_for_saved_model, ExportError, "holds what tinyedge did not write"),
        (nowhere, OSError, "/proc/nowhere"),
    ],
)
def test_prepare_raises_what_the_user_can_mend(
    request_: ExportRequest,
    change: Callable[[ExportRequest], ExportRequest],
    kind: type[Exception],
    message: str,
) -> None:
    with pytest.raises((TinyedgeError, OSError)) as caught:
        prepared(change(request_))
    assert isinstance(caught.value, kind)
    assert message in str(caught.value)


def test_prepare_warns_of_a_device_that_is_too_small(
    request_: ExportRequest, tmp_path: Path
) -> None:
    profile = tmp_path / "toaster.toml"
    profile.write_text('description = "toaster"\nmemory = 1_000_000\nthreads = 1\n')
    cfg = request_.files.cfg
    cfg.write_text(
        cfg.read_text().replace("width=8", "width=800").replace("height=6", "height=600")
    )
    with pytest.warns(TinyedgeWarning, match=r"more than a toaster has, 1\.0 MB"):
        prepared(replace(request_, device=read_profile(profile)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": -1}, "seed is -1, not an integer from 0 to 4294967295"),
        ({"seed": 2**32}, "seed is 4294967296, not an integer from 0 to 4294967295"),
        ({"seed": "1"}, "seed is '1', not an integer from 0 to 4294967295"),
        ({"quantizer": "best"}, "quantizer is 'best', not one of tuned, default"),
        ({"input_type": "float32"}, "input_type is 'float32', not one of int8, uint8"),
        ({"fit": "zoom"}, "fit is 'zoom', not one of crop, letterbox, stretch"),
        (
            {"rewrites": ("all",)},
            "rewrites[0] is 'all', not one of pool-before-leaky, average-before-linear",
        ),
        ({"calibration_count": 0}, "calibration_count is 0, not an integer of at least 1"),
        ({"calibration_count": "2"}, "calibration_count is '2', not an integer of at least 1"),
        ({"latency_budget": "1"}, "latency_budget is '1', not a number above 0"),
        ({"rewrites": "pool-before-leaky"}, "rewrites is 'pool-before-leaky', not a list"),
        ({"author": 3}, "author is 3, not a text"),
        ({"batch_norm": "in"}, "batch_norm is 'in', not one of inside, outside"),
    ],
)
def test_a_request_takes_what_is_listed_alone(
    request_: ExportRequest, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        replace(request_, **changes)  # type: ignore[arg-type]  # wrong on purpose


def test_the_stages_one_by_one_make_what_export_makes(
    request_: ExportRequest, tmp_path: Path
) -> None:
    request = replace(request_, device=find_profile("coral-usb"))
    ready = prepared(request)
    converted = convert(ready, progress=no_progress)
    # Nothing is written yet, and the weights are let go of.
    assert not request.output.exists()
    assert ready.weights is None
    with pytest.raises(ValueError, match="taken before"):
        convert(ready, progress=no_progress)
    assert converted.int8_tflite is not None
    assert list(converted.made_by) == ["tinyedge", "tensorflow", "keras", "numpy", "pillow"]
    made = finish(ready, converted, progress=no_progress)
    whole = export(replace(request, output=tmp_path / "whole"), progress=no_progress)
    assert list(made.files) == list(whole.files) == ["float", "int8", "coral"]
    for kind, path in made.files.items():
        assert path.read_bytes() == whole.files[kind].read_bytes()
    assert made.card == whole.card == read_card(made.files["int8"])
    assert made.partition is not None
    assert made.card.classes == CLASSES
    float_card = read_card(made.files["float"])
    assert float_card is not None
    assert float_card.versions == made.card.versions == converted.made_by


@pytest.mark.filterwarnings("ignore::tinyedge.errors.TinyedgeWarning")
@pytest.mark.parametrize(
    "changes",
    [
        {"float_only": True, "keras": True, "saved_model": True},
        {"quantizer": "default"},
        {"quantizer": "default", "data_free": True, **MIXED},
        {"quantizer": "tuned"},
    ],
    ids=["float", "default", "mixed, data-free", "tuned"],
)
def test_the_total_is_the_sum_of_the_stages_weights(
    request_: ExportRequest, changes: dict[str, object]
) -> None:
    assert_total_is_sum(replace(request_, **changes))  # type: ignore[arg-type]


@pytest.mark.long
def test_the_total_counts_what_is_chosen_on_photos_set_aside(
    request_: ExportRequest, toy: Toy
) -> None:
    photo = next(path for path in toy.photos.rglob("*") if path.is_file())
    for number in range(100 - PHOTOS):
        (photo.parent / f"more-{number}{photo.suffix}").write_bytes(photo.read_bytes())
    assert_total_is_sum(replace(request_, quantizer="tuned", calibration_count=100))


def assert_total_is_sum(request: ExportRequest) -> None:
    totals: list[float | None] = []
    weights: list[float] = []

    def progress(
        description: str,
        steps: int | None = 1,
        *,
        weight: float = 1.0,
        total: float | None = None,
        unit: str = "",
    ) -> Advance:
        del description, steps, unit
        totals.append(total)
        weights.append(weight)
        return no_progress("")

    export(request, progress=progress)
    assert totals[0] == pytest.approx(sum(weights))
    assert totals[1:] == [None] * (len(totals) - 1)
