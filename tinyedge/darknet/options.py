"""Which options each section may have, and of what kind: what Darknet's ``parser.c`` reads.

Options for training are known, so that a net as it was trained is read without a word; the ones
that change inference and are not supported are refused by the section's builder.
"""

import warnings
from collections.abc import Mapping

from tinyedge.darknet.cfg import Section
from tinyedge.darknet.dialect import is_foreign_option, refuse_foreign_options
from tinyedge.errors import TinyedgeWarning

__all__ = ["OPTIONS", "check_options"]


def _options(*, integers: str = "", numbers: str = "", texts: str = "") -> dict[str, str]:
    kinds = {"integer": integers, "number": numbers, "text": texts}
    return {option: kind for kind, options in kinds.items() for option in options.split()}


# What parse_network_cfg() reads of every section but [net].
_COMMON = _options(
    integers="dontload dontloadscales dontsave numload onlyforward stopbackward truth",
    numbers="learning_rate smooth",
)

# By section; each option is an "integer", a "number" or a "text".
OPTIONS: Mapping[str, Mapping[str, str]] = {
    "net": _options(
        integers="adam batch burn_in center channels height inputs max_batches max_crop min_crop"
        " notruth random step subdivisions time_steps width",
        numbers="B1 B2 angle aspect clip decay eps exposure gamma hue learning_rate max_ratio"
        " min_ratio momentum power saturation scale",
        texts="policy scales seen steps",
    ),
    "convolutional": _COMMON
    | _options(
        integers="batch_normalize binary filters flipped groups pad padding size stride xnor",
        numbers="dot",
        texts="activation",
    ),
    "connected": _COMMON | _options(integers="batch_normalize output", texts="activation"),
    "local": _COMMON | _options(integers="filters pad size stride", texts="activation"),
    "batchnorm": _COMMON,
    "maxpool": _COMMON | _options(integers="padding size stride"),
    "avgpool": _COMMON,
    "crop": _COMMON
    | _options(
        integers="crop_height crop_width flip noadjust", numbers="angle exposure saturation shift"
    ),
    "upsample": _COMMON | _options(integers="stride", numbers="scale"),
    "reorg": _COMMON | _options(integers="extra flatten reverse stride"),
    "route": _COMMON | _options(texts="layers"),
    "shortcut": _COMMON | _options(numbers="alpha beta", texts="activation from"),
    "normalization": _COMMON | _options(integers="size", numbers="alpha beta kappa"),
    "l2norm": _COMMON,
    "activation": _COMMON | _options(texts="activation"),
    "logistic": _COMMON,
    "dropout": _COMMON | _options(numbers="probability"),
    "softmax": _COMMON
    | _options(integers="groups noloss", numbers="temperature", texts="spatial tree"),
    "cost": _COMMON | _options(numbers="noobj ratio scale thresh", texts="type"),
}


def check_options(section: Section, warned: set[tuple[str, str]]) -> None:
    """Check every option the section has, also those tinyedge has no use for.

    Warns (TinyedgeWarning) of an option Darknet does not have there, unless its
    (section, option) is among `warned`, to which it is added.

    Raises:
        CfgError: an option that is a number in Darknet is none here; one of AlexeyAB's changes
            the answer.
    """
    refuse_foreign_options(section)
    known = OPTIONS[section.name]
    for option in section.options:
        kind = known.get(option)
        if kind == "integer":
            section.integer(option)
        elif kind == "number":
            section.number(option)
        elif (
            kind is None
            and not is_foreign_option(section, option)
            and (section.name, option) not in warned
        ):
            warned.add((section.name, option))
            warnings.warn(
                section.describe("is ignored: unknown option", option),
                TinyedgeWarning,
                stacklevel=2,
            )
