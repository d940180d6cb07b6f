"""The page of a comparison: what it holds, that strangers' text stays text, and its size."""

import base64
import io
import itertools
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.comparisons import how_made, layers, made_up, write_noise
from tests.support.html_page import ParsedPage
from tinyedge.accuracy.budgets import Budgets
from tinyedge.accuracy.compare import Comparisons
from tinyedge.accuracy.page.compared import (
    MOST_FLIPS_LISTED,
    MOST_FLIPS_SHOWN,
    comparison_page,
)
from tinyedge.errors import ModelError
from tinyedge.images.thumbnail import LONGEST, MOST_BYTES

HOSTILE = "\"><script>alert(1)</script><img src=x onerror='x'>\x1b]0;t\x07\u202e{{ 7*7 }}&amp;"
NAMES = tuple(f"class {number}" for number in range(10))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    return [write_noise(folder / f"{number:03}.png", seed=number) for number in range(40)]


def page_of(found: Comparisons, **more: object) -> ParsedPage:
    names = [each.int8_model.path.name for each in found.each]
    made = how_made("float.tflite", *names)
    return ParsedPage(comparison_page(found, made, **more))  # type: ignore[arg-type]


def check_is_whole(page: ParsedPage) -> None:
    assert page.faults == []
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    assert {each[1:] for each in page.attributes("href") if each[:1] == "#"} <= set(ids)
    assert {word for each in page.attributes("aria-labelledby") for word in each.split()} <= set(
        ids
    )
    levels = page.headings()
    assert (levels[0], levels.count(1)) == (1, 1)
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def check_asks_nothing_of_the_network(page: ParsedPage) -> None:
    names = {name for name, _ in page.elements}
    assert not names & {"script", "iframe", "object", "embed", "form", "base", "audio", "video"}
    assert all(each.startswith("data:image/jpeg;base64,") for each in page.attributes("src"))
    assert all(each.startswith(("#", "data:,")) for each in page.attributes("href"))
    attributes = {name for _, found in page.elements for name in found}
    assert not {name for name in attributes if name.startswith("on")}
    assert not attributes & {"srcset", "action", "formaction", "background", "poster", "ping"}


def test_it_says_what_was_measured(photos: list[Path]) -> None:
    found = made_up(photos, NAMES)
    (c,) = found.each
    page = page_of(found, layers=layers())
    check_is_whole(page)
    check_asks_nothing_of_the_network(page)
    text = " ".join(page.text.split())
    assert c.verdict is not None
    assert c.drop is not None
    assert f"✗ {c.verdict}" in text or f"? {c.verdict}" in text
    assert f"{c.drop:.2f} points, 95 % interval" in text
    assert "budget at most 2 points" in text
    assert c.int8_model.reliability is not None
    assert f"int8 {100 * c.int8_model.reliability.ece:.2f} %" in text
    assert "To blame most: 4 convolutional" in text
    for model in how_made("a", "b").models:
        assert model.sha256 in text
    # Each flip stands there with both answers.
    for flip in c.flips:
        assert f"{flip.float_answer.label} {flip.float_answer.probability:.2f}" in text
        assert flip.path.name in text


def test_what_comes_first_is_the_verdict_then_the_numbers(photos: list[Path]) -> None:
    text = page_of(made_up(photos, NAMES)).text
    places = [
        text.index(part)
        for part in ("What int8 cost", "the budget of 2", "95 % interval", "another answer", "CPU")
    ]
    assert places == sorted(places)


def test_strangers_text_stays_text(tmp_path: Path) -> None:
    """Names of classes, of photos, of models; in text and in attributes."""
    named = [
        write_noise(tmp_path / f"{number}\"><b onclick='x'>\n.png", seed=number)
        for number in range(12)
    ]
    hostile = tuple(f"{HOSTILE}{number}" for number in range(10))
    model = 'i<script>\u2028".tflite'
    for classes in (3, 10):
        found = made_up(named, hostile, classes=classes, flips=0.7, models=[model])
        page = page_of(found, layers=layers())
        check_is_whole(page)
        check_asks_nothing_of_the_network(page)
        assert "b" not in {name for name, each in page.elements if each}
        shown = (
            "\"><script>alert(1)</script><img src=x onerror='x'>\\x1b]0;t\\x07\\u202e{{ 7*7 }}&amp;"
        )
        assert shown in page.text
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202e]", page.text)
        assert any(each.startswith(f"shows {shown}") for each in page.attributes("alt"))


def test_a_name_that_is_no_text_is_shown_escaped(tmp_path: Path) -> None:
    photo = write_noise(tmp_path / "a.png").rename(tmp_path / "\udcff.png")
    page = page_of(made_up([photo] * 5, NAMES, flips=1))
    assert "\\xff.png" in page.text


