"""The Edge TPU: what its compiler takes, what it makes of a model, and how it is reached."""
