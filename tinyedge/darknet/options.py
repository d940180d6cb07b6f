"""Which options a section may have, and of what kind: what Darknet's ``parser.c`` reads.

Options for training are known, so that a network as it was trained is read without a warning;
the ones that change inference and are not supported are refused by the layer's ``parse``.

AlexeyAB's Darknet reads more in a classifier's .cfg than the original C engine. What classifiers
have of it is built; what is for training alone is accepted; all else that changes the answer is
refused by name. Sections and options that both have mean the same, with two differences: his later
versions compute another batch norm (`tinyedge.darknet.batch_norm`), and his shortcut between images
of two sizes adds numbers by their place in the file order of the arrays (shortcut_multilayer_cpu in
blas.c), where the original's samples rows and columns, as is done here.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tinyedge.darknet.cfg import Section
from tinyedge.errors import CfgError, TinyedgeWarning

__all__ = [
    "FOREIGN_SECTIONS",
    "NET_OPTIONS",
    "OptionKind",
    "SectionOptions",
    "note_options",
    "refuse_options",
    "section_options",
]

OptionKind = Literal["integer", "number", "text"]


@dataclass(frozen=True)
class SectionOptions:
    """The options a section may have.

    Attributes:
        kinds: the original engine's, by name.
        foreign: AlexeyAB's that are for training or for speed alone, and those that are built.
        refused: AlexeyAB's that change the answer: the value with which each changes nothing, and
            what it does otherwise.
    """

    kinds: Mapping[str, OptionKind]
    foreign: frozenset[str]
    refused: Mapping[str, tuple[str, str]]


def section_options(
    *,
    integers: str = "",
    numbers: str = "",
    texts: str = "",
    foreign: str = "",
    refused: Mapping[str, tuple[str, str]] | None = None,
) -> SectionOptions:
    """Those named here, with blanks between, and those that every layer's section may have."""
    return SectionOptions(
        _COMMON | _kinds(integers, numbers, texts),
        _COMMON_FOREIGN | _names(foreign),
        refused or {},
    )


def refuse_options(section: Section, known: SectionOptions) -> None:
    """Refuse what would change the answer and is not built.

    Raises:
        CfgError: an option of AlexeyAB's has a value with which it does something.
    """
    for option, (harmless, why) in known.refused.items():
        if option in section.options and not _is(section, option, harmless, known):
            raise section.error(f"of AlexeyAB's Darknet is not supported: {why}", option)


def _is(section: Section, option: str, harmless: str, known: SectionOptions) -> bool:
    """Whether the option's value is that, or one that does nothing either."""
    if known.kinds.get(option) == "integer":
        return section.atoi(option, 0) in (0, int(harmless))
    if section.text(option) == harmless:
        return True
    try:
        return section.number(option) == float(harmless)
    except (CfgError, ValueError):
        return False


def note_options(section: Section, known: SectionOptions, warned: set[tuple[str, str]]) -> None:
    """Warn (TinyedgeWarning) of options that the user may have meant otherwise.

    They are those that Darknet does not have there, and those for training alone or switched off
    that should be numbers and are none, of which Darknet reads what it can. Options that matter for
    the answer were read, and refused, by the layer's ``parse`` before. `warned` are the (section,
    option) that are not told again; what is told is added.
    """
    for option in section.options:
        fault = _fault(section, option, known)
        if fault is not None and (section.name, option) not in warned:
            warned.add((section.name, option))
            warnings.warn(section.describe(fault, option), TinyedgeWarning, stacklevel=2)


def _fault(section: Section, option: str, known: SectionOptions) -> str | None:
    """What is to be said of an option, or None."""
    kind = known.kinds.get(option)
    if kind is None:
        if option in known.foreign or option in known.refused:
            return None
        return "is ignored: unknown option"
    try:
        if kind == "integer":
            section.integer(option)
        elif kind == "number":
            section.number(option)
    except CfgError:
        if option in _SWITCHES:
            read = section.atoi(option, 0) if kind == "integer" else section.atof(option, 0)
            return f"is no {kind}: Darknet reads {read:g}"
        return f"is no {kind}; it matters in training alone"
    return None


def _kinds(integers: str, numbers: str, texts: str) -> dict[str, OptionKind]:
    named: dict[OptionKind, str] = {"integer": integers, "number": numbers, "text": texts}
    return {option: kind for kind, options in named.items() for option in options.split()}


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# They are refused by what Darknet reads in them.
_SWITCHES = _names("binary dontload dontloadscales flipped numload spatial time_steps xnor")

# What parse_network_cfg() reads of every section but [net].
_COMMON = _kinds(
    integers="dontload dontloadscales dontsave numload onlyforward stopbackward truth",
    numbers="learning_rate smooth",
    texts="",
)
_COMMON_FOREIGN = _names("burnin_update keep_delta_gpu learning_rate_scale train_only_bn")

NET_OPTIONS = SectionOptions(
    kinds=_kinds(
        integers="adam batch burn_in center channels height inputs max_batches max_crop min_crop"
        " notruth random step subdivisions time_steps width",
        numbers="B1 B2 angle aspect clip decay eps exposure gamma hue learning_rate max_ratio"
        " min_ratio momentum power saturation scale",
        texts="policy scales seen steps",
    ),
    foreign=_COMMON_FOREIGN
    | _names(
        "adversarial_lr attention augment_speed badlabels_rejection_percentage"
        " badlabels_reject_threshold blur contrastive contrastive_color contrastive_jit_flip"
        " cutmix dynamic_minibatch ema_alpha equidistant_point flip gaussian_noise"
        " init_sequential_subdivisions label_smooth_eps learning_rate_min letter_box loss_scale"
        " max_chart_loss mixup mosaic mosaic_bound num_sigmas_reject_badlabels optimized_memory"
        " resize_step reverse seq_scales sequential_subdivisions sgdr_cycle sgdr_mult track"
        " try_fix_nan unsupervised weights_reject_freq workspace_size_limit_MB"
    ),
    refused={"time_steps": ("1", "it reads sequences of images")},
)

_UNKNOWN_IN_CLASSIFIERS = "it is of AlexeyAB's Darknet, none of whose classifiers has it"
FOREIGN_SECTIONS: Mapping[str, str] = {
    "Gaussian_yolo": "it finds boxes",
    "contrastive": "it compares the objects that a detector found",
    "conv_lstm": "it reads sequences",
    "history": "it reads sequences",
    **dict.fromkeys(
        ("empty", "implicit", "implicit_add", "implicit_mul", "reorg3d", "reorg_old", "silence"),
        _UNKNOWN_IN_CLASSIFIERS,
    ),
}
"""Sections of AlexeyAB's Darknet alone that are not built, and why."""
