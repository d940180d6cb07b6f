"""Quantization parameters against their definition, real = scale * (stored - zero point)."""

import numpy as np
import pytest

from tinyedge.tflite.quantization import QuantParams

EVERY_BYTE = np.arange(256)


def test_the_nearest_integer_ties_to_even_and_saturates() -> None:
    qparams = QuantParams.per_tensor(0.5, 3)
    values = np.array([0, 0.25, 0.75, 0.8, -100, 100], np.float32)
    assert qparams.quantize(values).tolist() == [3, 3, 5, 5, -128, 127]
    assert qparams.quantize(values).dtype == np.int8
    assert qparams.dequantize(np.array([3, 5, -128], np.int8)).tolist() == [0, 1, -65.5]
    assert qparams.fake_quantize(values).tolist() == [0, 0, 1, 1, -65.5, 62]
    assert qparams.range == (-65.5, 62)


def test_a_range_is_covered_and_zero_is_exact() -> None:
    qparams = QuantParams.from_range(-1.0, 3.0)
    assert qparams.scale == 4 / 255
    assert qparams.zero_point == -64
    assert qparams.fake_quantize(np.array([0, 1, 5], np.float32)) == pytest.approx(
        [0, round(255 / 4) * 4 / 255, (127 + 64) * 4 / 255]
    )
    # A range that leaves 0 out is widened to it.
    assert QuantParams.from_range(2.0, 5.1).range == pytest.approx((0, 5.1))
    assert QuantParams.from_range(-5.1, -2.0).range == pytest.approx((-5.1, 0))
    assert QuantParams.from_range(0.0, 0.0).range == pytest.approx((0, 1))


@pytest.mark.parametrize("axis", [0, 1])
def test_weights_are_per_channel_symmetric_and_narrow(axis: int) -> None:
    qparams = QuantParams.symmetric([127.0, 254.0, 0.0], axis)
    assert qparams.scales.tolist() == [1, 2, 1 / 127]
    assert qparams.limits == (-127, 127)
    rows = np.array([[3.0, -1000.0], [3.9, 254.0], [0.0, 0.5]])
    stored = np.moveaxis(qparams.quantize(np.moveaxis(rows, 0, axis)), axis, 0)
    assert stored.tolist() == [[3, -127], [2, 127], [0, 64]]
    real = qparams.dequantize(np.moveaxis(stored, 0, axis))
    assert np.moveaxis(real, axis, 0)[:2].tolist() == [[3, -127], [4, 254]]


def test_a_pixels_byte_is_its_integer() -> None:
    pixels = (EVERY_BYTE / 255).astype(np.float32)
    assert QuantParams.pixels(np.uint8).quantize(pixels).tolist() == EVERY_BYTE.tolist()
    assert QuantParams.pixels().quantize(pixels).tolist() == (EVERY_BYTE - 128).tolist()


def test_shifted_integers_stand_for_the_same_numbers() -> None:
    signed = QuantParams.per_tensor(0.1, -7)
    unsigned = signed.shifted(np.uint8)
    assert (unsigned.zero_point, unsigned.dtype) == (121, np.uint8)
    stored = EVERY_BYTE.astype(np.uint8)
    moved = (EVERY_BYTE - 128).astype(np.int8)
    assert np.array_equal(unsigned.dequantize(stored), signed.dequantize(moved))
    assert unsigned.shifted(np.int8) == signed
    assert unsigned != signed


def test_equal_parameters_are_equal_whatever_made_them() -> None:
    assert QuantParams.symmetric([127.0], axis=0) == QuantParams.symmetric([127.0], axis=3)
    first, second = (QuantParams.symmetric([1.0, 2.0], axis) for axis in (0, 1))
    assert first != second
    assert first == QuantParams.symmetric([1.0, 2.0], axis=0)
    assert len({first, QuantParams.symmetric([1.0, 2.0], axis=0)}) == 1


def test_some_rows_take_their_own_channels_parameters() -> None:
    along, across = (QuantParams.symmetric([127.0, 254.0, 508.0], axis) for axis in (0, 1))
    assert along.rows(slice(1, 3), 2).scales.tolist() == [2, 4]
    assert across.rows(slice(1, 3), 2).scales.tolist() == [1, 2, 4]
    # A number alone has no axis.
    assert QuantParams.per_tensor(0.5, 3).rows(slice(0, 1), 0).scale == 0.5
