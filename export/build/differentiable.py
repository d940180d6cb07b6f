"""A model whose gradients are numbers wherever its values are."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

__all__ = ["differentiable"]

_LEAST = float(np.finfo(np.float32).tiny)


def differentiable(model: keras.Model) -> keras.Model:
    """The same function of the same weights, to take gradients through.

    Mish is written with the logarithm of a logistic function, whose operators a .tflite has. From
    88 on that function is 0 in a float32, the slope of the logarithm there infinite, and the slope
    of both, which is 0, no number.
    """
    if not any(_is_logarithm(operation) for operation in model.operations):
        return model
    return keras.models.clone_model(
        model, clone_function=lambda operation: operation, call_function=_called
    )


def _is_logarithm(operation: Any) -> bool:
    return type(operation).__name__ == "Log"  # keras.ops.log's, which has no public name


def _called(operation: Any, *inputs: Any, **options: Any) -> Any:
    if _is_logarithm(operation):
        return keras.layers.Lambda(_logarithm)(*inputs)
    return operation(*inputs, **options)


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _logarithm(values: tf.Tensor) -> Any:
    """The logarithm, with a slope that is finite at 0."""
    return tf.math.log(values), lambda upstream: upstream / tf.maximum(values, _LEAST)
