"""``tinyedge compare`` with a file compiled for the Edge TPU, a real shared object its delegate."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.commands import run_as_user
from tests.support.delegates import built, profile
from tests.support.exports import Models
from tests.support.tflite_writer import Op, T, write_model
from tinyedge.modelcard import append_card, read_card


def compiled(folder: Path, float_model: Path) -> tuple[Path, Path]:
    """A compiled file without a card beside the one it was made of, and ten photos of class 3."""
    card = read_card(float_model)
    assert card is not None
    image, answer = T((1, 28, 28, 1), scale=1 / 255, zero_point=-128), T((1, 10), scale=0.25)
    model = folder / "net_coral_edgetpu.tflite"
    model.write_bytes(write_model(Op("edgetpu-custom-op", [image], [answer])))
    relu = write_model(Op("RELU", [T((1, 10))], [T((1, 10))]))
    for name in ("net_coral.tflite", "net_int8.tflite"):
        with_card = append_card(relu, card._replace(quantization="int8"))
        (folder / name).write_bytes(with_card)
    data = folder / "data" / "Dress"
    data.mkdir(parents=True)
    for seed in range(10):
        pixels = np.random.default_rng(seed).integers(0, 256, (28, 28), np.uint8)
        Image.fromarray(pixels).save(data / f"{seed}.png")
    return model, folder / "data"


def test_a_compiled_file_answers_through_the_delegate(
    fashion_models: Models, tmp_path: Path
) -> None:
    """The delegate answers class 3, Dress, whatever it sees."""
    model, data = compiled(tmp_path, fashion_models.float_model)
    library = built(tmp_path)
    words = ("compare", fashion_models.float_model, model, "--data", data, "--json")
    done = run_as_user(*words, "--device", profile(tmp_path, library))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["images"], found["int8"]["top1"]) == (10, 100)
    assert f"INT8 through {library}" in done.stderr


def test_it_is_never_replaced_by_a_file_for_the_cpu(fashion_models: Models, tmp_path: Path) -> None:
    model, data = compiled(tmp_path, fashion_models.float_model)
    words = ("compare", fashion_models.float_model, model, "--data", data)
    for device, said in (
        ("coral-usb", "error: libedgetpu.so.1 is not installed: install Coral's package"),
        ("host", f"error: {model}: it was compiled for the Edge TPU and runs nowhere else: use"),
    ):
        done = run_as_user(*words, "--device", device)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(said)
        assert done.stderr.count("\n") == 1
