"""The converter in less memory than TensorFlow's own call takes, with the same files."""

import subprocess
import sys

import numpy as np

from tests.support.random_weights import random_weights
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import build_network
from tinyedge.export.build.fold import fold
from tinyedge.export.tensorflow import require_tensorflow, tensorflow_hushed

_NETWORK = """[net]
height=8
width=8
channels=3
[convolutional]
filters=4
size=3
stride=1
pad=1
activation=leaky
[connected]
output=5
activation=linear
"""

# Prints the most memory that a conversion to int8 takes beside what there was, in weights' bytes.
_TAKEN = """
import resource
from pathlib import Path

import numpy as np

from tests.support.random_weights import random_weights
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import build_network
from tinyedge.export.build.fold import fold
from tinyedge.export.tensorflow import require_tensorflow
from tinyedge.memory import give_back_memory

require_tensorflow()
from tinyedge.export.build.model import build_keras_model
from tinyedge.export.tflite.convert import convert_int8

image = "[net]\\nheight=28\\nwidth=28\\nchannels=16\\n"
layer = "[connected]\\noutput=2000\\nactivation=linear\\n"
network = build_network(parse_cfg(image + layer, "n.cfg"))
model = build_keras_model(network, fold(network, random_weights(network, seed=1)))
images = np.random.default_rng(1).random((2, *network.input), np.float32)
give_back_memory()
before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
convert_int8(model, images, input_type="int8")
peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((peak - before) / (4 * model.count_params()))
"""


def test_a_conversion_takes_no_more_than_eleven_times_the_weights() -> None:
    # TensorFlow's own call takes 13 times: it holds on to what each of its steps has made.
    done = subprocess.run(
        [sys.executable, "-c", _TAKEN], capture_output=True, text=True, check=True
    )
    assert 4 < float(done.stdout) < 11


def test_the_files_are_those_that_tensorflows_own_call_makes() -> None:
    require_tensorflow()
    import tensorflow as tf

    from tinyedge.export.build.model import build_keras_model
    from tinyedge.export.tflite.convert import convert_float, convert_int8

    network = build_network(parse_cfg(_NETWORK, "n.cfg"))
    model = build_keras_model(network, fold(network, random_weights(network, seed=1)))
    images = np.random.default_rng(1).random((3, *network.input), np.float32)
    with tensorflow_hushed():
        assert convert_float(model) == tf.lite.TFLiteConverter.from_keras_model(model).convert()
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[np.newaxis]] for image in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
        assert convert_int8(model, images, input_type="uint8") == converter.convert()
