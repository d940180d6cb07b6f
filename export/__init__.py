"""Darknet network to TFLite file. The only package that imports TensorFlow; host only."""

import os

# TensorFlow reads these once, when it is imported, which only modules of this package do.
# 3 leaves fatal errors alone. oneDNN's kernels add in another order: without them the numbers
# that the quantizer learns, and so the bytes of its files, do not depend on the processor.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
