"""TOML of strangers: keys that the parser would be minutes over, and what only looks like one."""

import time
import tomllib
from pathlib import Path

import pytest

from tinyedge.errors import DeviceError
from tinyedge.toml import read_toml

LONG = ".".join("a" * 22)


@pytest.mark.parametrize(
    "text",
    [
        f"{LONG} = 1",
        f"[{LONG}]",
        f"[[ {LONG} ]]",
        f"{LONG.replace('.', ' . ')} = 1",
        LONG.replace("a", '"a"') + " = 1",
        LONG.replace("a", "'#'") + " = 1",
        f"x = {{ {LONG} = 1 }}",
        f'x = ["""a"""", {{ {LONG} = 1 }}, "b"]',
        f"x = ['''a'''', {{ {LONG} = 1 }}, 'b']",
        f'x = ["""\n# """, {{ {LONG} = 1 }}]',
        f'x = ["""\\"""", {{ {LONG} = 1 }}]',
        f'"#" = {{ {LONG} = 1 }}',
    ],
)
def test_a_key_of_many_dots_is_refused_however_it_is_written(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(DeviceError, match=r"a\.toml: a key of more than 20 dots$"):
        read_toml(path, what="a profile", error=DeviceError)
    fewer = text.replace(".a", "", 1).replace(" . a", "", 1)
    fewer = fewer.replace('."a"', "", 1).replace(".'#'", "", 1)
    path.write_text(fewer)
    assert read_toml(path, what="a profile", error=DeviceError) == tomllib.loads(fewer)


@pytest.mark.parametrize(
    "text",
    [
        f"# {LONG}",
        f"x = 1 # {LONG}",
        f'x = "{LONG}"',
        f"x = '{LONG}'",
        f'x = """\n{LONG} = 1\n"""',
        f'x = """\\""" {LONG} = 1\n"""',
        f"x = '''\n{LONG}'''",
        f"x = [{', '.join(['1.5'] * 50)}]",
        "x = [" + '"a.b.c.example", ' * 50 + "]",
    ],
)
def test_what_is_no_key_may_have_as_many_as_it_likes(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    assert read_toml(path, what="a profile", error=DeviceError) == tomllib.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        f"[{'.'.join('a' * 130_000)}]",
        '"""' + '\\"""' * 60_000 + "\\",
        '"' * 260_000,
        "'" * 260_001,
        "a" * 260_000,
        f"[{'.'.join('a' * 20)}]\n" + f"{'.'.join('b' * 20)} = 1\n" * 5500,
    ],
)
def test_no_text_takes_long(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    begin = time.process_time()
    with pytest.raises(DeviceError):
        read_toml(path, what="a profile", error=DeviceError)
    assert time.process_time() - begin < 2
