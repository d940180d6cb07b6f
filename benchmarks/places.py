"""Where benchmarks find photos, and keep what they measured: outside the repository."""

import os
from pathlib import Path

__all__ = ["imagenet", "state"]


def imagenet() -> Path:
    """ImageNet's photos, beside the cache, where the tests look for them.

    Raises:
        SystemExit: no cache is named.
    """
    cache = os.environ.get("TINYEDGE_CACHE")
    if cache is None:
        raise SystemExit("TINYEDGE_CACHE has to name the cache; imagenet/ lies beside it")
    return Path(cache).absolute().parent / "imagenet"


def state() -> Path:
    """The folder for what is measured and made, in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tinyedge-benchmarks"
