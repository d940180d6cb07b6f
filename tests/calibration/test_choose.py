"""The set that workers choose is the one that this process does."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyedge.calibration.choose import choose
from tinyedge.progress import no_progress


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core is not shared")
def test_workers_choose_the_same_set(tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    for number in range(10):
        noise = random.integers(0, 256, (6, 5, 3), np.uint8)
        Image.fromarray(noise).resize((200, 180)).save(tmp_path / f"{number}.png")
    (tmp_path / "3.png").write_bytes(b"no photo")
    alone, shared = (
        choose(tmp_path, size=4, seed=1, workers=workers, progress=no_progress)
        for workers in (1, 2)
    )
    assert [photo.path for photo in shared.chosen] == [photo.path for photo in alone.chosen]
    assert shared.left_out == alone.left_out
    assert len(shared.pool) == 9
    for one, other in zip(alone.pool, shared.pool, strict=True):
        assert one.fingerprint == other.fingerprint
        assert np.array_equal(one.features, other.features)
