"""The file of ``inspect --json``, and whatever else somebody may name in its place."""

import json
from pathlib import Path
from typing import Any

import pytest

from tinyedge.accuracy.page.layers import LayerNoise, read_layers
from tinyedge.errors import DatasetError, ModelError
from tinyedge.export.inspection.report import as_json
from tinyedge.export.inspection.result import (
    InspectedLayer,
    Inspection,
    Requantization,
    Sensitivity,
)


def inspection() -> Inspection:
    rounding = Requantization("conv_2d", "t", (0.0, 1.0), (0.0, 2.0), 1.5)
    return Inspection(
        "a" * 64,
        "b" * 64,
        32,
        96.9,
        None,
        (
            InspectedLayer(
                None, "input", float("inf"), 1.0, None, (1, 1), (rounding, rounding), None, False
            ),
            InspectedLayer(
                3, "conv", 30.0, 0.9, 40.0, (1, 1), (), Sensitivity(-0.1, 0.2, 0.3, 0.4), True
            ),
        ),
    )


def written(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_what_inspect_writes_is_read_again(tmp_path: Path) -> None:
    found = read_layers(written(tmp_path / "l.json", as_json(inspection())))
    assert (found.images, found.float_sha256, found.int8_sha256) == (32, "a" * 64, "b" * 64)
    assert found.layers == (
        LayerNoise("input", None, None, None, None, None, None, 1.5, worst=False),
        LayerNoise("3 conv", 30.0, 40.0, 0.3, 0.4, -0.1, 0.2, 0.0, worst=True),
    )
    found.check_is_of("a" * 64, ("c" * 64, "b" * 64))


@pytest.mark.parametrize(
    ("of_float", "of_int8", "which"), [("c", "b", "float"), ("a", "c", "int8"), ("b", "a", "float")]
)
def test_other_models_are_refused(tmp_path: Path, of_float: str, of_int8: str, which: str) -> None:
    found = read_layers(written(tmp_path / "l.json", as_json(inspection())))
    with pytest.raises(ModelError, match=f"of other models: its {which} file has the sha256"):
        found.check_is_of(of_float * 64, (of_int8 * 64,))


def without_hashes(content: Any) -> Any:
    del content["sha256"]
    return content


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda _: [], "it is no object"),
        (lambda _: {}, "schema is missing"),
        (lambda c: {**c, "schema": "tinyedge.compare/1"}, "its schema is 'tinyedge.compare/1'"),
        (without_hashes, "it does not say of which files; an older tinyedge made it"),
        (
            lambda c: {**c, "sha256": {"float": "x", "int8": ""}},
            "sha256.float is 'x', not a sha256",
        ),
        (lambda c: {**c, "images": 0}, "images is 0, not an integer"),
        (
            lambda c: {**c, "layers": [{"layer": 1, "kind": 2}]},
            r"layers\[0\].kind is 2, not a text",
        ),
        (lambda c: {**c, "layers": {"a": 1}}, "layers is .*, not a list"),
    ],
)
def test_what_is_no_such_file_is_refused_in_one_line(
    tmp_path: Path, change: Any, wrong: str
) -> None:
    path = written(tmp_path / "l.json", change(as_json(inspection())))
    with pytest.raises(DatasetError, match=f"is not what .* writes: {wrong}") as caught:
        read_layers(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"schema": NaN}', "\xff"])
def test_no_json_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "l.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DatasetError):
        read_layers(path)
