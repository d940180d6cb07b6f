"""What AlexeyAB's Darknet reads in a classifier's .cfg and the original C engine does not.

His engine is not compared with here, so only what is plain geometry is built: the ``dilation``
of a convolution, equal ``stride_x`` and ``stride_y``, ``groups`` and ``group_id`` of a route.
What is for training alone is accepted; all else that changes the answer is refused by name.
Sections and options that both have mean the same, with one difference that no .cfg shows: his
later versions divide by sqrt(variance + 1e-5) in a batch norm, not by sqrt(variance) + 1e-6.
"""

from collections.abc import Mapping

from tinyedge.darknet.cfg import Section

__all__ = [
    "FOREIGN_ACTIVATIONS",
    "FOREIGN_SECTIONS",
    "is_foreign_option",
    "refuse_foreign_options",
]

FOREIGN_ACTIVATIONS = frozenset(
    {
        "gelu",
        "hard_mish",
        "mish",
        "norm_chan",
        "norm_chan_softmax",
        "norm_chan_softmax_maxval",
        "normalize_channels",
        "normalize_channels_softmax",
        "normalize_channels_softmax_maxval",
        "relu6",
        "revleaky",
        "swish",
    }
)

FOREIGN_SECTIONS = frozenset(
    {
        "Gaussian_yolo",
        "contrastive",
        "conv_lstm",
        "empty",
        "history",
        "implicit",
        "implicit_add",
        "implicit_mul",
        "local_avg",
        "local_avgpool",
        "reorg3d",
        "reorg_old",
        "sam",
        "scale_channels",
        "silence",
    }
)

# By section: options for training, or for speed alone.
_ACCEPTED: Mapping[str, frozenset[str]] = {
    section: frozenset(options.split())
    for section, options in {
        "": "burnin_update keep_delta_gpu learning_rate_scale train_only_bn",
        "net": "adversarial_lr attention augment_speed badlabels_rejection_percentage"
        " badlabels_reject_threshold blur contrastive contrastive_color contrastive_jit_flip"
        " cutmix dynamic_minibatch ema_alpha equidistant_point flip gaussian_noise"
        " init_sequential_subdivisions label_smooth_eps learning_rate_min letter_box loss_scale"
        " max_chart_loss mixup mosaic mosaic_bound num_sigmas_reject_badlabels optimized_memory"
        " resize_step reverse seq_scales sequential_subdivisions sgdr_cycle sgdr_mult track"
        " try_fix_nan unsupervised weights_reject_freq workspace_size_limit_MB",
        "convolutional": "angle dilation grad_centr reverse stride_x stride_y wait_stream",
        "maxpool": "stride_x stride_y",
        "dropout": "dropblock dropblock_size_abs dropblock_size_rel",
        "route": "group_id groups stream",
    }.items()
}

# By section: the option, the values with which it changes nothing, and what it does otherwise.
_REFUSED: Mapping[str, Mapping[str, tuple[tuple[str, ...], str]]] = {
    "net": {
        "time_steps": (("1",), "it reads sequences of pictures"),
    },
    "convolutional": {
        "antialiasing": (("0",), "it blurs what it computes"),
        "assisted_excitation": (("0",), "it changes the activations"),
        "bin_output": (("0",), "its output is rounded to signs"),
        "cbn": (("0",), "its batch norm goes over several batches"),
        "coordconv": (("0",), "it is fed the pixels' coordinates"),
        "deform": (("0",), "its kernels are turned or stretched"),
        "rotate": (("0",), "its kernels are turned"),
        "share_index": (("-1000000000",), "its weights are another layer's"),
        "stretch": (("0",), "its kernels are stretched"),
        "stretch_sway": (("0",), "its kernels are stretched"),
        "sway": (("0",), "its kernels are bent"),
    },
    "maxpool": {
        "antialiasing": (("0",), "it blurs what it chose"),
        "maxpool_depth": (("0",), "it pools over channels"),
        "out_channels": (("1",), "it pools over channels"),
    },
    "shortcut": {
        "weights_normalization": (("none",), "its sources are weighted"),
        "weights_normalizion": (("none",), "its sources are weighted"),
        "weights_type": (("none",), "its sources are weighted"),
    },
}


def refuse_foreign_options(section: Section) -> None:
    """Refuse what AlexeyAB's engine would obey and tinyedge does not compute.

    Raises:
        CfgError: there is such an option with a value that matters.
    """
    for option, (harmless, why) in _REFUSED.get(section.name, {}).items():
        if section.text(option, harmless[0]) not in harmless:
            raise section.error(f"of AlexeyAB's Darknet is not supported: {why}", option)


def is_foreign_option(section: Section, option: str) -> bool:
    """Whether AlexeyAB's engine has the option there, and the original does not."""
    return (
        option in _ACCEPTED[""]
        or option in _ACCEPTED.get(section.name, ())
        or option in _REFUSED.get(section.name, {})
    )
