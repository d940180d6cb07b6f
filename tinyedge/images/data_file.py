"""A .data file: where ``darknet classifier`` finds a network's names, labels and images.

The rules are those of ``read_data_cfg`` in Darknet's ``option_list.c``: lines of ``name=value``,
blanks anywhere in a line mean nothing, ``#`` and ``;`` begin a comment line, the first of a
repeated option wins, and a line of another form is passed over. Files are named from where Darknet
was started, mostly its own folder; one that is not there is looked for beside the .data file.
"""

import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tinyedge.errors import DatasetError, TinyedgeWarning
from tinyedge.files import read_bytes
from tinyedge.text import Option, counted, shortened

__all__ = ["DataFile", "found_file", "is_data_file", "read_data_file"]

_SUFFIXES = (".data", ".dataset")
_MOST_BYTES = 2**20
_COUNT = "[0-9]{1,9}"


class DataFile(NamedTuple):
    """What a .data file says.

    Attributes:
        path: the file.
        options: by name, with the lines they stand on.
    """

    path: Path
    options: Mapping[str, Option]

    def names(self) -> Path:
        """The list that ``classifier predict`` prints classes by: ``names``, else ``labels``.

        Raises:
            DatasetError: neither is given, or the file is not there.
        """
        return self._file("names", "labels")

    def labels(self) -> Path:
        """The list by which paths tell their class in training: ``labels``, else ``names``.

        Raises:
            DatasetError: neither is given, or the file is not there.
        """
        return self._file("labels", "names")

    def valid(self) -> Path:
        """The list of the images to judge by.

        Raises:
            DatasetError: it is not given, or the file is not there.
        """
        return self._file("valid")

    def top(self) -> int | None:
        """Among how many classes of the highest scores the right one counts; None where not given.

        Raises:
            DatasetError: it is no number of 1 or more.
        """
        return self._count("top")

    def classes(self) -> int | None:
        """How many classes it says that the network has; None where it does not say.

        Raises:
            DatasetError: it is no number of 1 or more.
        """
        return self._count("classes")

    def check_classes(self, outputs: int) -> None:
        """Warn (TinyedgeWarning) where the file is of a network with other outputs.

        Raises:
            DatasetError: ``classes`` is no number of 1 or more.
        """
        said = self.classes()
        # What has one output may count what it is not.
        if said is None or said == outputs or (outputs, said) == (1, 2):
            return
        warnings.warn(
            f"{self.path}:{self.options['classes'].line}: classes={said}, the network has"
            f" {counted(outputs, 'output')}: is this its .data file?",
            TinyedgeWarning,
            stacklevel=3,
        )

    def _count(self, option: str) -> int | None:
        if option not in self.options:
            return None
        value, line = self.options[option]
        if not re.fullmatch(_COUNT, value) or not int(value):
            raise DatasetError(
                f"{self.path}:{line}: {option}={shortened(value)} is no number of 1 or more"
            )
        return int(value)

    def _file(self, *options: str) -> Path:
        given = next((option for option in options if option in self.options), None)
        if given is None:
            raise DatasetError(f"{self.path} has no line {' or '.join(f'{o}=' for o in options)}")
        value, line = self.options[given]
        found = found_file(value, self.path.parent)
        if found is None:
            raise DatasetError(
                f"{self.path}:{line}: {given}={shortened(value)}: there is no such file, neither"
                " from here nor from the folder of the .data file"
            )
        return found


def is_data_file(path: Path) -> bool:
    """Whether the name says that the file is one."""
    return path.suffix in _SUFFIXES


def read_data_file(path: Path) -> DataFile:
    """The options of the .data file at `path`.

    Raises:
        DatasetError: it is no text, or has no line of an option's form.
        OSError: it cannot be read.
    """
    content = read_bytes(path, limit=_MOST_BYTES, what="a Darknet .data file", error=DatasetError)
    options: dict[str, Option] = {}
    # Names of files may be in any encoding, as the system's are.
    for number, raw in enumerate(os.fsdecode(content.removeprefix(b"\xef\xbb\xbf")).split("\n"), 1):
        line = "".join(raw.split())
        name, equals, value = line.partition("=")
        if name and equals and value and not name.startswith(("#", ";")):
            options.setdefault(name, Option(value, number))
    if not options:
        raise DatasetError(f"{path}: no line names anything, as valid=test.list does")
    return DataFile(path, options)


def found_file(name: str, *folders: Path) -> Path | None:
    """The file of that name from where the process is, else from one of `folders`; else None."""
    for path in (Path(name), *(folder / name for folder in folders)):
        if os.path.isfile(path):
            return path
    return None
