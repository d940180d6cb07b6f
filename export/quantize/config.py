"""The quantizer's hyperparameters: one value for all its steps, which tests shrink."""

from dataclasses import dataclass

__all__ = ["QuantizerConfig"]


@dataclass(frozen=True, kw_only=True)
class QuantizerConfig:
    """Hyperparameters of `tinyedge.export.quantize.quantizer.Quantizer`.

    docs/accuracy.md says how the measured defaults were chosen.

    Attributes:
        batch_values: values of all layers' outputs on a batch of calibration images; bounds
            the memory, of which their gradients take as much again.
        sampled_pixels: pixels of a block's pre-activation, of all images together, that its
            scales are learned on.
        sampled_windows: windows of a layer's input, of all images together, that its Hessian is
            the mean of.
        largest_window: values in a window; the Hessian of a larger one would not fit in memory.
        iterations: steps of gradient descent for blocks whose output alone is quantized.
        leaky_iterations: for blocks that are quantized before and after their activation.
        brief_iterations: for those, from some of the images, and from what is known already.
        learning_rate: of Adam, for logarithms of scales; falls linearly to 0.
        zero_point_rate: times `learning_rate`, for zero points, which are counted in integers.
        batch_pixels: pixels in a step of gradient descent.
        batch_images: images in one, of a block that is averaged.
        brightness_spread: deviation of the logarithm of the brightness that images of an averaged
            block are given.
        clipped_percent: of a block's values at each end, left out of the range to begin with.
        slope_tolerance: how far a scale may be moved for XNNPACK's sake, as a part of it.
        logit_margin: the largest logit that int8 represents, over the largest seen.
        damping: of GPTQ's Hessian, as a part of its mean diagonal.
    """

    batch_values: int = 25_000_000
    sampled_pixels: int = 40_000
    sampled_windows: int = 40_000
    largest_window: int = 4_608
    # With more, SqueezeNet's KL from its float answers grew by a tenth.
    iterations: int = 250
    # Tiny Darknet's KL fell by a tenth from 250 to 1,000.
    leaky_iterations: int = 1_000
    # And was the same with 300 from two thirds of the images, then 300 from all.
    brief_iterations: int = 300
    learning_rate: float = 0.03
    zero_point_rate: float = 20.0
    batch_pixels: int = 2_048
    batch_images: int = 16
    # An average has one value a channel and image: 200 images do not show how large it may get.
    # Images brightened and dimmed stand in for unseen ones; Tiny Darknet's KL fell from 0.016 to
    # 0.0137.
    brightness_spread: float = 0.15
    clipped_percent: float = 0.02
    slope_tolerance: float = 0.02
    # An unseen image's answer hangs on its largest logits, which must not be clipped.
    logit_margin: float = 1.25
    damping: float = 0.01
