"""Lists of images as bytes: what they give back, and what they take."""

import os
import pickle
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyedge.images.find import read_images, read_unlabelled
from tinyedge.images.image_list import ImagePaths, LabelledImage, LabelledImages

# Whatever bytes a file's name may have, as Python reads them.
_NAMES = st.binary(min_size=1, max_size=20).filter(lambda b: b"\0" not in b).map(os.fsdecode)


@given(st.lists(_NAMES, max_size=8), st.slices(8), st.integers(-9, 9))
def test_is_what_a_list_of_the_paths_is(names: list[str], some: slice, at: int) -> None:
    paths = [Path(name) for name in names]
    kept = ImagePaths(names)
    assert kept == paths
    assert list(kept[some]) == paths[some]
    assert pickle.loads(pickle.dumps(kept)) == paths
    assert kept.chosen(reversed(range(len(paths)))) == paths[::-1]
    if -len(paths) <= at < len(paths):
        assert kept[at] == paths[at]
    else:
        with pytest.raises(IndexError):
            kept[at]


@given(st.lists(st.tuples(_NAMES, st.integers(0, 2**31 - 1)), max_size=8), st.slices(8))
def test_keeps_each_image_its_class(rows: list[tuple[str, int]], some: slice) -> None:
    images = [LabelledImage(Path(name), index) for name, index in rows]
    kept = LabelledImages(rows)
    assert kept == images
    assert list(kept[some]) == images[some]


@pytest.mark.parametrize("labelled", [False, True])
def test_a_photo_takes_little_more_than_its_name(tmp_path: Path, labelled: bool) -> None:
    count = 2000
    (tmp_path / "0").mkdir()
    for number in range(count):
        (tmp_path / "0" / f"{number:05}.jpg").touch()
    tracemalloc.start()
    try:
        if labelled:
            found = read_images(tmp_path, labels=None, ids=None, classes=1)
        else:
            found = read_unlabelled(tmp_path)
        assert len(found) == count
        with_it, _ = tracemalloc.get_traced_memory()
        # What stays is not the list's: Python keeps a table of every part that a path has had,
        # which at times doubles, and tuples for those to come.
        del found
        without, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    taken = with_it - without
    # The name's bytes, where it ends, its class, what growing leaves to spare, and as much again.
    name = os.fsencode(tmp_path / "0" / "00000.jpg")
    assert taken / count < 2 * (len(name) + 24)
