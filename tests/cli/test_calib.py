"""``tinyedge calib``: sets of photos made here, and what of them is left out and why."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image, ImageEnhance

from tests.support.commands import run_in_process, watched
from tests.support.pixel_model import write_pixel_model
from tests.support.toy import write_toy
from tinyedge.cli import main
from tinyedge.files import file_sha256
from tinyedge.images.find import read_labelled, read_unlabelled

HEAVY = ("tensorflow", "keras", "rich", "pooch", "platformdirs", "matplotlib", "ai_edge_litert")


def photo(seed: int) -> Image.Image:
    """Areas of random colours: no two of them look alike."""
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(pixels).resize((96, 64), Image.Resampling.BICUBIC)


def photos(folder: Path, **classes: int) -> Path:
    """A folder of so many photos per class; "_" is the folder itself."""
    for number, (name, count) in enumerate(classes.items()):
        place = folder if name == "_" else folder / name
        place.mkdir(parents=True, exist_ok=True)
        for each in range(count):
            photo(1000 * number + each).save(place / f"{each:03}.png")
    return folder


def refused(*words: object) -> str:
    result: Result = CliRunner().invoke(main, ["calib", *map(str, words)])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    return result.stderr


def built(*words: object) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(run_in_process("calib", *words, "--json").stdout)
    return content


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def chosen(folder: Path) -> set[str]:
    return {file_sha256(path) for path in read_unlabelled(folder)}


# The set.


def test_a_set_of_copies_and_a_manifest_of_them(tmp_path: Path) -> None:
    pool, output = photos(tmp_path / "pool", _=12), tmp_path / "set"
    told = built(pool, "-o", output, "--size", 5, "--seed", 3)
    manifest = json.loads((output / "manifest.json").read_bytes())
    assert (manifest["seed"], manifest["size"], manifest["balanced"]) == (3, 5, False)
    assert len(manifest["images"]) == told["images"] == 5
    for image in manifest["images"]:
        copy = output / image["path"]
        assert copy.read_bytes() == (pool / image["path"]).read_bytes()
        assert file_sha256(copy) == image["sha256"]
        assert not copy.is_symlink()
        assert image["label"] is None
    assert {image["sha256"] for image in told["chosen"]} == chosen(output)
    assert set(files(output)) == {
        *(image["path"] for image in manifest["images"]),
        "manifest.json",
        "tinyedge-files.json",
    }


def test_a_class_has_as_many_as_another_or_one_more(tmp_path: Path) -> None:
    pool, output = photos(tmp_path / "pool", ash=9, birch=30, cedar=9, fir=2), tmp_path / "set"
    told = built(pool, "-o", output, "--size", 15)
    counts = told["classes"]
    assert counts["fir"] == 2
    assert sorted(counts[name] for name in ("ash", "birch", "cedar")) == [4, 4, 5]
    # As compare reads it: a folder a class.
    labelled = read_labelled(output, labels=["ash", "birch", "cedar", "fir"], ids=None, classes=4)
    assert Counter(image.index for image in labelled) == {
        place: counts[name] for place, name in enumerate(("ash", "birch", "cedar", "fir"))
    }
    text = " ".join(run_in_process("calib", pool, "-o", output, "--size", 15).stdout.split())
    assert "15 photos of 50, of 4 classes, 2 to 5 each; seed 0" in text
    alike = " ".join(run_in_process("calib", pool, "-o", output, "--size", 8).stdout.split())
    assert "8 photos of 50, of 4 classes, 2 each; seed 0" in alike


def test_of_more_classes_than_photos_some_have_one(tmp_path: Path) -> None:
    pool = photos(tmp_path / "pool", **{f"class{number}": 3 for number in range(12)})
    told = built(pool, "-o", tmp_path / "set", "--size", 5)
    assert Counter(told["classes"].values()) == {1: 5, 0: 7}
    text = run_in_process("calib", pool, "-o", tmp_path / "set", "--size", 5).stdout
    assert "of 5 of 12 classes, 1 each; seed 0" in " ".join(text.split())


def test_labels_of_a_manifest_are_taken_or_not(tmp_path: Path) -> None:
    pool, listed = photos(tmp_path / "pool", _=8), tmp_path / "list.tsv"
    names = ["great grey owl / strix"] * 6 + ["wren"] * 2
    listed.write_text("".join(f"pool/{i:03}.png\t{name}\n" for i, name in enumerate(names)))
    told = built(listed, "-o", tmp_path / "set", "--size", 4)
    assert told["classes"] == {"great grey owl / strix": 2, "wren": 2}
    found = read_labelled(
        tmp_path / "set", labels=["great grey owl / strix", "wren"], ids=None, classes=2
    )
    assert Counter(image.index for image in found) == {0: 2, 1: 2}
    without = built(listed, "-o", tmp_path / "other", "--size", 4, "--unlabelled")
    assert (without["balanced"], without["classes"]) == (False, {})
    assert chosen(tmp_path / "other") == {
        image["sha256"] for image in built(pool, "-o", tmp_path / "x", "--size", 4)["chosen"]
    }
    listed.write_text("pool/000.png\twren\npool/001.png\t\n")
    assert ":2: no label; expected path<TAB>label" in refused(listed, "-o", tmp_path / "y")
    for label in ("..", ".hidden", "x" * 300, "manifest.json", "Tinyedge-Files.json"):
        listed.write_text(f"pool/000.png\t{label}\n")
        assert "cannot be the name of a folder" in refused(listed, "-o", tmp_path / "y")
    listed.write_text("pool/000.png\tgrey/owl\npool/001.png\tgrey_owl\n")
    assert "the labels 'grey/owl' and 'grey_owl' would share a folder" in " ".join(
        refused(listed, "-o", tmp_path / "y").split()
    )
    assert not (tmp_path / "y").exists()


def test_darknets_data_file_names_the_classes(tmp_path: Path) -> None:
    pool = photos(tmp_path / "pool", owl=5, wren=2)
    (tmp_path / "names").write_text("owl\nwren\n")
    (tmp_path / "list").write_text("".join(f"{path}\n" for path in read_unlabelled(pool)))
    data = tmp_path / "my.data"
    data.write_text(f"classes=2\nvalid={tmp_path / 'list'}\nnames={tmp_path / 'names'}\n")
    assert built(data, "-o", tmp_path / "set", "--size", 4)["classes"] == {"owl": 2, "wren": 2}
    assert built(tmp_path / "list", "-o", tmp_path / "set")["classes"] == {}


def test_the_set_does_not_depend_on_names_or_order(tmp_path: Path) -> None:
    pool = photos(tmp_path / "pool", _=30)
    other = tmp_path / "other"
    other.mkdir()
    for number, path in enumerate(sorted(pool.iterdir(), reverse=True)):
        shutil.copy(path, other / f"{(number * 7) % 30:02}.png")
    for seed in range(3):
        words = ("--size", 10, "--seed", seed, "-o")
        built(pool, *words, tmp_path / "a")
        built(other, *words, tmp_path / "b")
        assert chosen(tmp_path / "a") == chosen(tmp_path / "b")
    first = files(tmp_path / "a")
    built(pool, *words, tmp_path / "a")
    assert files(tmp_path / "a") == first
    built(pool, "--size", 10, "--seed", 99, "-o", tmp_path / "a")
    assert files(tmp_path / "a") != first


def test_photos_of_one_name_stand_beside_each_other(tmp_path: Path) -> None:
    pool = tmp_path / "pool"
    for number, name in enumerate(("a/x.png", "b/x.png", "c/X.png", "d/manifest.json")):
        (pool / name).parent.mkdir(parents=True, exist_ok=True)
        photo(number).save(pool / name, "PNG")
    listed = tmp_path / "list.txt"
    listed.write_text("".join(f"{path}\n" for path in pool.rglob("*.*")))
    built(listed, "-o", tmp_path / "set")
    assert len(chosen(tmp_path / "set")) == 4
    names = [name for name in files(tmp_path / "set") if name.lower().endswith(".png")]
    assert len({name.lower() for name in names}) == 4


# What is left out.


def test_copies_and_what_is_almost_the_same_and_broken_files_stay_out(tmp_path: Path) -> None:
    pool = photos(tmp_path / "pool", _=6)
    shutil.copy(pool / "000.png", pool / "copy.png")
    photo(1).save(pool / "again.jpg", quality=30)
    photo(2).resize((48, 32)).save(pool / "small.png")
    ImageEnhance.Brightness(photo(3)).enhance(0.7).save(pool / "dark.jpg", quality=90)
    (pool / "broken.jpg").write_bytes(b"no image")
    (pool / "cut.png").write_bytes((pool / "004.png").read_bytes()[:500])
    words = (pool, "-o", tmp_path / "set")
    told = built(*words)
    reasons = {Path(each["image"]).name: each["reason"] for each in told["others"]}
    # Of two that are alike the larger file stays.
    assert reasons == {
        "copy.png": "duplicate",
        "again.jpg": "alike",
        "small.png": "alike",
        "dark.jpg": "alike",
        "broken.jpg": "broken",
        "cut.png": "broken",
    }
    assert told["left_out"] == {
        **{"broken": 2, "duplicate": 1, "alike": 3},
        **{"in_data": 0, "alike_to_data": 0},
    }
    assert {path.name for path in read_unlabelled(tmp_path / "set")} == {
        f"{i:03}.png" for i in range(6)
    }
    quiet = CliRunner().invoke(main, ["calib", *map(str, words)])
    assert "left out: 2 broken, 1 copies of others, 3 almost the same as others" in quiet.stdout
    assert quiet.stderr == "note: 6 photos of the 200 asked for\n"
    loud = CliRunner().invoke(main, ["calib", *map(str, words), "-v"]).stderr
    for name, other in (("again.jpg", "001"), ("small.png", "002"), ("dark.jpg", "003")):
        assert f"left out: {pool / name}: almost the same as {pool / other}.png\n" in loud
    assert f"left out: {pool / 'copy.png'}: a copy of {pool / '000.png'}\n" in loud
    assert "broken.jpg is not an image" in loud


def test_photos_of_data_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    pool, data = photos(tmp_path / "pool", _=3), photos(tmp_path / "data", _=1)
    (data / "broken.png").write_bytes(b"no image")
    words = ["calib", str(pool), "-o", str(tmp_path / "set"), "--data", str(data)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0
    told = " ".join(result.stderr.split())
    assert f"note: {data}: 1 of its 2 files cannot be read, and the set is not kept apart" in told
    assert "broken.png is not an image" in told
    (data / "000.png").write_bytes(b"none either")
    shutil.rmtree(tmp_path / "set")
    told = " ".join(refused(*words[1:]).split())
    assert f"{data}: none of its 2 files can be read, so no set can be kept apart from" in told
    assert "000.png is not an image" in told
    assert not (tmp_path / "set").exists()


def test_where_none_can_be_chosen_the_first_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    told = " ".join(refused(tmp_path, "-o", tmp_path.parent / f"{tmp_path.name}-set").split())
    assert "none of its 1 file can be chosen: 1 broken; " in told
    assert "broken.png is not an image" in told


def test_no_photo_of_data_is_chosen_nor_one_that_looks_like_it(tmp_path: Path) -> None:
    pool = photos(tmp_path / "pool", _=10)
    data = tmp_path / "val" / "class"
    data.mkdir(parents=True)
    shutil.copy(pool / "004.png", data / "renamed.png")
    photo(7).resize((64, 64)).save(data / "smaller.jpg", quality=60)
    told = built(pool, "-o", tmp_path / "set", "--data", tmp_path / "val")
    reasons = {Path(each["image"]).name: each["reason"] for each in told["others"]}
    assert reasons == {"004.png": "in_data", "007.png": "alike_to_data"}
    assert told["images"] == 8
    assert "none of its 1 file can be chosen: 1 also in --data" in refused(
        pool / "004.png", "-o", tmp_path / "x", "--data", data
    )


# Where it is written.


def test_what_tinyedge_did_not_write_is_not_replaced(tmp_path: Path) -> None:
    pool, output = photos(tmp_path / "pool", _=4), tmp_path / "set"
    built(pool, "-o", output, "--size", 3)
    built(pool, "-o", output, "--size", 2)
    assert len(chosen(output)) == 2
    (output / "mine.txt").write_text("mine")
    assert "holds what tinyedge did not write, such as mine.txt" in refused(pool, "-o", output)
    assert (output / "mine.txt").read_text() == "mine"
    (tmp_path / "file").write_text("mine")
    assert "is a file; -o names a folder" in refused(pool, "-o", tmp_path / "file")
    for inside in (pool, pool / "set", tmp_path):
        assert "name a folder beside it" in refused(pool, "-o", inside)
    assert "name a folder beside it" in refused(pool, "-o", output, "--data", tmp_path)
    assert not (pool / "set").exists()


def test_a_set_is_not_made_of_itself(tmp_path: Path) -> None:
    pool, output = photos(tmp_path / "pool", _=4), tmp_path / "set"
    built(pool, "-o", output, "--size", 3)
    before = files(output)
    listed = tmp_path / "list.txt"
    listed.write_text("".join(f"{path}\n" for path in read_unlabelled(output)))
    assert "is one of the photos to choose among" in refused(listed, "-o", output, "--size", 1)
    assert files(output) == before


def test_a_link_to_itself_is_no_folder(tmp_path: Path) -> None:
    pool, loop = photos(tmp_path / "pool", _=2), tmp_path / "loop"
    loop.symlink_to(loop)
    assert f"{loop}: no such folder or manifest" in refused(loop, "-o", tmp_path / "set")
    assert f"{loop}: no such folder or manifest" in refused(
        pool, "-o", tmp_path / "set", "--data", loop
    )
    assert f"error: {loop}: " in refused(pool, "-o", loop)


def test_a_jpeg_larger_than_pillow_opens_is_copied_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is decoded smaller may be, whatever its name; its copy has a suffix."""
    photo(1).save(tmp_path / "shot", "JPEG")
    (tmp_path / "list").write_text(f"{tmp_path / 'shot'}\n")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    (copy,) = built(tmp_path / "list", "-o", tmp_path / "set")["chosen"]
    assert Path(copy["path"]).suffix == ".jpg"


