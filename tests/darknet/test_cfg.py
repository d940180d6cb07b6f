"""Reading a .cfg: what is kept, what is warned of; the errors are in test_invalid.py."""

import math
import os
import shutil
import subprocess
import warnings
from pathlib import Path

import pytest

from tests.support import c_engine
from tests.support.shipped import CFGS, DARKNETS
from tinyedge.darknet.cfg import parse_cfg, read_cfg
from tinyedge.darknet.layers import Convolutional
from tinyedge.darknet.network import build_network, read_network
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


# What a [convolutional] may hold besides filters=5, and what is said of it.
PASSED_OVER = {
    "hello world": ["helloworld is ignored, as by Darknet: it is neither [section], option=value"],
    "hello # =": ["hello is ignored, as by Darknet: it is neither [section], option=value"],
    "learning_rate=": ["learning_rate= is ignored, as by Darknet: it has no value"],
    "filters=": ["filters= is ignored, as by Darknet: it has no value"],
    "=7": ["=7 is ignored, as by Darknet: it has no name"],
    "=": ["= is ignored, as by Darknet: it has no name"],
    "\x0c": ["\\x0c is ignored, as by Darknet: it is neither [section], option=value"],
    "filters": [
        "filters=5 is ignored: line 6 says filters without a value, and Darknet looks no further",
        "filters is ignored, as by Darknet: it is neither [section], option=value",
    ],
    "learning_rate=x": ["learning_rate=x is no number; it matters in training alone"],
    "dontload=0.0": ["dontload=0.0 is no integer: Darknet reads 0"],
    "binary=0.5": ["binary=0.5 is no integer: Darknet reads 0"],
    "numload=x": ["numload=x is no integer: Darknet reads 0"],
    "# c\rfilters=7": [],
    ";\rfilters=7": [],
    "size=3 # three": [],
    "[dropout]\nprobability=half": ["probability=half is no number; it matters in training alone"],
    "[dropout]\nprobability=nan": ["probability=nan is no number; it matters in training alone"],
    "[dropout]\nprobability=1.5.": ["probability=1.5. is no number; it matters in training alone"],
    "[softmax]\nspatial=0.0\n[conv]": None,
}


@pytest.mark.c_engine
@pytest.mark.parametrize("line", PASSED_OVER)
def test_what_darknet_passes_over_is_passed_over_with_a_note(line: str, tmp_path: Path) -> None:
    cfg = tmp_path / "a.cfg"
    said = PASSED_OVER[line]
    if said is None:  # a softmax is the last
        cfg.write_text(NET + line.removesuffix("[conv]"))
        said = []
    else:
        cfg.write_text(f"{NET}[conv]\n{line}\nfilters=5\nactivation=leaky\n", newline="")
        if line.startswith("["):
            cfg.write_text(f"{NET}[conv]\nfilters=5\nactivation=leaky\n{line}\n", newline="")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        network = read_network(cfg)
    assert layer_table(network) == c_engine.layer_table(cfg)
    notes = [str(warning.message) for warning in caught]
    assert len(notes) == len(said)
    for note, words in zip(notes, said, strict=True):
        assert f"] {words}" in note


@pytest.mark.c_engine
def test_a_time_step_of_1_is_none(tmp_path: Path) -> None:
    cfg = tmp_path / "a.cfg"
    for written, read in (("1.0", 1), ("abc", 0)):
        cfg.write_text(NET + f"time_steps={written}\n[conv]\nfilters=5\nactivation=leaky\n")
        with pytest.warns(TinyedgeWarning, match=f"is no integer: Darknet reads {read}"):
            network = read_network(cfg)
        assert sum(layer.operations for layer in network.layers) == 1920
    assert c_engine.operations(cfg) == 1920


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("dontload=1x", "its weights are not in the .weights file"),
        ("binary=1.0", "its weights are rounded"),
        ("xnor=7 seven", "its weights and inputs are rounded"),
    ],
)
def test_what_darknet_reads_as_on_is_refused(line: str, why: str) -> None:
    sections = parse_cfg(NET + f"[conv]\nfilters=5\n{line}\nactivation=leaky\n", "a.cfg")
    with pytest.raises(CfgError, match=rf"^a\.cfg:7: \[convolutional\] .* not supported: {why}"):
        build_network(sections)


def test_of_many_lines_of_no_form_a_few_are_told() -> None:
    with pytest.warns(TinyedgeWarning) as caught:
        parse_cfg("[net]\n" + "prose\n" * 1000, "a.cfg")
    assert len(caught) == 6
    assert str(caught[-1].message) == "a.cfg: 995 more lines like these"


