"""Our integer files in TFLite Micro's Python interpreter, against LiteRT."""
