"""The tools whose users open our files: MediaPipe's classifier, and Netron's reader of models."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import need_programs

# MediaPipe prints to the file descriptors and starts threads: it runs in a process of its own.
_CLASSIFY = """
import json, sys
import numpy as np
from PIL import Image
from mediapipe import Image as MpImage, ImageFormat
from mediapipe.tasks.python import vision
from mediapipe.tasks.python.core.base_options import BaseOptions
model, *photos = sys.argv[1:]
try:
    classifier = vision.ImageClassifier.create_from_model_path(model)
except Exception as error:
    print(json.dumps({"refused": str(error)}))
    raise SystemExit
answers = []
for photo in photos:
    pixels = np.asarray(Image.open(photo).convert("RGB"))
    (head,) = classifier.classify(MpImage(ImageFormat.SRGB, pixels)).classifications
    scores = {one.category_name: one.score for one in head.categories}
    answers.append({"head": head.head_name, "scores": scores})
print(json.dumps({"answers": answers}))
"""

# Netron's own choice of a reader, and what it shows of a file.
_OPEN = """
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
const [folder, file] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(`${folder}/${name}.js`));
const { BinaryStream } = await load("base");
const { ModelFactoryService } = await load("view");
const fail = (error) => { throw error; };
const host = {
    environment: () => null, event: () => {}, exception: fail,
    require: (id) => load(id.replace("./", "")),
};
const model = await new ModelFactoryService(host).open({
    identifier: "model.tflite", stream: new BinaryStream(await readFile(file)),
    entries: new Map(), require: host.require, error: fail,
    asset: (name) => readFile(`${folder}/${name}`, "utf-8"),
});
const graph = model.modules[0];
const described = (argument) => argument.value[0].description;
console.log(JSON.stringify({
    format: model.format, name: model.name, description: model.description,
    metadata: Object.fromEntries(model.metadata.map(({ name, value }) => [name, value])),
    inputs: graph.inputs.map(described), outputs: graph.outputs.map(described),
    operators: graph.nodes.map((node) => node.type.name),
}));
"""


def mediapipe_answers(model: Path, *photos: Path) -> dict[str, Any]:
    """What MediaPipe Tasks' ImageClassifier says of photos, or why it refuses the model."""
    need_package("mediapipe")
    return _said([sys.executable, "-c", _CLASSIFY, model, *photos])


def netron_shows(model: Path, folder: Path) -> dict[str, Any]:
    """What Netron shows of a model; `folder` is for its files, which need one of their own."""
    source = Path(need_package("netron")).parent
    need_programs("node")
    for file in (*source.glob("*.js"), *source.glob("*.json")):
        (folder / file.name).symlink_to(file)
    # Node takes a .js for a module where this says so, and a link for what it leads to.
    (folder / "package.json").write_text('{"type": "module"}')
    script = folder / "open.mjs"
    script.write_text(_OPEN)
    return _said(["node", "--preserve-symlinks", script, folder, model])


def need_package(name: str) -> str:
    """Where a package is; skips the test where it is not installed, on CI fails it."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        if os.environ.get("CI"):
            pytest.fail(f"on CI nothing may be missing: {name}", pytrace=False)
        pytest.skip(f"{name} is not installed")
    return found.origin


def _said(command: list[str | Path]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found
