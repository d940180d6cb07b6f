"""The memory that is left to this process."""

import contextlib
import gc
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["available_memory", "give_back_memory", "physical_memory", "share_heaps"]

# Where Linux tells about memory: of the system and of this process, of its control groups.
_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")
# Of glibc's malloc.h, which knows them by these numbers on every processor.
_M_ARENA_MAX = -8
_HEAPS = 2


def available_memory(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> int | None:
    """The bytes that this process can still take now; None where the system does not tell.

    The least of what the system has left (``MemAvailable``), what each of its control groups
    leaves it (versions 1 and 2; file caches count as free), and what ``RLIMIT_AS`` does.

    Args:
        proc: the system's account of itself.
        cgroups: where the control groups are mounted.
    """
    found = [*_free_in_system(proc), *_free_in_cgroups(proc, cgroups), *_free_addresses(proc)]
    return max(0, min(found)) if found else None


def physical_memory() -> int:
    """The bytes of memory that this machine has, whoever may take them."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def share_heaps() -> None:
    """Let the threads that begin from now on share two heaps, where the C library is glibc.

    Each has one of its own otherwise, and keeps there what it freed: of TensorFlow's on two cores
    that is 100 MB.
    """
    import ctypes

    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _HEAPS)


def give_back_memory() -> None:
    """Give the system the memory that is in use no more, which takes a tenth of a second or more.

    TensorFlow's objects refer to one another and wait for Python's collector, and glibc keeps for
    each of its threads what was freed there.
    """
    import ctypes

    gc.collect()
    # Other C libraries have no such function.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _free_in_system(proc: Path) -> Iterator[int]:
    fields = _fields(proc / "meminfo")
    if "MemAvailable:" in fields:
        yield 1024 * fields["MemAvailable:"]
        return
    # Not of Linux: what there is at all, where even that is known.
    with contextlib.suppress(ValueError, OSError, AttributeError):
        yield physical_memory()


def _free_in_cgroups(proc: Path, cgroups: Path) -> Iterator[int]:
    """What each group leaves, from the process's own up to the root; proc_cgroup(5)."""
    for line in _text(proc / "self" / "cgroup").splitlines():
        _, controllers, group = (*line.split(":", 2), "", "")[:3]
        if controllers == "":
            mount, names = cgroups, ("memory.max", "memory.current", "")
        elif "memory" in controllers.split(","):
            mount = cgroups / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
        else:
            continue
        limit_name, used_name, prefix = names
        inside = Path(group.lstrip("/"))
        # A container sees its own group as the root, whatever its name outside.
        for folder in (mount / inside, *(mount / parent for parent in inside.parents)):
            limit, used = _text(folder / limit_name).strip(), _text(folder / used_name).strip()
            if limit.isdigit() and used.isdigit():
                fields = _fields(folder / "memory.stat")
                cached = sum(
                    fields.get(f"{prefix}{kind}", 0) for kind in ("inactive_file", "active_file")
                )
                yield int(limit) - max(0, int(used) - cached)


def _free_addresses(proc: Path) -> Iterator[int]:
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = _text(proc / "self" / "statm").split()
    if limit != resource.RLIM_INFINITY and pages:
        yield limit - int(pages[0]) * resource.getpagesize()


def _fields(path: Path) -> dict[str, int]:
    """The numbers of a file of ``name number`` lines."""
    lines = (line.split() for line in _text(path).splitlines())
    return {words[0]: int(words[1]) for words in lines if len(words) > 1 and words[1].isdigit()}


def _text(path: Path) -> str:
    """What a file of the system says; nothing where it is not there."""
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""
