"""What memory is left, by what Linux says in files."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tinyedge.memory import available_memory

MEGABYTE = 1 << 20


def system(root: Path, files: dict[str, str]) -> int | None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return available_memory(root / "proc", root / "cgroup")


MEMINFO = "MemTotal:        948304 kB\nMemFree:    10000 kB\nMemAvailable:   409600 kB\n"


def test_what_the_system_has_left(tmp_path: Path) -> None:
    assert system(tmp_path, {"proc/meminfo": MEMINFO}) == 400 * MEGABYTE


@pytest.mark.parametrize(
    ("group", "files"),
    [
        # Version 2: the group's own limit, then that of the one around it.
        (
            "0::/system.slice/tinyedge.service",
            {
                "system.slice/tinyedge.service/memory.max": "max\n",
                "system.slice/tinyedge.service/memory.current": "1000\n",
                "system.slice/memory.max": f"{256 * MEGABYTE}\n",
                "system.slice/memory.current": f"{200 * MEGABYTE}\n",
                "system.slice/memory.stat": f"anon 5\ninactive_file {44 * MEGABYTE}\n",
            },
        ),
        # Version 1, and a container that sees its group as the root.
        (
            "4:cpu:/x\n5:memory:/docker/12ab\n0::/",
            {
                "memory/memory.limit_in_bytes": f"{256 * MEGABYTE}\n",
                "memory/memory.usage_in_bytes": f"{200 * MEGABYTE}\n",
                "memory/memory.stat": f"cache 7\ntotal_active_file {44 * MEGABYTE}\n",
            },
        ),
    ],
)
def test_what_a_control_group_leaves(tmp_path: Path, group: str, files: dict[str, str]) -> None:
    """256 MB less 200, of which 44 are files' caches."""
    there = {f"cgroup/{name}": content for name, content in files.items()}
    told = {"proc/meminfo": MEMINFO, "proc/self/cgroup": f"{group}\n"}
    assert system(tmp_path, there | told) == 100 * MEGABYTE


def test_a_group_that_is_over_its_limit_leaves_nothing(tmp_path: Path) -> None:
    files = {"memory.max": "100", "memory.current": "200"}
    told = {"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/\n"}
    assert system(tmp_path, {f"cgroup/{name}": each for name, each in files.items()} | told) == 0


def test_what_an_address_limit_leaves() -> None:
    code = """
import resource
from pathlib import Path
from tinyedge.memory import available_memory
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 50_000_000,) * 2)
print(available_memory())
"""
    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        pytest.skip("addresses are limited already")
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert 30_000_000 < int(done.stdout) <= 50_000_000


def test_of_a_system_that_tells_nothing_the_whole_memory_counts(tmp_path: Path) -> None:
    found = available_memory(tmp_path, tmp_path)
    assert found is not None
    assert found > MEGABYTE


def test_memory_in_use_no_more_is_given_back() -> None:
    """Holes below what is still held, which glibc keeps; in a process that holds little else."""
    program = """
from pathlib import Path
from tinyedge.memory import give_back_memory, share_heaps
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
share_heaps()
blocks = [bytes(1000) for _ in range(100_000)]
held = blocks[-1]
del blocks
before = resident()
give_back_memory()
print(before - resident())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) > 50e6
