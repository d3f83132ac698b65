"""A multi-scale kernel-predicting network: each output pixel is a weighted mean of input radiance."""

from jaxtyping import Float
from torch import Tensor

from mcdenoise import affinity
from mcdenoise.encoding import tone_map
from mcdenoise.networks._kernels import (
    CARES,
    TAPS,
    KernelPredicting,
    corrected,
    mean_radiance,
    reflectance,
)


class Network(KernelPredicting):
    """Linear in the radiance: the same kernels denoise light groups and alpha, and exposure changes nothing.

    It learns slowly where a bright window meets a dark wall, since a thousandth of the window's weight is too
    much there (docs/decisions/0003).
    """

    extra = 2

    def forward(
        self, color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]
    ) -> Float[Tensor, "n 3 h w"]:
        """See `Denoising.forward`."""
        pixels, levels = self.trunk(color, guides)
        kernel, *others = pixels.split([TAPS, 1, 1, affinity.CHANNELS, CARES], dim=1)
        trust, share, correction, care = (other.float() for other in others)
        divisor, features = reflectance(guides, share), corrected(guides, correction)
        return (
            self.reconstruct(color / divisor, trust, kernel, care, levels, features, mean_radiance, tone_map)
            * divisor
        )
