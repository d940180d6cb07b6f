"""Every reader takes what fuzzing learned, and the finds of old, as it should; then new files."""

import importlib.util
import os
import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path

import pytest

from tests.fuzz import corpus
from tests.fuzz.darknet import read_darknet_weights
from tests.fuzz.sessions import fuzz
from tests.fuzz.target import allow_own_warnings, check_message, find_in
from tests.fuzz.targets import TARGETS
from tests.support.commands import ROOT
from tinyedge.darknet.weights import BatchNorm
from tinyedge.errors import TinyedgeError

_MOST_BYTES = 1_500_000
_SECONDS = 10


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if not target.alone])
def test_the_corpus_is_read(name: str) -> None:
    target = TARGETS[name]
    past = [path.read_bytes() for path in corpus.finds(name)]
    learned = corpus.read_corpus(name)
    assert learned, f"python -m tests.fuzz {name} --keep"
    with warnings.catch_warnings():
        allow_own_warnings()
        found = [find_in(target, content) for content in (*target.seeds(), *learned, *past)]
    assert [f"{find.content[:200]!r}\n{find.trace}" for find in found if find] == []


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if target.alone])
def test_the_corpus_of_what_may_crash_is_read(name: str) -> None:
    assert corpus.read_corpus(name)
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", name, "--replay"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


def test_the_seeds_of_weights_are_of_every_form() -> None:
    """Both sizes of a size_t and the form before it, with AlexeyAB's biases and without."""
    forms = set()
    for content in TARGETS["weights"].seeds():
        with suppress(TinyedgeError):
            weights = read_darknet_weights(content)
            header = weights.header
            biased = any(
                isinstance(layer, BatchNorm) and layer.biases is not None
                for layer in weights.layers.values()
            )
            forms.add((header.layout, header.minor >= 2, header.transposed, biased))
    assert forms == {
        (layout, minor, transposed, biased)
        for layout, minor, transposed in (
            ("<3iQ", True, False),
            ("<3iI", True, False),
            ("<3iI", False, False),
            ("<3iI", True, True),
        )
        for biased in (False, True)
    }


@pytest.mark.long
@pytest.mark.parametrize("name", TARGETS)
def test_ten_seconds_of_new_files(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        assert not os.environ.get("CI"), "on CI nothing may be missing: atheris"
        pytest.skip("atheris has no wheel for this Python or machine")
    session = fuzz(TARGETS[name], runs=10**9, seconds=_SECONDS, artifacts=tmp_path)
    assert session.complaint is None
    told = [path.read_text(errors="replace") for path in tmp_path.rglob("*.txt")]
    assert session.finds == (), "\n".join(told)
    # That it ran at all: the slowest reads some hundred files a second.
    assert session.executions > 1000


def test_the_corpus_stays_small() -> None:
    sizes = {name: corpus.archive(name).stat().st_size for name in TARGETS}
    assert sum(sizes.values()) < _MOST_BYTES, sizes


def test_every_archive_and_every_find_belongs_to_a_target() -> None:
    folder = Path(corpus.__file__).parent
    names = {path.stem for path in (folder / "corpus").iterdir()}
    names |= {path.name for path in (folder / "finds").iterdir()}
    assert names <= set(TARGETS)


@pytest.mark.parametrize("message", ["", "two\nlines", "x" * 10_000])
def test_a_message_that_is_no_short_line_is_a_find(message: str) -> None:
    with pytest.raises(AssertionError):
        check_message(message)
