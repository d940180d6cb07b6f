"""Other engines' post-training quantization; it runs in an environment of their own."""
