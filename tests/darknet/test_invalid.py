"""Every mistake a .cfg can hold, and the exact words about it: a case is a file."""

import os
from pathlib import Path

import pytest

from tinyedge.darknet.network import read_network
from tinyedge.errors import CfgError

INVALID = Path(__file__).parents[1] / "data" / "cfg" / "invalid"

_SUPPORTED = (
    "[convolutional], [depthwise_convolutional], [connected], [local], [batchnorm], [maxpool],"
    " [avgpool], [local_avgpool], [crop], [upsample], [reorg], [route], [shortcut],"
    " [scale_channels], [sam], [normalization], [l2norm], [activation], [logistic], [dropout],"
    " [softmax], [cost]"
)
_ACTIVATIONS = (
    "tinyedge has linear, leaky, relu, logistic, tanh, elu, selu, relie, ramp, hardtan, lhtan,"
    " plse, loggy, stair, relu6, revleaky, swish, mish, hard_mish, gelu"
)
_MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

# What follows the path in the message, by the file's name.
MESSAGES = {
    "activation_alexeyab": (
        ":7: [convolutional] activation=norm_chan of AlexeyAB's Darknet is not supported: it"
        f" divides each number by the sum of its pixel's channels; {_ACTIVATIONS}"
    ),
    "activation_connected": (
        ":8: [connected] activation=mish is not supported: AlexeyAB's Darknet has it in"
        " [convolutional] and [shortcut] alone, and makes 0 of every number here"
    ),
    "activation_shortcut": (
        ":14: [shortcut] activation=hard_mish is not supported: AlexeyAB's Darknet has it in"
        " [convolutional] alone, and makes 0 of every number here"
    ),
    "activation_alone": f":13: [activation] activation=sine is not supported; {_ACTIVATIONS}",
    "activation_unknown": (
        f":7: [convolutional] activation=swing is not supported; {_ACTIVATIONS}"
    ),
    "antialiasing": (
        ":9: [maxpool] antialiasing=1 of AlexeyAB's Darknet is not supported: it blurs "
        "what it chose"
    ),
    "beyond_32_bits": (
        ":2: [net] height=99999999999 is beyond 2147483647, the largest integer of a .cfg"
    ),
    "beyond_memory": (
        ":6: the network needs 448 bytes of weights and, in layer 0 [convolutional], "
        f"22,399,999,776,000 bytes of input and output; this machine has {_MEMORY:,} "
        "bytes of memory"
    ),
    "binary": (
        ":8: [convolutional] binary=1 is not supported: its weights are rounded to their "
        "signs while it runs"
    ),
    "binary_png": ":1: byte 0x89 is not UTF-8 text; is this a Darknet .cfg?",
    "binary_zeros": ":1: a zero byte; is this a Darknet .cfg?",
    "capital_section": (
        f":6: [Convolutional] is not a section Darknet has; tinyedge has {_SUPPORTED}"
    ),
    "channels_missing": ":1: [net] channels is required",
    "comments_only": ": holds no section; a Darknet .cfg begins with [net]",
    "connected_after_softmax": (
        ":14: [connected] follows a [softmax], behind which tinyedge computes nothing"
    ),
    "connected_dontload": (
        ":8: [connected] dontload=1 is not supported: its weights are not in the .weights file"
    ),
    "control_characters": ":7: [convolutional] filters=\\x1b[31mred is not an integer",
    "convolution_after_extra": ":9: [convolutional] follows a [reorg], whose output is no image",
    "convolution_after_softmax": (
        ":14: [convolutional] follows a [softmax], whose output is no image"
    ),
    "crop_too_high": ":7: [crop] crop_height=9 is more than the 8 pixels of the input",
    "deconvolution": (
        ":6: [deconvolutional] is not supported: it makes images; tinyedge is for image classifiers"
    ),
    "detection": (
        ":6: [detection] is not supported: it finds boxes; tinyedge is for image classifiers"
    ),
    "dilation_strided": (":10: [convolutional] dilation=2 and stride=2 are not supported together"),
    "dilation_unpadded": ":8: [convolutional] dilation=2 needs an odd size and pad=1",
    "dontload": (
        ":8: [convolutional] dontload=1 is not supported: its weights are not in the .weights file"
    ),
    "downsample_extent": ":7: [upsample] stride=-3 does not divide 8x8 pixels",
    "empty": ": holds no section; a Darknet .cfg begins with [net]",
    "filters_zero": ":7: [convolutional] filters=0 must be at least 1",
    "flipped": (
        ":8: [convolutional] flipped=1 is not supported: its weights are stored the other way round"
    ),
    "groups_channels": ":9: [convolutional] groups=2 does not divide both 3 channels and 4 filters",
    "groups_filters": ":9: [convolutional] groups=3 does not divide both 3 channels and 4 filters",
    "height_missing": ":1: [net] height is required",
    "height_zero": ":2: [net] height=0 must be at least 1",
    "kernel_too_large": (
        ":7: [convolutional] size=9 makes windows of 9 pixels; the padded input has 8"
    ),
    "latin1": ":3: byte 0xfc is not UTF-8 text; is this a Darknet .cfg?",
    "layer_after_cost": ":14: [softmax] follows a [cost]; a cost can only come last",
    "local_pad": (
        ":8: [local] pad=1 with size=5 does not keep the extent: Darknet mixes up its pixels"
    ),
    "maxpool_depth": (
        ":13: [maxpool] maxpool_depth=1 of AlexeyAB's Darknet is not supported: it pools "
        "over channels"
    ),
    "no_layers": ":1: [net] has no layer behind it",
    "no_net": ":1: the first section must be [net], not [convolutional]",
    "normalization_size": ":7: [normalization] size=8 is too much for 3 channels",
    "number_beyond_float": ":7: [shortcut] alpha=1e39 is beyond 3.4e+38, the largest float32",
    "number_infinite": ":13: [softmax] temperature=1e999 is beyond 3.4e+38, the largest float32",
    "open_section": ":6: [convolutional is not a section; write [name]",
    "option_before_section": ":1: height=8 stands before the first section",
    "padding_negative": ":8: [convolutional] padding=-1 must be at least 0",
    "pool_of_padding": ":9: [maxpool] padding=5 leaves windows that hold no pixel",
    "pool_too_large": ":7: [maxpool] size=9 makes windows of 9 pixels; the padded input has 8",
    "recurrent": (
        ":6: [rnn] is not supported: it reads sequences; tinyedge is for image classifiers"
    ),
    "reorg_channels": ":13: [reorg] stride=4 needs channels in 16s; there are 4",
    "reorg_extent": ":11: [reorg] stride=3 does not divide 8x8 pixels",
    "reorg_flatten": ":13: [reorg] flatten=1 cannot stand beside a stride or extra numbers",
    "route_group_id": ":15: [route] group_id=2 must be less than groups=2",
    "route_groups": ":14: [route] groups=3 does not divide the 4 channels of layer 0",
    "route_itself": (
        ":13: [route] layers=1 names layer 1, but this is layer 1: a route joins layers before it"
    ),
    "route_missing": ":12: [route] layers is required",
    "route_of_softmax": ":15: [route] layers=-1 names a [softmax], whose output is no image",
    "route_of_two_sizes": (
        ":17: [route] layers=-1,-2 joins images of two sizes: layer 1 gives 4x4, layer 0 8x8"
    ),
    "route_too_far_back": (
        ":13: [route] layers=-2 names layer -2, but this is layer 1: a route joins layers before it"
    ),
    "route_trailing_comma": ":13: [route] layers=-1, is not an integer",
    "sam": ":19: [sam] from=-2 multiplies 8 x 8 x 2 by 8 x 8 x 4",
    "scale_channels": (
        ":13: [scale_channels] from=-1 scales 8 x 8 x 4, which takes 1 x 1 x 4, by 8 x 8 x 4"
    ),
    "scale_wh": (
        ":13: [scale_channels] from=-1 scales 8 x 8 x 4, which takes 8 x 8 x 1, by 8 x 8 x 4"
    ),
    "section_and_more": ":1: [net]height=8 is not a section; write [name]",
    "segmentation": (
        ":6: [iseg] is not supported: it finds outlines; tinyedge is for image classifiers"
    ),
    "share_index": (
        ":13: [convolutional] share_index=0 of AlexeyAB's Darknet is not supported: its "
        "weights are another layer's"
    ),
    "shortcut_from_missing": ":12: [shortcut] from is required",
    "shortcut_itself": (
        ":13: [shortcut] from=1 names layer 1, but this is layer 1: a shortcut joins "
        "layers before it"
    ),
    "shortcut_of_extra": ":15: [shortcut] follows a [reorg], whose output is no image",
    "shortcut_alpha": (
        ":14: [shortcut] alpha=0.5 cannot stand beside several sources or weights, which"
        " AlexeyAB's Darknet alone has: it knows no alpha"
    ),
    "shortcut_of_several": (
        ":20: [shortcut] from=-2,-1 adds 8x8 pixels to 4x4: sources of one size are summed, as"
        " AlexeyAB's Darknet mixes up the pixels of others"
    ),
    "shortcut_ratio": (
        ":17: [shortcut] from=0 adds 8x8 pixels to 4x8: widths and heights are in different ratios"
    ),
    "shortcut_weights": (
        ":20: [shortcut] weights_type=per_pixel is none of none, per_feature, per_channel"
    ),
    "silence": (
        ":6: [silence] is not supported: it is of AlexeyAB's Darknet, none of whose classifiers"
        " has it; tinyedge is for image classifiers"
    ),
    "size_abc": ":8: [convolutional] size=abc is not an integer",
    "size_arabic": ":7: [convolutional] filters=\u0663 is not an integer",
    "size_fraction": ":7: [convolutional] size=3.5 is not an integer",
    "size_underscore": ":7: [convolutional] filters=1_0 is not an integer",
    "softmax_groups": ":15: [softmax] groups=3 does not divide 4 inputs",
    "softmax_spatial": (
        ":13: [softmax] spatial=1 is not supported: tinyedge normalizes over the whole output"
    ),
    "softmax_subnormal": (
        ":13: [softmax] temperature=1e-310 must be more than 0, at least 1.18e-38 in float32"
    ),
    "softmax_temperature": (
        ":13: [softmax] temperature=0 must be more than 0, at least 1.18e-38 in float32"
    ),
    "softmax_tree": (
        ":13: [softmax] tree=data/9k.tree is not supported: it needs a tree of labels "
        "beside the .cfg"
    ),
    "stride_negative": ":7: [maxpool] stride=-2 must be at least 1",
    "stride_zero": ":7: [convolutional] stride=0 must be at least 1",
    "strides_differ": (
        ":8: [convolutional] stride_x=2 is not supported: strides of 2 across and 1 down differ"
    ),
    "strides_of_a_pool_differ": (
        ":9: [maxpool] stride_y=1 is not supported: strides of 2 across and 1 down differ"
    ),
    "thousands_of_digits": (
        ":6: [convolutional] "
        "filters=999999999999999999999999999999999999999999999999999999999... is beyond "
        "2147483647, the largest integer of a .cfg"
    ),
    "time_steps": (
        ":5: [net] time_steps=3 of AlexeyAB's Darknet is not supported: it reads sequences "
        "of images"
    ),
    "unknown_section": (
        f":6: [convolutionl] is not a section Darknet has; tinyedge has {_SUPPORTED}"
    ),
    "unsupported_section": (
        ":12: [yolo] is not supported: it finds boxes; tinyedge is for image classifiers"
    ),
    "upsample_zero": ":7: [upsample] stride=0 must not be 0",
    "width_missing": ":1: [net] width is required",
    "xnor": (
        ":8: [convolutional] xnor=1 is not supported: its weights and inputs are rounded "
        "to their signs while it runs"
    ),
}


def test_every_case_is_listed() -> None:
    assert {path.stem for path in INVALID.glob("*.cfg")} == set(MESSAGES)


@pytest.mark.parametrize("name", MESSAGES)
def test_message(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(INVALID)
    with pytest.raises(CfgError) as caught:
        read_network(Path(f"{name}.cfg"))
    assert str(caught.value) == f"{name}.cfg{MESSAGES[name]}"
