"""Kernels in the tone map's space, and a direct correction on top: sharp HDR edges, and the mean kept."""

import torch
from jaxtyping import Float
from torch import Tensor

from mcdenoise import affinity
from mcdenoise.encoding import tone_unmap
from mcdenoise.networks._kernels import (
    CARES,
    TAPS,
    KernelPredicting,
    brightest_kin,
    corrected,
    mean_tone,
    reflectance,
    variance_among_kin,
)

# Bound on the shift in tones, a factor of 20: beyond it lies no bias of a mean, but a training that blows up.
SHIFT = 0.6
# A pixel may be so many times as bright as the brightest of its kin.
ABOVE = 1.1
# Relative variance among kin at which a pixel is hardly clean any more, and how many have to agree.
CLEAN, ENOUGH = 0.01, 5


class Network(KernelPredicting):
    """Radiance is averaged down a pyramid, tone-mapped at each level, filtered by predicted kernels, joined
    from coarse to fine, and shifted by a predicted amount, which makes up for what the curve takes from the
    mean.

    A stray weight on a bright window costs its logarithm, not its radiance (docs/decisions/0003).
    """

    extra = 5

    def forward(
        self, color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]
    ) -> Float[Tensor, "n 3 h w"]:
        """See `Denoising.forward`."""
        pixels, levels = self.trunk(color, guides)
        kernel, *others = pixels.split([TAPS, 1, 1, 3, affinity.CHANNELS, CARES], dim=1)
        trust, share, shift, correction, care = (other.float() for other in others)
        divisor, features = reflectance(guides, share), corrected(guides, correction)
        tone = self.reconstruct(
            color.clamp(min=0) / divisor, trust, kernel, care, levels, features, mean_tone, _as_it_is
        )
        estimate = tone_unmap(tone + SHIFT * torch.tanh(shift / SHIFT)) * divisor
        return estimate if self.training else _checked(estimate, color, guides)


def _checked(
    estimate: Float[Tensor, "n 3 h w"], color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]
) -> Float[Tensor, "n 3 h w"]:
    """What the input says for certain: clean pixels, all of whose kin agree, stay as they are, and none gets
    far above its kin."""
    bounded = _bounded(estimate, color, guides)
    variance, count = variance_among_kin(color, guides)
    clean = torch.exp(-variance / CLEAN) * (count >= ENOUGH)
    return torch.lerp(bounded, color.to(bounded.dtype), clean)


def _bounded(
    estimate: Float[Tensor, "n 3 h w"], color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]
) -> Float[Tensor, "n 3 h w"]:
    """Little brighter than the brightest of its kin in the input: a mean is seldom above the largest of many
    samples, leaked light is (docs/decisions/0005)."""
    level = estimate.amax(1, keepdim=True).clamp(min=1e-9)
    limit = ABOVE * brightest_kin(color.amax(1, keepdim=True), guides)
    return estimate * (limit / level).clamp(max=1)


def _as_it_is(tone: Tensor) -> Tensor:
    return tone
