"""A Raspberry Pi under emulation: Debian's arm64 or armhf userland over qemu's user mode.

It needs Linux 6.7 or newer on x86-64, Debian's apt, and no privileges. A board is set up once,
in half a minute, in a cache folder; every run then sees a fresh copy of it::

    from tests.emulated_pi import emulated_pi

    pi = emulated_pi("bookworm", "pi4", shared=[tmp_path])
    done = pi.run("python3", "-m", "tinyedge", "run", model, photo, environment={...})

In tests take the fixture `emulated_pi` of tests/conftest.py, which is the function above, and mark
the test ``pi_emulated``. By hand: ``python -m tests.emulated_pi run -- uname -a``.

What is true inside:

- ``bookworm`` (Python 3.11) and ``trixie`` (3.13) are aarch64 with LiteRT, numpy, Pillow and click
  of the versions installed here; ``armhf`` is 32-bit bookworm with tflite-runtime and Debian's
  numpy, Pillow and click. ``python3 -m venv`` works and sees none of them.
- /proc/device-tree/model is the board's, and the CPU has the board's instructions.
- Programs are found and started as on the board, scripts and children included.
- `shared` folders and files stand at the paths they have here. All else is a copy that is gone
  after the run, /root (the home) and /tmp too: what must outlive it belongs in a shared folder.
- There is no network, unless `dataclasses.replace(pi, network=True)` puts the board on this
  machine's. The user is root.
- ``pi.wheels("distributed")`` is a folder with packages that no board has from the beginning.
- `EmulatedPi.command` is one process that a signal reaches directly: it can be killed half-way, or
  stand in a script, such as the ``ForceCommand`` of an sshd.

What is not: time says nothing of a board's, memory is the emulator's as well, and a listing of /
or /proc shows only the device tree (what is in them can be opened all the same).
"""

from tests.emulated_pi.board import BOARDS, EmulatedPi, emulated_pi
from tests.emulated_pi.installation import can_be_set_up, default_folder
from tests.emulated_pi.releases import RELEASES

__all__ = [
    "BOARDS",
    "RELEASES",
    "EmulatedPi",
    "can_be_set_up",
    "default_folder",
    "emulated_pi",
]
