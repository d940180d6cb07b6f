"""Which channels' squares normalization_layer.c adds up, exactly as it does."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["neighbours"]


def neighbours(channels: int, size: int) -> NDArray[np.float32]:
    """How often channel i's square is counted for channel k: float32 [i][k].

    The engine slides a window: for channel 0 it adds channels 0 to size // 2 - 1, and for every
    further one k adds channel k + size // 2 and takes away channel k - (size - 1) // 2 - 1. So
    channel size // 2 is never added, yet is taken away later: for all channels behind, its
    square counts -1 below what the textbook's window has. With small alpha that hardly matters;
    it is what networks were trained with.
    """
    counts = np.zeros((channels, channels), np.float32)
    counts[: size // 2, 0] = 1
    for k in range(1, channels):
        counts[:, k] = counts[:, k - 1]
        gone, new = k - (size - 1) // 2 - 1, k + size // 2
        if gone >= 0:
            counts[gone, k] -= 1
        if new < channels:
            counts[new, k] += 1
    return counts
