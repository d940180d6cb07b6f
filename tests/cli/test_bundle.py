"""``tinyedge bundle`` and what its installer does, on this machine as the board."""

import hashlib
import json
import os
import platform
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support import strangers
from tests.support.bundles import board_environment, install, installed, selftest_of
from tests.support.commands import need_programs, run_as_user, run_in_process, set_traps
from tests.support.exports import Models
from tests.support.once import made_once
from tinyedge import __version__
from tinyedge.cli import main
from tinyedge.devices.bundle.service import unit_text
from tinyedge.errors import DeviceError, ModelError


def bundle(*words: object) -> Result:
    """Run the command in this process, whatever comes of it."""
    return CliRunner().invoke(main, ["bundle", *map(str, words)])


@pytest.fixture(scope="module")
def made(fashion_models: Models, shared: Path) -> Path:
    """A bundle of both files for this machine."""
    models = (fashion_models.float_model, fashion_models.int8_model)

    def bundle_both(folder: Path) -> None:
        run_in_process("bundle", *models, "-o", folder / "for the board")

    return made_once(shared / "bundle", bundle_both) / "for the board"


@pytest.fixture(scope="module")
def prefix(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where that bundle was installed without a network."""
    folder = tmp_path_factory.mktemp("board") / "tiny edge"
    # Beside files that are called as what its programs import: none of them counts.
    traps = set_traps(tmp_path_factory.mktemp("traps"))
    done = install(made, folder, cwd=traps)
    assert done.returncode == 0, done.stderr
    return folder


class TestContents:
    """What is in a bundle."""

    def test_what_a_build_left_in_the_checkout_is_not_taken_for_the_installed_package(
        self, fashion_models: Models, tmp_path: Path
    ) -> None:
        left = tmp_path / "tinyedge_darknet.egg-info"
        left.mkdir()
        (left / "PKG-INFO").write_text("Metadata-Version: 2.4\nName: tinyedge\nVersion: 9\n")
        words = ("bundle", fashion_models.int8_model, "-o", "out", "--online")
        done = run_as_user(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        wheels = [path.name for path in (tmp_path / "out" / "wheels").glob("tinyedge*")]
        assert wheels == [f"tinyedge_darknet-{__version__}-py3-none-any.whl"]

    def test_a_profile_in_a_file_without_a_suffix_is_taken(
        self, fashion_models: Models, tmp_path: Path
    ) -> None:
        profile = tmp_path / "mine"
        profile.write_text('description = "mine"\nthreads = 1\n')
        words = ("--device", profile, "--online", "-o", tmp_path / "out")
        run_in_process("bundle", fashion_models.int8_model, *words)
        assert (tmp_path / "out" / "profile" / "mine.toml").read_bytes() == profile.read_bytes()

    def test_a_profile_may_come_through_a_pipe(
        self, fashion_models: Models, tmp_path: Path
    ) -> None:
        words = ("--device", "/dev/stdin", "--online", "-o", tmp_path / "out")
        command = [sys.executable, "-m", "tinyedge", "bundle", fashion_models.int8_model, *words]
        profile = 'description = "mine"\nthreads = 1\n'
        done = subprocess.run(command, input=profile.encode(), capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "out" / "profile" / "stdin.toml").read_text() == profile

    def test_json_lists_what_is_there(self, fashion_models: Models, tmp_path: Path) -> None:
        result = run_in_process(
            "bundle", fashion_models.int8_model, "-o", tmp_path / "out", "--online", "--json"
        )
        said = json.loads(result.stdout)
        assert next(iter(said.items())) == ("schema", "tinyedge.bundle/1")
        found = {
            str(path.relative_to(tmp_path / "out")): path.read_bytes()
            for path in (tmp_path / "out").rglob("*")
            if path.is_file()
        }
        assert {entry["name"]: entry["bytes"] for entry in said["files"]} == {
            name: len(content) for name, content in found.items()
        }
        for entry in said["files"]:
            assert entry["sha256"] == hashlib.sha256(found[entry["name"]]).hexdigest()
        assert said["bytes"] == said["unpacked_bytes"] == sum(map(len, found.values()))

    def test_it_is_the_models_and_what_runs_them(self, made: Path, fashion_models: Models) -> None:
        model = made / "models" / "fashion_int8.tflite"
        assert model.read_bytes() == fashion_models.int8_model.read_bytes()
        projects = {path.name.split("-")[0] for path in (made / "wheels").iterdir()}
        assert {"tinyedge_darknet", "pip", "ai_edge_litert", "numpy", "pillow", "click"} <= projects
        assert not projects & {"tensorflow", "keras", "rich", "pooch", "matplotlib"}
        assert os.access(made / "install.sh", os.X_OK)
        assert not os.access(made / "bundle.json", os.X_OK)

    def test_an_archive_holds_the_same_and_is_the_same_again(
        self, made: Path, fashion_models: Models, tmp_path: Path
    ) -> None:
        models = (fashion_models.float_model, fashion_models.int8_model)
        archives = [tmp_path / name for name in ("a.tar.gz", "b.tgz")]
        for archive in archives:
            run_in_process("bundle", *models, "-o", archive)
        assert archives[0].read_bytes() == archives[1].read_bytes()
        with tarfile.open(archives[0]) as archive_file:
            archive_file.extractall(tmp_path, filter="data")
        unpacked = tmp_path / "tinyedge-host"
        for path in made.rglob("*"):
            twin = unpacked / path.relative_to(made)
            assert path.is_dir() or twin.read_bytes() == path.read_bytes()
        assert os.access(unpacked / "install.sh", os.X_OK)

    def test_a_zip_holds_the_same_and_the_size_told_is_its_own(
        self, fashion_models: Models, tmp_path: Path
    ) -> None:
        words = ("bundle", fashion_models.int8_model, "--online", "-o")
        run_in_process(*words, tmp_path / "folder")
        sizes = []
        for name in ("a.zip", "B.ZIP", "c.tar.gz"):
            archive = tmp_path / name
            said = json.loads(run_in_process(*words, archive, "--json").stdout)
            assert said["bytes"] == archive.stat().st_size < said["unpacked_bytes"]
            text = run_in_process(*words, archive).stdout.splitlines()
            assert text[-1].split() == [f"{archive.stat().st_size:,}", str(archive)]
            assert text[-2].split()[0] == f"{said['unpacked_bytes']:,}"
            sizes.append(said["unpacked_bytes"])
        assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "B.ZIP").read_bytes()
        with zipfile.ZipFile(tmp_path / "a.zip") as archive_file:
            archive_file.extractall(tmp_path)
        unpacked = tmp_path / "tinyedge-host"
        for path in (tmp_path / "folder").rglob("*"):
            twin = unpacked / path.relative_to(tmp_path / "folder")
            assert path.is_dir() or twin.read_bytes() == path.read_bytes()
        files = [path for path in unpacked.rglob("*") if path.is_file()]
        assert sizes == [sum(path.stat().st_size for path in files)] * 3
        text = run_in_process(*words, tmp_path / "folder").stdout.splitlines()
        assert text[-1] == f"{sizes[0]:>12,}  in {len(files)} files: {tmp_path / 'folder'}"

    @pytest.mark.parametrize("name", ["a.7z", "a.tar.xz", "a.tar", "a.GZ"])
    def test_no_folder_is_called_as_an_archive(
        self, fashion_models: Models, tmp_path: Path, name: str
    ) -> None:
        result = bundle(fashion_models.int8_model, "-o", tmp_path / name)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "no such archive is written; name a .tar.gz, .tgz or .zip file" in result.stderr
        assert not (tmp_path / name).exists()

    def test_online_leaves_the_boards_packages_out_and_pins_them(
        self, made: Path, fashion_models: Models, tmp_path: Path
    ) -> None:
        models = (fashion_models.float_model, fashion_models.int8_model)
        run_in_process("bundle", *models, "-o", tmp_path / "out", "--online")
        wheels = {path.name.split("-")[0] for path in (tmp_path / "out" / "wheels").iterdir()}
        assert wheels == {"tinyedge_darknet", "pip"}
        lock = (tmp_path / "out" / "requirements.txt").read_text()
        assert lock == (made / "requirements.txt").read_text()
        for wheel in (made / "wheels").iterdir():
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            assert (f" --hash=sha256:{digest}\n" in lock) is not wheel.name.startswith("pip-")
        assert " --no-index " not in (tmp_path / "out" / "install.sh").read_text()

    @pytest.mark.parametrize(
        ("words", "tag", "python"),
        [
            ((), "cp313", "3.13"),
            (("--os", "bookworm"), "cp311", "3.11"),
            (("--python", "3.12"), "cp312", "3.12"),
        ],
    )
    def test_a_pis_wheels_are_for_its_python_and_architecture(
        self, fashion_models: Models, tmp_path: Path, words: tuple[str, ...], tag: str, python: str
    ) -> None:
        out = tmp_path / "out"
        run_in_process("bundle", fashion_models.int8_model, "--device", "pi4", *words, "-o", out)
        names = [path.name for path in (out / "wheels").iterdir()]
        for project in ("ai_edge_litert", "numpy", "pillow"):
            (name,) = (name for name in names if name.startswith(f"{project}-"))
            assert f"-{tag}-{tag}-manylinux" in name
            assert name.endswith("_aarch64.whl")
        assert not any("x86_64" in name for name in names)
        assert f"\npython_version={python}\n" in (out / "install.sh").read_text()

    def test_a_32_bit_pi_gets_tflite_runtime_and_debians_numpy(
        self, fashion_models: Models, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        words = ("--device", "pi3", "--architecture", "armv7l")
        result = run_in_process("bundle", fashion_models.int8_model, *words, "-o", out)
        names = {path.name.split("-")[0] for path in (out / "wheels").iterdir()}
        assert {"tinyedge_darknet", "tflite_runtime", "click", "pip"} <= names
        assert "ai_edge_litert" not in names
        if "numpy" not in names:
            assert "apt install python3-numpy python3-pil\n" in result.stderr
            assert "--system-site-packages" in (out / "install.sh").read_text()


class TestInstaller:
    """install.sh, on this machine, without a network."""

    def test_what_it_installs_answers_as_here(self, prefix: Path) -> None:
        found = selftest_of(prefix)
        assert found["passed"] is True
        assert [model["model"] for model in found["models"]] == [
            "models/fashion_float.tflite",
            "models/fashion_int8.tflite",
        ]
        assert [model["promise"] for model in found["models"]] == ["rounding", "bits"]
        # The same processor, too: even the float sums are the same.
        assert [model["different"] for model in found["models"]] == [0, 0]

    def test_what_it_installs_runs(self, prefix: Path, fashion_images: Path) -> None:
        image = sorted((fashion_images / "Trouser").iterdir())[0]
        done = installed(prefix, "run", prefix / "models/fashion_int8.tflite", image, "--json")
        assert json.loads(done.stdout)["predictions"][0]["label"] == "Trouser"
        # First of all, whatever else is wrong with the words.
        for words in (["fashion", "-o", "out"], [], ["fashion", "--count", "few", "--nonsense"]):
            done = installed(prefix, "export", *words)
            assert done.returncode == 2
            assert done.stderr == (
                "error: this command is left out on a board: run it on your computer\n"
            )

    def test_a_model_that_answers_otherwise_fails(self, prefix: Path, tmp_path: Path) -> None:
        """The float model in the int8 one's place: the same class perhaps, other scores."""
        copied = tmp_path / "copy"
        shutil.copytree(prefix / "current", copied, symlinks=True)
        shutil.copy(copied / "models/fashion_float.tflite", copied / "models/fashion_int8.tflite")
        done = installed(prefix, "selftest", copied)
        assert done.returncode == 1
        passed, failed = done.stdout.splitlines()
        assert passed.startswith("passed  models/fashion_float.tflite  all 10 scores equal")
        assert failed.startswith("FAILED  models/fashion_int8.tflite  10 of 10 scores differ")
        assert failed.endswith("; all must be equal")

    def test_a_failed_selftest_leaves_the_old_one(
        self, made: Path, prefix: Path, tmp_path: Path
    ) -> None:
        """A bundle with the wrong answer in it, as of a board that computes wrongly."""
        broken = tmp_path / "broken"
        shutil.copytree(made, broken)
        manifest = json.loads((broken / "bundle.json").read_text())
        manifest["models"][0]["scores"][0] += 1
        (broken / "bundle.json").write_text(json.dumps(manifest))
        sums = broken / "SHA256SUMS"
        old = hashlib.sha256((made / "bundle.json").read_bytes()).hexdigest()
        new = hashlib.sha256((broken / "bundle.json").read_bytes()).hexdigest()
        sums.write_text(sums.read_text().replace(old, new))
        before = (prefix / "current").readlink()
        done = install(broken, prefix)
        assert done.returncode == 1
        assert done.stderr.endswith(f"nothing was changed: {prefix} is as it was\n")
        assert (prefix / "current").readlink() == before
        assert [path.name for path in (prefix / "versions").iterdir()] == [before.name]
        selftest_of(prefix)

    def test_killed_half_way_leaves_the_old_one_and_the_next_clears_up(
        self, made: Path, prefix: Path
    ) -> None:
        before = (prefix / "current").readlink()
        kill_half_way(made, prefix)
        assert (prefix / "current").readlink() == before
        assert len(list((prefix / "versions").iterdir())) == 2
        selftest_of(prefix)
        done = install(made, prefix)
        assert done.returncode == 0, done.stderr
        after = (prefix / "current").readlink()
        assert after != before
        # The one before stays, for a service that still runs from it.
        names = {path.name for path in (prefix / "versions").iterdir()}
        assert names == {before.name, after.name}
        selftest_of(prefix)

    def test_a_full_disk_installs_nothing_and_leaves_nothing(
        self, made: Path, tmp_path: Path
    ) -> None:
        # No file may grow beyond 4 MB: the runtime's library does not fit.
        done = install(made, tmp_path / "board", before=("prlimit", "--fsize=4000000"))
        assert done.returncode == 2
        assert "error: the packages could not be installed (see above)\n" in done.stderr
        assert done.stderr.endswith("nothing was installed\n")
        assert list(tmp_path.iterdir()) == []

    def test_a_damaged_bundle_is_refused(self, made: Path, tmp_path: Path) -> None:
        shutil.copytree(made, tmp_path / "copy")
        (tmp_path / "copy" / "models" / "fashion_int8.tflite").write_bytes(b"half")
        done = install(tmp_path / "copy", tmp_path / "board")
        assert done.returncode == 2
        assert "models/fashion_int8.tflite: FAILED" in done.stderr
        assert "error: this bundle is damaged or incomplete: copy it here again\n" in done.stderr
        assert not (tmp_path / "board").exists()

    def test_another_boards_is_refused(self, fashion_models: Models, tmp_path: Path) -> None:
        out = tmp_path / "out"
        words = ("--device", "pi4", "--online")
        run_in_process("bundle", fashion_models.int8_model, *words, "-o", out)
        done = install(out, tmp_path / "board")
        assert done.returncode == 2
        here = f"{sys.version_info[0]}.{sys.version_info[1]} {platform.machine()} 64-bit"
        assert done.stderr == (
            f"error: this bundle is for Python 3.13 on aarch64, here is Python {here}: make another"
            " on the computer (tinyedge bundle --help: --os, --python, --architecture)\n"
        )
        assert not (tmp_path / "board").exists()

    def test_a_folder_with_programs_of_its_own_is_refused(self, made: Path, tmp_path: Path) -> None:
        (tmp_path / "bin").mkdir()
        done = install(made, tmp_path)
        assert done.returncode == 2
        assert f"error: {tmp_path}/bin is there already and is not tinyedge's" in done.stderr

    @pytest.mark.parametrize("character", ['"', "$", "`", "\\", "\n"])
    def test_a_folder_that_a_shell_would_read_again_is_refused(
        self, made: Path, tmp_path: Path, character: str
    ) -> None:
        done = install(made, tmp_path / f"a{character}b")
        assert done.returncode == 2
        assert "a shell takes some of its characters for something else" in done.stderr
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("machine", ["armv6l", "armv7l"])
    def test_armv6_is_told_that_there_is_no_bundle_for_it(
        self, fashion_models: Models, tmp_path: Path, machine: str
    ) -> None:
        """A python3 that says it is on a Pi Zero W, and one on another 32-bit board."""
        out, tools = tmp_path / "out", tmp_path / "tools"
        words = ("--device", "pi3", "--architecture", "armv7l", "--python", "3.11", "--online")
        run_in_process("bundle", fashion_models.int8_model, *words, "-o", out)
        tools.mkdir()
        for name in ("python3", "python3.11"):
            (tools / name).write_text(
                f"#!/bin/sh\ncase $* in *platform*) echo 3.11 {machine} 32 ;; *) exit 9 ;; esac\n"
            )
            (tools / name).chmod(0o755)
        done = install(out, tmp_path / "board", PATH=f"{tools}:{os.environ['PATH']}")
        assert done.returncode == 2
        expected = "no TFLite runtime has a wheel for ARMv6 (Pi Zero, Zero W, Pi 1)\n"
        assert (done.stderr == f"error: {expected}") is (machine == "armv6l")

    @pytest.mark.parametrize("words", [("--serivce",), ("--service",), ("a", "b")])
    def test_wrong_words_are_refused(self, made: Path, words: tuple[str, ...]) -> None:
        done = install(made, *words)
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1


class TestService:
    """The systemd unit, and whom it runs as."""

    def test_it_watches_with_the_int8_model(self, prefix: Path, tmp_path: Path) -> None:
        folder = tmp_path / '100% "of" $it \\ it\'s'
        unit = Unit(unit_text(prefix, folder, user="pi", system=True))
        *command, journal = unit.command(prefix / "state")
        assert re.fullmatch(rf"{prefix}/state/tinyedge/watch-[0-9a-f]{{12}}\.journal", journal)
        assert command == [
            *(f"{prefix}/bin/tinyedge", "run", f"{prefix}/current/models/fashion_int8.tflite"),
            *("--watch", str(folder), "--device", f"{prefix}/current/profile/host.toml", "--json"),
            "--journal",
        ]
        # Else a boot finds the folder empty before its stick is mounted.
        shown = f'"{tmp_path}/100%% \\"of\\" $it \\\\ it\'s"'
        assert unit.settings["RequiresMountsFor"] == shown
        assert unit.settings["User"] == "pi"
        assert unit.settings["StateDirectory"] == "tinyedge"
        assert unit.settings["ProtectSystem"] == "strict"
        assert "@" not in unit.text

    def test_relative_names_are_from_here_whatever_cd_would_make_of_them(
        self, made: Path, tmp_path: Path
    ) -> None:
        """CDPATH leads cd elsewhere; -P and - are options of its own."""
        for folder in ("-P", "elsewhere/bundle", "elsewhere/-P", "programs"):
            (tmp_path / folder).mkdir(parents=True)
        shutil.copytree(made, tmp_path / "bundle")
        for program in ("dirname", "id", "sed", "sh", "sha256sum"):
            found = shutil.which(program)
            assert found is not None
            (tmp_path / "programs" / program).symlink_to(found)
        for service, prefix, message in (
            # It has found its own files, which come before Python.
            ("-P", "board", "error: Python is missing: sudo apt install python3 python3-venv"),
            ("gone", "board", f"error: {tmp_path}/gone is no folder to watch"),
            ("-P", "x$y", f"error: {tmp_path}/x$y: a shell takes some of its characters"),
        ):
            done = subprocess.run(
                ["sh", "bundle/install.sh", "--root", "--service", service, prefix],
                env={"CDPATH": str(tmp_path / "elsewhere"), "PATH": str(tmp_path / "programs")},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr.startswith(message)

    @pytest.mark.parametrize("name", ["a\nb", "a\u202eb", b"a\xffb"])
    def test_a_folder_no_unit_can_hold_is_refused_before_anything_is_installed(
        self, made: Path, tmp_path: Path, name: str | bytes
    ) -> None:
        folder = os.path.join(os.fsencode(tmp_path), os.fsencode(name))
        os.mkdir(folder)
        done = install(made, "--service", os.fsdecode(folder), "--root", tmp_path / "board")
        assert (done.returncode, done.stdout) == (2, "")
        assert "cannot stand in a systemd unit: rename it" in done.stderr
        assert not (tmp_path / "board").exists()

    @pytest.mark.parametrize("name", ["plain", "tiny edge", "100% of $HOME ${x} %h"])
    def test_systemd_finds_the_program(self, made: Path, tmp_path: Path, name: str) -> None:
        """What it would run is the file of that very name: its own reading of what is quoted."""
        need_programs("systemd-analyze")
        prefix = tmp_path / name
        (prefix / "bin").mkdir(parents=True)
        (prefix / "current").symlink_to(made)
        (prefix / "bin" / "tinyedge").write_text("#!/bin/sh\n")
        for mode in (0o755, 0o644):
            (prefix / "bin" / "tinyedge").chmod(mode)
            for system, user in ((True, "daemon"), (False, None)):
                path = tmp_path / "tinyedge-watch.service"
                path.write_text(unit_text(prefix, tmp_path / "a b%", user=user, system=system))
                done = subprocess.run(
                    [
                        *("systemd-analyze", "verify", "--man=no"),
                        "--system" if system else "--user",
                        path,
                    ],
                    env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if mode == 0o755:
                    assert (done.returncode, done.stderr) == (0, "")
                else:
                    assert f"{prefix}/bin/tinyedge is not executable" in done.stderr

    def test_a_path_no_unit_can_hold_is_refused(self, prefix: Path, tmp_path: Path) -> None:
        for folder, where, user in (
            (tmp_path / "a\nb", prefix, "pi"),
            (tmp_path, Path('/a "board"'), "pi"),
            (tmp_path, prefix, "pi\nExecStartPre=/bin/sh"),
        ):
            with pytest.raises((DeviceError, ModelError)) as refused:
                unit_text(where, folder, user=user, system=True)
            assert "\n" not in str(refused.value)

    def test_systemd_starts_it_again_when_it_was_killed_and_not_when_it_was_stopped(
        self, prefix: Path, fashion_images: Path, tmp_path: Path
    ) -> None:
        """What ExecStart says is run, ended in each way, and its end judged as systemd does."""
        folder = tmp_path / "in % $HOME"
        folder.mkdir()
        unit = Unit(unit_text(prefix, folder, user="pi", system=True))
        (tmp_path / "state" / unit.settings["StateDirectory"]).mkdir(parents=True)
        image = sorted((fashion_images / "Trouser").iterdir())[0]
        again = {}
        for end in ("TERM", "INT", "KILL", "SEGV", "the folder is taken away"):
            with subprocess.Popen(
                unit.command(tmp_path / "state"),
                env=board_environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            ) as process:
                try:
                    self._answer_and_end(process, end, image, folder)
                finally:  # where an assertion failed, it would be waited for
                    process.kill()
            again[end] = unit.starts_again(process.returncode)
            if end == "KILL":
                shutil.copy(image, folder / "between.png")
        assert again == {
            "TERM": False,
            "INT": False,
            "KILL": True,
            "SEGV": True,
            "the folder is taken away": True,
        }

    def _answer_and_end(
        self, process: subprocess.Popen[str], end: str, image: Path, folder: Path
    ) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        while "watching" not in process.stderr.readline():
            assert process.poll() is None
        if end == "SEGV":  # what came while it was not running is not lost
            answered = json.loads(process.stdout.readline())["image"]
            if answered.endswith("/KILL.png"):  # killed between the answer and the journal's line
                answered = json.loads(process.stdout.readline())["image"]
            assert answered.endswith("/between.png")
        shutil.copy(image, folder / f"{end}.png")
        answer = json.loads(process.stdout.readline())
        assert answer["predictions"][0]["label"] == "Trouser"
        if f"SIG{end}" in signal.Signals.__members__:
            process.send_signal(signal.Signals[f"SIG{end}"])
        else:
            shutil.rmtree(folder)
        process.communicate(timeout=60)

    @pytest.mark.skipif(os.geteuid() != 0, reason="root alone installs for others")
    def test_root_installs_for_the_user_who_called_sudo(self, made: Path) -> None:
        if pythons_version("/usr/bin/python3") != pythons_version(sys.executable):
            pytest.skip("no Python of this version that another user may run")
        with tempfile.TemporaryDirectory(prefix="tinyedge-") as name:
            board = Path(name)
            board.chmod(0o755)
            shutil.copytree(made, board / "bundle")
            (board / "in").mkdir()
            words = ("--service", board / "in", board / "tiny edge")
            done = install_as_root(board / "bundle", *words, SUDO_USER="daemon")
            assert done.returncode == 0, done.stderr
            unit = Unit(done.stdout)
            assert unit.settings["User"] == "daemon"
            assert unit.command(board)[0] == f"{board}/tiny edge/bin/tinyedge"
            owners = {path.lstat().st_uid for path in (board / "tiny edge").rglob("*")}
            assert owners == {pwd.getpwnam("daemon").pw_uid}
            assert "nothing" not in done.stderr

    @pytest.mark.skipif(os.geteuid() != 0, reason="root alone can run a service as root")
    def test_a_service_runs_as_root_only_when_asked(self, made: Path, tmp_path: Path) -> None:
        for variables in ({}, {"SUDO_USER": "root"}):
            done = install_as_root(made, "--service", tmp_path, tmp_path / "board", **variables)
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr == (
                "error: a service does not run as root unless asked: log in as the user it is for"
                " (sudo sh install.sh ... from there), or add --root\n"
            )
            assert not (tmp_path / "board").exists()
        words = ("--root", "--service", tmp_path, tmp_path / "board")
        done = install_as_root(made, *words, SUDO_USER="daemon")
        assert done.returncode == 0, done.stderr
        assert "User" not in Unit(done.stdout).settings
        assert (tmp_path / "board" / "current").lstat().st_uid == 0

    @pytest.mark.skipif(os.geteuid() != 0, reason="root alone installs for others")
    @pytest.mark.parametrize("user", ["pi; touch PWNED", "-x", "nobody-of-this-name"])
    def test_whoever_called_sudo_is_a_user(self, made: Path, tmp_path: Path, user: str) -> None:
        done = install(made, tmp_path / "board", SUDO_USER=user)
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
        assert list(tmp_path.iterdir()) == []


class Unit:
    """A unit file, as systemd.syntax(7) and systemd.service(5) have it read."""

    # systemd.service(5), Restart=: the exit code and the signals that are no failure.
    _CLEAN = (
        0,
        *(-number for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)),
    )

    def __init__(self, text: str) -> None:
        self.text = text
        lines = (line.partition("=") for line in text.splitlines() if "=" in line)
        self.settings = {key: value for key, _, value in lines}

    def command(self, state: Path) -> list[str]:
        """The words of ExecStart, where the state folders are in `state`."""
        written = self.settings["ExecStart"]
        words = [
            re.sub(r"\\(.)", r"\1", word) for word in re.findall(r'"((?:\\.|[^"\\])*)"', written)
        ]
        specifiers = {"%%": "%", "%S": str(state)}
        words = [re.sub("%.", lambda found: specifiers[found[0]], word) for word in words]
        program, *arguments = words
        return [program, *(word.replace("$$", "$") for word in arguments)]

    def starts_again(self, code: int) -> bool:
        """Whether systemd starts it again after this end, as subprocess tells it."""
        assert self.settings["Restart"] == "on-failure"
        return code not in self._CLEAN


def install_as_root(
    bundle: Path, *words: object, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Install with a folder for units of this command's own; they are printed to stdout."""
    show = 'mount -t tmpfs tmpfs /etc/systemd && "$@" && cat /etc/systemd/system/*.service'
    path = f"{os.path.dirname(sys.executable)}:/usr/bin:/bin:/usr/sbin:/sbin"
    before = ("unshare", "--mount", "sh", "-c", show, "sh")
    return install(bundle, *words, before=before, PATH=path, **variables)


def pythons_version(path: str) -> str | None:
    """Of the Python there, such as 3.11; None where there is none."""
    print_it = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([path, "-c", print_it], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip()


class TestBadInput:
    """Exit code 2 and one message."""

    def test_a_model_without_a_card(self, tmp_path: Path) -> None:
        model = tmp_path / "m.tflite"
        model.write_bytes(strangers.quantized_model("int8", "int8"))
        result = bundle(model, "-o", tmp_path / "out")
        assert result.exit_code == 2
        assert result.stderr == (
            f"error: {model} bears no model card: bundle takes .tflite files that tinyedge"
            " exported\n"
        )

    def test_a_folder_of_something_else_is_not_replaced(
        self, fashion_models: Models, tmp_path: Path
    ) -> None:
        (tmp_path / "thesis.txt").write_text("years of work")
        result = bundle(fashion_models.int8_model, "-o", tmp_path)
        assert result.exit_code == 2
        assert result.stderr.startswith(
            f"error: {tmp_path} holds something that no bundle wrote, such as thesis.txt, and a"
        )
        assert (tmp_path / "thesis.txt").read_text() == "years of work"

    def test_what_cannot_be_written_is_said_before_the_work(
        self, fashion_models: Models, tmp_path: Path
    ) -> None:
        (tmp_path / "a file").touch()
        for out in ("bundle", "bundle.zip"):
            result = bundle(fashion_models.int8_model, "-o", tmp_path / "a file" / out)
            assert (result.exit_code, result.stdout) == (2, "")
            assert result.stderr == f"error: {tmp_path / 'a file'}: Not a directory\n"

    def test_a_folder_with_somebodys_own_bundle_json_is_not_replaced(
        self, fashion_models: Models, tmp_path: Path
    ) -> None:
        out = tmp_path / "web"
        (out / "src").mkdir(parents=True)
        (out / "src" / "app.js").write_text("years of work")
        for content in (
            b'{"name": "webpack stuff"}',
            b"[" * 100_000,
            b"\xff\xfe",
            b'{"format": 1, "profile": "x", "models": []}',
        ):
            (out / "bundle.json").write_bytes(content)
            result = bundle(fashion_models.int8_model, "-o", out)
            assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
            assert result.stderr.startswith(f"error: {out} holds no whole bundle, and a bundle ")
        assert (out / "bundle.json").read_bytes() == content
        assert (out / "src" / "app.js").read_text() == "years of work"

    def test_a_bundle_is_replaced_and_nothing_else(
        self, fashion_models: Models, tmp_path: Path
    ) -> None:
        out, model = tmp_path / "out", fashion_models.int8_model
        run_in_process("bundle", model, "-o", out, "--online")
        for name in ("notes.txt", "models/mine.tflite", "src/app.js", "empty/", "link"):
            added = out / name
            added.parent.mkdir(exist_ok=True)
            if name == "link":
                added.symlink_to(tmp_path)
            elif name.endswith("/"):
                added.mkdir()
            else:
                added.write_text("mine")
            result = bundle(model, "-o", out, "--online")
            assert result.exit_code == 2
            assert f"no bundle wrote, such as {name.rstrip('/')}, and" in result.stderr
            if added.is_dir() and not added.is_symlink():
                added.rmdir()
            else:
                added.unlink()
            if name == "src/app.js":
                added.parent.rmdir()
        old = (out / "bundle.json").stat().st_ino
        run_in_process("bundle", model, "-o", out, "--online")
        assert (out / "bundle.json").stat().st_ino != old

    def test_an_output_of_the_other_kind_is_refused_at_once(
        self, fashion_models: Models, tmp_path: Path
    ) -> None:
        (tmp_path / "a.tar.gz").mkdir()
        (tmp_path / "b.zip").mkdir()
        (tmp_path / "file").write_text("mine")
        (tmp_path / "link").symlink_to(tmp_path)
        for name in ("a.tar.gz", "b.zip", "file", "link"):
            result = bundle(fashion_models.int8_model, "-o", tmp_path / name)
            assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
            assert name in result.stderr
        assert (tmp_path / "file").read_text() == "mine"

    @pytest.mark.parametrize(
        "name", ["pi'; touch PWNED; echo '", "$(touch PWNED)", "a b", "-x", "pi\n", "ü", ".pi"]
    )
    def test_names_are_letters_digits_dots_and_dashes(
        self, fashion_models: Models, tmp_path: Path, name: str
    ) -> None:
        profile = tmp_path / f"{name}.toml"
        profile.write_text('description = "a board"\nthreads = 1\n')
        model = tmp_path / f"{name}.tflite"
        shutil.copy(fashion_models.int8_model, model)
        out = tmp_path / "out"
        for words in ((fashion_models.int8_model, "--device", profile), (model,)):
            result = bundle(*words, "--online", "-o", out)
            assert (result.exit_code, result.stdout) == (2, "")
            assert "letters, digits, . _ and - alone" in result.stderr
            assert not out.exists()

    def test_a_delegate_is_named_as_code(self, fashion_models: Models, tmp_path: Path) -> None:
        profile = tmp_path / "mine.toml"
        profile.write_text('description = "a board"\nthreads = 1\ndelegate = "./evil.so"\n')
        words = ("--device", profile, "--online", "-o", tmp_path / "out", "--json")
        result = run_in_process("bundle", fashion_models.int8_model, *words)
        assert json.loads(result.stdout)["delegate"] == "./evil.so"
        assert "note: delegate ./evil.so: a shared library, whose code runs" in result.stderr

    def test_two_models_of_one_name(self, fashion_models: Models, tmp_path: Path) -> None:
        copied = tmp_path / fashion_models.int8_model.name
        shutil.copy(fashion_models.int8_model, copied)
        result = bundle(fashion_models.int8_model, copied, "-o", tmp_path / "out")
        assert result.exit_code == 2
        assert "two models are called fashion_int8.tflite" in result.stderr

    def test_no_runtime_for_a_32_bit_trixie(self, fashion_models: Models, tmp_path: Path) -> None:
        words = ("--device", "pi3", "--architecture", "armv7l", "--os", "trixie")
        result = bundle(fashion_models.int8_model, *words, "-o", tmp_path / "out")
        assert result.exit_code == 2
        assert "no TFLite runtime has a wheel for 32-bit ARM and Python 3.13" in result.stderr

    def test_no_folder_is_no_bundle(self, tmp_path: Path) -> None:
        result = CliRunner().invoke(main, ["selftest", str(tmp_path)])
        assert result.exit_code == 2
        assert result.stderr.startswith(f"error: {tmp_path} is no tinyedge bundle")


def kill_half_way(made: Path, prefix: Path) -> None:
    """Start an install and kill it, with all that it started, while it unpacks packages."""
    with subprocess.Popen(
        ["sh", str(made / "install.sh"), str(prefix)],
        env=board_environment(),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        before = set((prefix / "versions").iterdir())
        while not any(
            list(folder.glob("lib/*/site-packages/numpy"))
            for folder in set((prefix / "versions").iterdir()) - before
        ):
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
