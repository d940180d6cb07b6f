"""What the sections on growth and on exports are made of."""

from benchmarks.performance.export_cost import export_section
from benchmarks.performance.growth import AXES, Point, growth_section, network_text
from benchmarks.performance.growth_plot import growth_plot
from tinyedge.darknet.cfg import parse_cfg
from tinyedge.darknet.network import build_network


def operations(point: Point) -> int:
    return build_network(parse_cfg(network_text(point), "n.cfg")).operations


def test_operations_grow_with_what_varies() -> None:
    small, large = Point(size=96), Point(size=192)
    assert operations(large) == 4 * operations(small)
    one, two, three = (operations(Point(size=96, depth=depth)) for depth in (2, 3, 4))
    assert three - two == two - one == 2 * 9 * 32 * 32 * 24 * 24
    # All but the first and the last convolution grow with the square of the width.
    assert 2 * operations(Point(width=8)) < operations(Point(width=16)) < 4 * operations(Point())
    assert operations(Point(photos=25)) == operations(Point())


def found() -> dict[str, object]:
    points = dict.fromkeys(point for axis in AXES.values() for point in axis)
    rows = [
        {
            "point": point._asdict(),
            "operations": 2e6 * number,
            "instructions": [3e6, 2e6, 1e6],
            "cpu": 10.0 + number,
            "peak": 900e6,
        }
        for number, point in enumerate(points)
    ]
    return {"date": "2026-01-02", "machine": "an x86-64, 2 cores", "load": 4.2, "rows": rows}


def test_every_point_of_an_axis_has_a_row() -> None:
    section = growth_section(found(), "growth.svg")
    assert "![How cost grows](growth.svg)" in section
    for name, points in AXES.items():
        assert Point() in points
        for point in points:
            assert f"| {name} {getattr(point, name)} |" in section
    assert "| size 96 | 0 | 3.0 | 2.0 | 1.0 | 10 | 900 |" in section


def test_equal_measures_are_drawn_alike() -> None:
    drawn = growth_plot(found(), AXES)
    assert drawn == growth_plot(found(), AXES)
    assert all(f">{name}<" in drawn for name in AXES)


def test_a_ratio_is_of_the_same_round() -> None:
    rows = {"Tiny": {"this": [(10, 5e8), (30, 7e8)], "earlier": [(20, 1e9), (40, 1e9)]}}
    facts = {"date": "2026-01-02", "machine": "an x86-64", "earlier": "0123abc"}
    section = export_section({**facts, "rows": rows})
    assert "to that of 0123abc in the same round" in section
    row = "| Tiny | 20.0 (10.0 to 30.0) | 600 (500 to 700) MB | 0.62 (0.50 to 0.75) |"
    assert row in section
    alone = export_section({"date": "d", "machine": "m", "rows": {"Tiny": {"this": [(10.0, 5e8)]}}})
    assert "4541164" not in alone
    assert "ratio" not in alone
