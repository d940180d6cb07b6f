"""What is rounded while scales are learned, and its gradients, against Keras and TensorFlow's."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tinyedge.darknet.activations import ACTIVATIONS
from tinyedge.export.quantize.fake_quantize import CURVES, FakeQuantizer, activate
from tinyedge.export.tensorflow import require_tensorflow
from tinyedge.tflite.quantization import QuantParams

LEARNABLE = [n for n, f in ACTIVATIONS.items() if f.piecewise_linear or n in CURVES]


def values(shape: tuple[int, ...] = (400, 5)) -> NDArray[np.float32]:
    found = np.random.default_rng(3).normal(0, 3, shape).astype(np.float32)
    found[:2] = 0
    return found


@pytest.mark.parametrize("name", LEARNABLE)
def test_an_activation_and_its_slope_are_those_of_keras(name: str) -> None:
    require_tensorflow()
    import keras
    import tensorflow as tf

    from tinyedge.export.build.activations import activate as activate_in_keras

    given = keras.Input((5,))
    model = keras.Model(given, activate_in_keras(name, given * 1.0, "it", multiplied=True))
    x = tf.constant(values())
    with tf.GradientTape() as tape:
        tape.watch(x)
        wanted = model(x)
    slopes = tape.gradient(wanted, x).numpy()
    found, multiply_by_slope = activate(name, values(), rounded=False)
    slope = np.ones_like(found)
    multiply_by_slope(slope)
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-5, atol=2e-6)
    # At 0 a function of two lines has either slope.
    np.testing.assert_allclose(
        np.broadcast_to(slope, slopes.shape)[2:], slopes[2:], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("name", "step"), [("swish", 1 / 256), ("gelu", 1 / 256), ("mish", 1 / 128 + 2 / 256)]
)
def test_a_rounded_gate_is_off_by_half_a_step_at_most(name: str, step: float) -> None:
    # A mish's logarithm makes small gates' steps larger: those are left out.
    x = np.clip(values(), -2, 2)
    plain, _ = activate(name, x, rounded=False)
    rounded, _ = activate(name, x, rounded=True)
    off = np.abs(rounded - plain)
    assert off.max() > 0
    assert (off <= step / 2 * np.abs(x) + 1e-6).all()


def test_values_are_rounded_as_quantization_parameters_round_them() -> None:
    qparams = QuantParams.per_tensor(0.037, -21)
    found = FakeQuantizer(qparams)(values())
    np.testing.assert_allclose(found.rounded, qparams.fake_quantize(values()), atol=1e-6)
    low, high = qparams.range
    cut_off = (values() < low - 0.037 / 2) | (values() > high + 0.037 / 2)
    assert (np.isin(np.arange(values().size), found.outside) == cut_off.reshape(-1)).all()


def test_gradients_are_those_of_tensorflow() -> None:
    require_tensorflow()
    import tensorflow as tf

    upstream = np.random.default_rng(4).normal(0, 1, (400, 5)).astype(np.float32)
    log_scale, zero_point = tf.Variable(np.log(0.03)), tf.Variable(17.3, dtype=tf.float64)
    x = tf.constant(values(), tf.float64)

    def passed(each: tf.Tensor) -> tf.Tensor:
        return each + tf.stop_gradient(tf.round(each) - each)

    with tf.GradientTape() as tape:
        tape.watch(x)
        scale, zero = tf.exp(log_scale), passed(zero_point)
        integers = tf.clip_by_value(passed(x / scale) + zero, -128.0, 127.0)
        total = tf.reduce_sum((integers - zero) * scale * upstream)
    wanted = tape.gradient(total, [log_scale, zero_point, x])
    quantizer = FakeQuantizer(QuantParams.per_tensor(0.03, 17))
    quantizer.variables[1] = 17.3
    rounding = quantizer(values())
    gradient = rounding.gradient(upstream)
    np.testing.assert_allclose(gradient.by_variables, np.array(wanted[:2]), rtol=1e-3)
    # And the gradient by the values is what upstream has become.
    np.testing.assert_allclose(upstream, wanted[2].numpy(), atol=1e-6)


def test_a_gradient_worked_by_hand() -> None:
    # Scale 0.5 and zero point 126: at most 0.5, so that 3 is cut off.
    rounding = FakeQuantizer(QuantParams.per_tensor(0.5, 126))(np.array([[0.4, 3.0]], np.float32))
    assert rounding.rounded.tolist() == [[0.5, 0.5]]
    upstream = np.array([[1.0, 2.0]], np.float32)
    # By the scale: 1 (0.5 / 0.5 - 0.4 / 0.5) + 2 (0.5 / 0.5), times the scale, 0.5.
    gradient = rounding.gradient(upstream)
    assert gradient.by_variables == pytest.approx([0.5 * (0.2 + 2), -0.5 * 2], rel=1e-6)
    assert gradient.by_rounded == pytest.approx([0.5, 1.0], rel=1e-6)
    assert gradient.by_values == pytest.approx([0.4, 0.0], rel=1e-6)
    assert upstream.tolist() == [[1.0, 0.0]]
