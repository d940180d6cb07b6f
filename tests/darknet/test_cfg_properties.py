"""Of any .cfg: what is written is read, in whatever hand; the shapes are those of a naive loop."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import Sections, nets, plain, written
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import Network, build_network
from tinyedge.errors import CfgError


def built(text: str) -> Network:
    return build_network(parse_cfg(text, "any.cfg"))


@given(nets())
def test_what_is_written_is_read(sections: Sections) -> None:
    found = parse_cfg(plain(sections), "any.cfg")
    read = [(s.name, {name: option.value for name, option in s.options.items()}) for s in found]
    assert read == sections


@given(nets(), st.data())
def test_blanks_comments_and_line_ends_mean_nothing(
    sections: Sections, data: st.DataObject
) -> None:
    text = data.draw(written(sections))
    found, expected = built(text), built(plain(sections))
    assert found.input == expected.input
    assert [replace(layer, line=0) for layer in found.layers] == [
        replace(layer, line=0) for layer in expected.layers
    ]


@given(nets(), st.data())
def test_an_error_names_the_line_it_is_about(sections: Sections, data: st.DataObject) -> None:
    """Whatever stands around it: here a value that is no number."""
    lines = plain(sections).split("\n")
    numbers = [n for n, line in enumerate(lines) if line.startswith(("height", "width", "size"))]
    number = data.draw(st.sampled_from(numbers))
    lines[number] = lines[number].partition("=")[0] + "=abc"
    with pytest.raises(CfgError, match=rf"^any\.cfg:{number + 1}: "):
        built("\n".join(lines))


@given(nets(), st.data())
def test_a_section_in_capitals_is_another(sections: Sections, data: st.DataObject) -> None:
    """Darknet compares names by strcmp: no case is forgiven."""
    place = data.draw(st.integers(1, len(sections) - 1))
    sections[place] = (sections[place][0].upper(), sections[place][1])
    with pytest.raises(CfgError, match=r"is not a section"):
        built(plain(sections))


def starts(extent: int, size: int, stride: int) -> int:
    """How many windows fit, by sliding one along."""
    count, start = 0, 0
    while start + size <= extent:
        count, start = count + 1, start + stride
    return count


_SIDES = st.integers(1, 40)
_IMAGES = st.tuples(_SIDES, _SIDES)


# Of a 1x1 convolution with a stride or padding a warning says that the engines differ.
@pytest.mark.filterwarnings("ignore::tinyedge.errors.TinyedgeWarning")
@given(_IMAGES, st.integers(1, 5), st.integers(1, 7), st.integers(1, 4), st.integers(0, 4))
def test_a_convolution_has_as_many_outputs_as_windows_fit(
    image: tuple[int, int], filters: int, size: int, stride: int, padding: int
) -> None:
    height, width = image
    text = (
        f"[net]\nheight={height}\nwidth={width}\nchannels=3\n[convolutional]\nfilters={filters}\n"
        f"size={size}\nstride={stride}\npadding={padding}\nactivation=linear\n"
    )
    rows, columns = (starts(side + 2 * padding, size, stride) for side in (height, width))
    if not rows or not columns:
        with pytest.raises(CfgError):
            built(text)
        return
    layer = built(text).layers[0]
    assert layer.output == (rows, columns, filters)
    # A bias a filter, a multiplication a weight a window, two operations each.
    assert layer.parameters == filters * (1 + 3 * size * size)
    assert layer.operations == 2 * rows * columns * filters * 3 * size * size


@given(_SIDES, _SIDES, st.integers(1, 7), st.integers(1, 4), st.integers(0, 8))
def test_a_pool_has_as_many_outputs_as_windows_fit(
    height: int, width: int, size: int, stride: int, padding: int
) -> None:
    """Its padding is of both ends together, and each window must hold a pixel."""
    text = (
        f"[net]\nheight={height}\nwidth={width}\nchannels=2\n[maxpool]\n"
        f"size={size}\nstride={stride}\npadding={padding}\n"
    )
    rows, columns = (starts(side + padding, size, stride) for side in (height, width))
    first = -(padding // 2)
    empty = any(
        start + size <= 0 or start >= side
        for side, count in ((height, rows), (width, columns))
        for start in range(first, first + count * stride, stride)
    )
    if empty or not rows or not columns:
        with pytest.raises(CfgError):
            built(text)
        return
    assert built(text).layers[0].output == (rows, columns, 2)


@given(_SIDES, _SIDES, _SIDES, _SIDES)
def test_a_crop_is_in_the_middle(height: int, width: int, rows: int, columns: int) -> None:
    text = (
        f"[net]\nheight={height}\nwidth={width}\nchannels=1\n[crop]\n"
        f"crop_height={rows}\ncrop_width={columns}\n"
    )
    if rows > height or columns > width:
        with pytest.raises(CfgError):
            built(text)
        return
    layer = built(text).layers[0]
    assert layer.output == (rows, columns, 1)
    # As much is left out above as below, but for an odd row.
    assert 0 <= (height - rows - layer.top) - layer.top <= 1
    assert 0 <= (width - columns - layer.left) - layer.left <= 1


@given(_SIDES, _SIDES, st.integers(1, 5))
def test_upsampling_multiplies_both_sides(height: int, width: int, stride: int) -> None:
    text = f"[net]\nheight={height}\nwidth={width}\nchannels=1\n[upsample]\nstride={stride}\n"
    assert built(text).layers[0].output == (height * stride, width * stride, 1)
