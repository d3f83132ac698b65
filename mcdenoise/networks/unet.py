"""Direct prediction in log space by a U-Net of Open Image Denoise's topology, trained from scratch."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mcdenoise.encoding import split_guides, tone_map, tone_unmap
from mcdenoise.networks._contract import Denoising


class Network(Denoising):
    """Nine inputs (tone-mapped color, albedo, normal), 919,811 parameters, output in the tone map's space.

    Source: the topology documented in Open Image Denoise's training toolkit (base size).
    """

    stride = 16
    radius = 96

    def __init__(self) -> None:
        super().__init__()
        sizes = {
            "enc0": (9, 32), "enc1": (32, 32), "enc2": (32, 48), "enc3": (48, 64), "enc4": (64, 80),
            "enc5a": (80, 96), "enc5b": (96, 96),
            "dec4a": (96 + 64, 112), "dec4b": (112, 112), "dec3a": (112 + 48, 96), "dec3b": (96, 96),
            "dec2a": (96 + 32, 64), "dec2b": (64, 64), "dec1a": (64 + 9, 64), "dec1b": (64, 32),
            "dec0": (32, 3),
        }  # fmt: skip
        self.convs = nn.ModuleDict({name: nn.Conv2d(i, o, 3, padding=1) for name, (i, o) in sizes.items()})

    @property
    def recipe(self) -> dict[str, Any]:
        """See `Denoising.recipe`."""
        return {}

    def forward(
        self, color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]
    ) -> Float[Tensor, "n 3 h w"]:
        """See `Denoising.forward`."""
        albedo, normal, _ = split_guides(guides)
        x0 = torch.cat([tone_map(color), albedo, normal * 0.5 + 0.5], dim=1)
        x1 = F.max_pool2d(self._conv("enc0", "enc1", x=x0), 2)
        x2 = F.max_pool2d(self._conv("enc2", x=x1), 2)
        x3 = F.max_pool2d(self._conv("enc3", x=x2), 2)
        x4 = F.max_pool2d(self._conv("enc4", x=x3), 2)
        x = self._conv("enc5a", "enc5b", x=x4)
        x = self._conv("dec4a", "dec4b", x=_joined(x, x3))
        x = self._conv("dec3a", "dec3b", x=_joined(x, x2))
        x = self._conv("dec2a", "dec2b", x=_joined(x, x1))
        x = self._conv("dec1a", "dec1b", x=_joined(x, x0))
        # Training sees the tone-mapped value as it is; what is below black is cut where the picture is made.
        return tone_unmap(F.leaky_relu(self.convs["dec0"](x).float(), 0.01))

    def _conv(self, *names: str, x: Tensor) -> Tensor:
        for name in names:
            x = F.relu(self.convs[name](x), inplace=True)
        return x


def _joined(coarse: Tensor, skip: Tensor) -> Tensor:
    return torch.cat([F.interpolate(coarse, scale_factor=2.0, mode="nearest"), skip], dim=1)