def test_a_line_of_no_form_may_be_in_any_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.cfg"
    path.write_bytes("[net]\n신경망\nheight=8\n".encode("cp949"))
    with pytest.warns(TinyedgeWarning, match=r"a\.cfg:2: \[net\] .* is ignored, as by Darknet"):
        (net,) = read_cfg(path)
    assert net.options == {"height": ("8", 3)}


def _operations_by_darknet(cfg: Path, content: str) -> str:
    """What ``darknet ops`` says of activations, and how many operations it counts."""
    cfg.write_text(content, newline="")
    done = subprocess.run(["darknet", "ops", cfg], capture_output=True, text=True, check=True)
    return done.stderr + done.stdout


@pytest.mark.c_engine
@pytest.mark.parametrize("behind", ["# as in the paper", "; 1", " #"])
def test_a_comment_behind_an_activation_is_refused(behind: str, tmp_path: Path) -> None:
    """It is the one value that Darknet compares as a text."""
    cfg = tmp_path / "a.cfg"
    text = NET + f"[conv]\nfilters=5\nactivation=leaky{behind}\n"
    assert ", going with ReLU" in _operations_by_darknet(cfg, text)
    said = r"a\.cfg:7: \[convolutional\] activation=leaky is followed by a comment, .* relu"
    with pytest.raises(CfgError, match=said):
        read_network(cfg)
    # That is what it does with it.
    (layer,) = build_network(parse_cfg(text.replace("leaky", "relu"), "a.cfg")).layers
    assert isinstance(layer, Convolutional)
    assert layer.activation == "relu"


@pytest.mark.c_engine
def test_a_cr_behind_an_activation_alone_is_told(tmp_path: Path) -> None:
    cfg = tmp_path / "a.cfg"
    text = NET + "[conv]\nfilters=5\nactivation=leaky\r\n"
    assert ", going with ReLU" in _operations_by_darknet(cfg, text)
    with pytest.warns(TinyedgeWarning, match=r"activation=leaky ends in CR LF .* computes relu"):
        read_network(cfg)
    # The engine reads no file that ends every line so.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build_network(parse_cfg(text.replace("\r", "").replace("\n", "\r\n"), "a.cfg"))


@pytest.mark.c_engine
def test_a_comma_in_the_comment_behind_a_list_is_refused(tmp_path: Path) -> None:
    cfg = tmp_path / "a.cfg"
    convolution = "[conv]\nfilters=5\nactivation=leaky\n"
    text = NET + convolution * 2 + "[route]\nlayers=-1 # one, of two\n"
    assert "2 route  1 0" in _operations_by_darknet(cfg, text)
    with pytest.raises(CfgError, match=r"a\.cfg:12: .* is followed by #one,oftwo, where Darknet"):
        read_network(cfg)
    cfg.write_text(text.replace(",", ""))
    assert layer_table(read_network(cfg)) == c_engine.layer_table(cfg)


@pytest.mark.parametrize("letter", ["\xa0", "\x0b", "\r", "\u2003"])
def test_what_is_no_blank_to_darknet_is_none_here(letter: str) -> None:
    """Its atoi would read 1."""
    (net,) = parse_cfg(f"[net]\nheight=1{letter}6\n", "a.cfg")
    with pytest.raises(CfgError, match="is not an integer"):
        net.integer("height")


@pytest.mark.parametrize(
    ("written", "integer", "number"),
    [
        ("7", 7, 7.0),
        ("-7.5", -7, -7.5),
        (".5", 0, 0.5),
        ("1e3x", 1, 1000.0),
        ("abc", 0, 0.0),
        ("+-1", 0, 0.0),
        ("4294967296", 0, 2.0**32),
        ("9" * 5000, -1, math.inf),
    ],
)
def test_numbers_as_c_reads_them(written: str, integer: int, number: float) -> None:
    (net,) = parse_cfg(f"[net]\nbatch={written}\n", "a.cfg")
    assert (net.atoi("batch", 3), net.atof("batch", 3)) == (integer, number)
    assert (net.atoi("step", 3), net.atof("step", 3)) == (3, 3)


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


def test_zeros_before_an_integer_mean_nothing_however_many() -> None:
    (net,) = parse_cfg(f"[net]\nbatch=-{'0' * 5000}7\nstep={'0' * 5000}\n", "a.cfg")
    assert (net.integer("batch"), net.integer("step")) == (-7, 0)
    assert (net.atoi("batch", 1), net.atoi("step", 1)) == (-7, 0)
