"""What the process of ``tinyedge`` leaves unloaded until it is used."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.support.pixel_model import write_pixel_model

# XMP, which Pillow reads with its names of EXIF's tags.
_TURNED = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
    b' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description'
    b' xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="3"/></rdf:RDF></x:xmpmeta>'
)
_LOADED = """
import json, os, sys
from tinyedge import __main__
sys.argv = ["tinyedge", *sys.argv[1:]]
# The process would end before anybody could look.
os._exit = sys.exit
try:
    __main__.main()
except SystemExit:
    print(json.dumps({
        name: "__builtins__" in object.__getattribute__(sys.modules[name], "__dict__")
        for name in __main__._LOADED_WHEN_USED
        # Of Python's own modules this Python may have loaded some before.
        if name in sys.modules and name.startswith(("numpy.", "PIL."))
    }))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pixel_model(tmp_path_factory.mktemp("process") / "pixel.tflite")


def test_documentation_and_names_of_tags_are_not_loaded_for_an_answer(
    model: Path, tmp_path: Path
) -> None:
    image = tmp_path / "red.jpg"
    Image.new("RGB", (8, 8), (200, 10, 20)).save(image)
    words = [sys.executable, "-c", _LOADED, "run", model, image]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert loaded
    assert not any(loaded.values())


def test_what_is_asked_for_after_all_is_loaded(model: Path, tmp_path: Path) -> None:
    image = Image.new("RGB", (64, 64), "blue")
    image.paste("red", (0, 0, 32, 32))
    # The network sees the last pixel, and of a photo that is turned by 180 degrees the first.
    for name, xmp, seen in (("as_is.jpg", b"", "blue"), ("turned.jpg", _TURNED, "red")):
        image.save(tmp_path / name, xmp=xmp)
        words = [sys.executable, "-m", "tinyedge", "run", model, tmp_path / name, "--json"]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["predictions"][0]["label"] == seen
