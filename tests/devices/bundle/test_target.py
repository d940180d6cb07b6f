"""What is known of a board's C library from what it says of itself."""

import pytest

from tinyedge.devices.bundle.target import RELEASES, glibc_minor


@pytest.mark.parametrize(
    ("libc", "version", "minor"),
    [("glibc", "2.36", 36), ("glibc", "2.41", 41), ("glibc", "2.31.9000", 31)],
)
def test_the_minor_version_of_glibc_2(libc: str, version: str, minor: int) -> None:
    assert glibc_minor(libc, version) == minor


@pytest.mark.parametrize(
    ("libc", "version"),
    [
        ("", ""),
        ("musl", "1.2.5"),
        ("musl", "2.40"),
        ("glibc", "2"),
        ("glibc", "3.1"),
        ("glibc", ""),
    ],
)
def test_any_other_library_counts_as_bookworms(libc: str, version: str) -> None:
    assert glibc_minor(libc, version) == RELEASES["bookworm"][1] == 36
