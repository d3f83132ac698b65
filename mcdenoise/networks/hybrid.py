"""Kernels in the tone map's space, and a direct correction on top: sharp HDR edges, and the mean kept."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mcdenoise import affinity
from mcdenoise.encoding import tone_unmap
from mcdenoise.networks._contract import Denoising
from mcdenoise.networks._kernels import TAPS, Trunk, mean_tone, reconstruct, reflectance

# What is left of light that no kin explains, as a share.
LEFT = 0.1


class Network(Denoising):
    """Radiance is averaged down a pyramid, tone-mapped at each level, filtered by predicted kernels, joined
    from coarse to fine, and shifted by a predicted amount, which makes up for what the curve takes from the
    mean.

    A stray weight on a bright window costs its logarithm, not its radiance (docs/decisions/0003).
    """

    stride = 16
    radius = 176

    def __init__(self, widths: Sequence[int] = (48, 64, 96, 128)) -> None:
        super().__init__()
        self._widths = list(widths)
        self.trunk = Trunk(widths, extra=5)

    @property
    def recipe(self) -> dict[str, Any]:
        """See `Denoising.recipe`."""
        return {"widths": self._widths}

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
    """No brighter than the brightest of its kin in the input, but for a tenth of what it is.

    A mean is seldom above the largest of its samples, leaked light is (docs/decisions/0004).
    """
    level = estimate.amax(1, keepdim=True).clamp(min=1e-9)
    limit = torch.maximum(affinity.brightest_kin(color, guides), LEFT * level)
    return estimate * (limit / level).clamp(max=1)


def _as_it_is(tone: Tensor) -> Tensor:
    return tone
