"""The build step that pyproject.toml has no words for: a wheel's images as one archive."""

import shutil
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

# A build runs elsewhere than in its checkout as far as imports go.
sys.path.insert(0, str(Path(__file__).parent))

from tinyedge.zoo.packaged import ARCHIVE, pack_images

_PACKAGE, _MODEL = "tinyedge.calib_data", "fashion"


class _BuildWithArchive(build_py):
    """Copies the package, as ever; then the built-in model's images make way for an archive."""

    def run(self) -> None:
        """Build; an editable install keeps the checkout's files."""
        super().run()
        if self.editable_mode:
            return
        built = Path(self.build_lib, *_PACKAGE.split("."), _MODEL)
        (built / ARCHIVE).write_bytes(pack_images(Path(self.get_package_dir(_PACKAGE), _MODEL)))
        for folder in built.iterdir():
            if folder.is_dir():
                shutil.rmtree(folder)


setup(cmdclass={"build_py": _BuildWithArchive})
