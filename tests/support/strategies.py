"""What hypothesis draws: Darknet nets as sections, and the ways in which a .cfg may be written."""

from hypothesis import strategies as st

Sections = list[tuple[str, dict[str, str]]]
"""A .cfg: each section's name and options, in their order."""

_SIDES = st.integers(1, 9)
_FLAG = st.sampled_from(("0", "1"))
_ACTIVATIONS = st.sampled_from(("leaky", "relu", "linear", "logistic", "tanh"))


def _options(**strategies: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, str]]:
    """Of each of them a value, or none: then Darknet's default counts."""
    return st.fixed_dictionaries({}, optional={name: s.map(str) for name, s in strategies.items()})


def _section(
    name: str, **strategies: st.SearchStrategy[object]
) -> st.SearchStrategy[tuple[str, dict[str, str]]]:
    return st.tuples(st.just(name), _options(**strategies))


# Any input fits them.
_LAYERS = st.one_of(
    _section(
        "convolutional",
        filters=st.integers(1, 4),
        size=st.just(3),
        stride=st.integers(1, 3),
        pad=st.just(1),
        batch_normalize=_FLAG,
        activation=_ACTIVATIONS,
    ).map(lambda section: (section[0], {"size": "3", "pad": "1", **section[1]})),
    _section("maxpool", size=st.integers(1, 3), stride=st.integers(1, 3)),
    _section("upsample", stride=st.integers(1, 2)),
    _section("batchnorm"),
    _section("activation", activation=_ACTIVATIONS),
    _section("dropout", probability=st.floats(0, 1)),
    _section("route").map(lambda section: (section[0], {"layers": "-1"})),
)
_ENDS: st.SearchStrategy[Sections] = st.one_of(
    st.just([]),
    st.just([("avgpool", {}), ("softmax", {})]),
    _section(
        "connected", output=st.integers(1, 5), batch_normalize=_FLAG, activation=_ACTIVATIONS
    ).map(lambda section: [section]),
)


@st.composite
def nets(draw: st.DrawFn) -> Sections:
    """Sections of a small network that can be built."""
    net = {name: str(draw(_SIDES)) for name in ("height", "width")}
    net["channels"] = str(draw(st.sampled_from((1, 3))))
    layers = draw(st.lists(_LAYERS, min_size=1, max_size=5))
    # A route has nothing before it there.
    first: Sections = [("dropout", {})] if layers[0][0] == "route" else []
    return [("net", net), *first, *layers, *draw(_ENDS)]


def plain(sections: Sections) -> str:
    """The .cfg as one would write it."""
    return "\n".join(
        f"[{name}]\n" + "".join(f"{option}={value}\n" for option, value in options.items())
        for name, options in sections
    )


@st.composite
def written(draw: st.DrawFn, sections: Sections) -> str:
    """The same .cfg in another hand: blanks, comments, line ends, a byte order mark."""
    blanks = st.text(" \t", max_size=2)
    ends = draw(st.sampled_from(("\n", "\r\n", "\r")))
    # A CR by itself ends no line where others end in LF.
    letters = "#;=[] aé\t" if ends == "\r" else "#;=[] aé\t\r"
    rests = st.one_of(st.just(""), st.text(letters, max_size=5).map("#{}".format))
    lines = []
    for name, options in sections:
        lines.append(f"[{name}]")
        lines += [f"{option}={value}" for option, value in options.items()]
    text = ["\ufeff"] if draw(st.booleans()) else []
    for line in lines:
        for _ in range(draw(st.integers(0, 2))):
            text.append(f"{draw(blanks)}{draw(rests)}{ends}")
        # Darknet strips blanks from within a line as well.
        place = draw(st.integers(0, len(line)))
        apart = f"{line[:place]}{draw(blanks)}{line[place:]}"
        # To Darknet it would be a part of the activation's name.
        rest = "" if line.startswith("activation=") else draw(rests)
        text.append(f"{draw(blanks)}{apart}{draw(blanks)}{rest}{ends}")
    return "".join(text)
