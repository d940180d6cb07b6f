"""A Keras model as the bytes of a ``.keras`` file, the same bytes for the same model."""

import json
import tempfile
import zipfile
from pathlib import Path

import keras

from tinyedge.export.tensorflow import tensorflow_hushed
from tinyedge.files import reproducible_zip

__all__ = ["keras_file"]


def keras_file(model: keras.Model) -> bytes:
    """The archive `keras.saving.load_model` reads, without what differs from save to save."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        with tensorflow_hushed():
            model.save(path)
        return _reproducible(path)


def _reproducible(path: Path) -> bytes:
    members = {}
    with zipfile.ZipFile(path) as saved:
        for name in saved.namelist():
            content = saved.read(name)
            if name == "metadata.json":
                metadata = json.loads(content)
                metadata["date_saved"] = "1980-01-01@00:00:00"
                content = json.dumps(metadata).encode()
            elif name == "config.json":
                content = _numbered(content)
            members[name] = content
    return reproducible_zip(members, compress=False)


def _numbered(config: bytes) -> bytes:
    """The model's configuration with its shared objects numbered from 1 as they appear.

    Keras names them by their address in memory, another one in every process.
    """
    numbers: dict[object, int] = {}

    def renumber(item: dict[str, object]) -> dict[str, object]:
        if "shared_object_id" in item:
            address = item["shared_object_id"]
            item["shared_object_id"] = numbers.setdefault(address, len(numbers) + 1)
        return item

    return json.dumps(json.loads(config, object_hook=renumber)).encode()
