"""The layers that read earlier layers' outputs, from their sections."""

from tinyedge.darknet.cfg import Section
from tinyedge.darknet.layers import Route, Shortcut
from tinyedge.darknet.layers.base import Before, activation

__all__ = ["build_route", "build_shortcut"]


def build_route(section: Section, before: Before) -> Route:
    """parse_route; `groups` and `group_id` are AlexeyAB's: one part of each source's channels.

    Raises:
        CfgError: a source is no layer before this one, or they differ in rows or columns.
    """
    sources = tuple(
        before.source(section, "layers", written) for written in section.integers("layers")
    )
    shapes = [before.layers[source].output for source in sources]
    first = shapes[0]
    groups = section.integer("groups", 1, minimum=1)
    for source, shape in zip(sources, shapes, strict=True):
        if shape[:2] != first[:2]:
            raise section.error(
                f"joins pictures of two sizes: layer {sources[0]} gives"
                f" {first.width}x{first.height}, layer {source} {shape.width}x{shape.height}",
                "layers",
            )
        if shape.channels % groups:
            raise section.error(
                f"does not divide the {shape.channels} channels of layer {source}", "groups"
            )
    group = section.integer("group_id", 0, minimum=0)
    if group >= groups:
        raise section.error(f"must be less than groups={groups}", "group_id")
    channels = sum(shape.channels for shape in shapes)
    return Route(
        index=before.index,
        line=section.line,
        input=first._replace(channels=channels),
        output=first._replace(channels=channels // groups),
        sources=sources,
        groups=groups,
        group=group,
    )


def build_shortcut(section: Section, before: Before) -> Shortcut:
    """parse_shortcut.

    Raises:
        CfgError: the source is no layer before this one, or its rows are scaled otherwise than
            its columns (shortcut_cpu ends the process).
    """
    shape = before.image(section)
    if "," in section.text("from"):
        raise section.error(
            "is not supported: several sources are of AlexeyAB's Darknet,"
            " with which tinyedge is not compared",
            "from",
        )
    source = before.source(section, "from", section.integer("from"))
    added = before.layers[source].output
    if (
        added.width // shape.width != added.height // shape.height
        or shape.width // added.width != shape.height // added.height
    ):
        raise section.error(
            f"adds {added.width}x{added.height} pixels to {shape.width}x{shape.height}:"
            " widths and heights are in different ratios",
            "from",
        )
    return Shortcut(
        index=before.index,
        line=section.line,
        input=shape,
        output=shape,
        source=source,
        added=added,
        alpha=section.number("alpha", 1.0),
        beta=section.number("beta", 1.0),
        activation=activation(section, "linear"),
    )