def test_a_flips_image_is_a_small_jpeg_of_the_photo(tmp_path: Path) -> None:
    photo = tmp_path / "red.png"
    Image.new("RGB", (640, 320), (250, 10, 10)).save(photo)
    page = page_of(made_up([photo] * 3, NAMES, flips=1))
    uri = page.attributes("src")[0]
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as image:
        assert image.format == "JPEG"
        assert image.size == (LONGEST, LONGEST // 2)
        assert np.abs(np.asarray(image).astype(int) - (250, 10, 10)).max() < 8


def test_a_photo_that_is_gone_says_so(photos: list[Path], tmp_path: Path) -> None:
    gone = tmp_path / "gone.png"
    page = page_of(made_up([gone, *photos[:3]], NAMES, flips=1))
    assert f"no image: {gone}: no such file" in page.text


def test_a_page_of_a_hundred_flips_of_noise_stays_below_2_mb(photos: list[Path]) -> None:
    found = made_up(photos * 4, NAMES, flips=1)
    assert len(found.each[0].flips) > MOST_FLIPS_SHOWN
    content = comparison_page(found, how_made("float.tflite", "int8.tflite"), layers(60))
    assert len(content) < 2_000_000
    page = ParsedPage(content)
    check_is_whole(page)
    # Beside the flips the worst images by KL may be shown, but here all of those are flips.
    assert len(page.attributes("src")) == MOST_FLIPS_SHOWN
    assert all(len(uri) < 4 * MOST_BYTES / 3 + 30 for uri in page.attributes("src"))
    said = " ".join(page.text.split())
    assert "The first 100 are shown; the next 60 are listed below without their images." in said


def test_more_flips_than_are_listed_are_counted(photos: list[Path]) -> None:
    found = made_up(photos[:1] * (MOST_FLIPS_SHOWN + MOST_FLIPS_LISTED + 7), NAMES, flips=1)
    content = comparison_page(found, how_made("float.tflite", "int8.tflite"))
    assert len(content) < 2_000_000
    assert ", and 7 more are in --json" in " ".join(ParsedPage(content).text.split())


def test_several_models_have_a_table_and_a_section_each(photos: list[Path]) -> None:
    found = made_up(photos, NAMES, models=("a.tflite", "b.tflite"))
    page = page_of(found, layers=layers())
    check_is_whole(page)
    check_asks_nothing_of_the_network(page)
    assert {"#m1", "#m2", "#all"} <= set(page.attributes("href"))
    assert page.text.count("Layer by layer") == 1
    assert len(page.attributes("src")) <= MOST_FLIPS_SHOWN + 20


def test_without_labels_nothing_is_said_of_right_and_wrong(photos: list[Path]) -> None:
    found = made_up(photos, None, labelled=False, budgets=Budgets(min_agreement=50))
    page = page_of(found)
    check_is_whole(page)
    assert "without labels" in page.text
    for word in ("top-1", "right to wrong", "Class by class", "calibration error"):
        assert word not in page.text


def test_without_a_softmax_there_is_no_kl(photos: list[Path]) -> None:
    page = page_of(made_up(photos, NAMES, softmax=False))
    check_is_whole(page)
    assert "KL divergence over the photos" not in page.text
    assert "Is it right as often" not in page.text


def test_without_flips_it_says_none(photos: list[Path]) -> None:
    page = page_of(made_up(photos, NAMES, flips=0))
    check_is_whole(page)
    assert "None: both models put all 40 photos into the same classes." in page.text


def test_layers_of_other_files_are_refused(photos: list[Path]) -> None:
    made = how_made("float.tflite", "other.tflite", "int8.tflite")
    others = replace(made, models=(made.models[0], made.models[2]))
    with pytest.raises(ModelError, match="is of other models: its int8 file has the sha256 1111"):
        comparison_page(made_up(photos, NAMES), others, layers())


def test_a_page_of_a_mixed_file_says_nothing_of_int8(photos: list[Path]) -> None:
    found = made_up(photos, NAMES, models=("a_mixed.tflite",))
    (each,) = found.each
    mixed = replace(each, int8_model=replace(each.int8_model, kind="mixed"))
    page = page_of(replace(found, each=(mixed,)))
    check_is_whole(page)
    assert "What mixed precision cost: a_mixed.tflite" in page.text
    assert "how far mixed’s probabilities" in " ".join(page.text.split()).replace("How", "how")
    said = page.text.replace("instructions for int8 dot products", "")
    # What the made up files are said to be.
    said = said.replace("int8, quantizer tuned", "")
    assert "int8" not in said, said[max(0, said.find("int8") - 80) :][:160]
