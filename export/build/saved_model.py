"""A Keras model as the files of a TensorFlow SavedModel.

The same model gives the same bytes in a process of its own, as the command line is; in a process
that has built others TensorFlow numbers its functions on from theirs.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from tinyedge.export.tensorflow import tensorflow_hushed
from tinyedge.files import with_list

__all__ = ["saved_model_files"]

Signature = Callable[[tf.Tensor], dict[str, tf.Tensor]]

# Holds a random number besides hashes of the other files; TensorFlow loads a model without it.
_RANDOM = "fingerprint.pb"


def saved_model_files(model: keras.Model) -> dict[str, bytes]:
    """The content of the folder that `tf.saved_model.load` reads, by path inside it.

    Its one signature, ``serving_default``, and its function ``serve`` take ``image``, float32
    (1, height, width, channels) in [0, 1], and give ``logits``, as the .tflite files do. A list of
    the files stands beside them, by which the next export knows that it may replace them.
    """
    with tempfile.TemporaryDirectory() as folder:
        with tensorflow_hushed():
            module, signature = _module(model)
            tf.saved_model.save(module, folder, signatures=signature)
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(Path(folder).rglob("*"))
            if path.is_file() and path.name != _RANDOM
        }
    return with_list(files)


def _module(model: keras.Model) -> tuple[tf.Module, Signature]:
    """The model in a bare module: what Keras itself would export differs from save to save."""
    image = tf.TensorSpec(model.inputs[0].shape, tf.float32, name="image")
    module = tf.Module()
    module.weights = [variable.value for variable in model.variables]
    module.serve = tf.function(lambda image: {"logits": model(image)}, input_signature=[image])
    return module, module.serve
