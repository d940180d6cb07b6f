"""The boards that are emulated, and the core that each of them has."""

__all__ = ["CORES"]

CORES = {"pi3": "A53", "pi4": "A72", "pi5": "A76"}
"""By the name of the board's profile, which names the core in full."""