def test_names_may_be_no_text(tmp_path: Path) -> None:
    pool = photos(tmp_path / "pool", a=2, b=2)
    (pool / "b").rename(pool / os.fsdecode(b"b\xff"))
    (pool / "a" / "000.png").rename(pool / "a" / os.fsdecode(b"\xfe\n\x1b.png"))
    assert built(pool, "-o", tmp_path / "set")["images"] == 4
    manifest = json.loads((tmp_path / "set" / "manifest.json").read_bytes())
    assert {file_sha256(tmp_path / "set" / image["path"]) for image in manifest["images"]} == (
        chosen(pool)
    )
    assert "\x1b" not in run_in_process("calib", pool, "-o", tmp_path / "set", "-v").output


def test_the_words_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    pool = photos(tmp_path / "pool", _=2)
    assert "Give -o OUT to choose photos, or --check SOURCE" in refused(pool)
    assert "Give -o OUT" in refused(pool, "-o", tmp_path / "x", "--check", "fashion")
    assert "--count goes with --check" in refused(pool, "-o", tmp_path / "x", "--count", 3)
    assert "--seed goes with -o" in refused(pool, "--check", "fashion", "--seed", 3)
    assert "no such folder" in refused(tmp_path / "none", "-o", tmp_path / "x")
    (tmp_path / "empty").mkdir()
    assert "no image in this folder" in refused(tmp_path / "empty", "-o", tmp_path / "x")


