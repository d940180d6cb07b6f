"""Tables: as wide as their cells where that fits, and no wider than they may be."""

import pytest

from tinyedge.table import Column, folded, paragraph, table

COLUMNS = (Column("name"), Column("size", align="right"), Column("why", fit="wrap"))


def test_columns_are_as_wide_as_their_longest_cells() -> None:
    assert table(COLUMNS, [("a", "1", "x"), ("bcdefg", "23456", "")], width=80) == (
        "name     size  why\na           1  x\nbcdefg  23456"
    )


def test_a_column_that_can_gives_way_and_its_lines_are_balanced() -> None:
    rows = [("a", "1", "one two three four"), ("b", "2", "five")]
    assert table(COLUMNS, rows, width=26).splitlines() == [
        "name  size  why",
        "a        1  one two",
        "            three four",
        "b        2  five",
    ]


def test_shortened_cells_keep_their_beginning() -> None:
    columns = (Column("board", fit="shorten"), Column("memory"))
    lines = table(columns, [("a board of many words", "1 GB")], width=20).splitlines()
    assert lines == ["board         memory", "a board ...   1 GB"]


def test_the_widest_gives_way_first() -> None:
    columns = (Column("a", fit="wrap"), Column("b", fit="wrap"))
    lines = table(columns, [("some words", "more words than the other has")], width=32)
    assert lines.splitlines() == [
        "a           b",
        "some words  more words than",
        "            the other has",
    ]


def test_a_row_with_fewer_cells_ends_in_one_that_takes_the_rest_of_the_line() -> None:
    rows = [("a", "1", "x"), ("b", "what there is to say of b")]
    assert table(COLUMNS, rows, width=24).splitlines() == [
        "name  size  why",
        "a        1  x",
        "b     what there is to",
        "      say of b",
    ]


def test_a_first_cell_that_is_too_long_has_its_own_line() -> None:
    columns = (Column("name", most=5), Column("why"))
    assert table(columns, [("a long name", "x"), ("abcde", "y")], width=80).splitlines() == [
        "name   why",
        "a long name",
        "       x",
        "abcde  y",
    ]


def test_no_row_is_the_headings_alone() -> None:
    assert table(COLUMNS, [], width=80) == "name  size  why"


@pytest.mark.parametrize("width", range(30, 120, 7))
def test_no_line_is_longer_than_the_width(width: int) -> None:
    columns = (
        Column("first"),
        Column("x", "right"),
        Column("y", fit="wrap"),
        Column("z", fit="shorten"),
    )
    rows = [("ab", "123", "lorem ipsum dolor sit amet " * 3, "consetetur sadipscing elitr " * 3)]
    lines = table(columns, rows, width=width).splitlines()
    assert max(map(len, lines)) <= width
    # All that is wrapped is there.
    assert sum(line.count("ipsum") for line in lines) == 3


def test_a_paragraph_keeps_paths_in_one_piece() -> None:
    path = "/a/path/that-nobody-breaks/" + "x" * 40
    assert paragraph(f"see {path} for more", width=20, first="note", indent=6) == [
        "note  see",
        f"      {path}",
        "      for more",
    ]


OPTIONAL = (
    Column("name"),
    Column("a", "right", leave_out=1),
    Column("second", leave_out=2),
    Column("z", "right"),
)


def test_the_least_wanted_columns_are_left_out_and_named() -> None:
    rows = [("layer", "12345678", "12.5", "9")]
    assert table(OPTIONAL, rows, width=27).splitlines() == [
        "name          a  second  z",
        "layer  12345678  12.5    9",
    ]
    assert table(OPTIONAL, rows, width=25).splitlines() == [
        "name          a  z",
        "layer  12345678  9",
        "(left out at this width,",
        "--json has them: second)",
    ]
    assert table(OPTIONAL, rows, width=12).splitlines()[:2] == ["name   z", "layer  9"]


def test_what_goes_by_itself_in_a_short_row_stays_below_its_column() -> None:
    columns = (Column("name"), Column("a", leave_out=1), Column("b"), Column("c", leave_out=2))
    lines = table(columns, [("x", "1", "2", "3" * 9), ("y", "a text of its own")], width=17)
    assert lines.splitlines()[:4] == [
        "name  a  b",
        "x     1  2",
        "y     a text of",
        "      its own",
    ]


@pytest.mark.parametrize("width", [40, 50, 60])
def test_columns_that_are_whole_give_way_last(width: int) -> None:
    columns = (Column("host"), Column("device"), Column("ms", "right"), Column("end", fit="wrap"))
    row = ("pi@a-long-name.example.org", "a-profile-of-my-own", "12345.6", "installed, 12 s")
    lines = table(columns, [row], width=width).splitlines()
    assert max(map(len, lines)) <= width
    # Names of the first column and numbers stay whole.
    assert row[0] in " ".join(lines)
    assert row[2] in " ".join(lines)


def test_a_word_that_is_too_long_is_cut_rather_than_lost() -> None:
    columns = (Column("name"), Column("board", fit="shorten"))
    line = table(columns, [("a", "Raspberry-Pi-of-mine")], width=18).splitlines()[1]
    assert line == "a     Raspberry..."


def test_folded_lines_keep_their_indentation() -> None:
    text = "short\n  latency an estimate of many words\nend"
    assert folded(text, width=20).splitlines() == [
        "short",
        "  latency an",
        "    estimate of many",
        "    words",
        "end",
    ]
