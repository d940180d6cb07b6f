"""Each kind of page in headless Chromium: axe-core, the width, what it asks for, printing."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.chromium import Chromium, Page, chromium
from tests.support.commands import need_programs
from tests.support.comparisons import how_made, layers, made_up, write_noise
from tinyedge.accuracy.page.compared import comparison_page
from tinyedge.devices.deploy.board import BoardReport
from tinyedge.devices.deploy.page import boards_page
from tinyedge.devices.runtime.answers_page import AnswersPage
from tinyedge.devices.runtime.classifier import Classification, Prediction
from tinyedge.images.stream import SourceImage

pytestmark = pytest.mark.browser

LONG = "a very long name without any blank in it ".replace(" ", "_") * 3
NAMES = (*(f"class {number}" for number in range(8)), LONG, 'a "quoted" <b>class</b>')
KINDS = ("compare", "compare, several", "compare, unlabelled", "run", "deploy")


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    need_programs("chromium", "npm")
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    photos = [write_noise(folder / f"{number}{LONG}.png", seed=number) for number in range(12)]
    small = write_noise(folder / "small.png", width=28, height=28)
    images = [*photos, small, folder / "gone.png"] * 2
    contents = {
        "compare": comparison_page(
            made_up(images, NAMES, flips=1), how_made("f.tflite", LONG, command=LONG), layers(20)
        ),
        "compare, several": comparison_page(
            made_up(images, NAMES, models=["a.tflite", "b.tflite", LONG]),
            how_made("float.tflite", "a.tflite", "b.tflite", LONG),
            layers(),
        ),
        "compare, unlabelled": comparison_page(
            made_up(images, None, labelled=False, softmax=False), how_made("f", "int8.tflite")
        ),
        "run": answers(images),
        "deploy": boards(),
    }
    found = {}
    for name, content in contents.items():
        found[name] = folder / f"{name}.html"
        found[name].write_bytes(content)
    return found


def answers(images: list[Path]) -> bytes:
    page = AnswersPage()
    for image in images:
        predictions = tuple(Prediction(n, label, 0.3) for n, label in enumerate(NAMES[-5:]))
        answer: Any = Classification(predictions, SimpleNamespace(), 1.5)  # type: ignore[arg-type]
        page.add(SourceImage(str(image), image), answer)
    page.add_unreadable(f"{LONG}: no such file")
    return page.page(how_made("int8.tflite"))


def boards() -> bytes:
    comparison: Any = {
        "float": {"top1": 69.15},
        "int8": {"top1": 67.9},
        "drop": {"top1": 1.25, "interval": [-0.75, 3.25]},
        "agreement": 94.5,
        "milliseconds": {"float": 25.5, "int8": 10.6},
        "verdict": "inconclusive",
    }
    selftest: Any = {"passed": True, "models": [{"passed": True, "milliseconds": 12.34}] * 2}
    known: Any = {"python": "3.11", "architecture": "aarch64", "memory": 3_120_000_000}
    reports = [
        BoardReport("pi@a", "pi4", comparison=comparison, selftest=selftest, **known),
        BoardReport(f"pi@{LONG}", "pi4", comparison=comparison, notes=[LONG], **known),
        BoardReport("pi@c", "pi5", error="no route to host"),
    ]
    return boards_page(
        reports, command=LONG, time="2026-01-02T03:04:05+00:00", files=[("a", "b" * 64)], max_drop=2
    )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_accessible_and_fits(
    browser: Chromium, pages: dict[str, Path], kind: str, width: int, dark: bool
) -> None:
    page = Page(browser, pages[kind], width=width, dark=dark)
    assert page.problems == []
    assert [address for address in page.requests if not address.startswith("data:")] == []
    assert page.evaluate("innerWidth") == width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background != "rgb(255, 255, 255)") == dark
    assert page.violations() == []


@pytest.mark.parametrize("kind", KINDS)
def test_it_prints_in_dark_ink_on_paper(
    browser: Chromium, pages: dict[str, Path], kind: str
) -> None:
    page = Page(browser, pages[kind], width=1280, dark=True)
    printed = page.printed()
    assert printed.startswith(b"%PDF-")
    assert printed.count(b"/Type /Page\n") >= 1
    page.call("Emulation.setEmulatedMedia", media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    # Nothing is cut off at the right.
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_axe_finds_what_is_wrong(browser: Chromium, tmp_path: Path) -> None:
    """So that no violation means something."""
    (tmp_path / "bad.html").write_text("<img src='data:,'><script>oops()</script>")
    page = Page(browser, tmp_path / "bad.html", width=360, dark=False)
    assert any("oops" in each for each in page.problems)
    assert any(each.startswith("image-alt") for each in page.violations())


def test_everything_that_scrolls_is_reached_by_the_keyboard(
    browser: Chromium, pages: dict[str, Path]
) -> None:
    page = Page(browser, pages["compare"], width=360, dark=False)
    first = []
    for _ in range(3):
        for kind in ("keyDown", "keyUp"):
            page.call("Input.dispatchKeyEvent", type=kind, key="Tab", windowsVirtualKeyCode=9)
        first.append(page.evaluate("document.activeElement.textContent.trim()"))
    assert first == ["Skip to the content", "In numbers", "Flips"]
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert page.evaluate(
        "[...document.querySelectorAll('.scroll')].every(each => each.tabIndex === 0)"
    )