def test_choosing_works_on_a_board(tmp_path: Path) -> None:
    pool = photos(tmp_path / "pool", a=3, b=3)
    done, imported = watched(
        tmp_path, "calib", pool, "-o", tmp_path / "set", "--size", "4", without=HEAVY
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(chosen(tmp_path / "set")) == 4
    assert not imported & set(HEAVY)
    done, imported = watched(tmp_path, "calib", pool, "--check", "fashion", without=HEAVY)
    assert done.returncode == 2
    assert done.stderr.startswith("error: this command needs the package tensorflow")


# Prints the most memory, kB, that choosing has taken.
_PEAK = """
import resource, sys
from tinyedge.cli import main
main(sys.argv[1:], standalone_mode=False)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def peak(*words: object) -> int:
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, "calib", *map(str, words)],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stderr.splitlines()[-1])


def test_photos_are_looked_at_and_copied_one_after_the_other(tmp_path: Path) -> None:
    for number in range(15):
        # 9 MB in the file, 12 MB in Pillow.
        path = tmp_path / ("few" if number < 3 else "rest") / f"{number:02}.bmp"
        path.parent.mkdir(exist_ok=True)
        photo(number).resize((2000, 1500)).save(path)
    few, rest = (peak(tmp_path / name, "-o", tmp_path / f"{name}-set") for name in ("few", "rest"))
    assert len(chosen(tmp_path / "rest-set")) == 12
    assert rest - few < 20_000


# What reads it.


def test_compare_reads_a_set_with_its_labels(tmp_path: Path) -> None:
    pool, output = photos(tmp_path / "pool", red=5, blue=5), tmp_path / "set"
    built(pool, "-o", output, "--size", 6)
    models = [
        write_pixel_model(tmp_path / f"m_{name}.tflite", quantization=name)
        for name in ("float32", "int8")
    ]
    compared = json.loads(
        run_in_process("compare", *models, "--data", output, "--json").stdout.splitlines()[-1]
    )
    assert (compared["images"], compared["labelled"], compared["skipped"]) == (6, True, [])


@pytest.mark.long
def test_export_calibrates_on_all_photos_of_a_set(tmp_path: Path) -> None:
    toy, output = write_toy(tmp_path / "toy"), tmp_path / "set"
    told = built(toy.photos, "-o", output, "--size", 5)
    words = ("export", *toy.source(), "--calib", output, "--count", 5, "-o", tmp_path / "out")
    assert "calibrating on all" not in run_in_process(*words).stderr
    card = json.loads(
        run_in_process("info", tmp_path / "out" / "toy_int8.tflite", "--json").stdout
    )["card"]
    assert sorted(card["calibration_sha256"]) == sorted(each["sha256"] for each in told["chosen"])


# --check.


@pytest.mark.long
def test_the_check_is_the_exports(tmp_path: Path) -> None:
    toy = write_toy(tmp_path / "toy")
    words = ("--check", toy.cfg, "--weights", toy.weights)
    told = CliRunner().invoke(main, ["calib", str(toy.photos), *map(str, words), "--json"])
    assert told.exit_code == 0, told.output
    content = json.loads(told.stdout)
    assert (content["verdict"], content["images"], content["fault"]) == ("pass", 6, None)
    assert content["ratio"] == pytest.approx(
        content["seen"]["distance"] / content["usual"], rel=0.06
    )
    dark = tmp_path / "dark"
    dark.mkdir()
    for path in toy.photos.rglob("*.png"):
        with Image.open(path) as image:
            image.point(lambda value: value // 8).save(dark / path.name)
    failed = CliRunner().invoke(main, ["calib", str(dark), *map(str, words)])
    assert failed.exit_code == 1
    exported = run_in_process(
        *("export", *toy.source(), "--calib", dark, "-o", tmp_path / "out")
    ).stderr
    fault = exported.partition("note: the calibration images do")[2].splitlines()[0]
    assert fault.strip()
    assert fault in " ".join(failed.stdout.split())


@pytest.mark.long
def test_a_network_without_batch_norm_tells_nothing(tmp_path: Path) -> None:
    toy = write_toy(tmp_path / "toy")
    bare, weights = tmp_path / "bare.cfg", tmp_path / "bare.weights"
    bare.write_text(toy.cfg.read_text().replace("batch_normalize=1\n", ""))
    content = toy.weights.read_bytes()
    weights.write_bytes(content[:36] + content[96:])
    result = run_in_process("calib", toy.photos, "--check", bare, "--weights", weights)
    assert " ".join(result.stdout.split()) == (
        "bare.weights: no batch norm, so nothing tells what this network was trained on"
    )
    assert "needs its weights" in refused(toy.photos, "--check", bare)


# With real photos.


@pytest.mark.real_data
@pytest.mark.parametrize("seed", [0, 1])
def test_real_photos_are_spread_and_apart(tmp_path: Path, imagenet: Path, seed: int) -> None:
    output = tmp_path / "set"
    words = ("--size", 50, "--seed", seed, "--data", imagenet / "val")
    told = built(imagenet / "calib", "-o", output, *words)
    judged = chosen(imagenet / "val")
    assert len(chosen(output)) == 50
    assert not chosen(output) & judged
    strays = [
        abs(each["chosen"]["mean"] - each["pool"]["mean"]) / each["pool"]["deviation"]
        for each in told["looks"].values()
    ]
    # The mean of 50 random photos strays by a deviation of 1 / sqrt(50) = 0.14.
    assert float(np.mean(np.square(strays))) < 1 / 50
    assert list(chain(told["others"])) == []
