"""Of any network's .weights: what is written is read, and no other size is."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.random_weights import random_weights
from tests.support.strategies import Sections, nets, plain
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import build_network
from tinyedge.darknet.weights import Header, read_weights, write_weights
from tinyedge.errors import WeightsError

_HEADERS = st.one_of(
    st.builds(
        Header,
        major=st.just(0),
        minor=st.integers(2, 9),
        revision=st.integers(0, 5),
        seen=st.integers(0, 2**32 - 1),
    ),
    st.builds(
        Header,
        major=st.just(0),
        minor=st.sampled_from((0, 1, 1001)),
        revision=st.integers(0, 5),
        seen=st.integers(0, 2**32 - 1),
    ),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights") / "any.weights"


@given(nets(), _HEADERS, st.integers(0, 2**32 - 1))
def test_what_is_written_is_read(path: Path, sections: Sections, header: Header, seed: int) -> None:
    network = build_network(parse_cfg(plain(sections), "any.cfg"))
    weights = random_weights(network, seed, header)
    write_weights(path, network, weights)
    content = path.read_bytes()
    found = read_weights(path, network)
    assert (found.header.major, found.header.minor, found.header.revision, found.header.seen) == (
        header.major,
        header.minor,
        header.revision,
        header.seen,
    )
    assert found.layers.keys() == weights.layers.keys()
    for index, parameters in weights.layers.items():
        assert_equal(found.layers[index], parameters)
    write_weights(path, network, found)
    assert path.read_bytes() == content


def assert_equal(found: object, expected: object) -> None:
    """Of two layers' parameters, each array."""
    assert vars(found).keys() == vars(expected).keys()
    for name, value in vars(expected).items():
        if value is None or not isinstance(value, np.ndarray):
            assert (value is None) == (getattr(found, name) is None)
            if value is not None:
                assert_equal(getattr(found, name), value)
        else:
            np.testing.assert_array_equal(getattr(found, name), value)


# A file four bytes longer or shorter may have the other of the two headers.
_CHANGES = st.integers(-400, 400).filter(lambda change: change not in (-4, 0, 4))


@given(nets(), _CHANGES)
def test_a_file_of_another_size_is_refused(path: Path, sections: Sections, change: int) -> None:
    network = build_network(parse_cfg(plain(sections), "any.cfg"))
    write_weights(path, network, random_weights(network, 1))
    content = path.read_bytes()
    path.write_bytes(content[:change] if change < 0 else content + b"\0" * change)
    with pytest.raises(WeightsError):
        read_weights(path, network)


@given(nets(), st.data())
def test_a_value_that_is_no_number_is_refused(
    path: Path, sections: Sections, data: st.DataObject
) -> None:
    network = build_network(parse_cfg(plain(sections), "any.cfg"))
    write_weights(path, network, random_weights(network, 1))
    content = bytearray(path.read_bytes())
    if not network.parameters:
        return
    place = data.draw(st.integers(0, network.parameters - 1))
    value = data.draw(st.sampled_from((np.nan, np.inf, -np.inf)))
    start = len(content) - 4 * (network.parameters - place)
    content[start : start + 4] = np.float32(value).tobytes()
    path.write_bytes(bytes(content))
    with pytest.raises(WeightsError, match=r"is (nan|-?inf)"):
        read_weights(path, network)
