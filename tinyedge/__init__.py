"""Darknet classifiers as checked int8 TFLite files for Raspberry Pi and Coral boards."""

__version__ = "0.1.0"
