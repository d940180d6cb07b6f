"""Set emulated boards up, or run a program on one.

python -m tests.emulated_pi setup [RELEASE...]
python -m tests.emulated_pi run [--release bookworm] [--board pi4] [--share PATH]... -- WORD...
"""

import argparse
import os
import sys
from pathlib import Path

from tests.emulated_pi import BOARDS, RELEASES, can_be_set_up, emulated_pi


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.emulated_pi", description="Raspberry Pis under emulation."
    )
    parser.add_argument("--folder", type=Path, help="the cache [default: TINYEDGE_EMULATED_PI]")
    commands = parser.add_subparsers(dest="command", required=True)
    setup = commands.add_parser("setup", help="set boards up; done already, it does nothing")
    setup.add_argument("releases", nargs="*", metavar="RELEASE", help=f"{', '.join(RELEASES)}")
    run = commands.add_parser("run", help="run a program on a board")
    run.add_argument("--release", choices=RELEASES, default="bookworm")
    run.add_argument("--board", choices=BOARDS, default="pi4")
    run.add_argument("--share", type=Path, action="append", default=[], metavar="PATH")
    run.add_argument("words", nargs="+", metavar="WORD")
    arguments = parser.parse_args()
    if not can_be_set_up():
        parser.error("needs Debian's apt on Linux 6.7 or newer, x86-64, with user namespaces")
    try:
        if arguments.command == "setup":
            for release in arguments.releases or RELEASES:
                print(emulated_pi(release, folder=arguments.folder).root)
            return
        pi = emulated_pi(
            arguments.release, arguments.board, shared=arguments.share, folder=arguments.folder
        )
    except (KeyError, RuntimeError) as error:
        parser.error(str(error))
    sys.stdout.flush()
    command = pi.command(*arguments.words)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
