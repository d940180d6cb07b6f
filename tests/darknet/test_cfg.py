"""Reading a .cfg: what is kept, what is warned of; the errors are in test_invalid.py."""

import os
import shutil
import warnings
from pathlib import Path

import pytest

from tests.support import c_engine
from tests.support.shipped import CFGS, DARKNETS
from tinyedge.darknet.cfg import parse_cfg, read_cfg
from tinyedge.darknet.network import read_network
from tinyedge.darknet.summary import layer_table
from tinyedge.errors import CfgError, TinyedgeWarning

VALID = Path(__file__).parents[1] / "data" / "cfg" / "valid"

NET = "[net]\nheight=8\nwidth=8\nchannels=3\n"


def test_sections_and_options_know_their_lines() -> None:
    net, layer = parse_cfg("# a comment\n\n[net]\nheight=8\n\n[max]\nsize=2\nstride=3\n", "a.cfg")
    assert (net.name, net.line, net.source) == ("net", 3, "a.cfg")
    assert (layer.name, layer.line) == ("maxpool", 6)
    assert layer.options == {"size": ("2", 7), "stride": ("3", 8)}


def test_every_liberty_of_spelling() -> None:
    # The file has a byte order mark, CR LF, tabs, blanks inside words, comments behind options.
    net, convolution, pool, average = read_cfg(VALID / "spelling.cfg")
    assert {name: value for name, (value, _) in net.options.items()} == {
        "height": "8",
        "width": "8",
        "channels": "1",
    }
    assert net.options["height"].line == 4
    assert convolution.name == "convolutional"
    assert convolution.text("activation") == "leaky"
    assert convolution.options["activation"].line == 12
    assert (pool.name, pool.integer("stride")) == ("maxpool", 2)
    assert (average.name, dict(average.options)) == ("avgpool", {})


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end: str) -> None:
    (net,) = parse_cfg(f"[net]{end}{end}height=8{end}", "a.cfg")
    assert net.options == {"height": ("8", 3)}


def test_separators_that_are_no_line_ends_do_not_shift_lines() -> None:
    (net,) = parse_cfg("# form\x0cfeed\u2028\n[net]\nheight=8\n", "a.cfg")
    assert net.options["height"].line == 3


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("network", "net"),
        ("conv", "convolutional"),
        ("deconv", "deconvolutional"),
        ("conn", "connected"),
        ("max", "maxpool"),
        ("avg", "avgpool"),
        ("lrn", "normalization"),
        ("soft", "softmax"),
    ],
)
def test_short_names(short: str, long: str) -> None:
    assert parse_cfg(f"[net]\n[{short}]\n", "a.cfg")[1].name == long


def test_of_a_repeated_option_the_first_wins() -> None:
    with pytest.warns(TinyedgeWarning) as caught:
        (net,) = parse_cfg("[net]\nbatch=1\nheight=8\nbatch=64\n", "a.cfg")
    assert net.integer("batch") == 1
    assert [str(warning.message) for warning in caught] == [
        "a.cfg:4: [net] batch=64 is ignored: line 2 says batch=1"
    ]


@pytest.mark.c_engine
def test_of_a_repeated_option_the_first_wins_in_the_engine(tmp_path: Path) -> None:
    cfg = tmp_path / "twice.cfg"
    cfg.write_text(NET + "[conv]\nfilters=5\nfilters=7\nactivation=linear\n")
    with pytest.warns(TinyedgeWarning, match="line 6 says filters=5"):
        network = read_network(cfg)
    assert layer_table(network) == c_engine.layer_table(cfg)


@pytest.mark.parametrize("written", ["0.25", ".25", "+.25", "25e-2", "2.5E-1", "0.25000"])
def test_numbers(written: str) -> None:
    (net,) = parse_cfg(f"[net]\nmomentum={written}\n", "a.cfg")
    assert net.number("momentum") == 0.25


@pytest.mark.parametrize(("written", "value"), [("7", 7), ("+7", 7), ("-7", -7), ("007", 7)])
def test_integers(written: str, value: int) -> None:
    (net,) = parse_cfg(f"[net]\nbatch={written}\n", "a.cfg")
    assert net.integer("batch") == value
    assert net.integers("batch") == (value,)


def test_the_largest_integer() -> None:
    (net,) = parse_cfg("[net]\nheight=2147483647\nwidth=2147483648\n", "a.cfg")
    assert net.integer("height") == 2**31 - 1
    with pytest.raises(CfgError, match=r"a\.cfg:3: \[net\] width=2147483648 is beyond 2147483647"):
        net.integer("width")


def test_a_default_is_only_for_a_missing_option() -> None:
    (net,) = parse_cfg("[net]\nbatch=x\n", "a.cfg")
    assert net.integer("height", 3) == 3
    assert net.number("decay", 0.5) == 0.5
    assert net.text("policy", "steps") == "steps"
    with pytest.raises(CfgError, match=r"^a\.cfg:2: \[net\] batch=x is not an integer$"):
        net.integer("batch", 1)


def test_an_unknown_option_is_named_once_in_a_file(tmp_path: Path) -> None:
    cfg = tmp_path / "more.cfg"
    more = "[maxpool]\nsize=2\nstride=1\nsizes=1\n"
    cfg.write_text(NET + "letters=1\n" + more + more + "[avgpool]\nsizes=1\n")
    with pytest.warns(TinyedgeWarning) as caught:
        read_network(cfg)
    assert [str(warning.message) for warning in caught] == [
        f"{cfg}:5: [net] letters=1 is ignored: unknown option",
        f"{cfg}:9: [maxpool] sizes=1 is ignored: unknown option",
        f"{cfg}:15: [avgpool] sizes=1 is ignored: unknown option",
    ]


@pytest.mark.c_engine
@pytest.mark.parametrize("name", DARKNETS)
def test_darknets_own_cfgs_give_no_warning(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_network(CFGS / f"{name}.cfg")


def test_a_file_too_large_for_a_cfg_is_not_read_whole(tmp_path: Path) -> None:
    large = tmp_path / "large.cfg"
    large.touch()
    os.truncate(large, 2**40)
    with pytest.raises(CfgError, match=r"more than 1,048,576 bytes, the most that a Darknet \.cfg"):
        read_cfg(large)
    with pytest.raises(CfgError, match="is a device, not a file"):
        read_cfg(Path("/dev/zero"))


def test_the_path_is_named_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(VALID.parent / "invalid" / "size_abc.cfg", tmp_path / "tiny.cfg")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CfgError) as caught:
        read_network(Path("tiny.cfg"))
    assert str(caught.value) == "tiny.cfg:8: [convolutional] size=abc is not an integer"


def test_what_alexeyabs_darknet_has_for_training_gives_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_network(VALID / "alexeyab.cfg")


@pytest.mark.parametrize("encoding", ["cp949", "euc-jp", "gb18030", "latin-1"])
def test_a_comment_may_be_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    comment = {"cp949": "신경망", "latin-1": "größe"}.get(encoding, "数")
    path = tmp_path / "net.cfg"
    path.write_bytes(f"# {comment}\n[net]\nwidth=8 ; {comment}\n".encode(encoding))
    (net,) = read_cfg(path)
    assert (net.line, net.integer("width")) == (2, 8)
    path.write_bytes(b"[net]\n" + f"width={comment}\n".encode(encoding))
    with pytest.raises(CfgError, match=r"net\.cfg:2: byte 0x[0-9a-f]{2} is not UTF-8 text"):
        read_cfg(path)
