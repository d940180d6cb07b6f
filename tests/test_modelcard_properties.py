"""Of any card: it comes back as it went in, and what is damaged is an error or no card."""

from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyedge.errors import ModelError
from tinyedge.images.spec import FITS
from tinyedge.modelcard import (
    BatchNormFormula,
    CalibrationSource,
    Check,
    CheckImages,
    ModelCard,
    Normalization,
    Precision,
    Quantizer,
    Reference,
    Rewrite,
    TensorType,
    append_card,
    read_card,
)

_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
_REAL = st.floats(allow_nan=False, allow_infinity=False)
_MEAN, _STD = st.floats(-1e6, 1e6), st.floats(1e-6, 1e6)
_ABOVE_0 = st.floats(2.0**-126, allow_infinity=False)
_SHA256 = st.one_of(st.just(""), st.text("0123456789abcdef", min_size=64, max_size=64))


def _one_of(names: object) -> st.SearchStrategy[Any]:
    return st.sampled_from(get_args(names))


def _several(item: st.SearchStrategy[Any], count: int | None = None) -> st.SearchStrategy[Any]:
    sizes = {"max_size": 3} if count is None else {"min_size": count, "max_size": count}
    return st.lists(item, **sizes).map(tuple)


@st.composite
def cards(draw: st.DrawFn) -> ModelCard:
    channels, groups = draw(st.integers(1, 4)), draw(st.integers(0, 3))
    classes = draw(st.integers(1, 4)) * max(groups, 1)
    images = draw(st.integers(1, 500))
    return ModelCard(
        name=draw(_TEXT),
        height=draw(st.integers(1, 65_535)),
        width=draw(st.integers(1, 65_535)),
        channels=channels,
        classes=classes,
        fit=draw(st.sampled_from(FITS)),
        quantization=draw(_one_of(TensorType)),
        softmax_groups=groups,
        temperature=draw(_ABOVE_0),
        labels=draw(st.none() | _several(_TEXT, classes)),
        ids=draw(st.none() | _several(_TEXT, classes)),
        cfg_sha256=draw(_SHA256),
        weights_sha256=draw(_SHA256),
        quantizer=draw(st.none() | _one_of(Quantizer)),
        rewrites=draw(_several(_one_of(Rewrite))),
        lowerings=draw(_several(_TEXT)),
        seed=draw(st.none() | st.integers(0, 2**32 - 1)),
        calibration=draw(st.none() | _one_of(CalibrationSource)),
        calibration_sha256=draw(_several(_SHA256)),
        calibration_shift=draw(st.none() | st.floats(0, allow_nan=False, allow_infinity=False)),
        versions=draw(st.dictionaries(_TEXT, _TEXT, max_size=2)),
        features=draw(st.none() | _several(st.integers(1, 2**31 - 1), 3)),
        check=draw(
            st.none()
            | st.builds(
                Check,
                against=_one_of(Reference),
                images=st.just(images),
                source=_one_of(CheckImages),
                agreement=st.none() | st.integers(0, images),
                kl=st.none() | st.floats(0, allow_infinity=False),
                noise_db=st.none() | _REAL,
                worst_layer=st.none() | _TEXT,
            )
        ),
        batch_norm=draw(_one_of(BatchNormFormula)),
        normalization=draw(
            st.none()
            | st.builds(Normalization, mean=_several(_MEAN, channels), std=_several(_STD, channels))
        ),
        precision=draw(st.dictionaries(_TEXT, _one_of(Precision), max_size=2)),
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cards") / "any.tflite"


@given(cards(), st.binary(max_size=40))
def test_a_card_comes_back_as_it_went_in(path: Path, card: ModelCard, model: bytes) -> None:
    content = append_card(model, card)
    assert content.startswith(model)
    assert append_card(model, card) == content
    path.write_bytes(content)
    assert read_card(path) == card


@given(cards(), st.data())
def test_a_card_cut_off_anywhere_is_an_error_or_none(
    path: Path, card: ModelCard, data: st.DataObject
) -> None:
    content = append_card(b"TFL3" * 4, card)
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    assert damaged(path) is None


@given(cards(), st.data())
def test_a_card_with_a_changed_byte_is_an_error_none_or_a_card(
    path: Path, card: ModelCard, data: st.DataObject
) -> None:
    content = bytearray(append_card(b"TFL3" * 4, card))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    # The archive's sums see to its content; beside that there are dates, and names twice.
    assert damaged(path) in (None, card)


def damaged(path: Path) -> ModelCard | None:
    """The card, or None where there is none or an error."""
    try:
        return read_card(path)
    except ModelError:
        return None
