"""``tinyedge export --device pi4``: convolutions in the forms that suit its core."""

import json
from pathlib import Path

import numpy as np
import pytest

import tinyedge
from tests.support.commands import run_in_process
from tests.support.exports import Exported
from tests.support.toy import write_toy
from tinyedge.tflite.model import read_tflite

FASHION = ("fashion", "--quantizer", "default")
FOR_PI4 = (*FASHION, "--device", "pi4", "--precision", "integer")


def operators(path: Path) -> list[str]:
    return [operator.name for operator in read_tflite(path).subgraphs[0].operators]


@pytest.mark.long
def test_a_file_for_a_board_answers_as_the_one_for_any_device(exported: Exported) -> None:
    of_any, of_pi4 = exported(*FASHION).int8_model, exported(*FOR_PI4).int8_model
    assert set(operators(of_pi4)) - set(operators(of_any)) >= {"CONCATENATION", "SLICE"}
    photos = sorted(Path("calib_data/fashion/test").rglob("*.png"))[::50]
    found, wanted = (
        np.stack([tinyedge.Classifier(path).classify(photo).scores for photo in photos])
        for path in (of_pi4, of_any)
    )
    assert np.array_equal(found, wanted)
    assert len(set(wanted.argmax(axis=1))) > 3


@pytest.mark.long
def test_inspect_sees_layers_and_not_forms(exported: Exported) -> None:
    """What it finds of the file for a board is what it finds of the one for any device."""
    findings = []
    for files in (exported(*FASHION), exported(*FOR_PI4)):
        data = ("--data", "calib_data/fashion/test", "--count", "4")
        done = run_in_process("inspect", files.float_model, files.int8_model, *data, "--json")
        findings.append(json.loads(done.stdout))
        for layer in findings[-1]["layers"]:
            for rounding in layer["roundings"]:
                # The names that the converter joined are not kept behind the first.
                rounding["tensor"] = rounding["tensor"].partition(";")[0]
    of_any, of_pi4 = findings
    assert of_any.pop("sha256") != of_pi4.pop("sha256")
    assert of_any == of_pi4


@pytest.mark.long
def test_the_report_says_which_layers_have_which_form(tmp_path: Path) -> None:
    """Those whose operators copy pixels, as `info` lists them: no other layer here does."""
    printed = run_in_process("export", *FOR_PI4, "-o", tmp_path).stdout
    said = json.loads(run_in_process("export", *FOR_PI4, "-o", tmp_path, "--json").stdout)
    forms = said["forms"]
    told = {kind: list(forms.values()).count(kind) for kind in ("im2col", "space_to_depth")}
    line = (
        f"convolutions for pi4: {told['im2col']} im2col, {told['space_to_depth']} space_to_depth,"
        " the rest plain"
    )
    assert line in printed.splitlines()
    listed = run_in_process("info", tmp_path / "fashion_int8.tflite", "--json").stdout
    copying = {
        layer["name"].split()[0]
        for layer in json.loads(listed)["layers"]
        if {"CONCATENATION", "SLICE"} & set(layer["operators"])
    }
    assert copying == set(forms) != set()
    assert min(told.values()) > 0


def test_of_plain_convolutions_nothing_is_said(tmp_path: Path) -> None:
    toy = write_toy(tmp_path)
    words = ("export", *toy.source(), "--calib", toy.photos, "-o", tmp_path / "out")
    assert "convolutions for" not in run_in_process(*words).stdout
    assert json.loads(run_in_process(*words, "--json").stdout)["forms"] == {}


@pytest.mark.long
def test_a_microcontroller_and_the_edge_tpu_get_plain_convolutions(exported: Exported) -> None:
    plain = operators(exported(*FASHION).int8_model)
    assert operators(exported(*FASHION, "--device", "coral-usb").int8_model) == plain
