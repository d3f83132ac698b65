"""Kernels in the tone map's space, and a direct correction on top: sharp HDR edges, and the mean kept."""

import torch
from jaxtyping import Float
from torch import Tensor

from mcdenoise import affinity
from mcdenoise.encoding import tone_unmap
from mcdenoise.networks._kernels import TAPS, KernelPredicting, mean_tone, reconstruct, reflectance

# What is left of light that no kin explains, as a share.
LEFT = 0.1
# So many kin (each pixel is three times its own) tell little.
FEW = 4.0


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
        kernel, trust, share, shift, care = pixels.split([TAPS, 1, 1, 3, 3], dim=1)
        divisor = reflectance(guides, share)
        tone = reconstruct(
            color.clamp(min=0) / divisor, trust, kernel, care, levels, guides, mean_tone, _as_it_is
        )
        return _bounded(tone_unmap(tone + shift) * divisor, color, guides)


def _bounded(
    estimate: Float[Tensor, "n 3 h w"], color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]
) -> Float[Tensor, "n 3 h w"]:
    """No brighter than the brightest of its kin in the input, but for a share of what it is.

    A mean is seldom above the largest of many samples, leaked light is; with few kin, as on edges, the
    largest may be dark by chance, and more is left (docs/decisions/0004).
    """
    level = estimate.amax(1, keepdim=True).clamp(min=1e-9)
    brightest, count = affinity.brightest_kin(color, guides)
    left = LEFT + (1 - LEFT) * torch.exp(-count / FEW)
    limit = torch.maximum(brightest, left * level)
    return estimate * (limit / level).clamp(max=1)


def _as_it_is(tone: Tensor) -> Tensor:
    return tone
