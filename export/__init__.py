"""Darknet network to TFLite file. The only package that imports TensorFlow; host only."""
