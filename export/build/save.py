"""A Keras model as the bytes of a ``.keras`` file, the same bytes for the same model."""

import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import keras

from tinyedge.export.tensorflow import tensorflow_hushed

__all__ = ["keras_file"]

_EPOCH = (1980, 1, 1, 0, 0, 0)


def keras_file(model: keras.Model) -> bytes:
    """The archive `keras.saving.load_model` reads, without what differs from save to save."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        with tensorflow_hushed():
            model.save(path)
        return _reproducible(path)


def _reproducible(path: Path) -> bytes:
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(path) as saved,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as reproducible,
    ):
        for name in saved.namelist():
            content = saved.read(name)
            if name == "metadata.json":
                metadata = json.loads(content)
                metadata["date_saved"] = "1980-01-01@00:00:00"
                content = json.dumps(metadata).encode()
            elif name == "config.json":
                content = _numbered(content)
            reproducible.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return stream.getvalue()


def _numbered(config: bytes) -> bytes:
    """The model's configuration with its shared objects numbered from 1 as they appear.

    Keras names them by their address in memory, another one in every process.
    """
    numbers: dict[int, int] = {}

    def renumber(item: dict[str, Any]) -> dict[str, Any]:
        if "shared_object_id" in item:
            address = item["shared_object_id"]
            item["shared_object_id"] = numbers.setdefault(address, len(numbers) + 1)
        return item

    return json.dumps(json.loads(config, object_hook=renumber)).encode()
