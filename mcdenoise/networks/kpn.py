"""A multi-scale kernel-predicting network: each output pixel is a weighted mean of input radiance."""

from jaxtyping import Float
from torch import Tensor

from mcdenoise.encoding import tone_map
from mcdenoise.networks._kernels import TAPS, KernelPredicting, mean_radiance, reconstruct, reflectance


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
        kernel, trust, share, care = pixels.split([TAPS, 1, 1, 3], dim=1)
        divisor = reflectance(guides, share)
        return (
            reconstruct(color / divisor, trust, kernel, care, levels, guides, mean_radiance, tone_map)
            * divisor
        )
