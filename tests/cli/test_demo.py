"""``tinyedge demo``."""

import json
import re
import shlex
from pathlib import Path

from tests.support.commands import run_in_process
from tests.support.exports import Models


def test_what_it_shows_is_what_its_commands_do(fashion_models: Models, tmp_path: Path) -> None:
    out = tmp_path / "with a space"
    demo = run_in_process("demo", "-o", out)
    commands = [
        shlex.split(line.removeprefix("$ tinyedge "))
        for line in demo.stdout.splitlines()
        if line.startswith("$ tinyedge ")
    ]
    assert [words[0] for words in commands] == ["export", "compare", "run"]

    for model in (fashion_models.float_model, fashion_models.int8_model):
        assert (out / model.name).read_bytes() == model.read_bytes()

    compared = json.loads(run_in_process(*commands[1], "--json").stdout)
    assert compared["images"] == 1000
    top1 = re.search(r"^top-1 +([0-9.]+) % +([0-9.]+) %$", demo.stdout, re.MULTILINE)
    assert top1 is not None
    assert top1.groups() == (f"{compared['float']['top1']:.2f}", f"{compared['int8']['top1']:.2f}")

    for line in run_in_process(*commands[2], "--json").stdout.splitlines():
        answer = json.loads(line)
        assert f"\n{answer['image']}  " in demo.stdout
        for found in answer["predictions"]:
            assert f"\n  {found['probability']:.6f}  {found['label']}\n" in demo.stdout

    page = out / "report.html"
    assert b"What int8 cost: fashion_int8.tflite" in page.read_bytes()
    assert demo.stdout.endswith(
        f"\nThe files are in {out}. Look at {page} in a browser. Next: tinyedge export --help\n"
    )
