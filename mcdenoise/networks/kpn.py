"""A multi-scale kernel-predicting network: each output pixel is a weighted mean of input radiance."""

import torch
from jaxtyping import Float
from torch import Tensor

from mcdenoise import affinity
from mcdenoise.encoding import split_guides, tone_map
from mcdenoise.networks._contract import Output, Riders
from mcdenoise.networks._kernels import (
    KernelPredicting,
    Pixels,
    alighted,
    clearness,
    for_each,
    mean_radiance,
    predicted_noise,
    prefiltered,
    spread,
    strain,
)
from mcdenoise.networks._trunk import CARES, LEAST_ALBEDO, TAPS


class Network(KernelPredicting):
    """Linear in the radiance: the same kernels denoise light groups and alpha, and exposure changes nothing.

    It learns slowly where a bright window meets a dark wall, since a thousandth of the window's weight is too
    much there (docs/decisions/0003).
    """

    extra = 2

    def in_full(
        self, color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"], riders: Riders | None = None
    ) -> Output:
        """See `Denoising.in_full` and `carry`."""
        start = spread(color, guides)
        predicted, levels = self.trunk(color, guides, start)
        kernel, *others = predicted.split([TAPS, 1, 1, affinity.CHANNELS, CARES, 1, TAPS], dim=1)
        trust, share, correction, care, factor, sight = (other.float() for other in others)
        divisor, noise = _reflectance(guides, share), predicted_noise(start, factor)
        radiance, seen = _ridden(color / divisor, divisor, riders), prefiltered(guides, sight)
        pixels = Pixels(kernel, trust, correction, care, noise.detach(), clearness(guides, seen))
        radiance = self.reconstruct(radiance, seen, pixels, levels, mean_radiance, tone_map)
        far = strain([correction, care, factor], levels) if self.training else None
        return Output(radiance[:, :3] * divisor, noise, far, alighted(radiance[:, 3:], divisor, riders), seen)


def _reflectance(
    guides: Float[Tensor, "n g h w"], share: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, "n 3 h w"]:
    """What radiance is divided by before it is filtered: the albedo where `share` asks for it, else 1."""
    return 1 - torch.sigmoid(share) * (1 - split_guides(guides)[0].clamp(min=LEAST_ALBEDO))


def _ridden(
    radiance: Float[Tensor, "n 3 h w"], divisor: Float[Tensor, "n 3 h w"], riders: Riders | None
) -> Float[Tensor, "n c h w"]:
    """What `reconstruct` filters: radiance that was divided already, layers likewise, shares as they are."""
    if riders is None:
        return radiance
    return torch.cat([radiance, riders.layers / for_each(divisor, riders), riders.shares], dim=1)
