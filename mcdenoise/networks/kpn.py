"""A multi-scale kernel-predicting U-Net: each output pixel is a weighted mean of input radiance."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mcdenoise.encoding import GUIDE_CHANNELS, split_guides, tone_map
from mcdenoise.networks._blocks import apply_kernels, convs, upsample
from mcdenoise.networks._contract import Denoising

KERNEL = 5
TAPS = KERNEL * KERNEL
# Below this an albedo no longer divides: the texture there is too dark to tell from noise.
LEAST_ALBEDO = 0.03
# Bound on the log of a pixel's weight: a firefly can count e^-12 times as much as its neighbour.
TRUST = 6.0


class Network(Denoising):
    """Trunk at half resolution on pixel-unshuffled features; kernels at full, 1/2, 1/4, 1/8 and 1/16.

    Radiance is divided by the part of the albedo that the network asks for, weighted by how far it trusts
    each pixel, averaged down a pyramid, filtered at every level by predicted kernels, and joined from coarse
    to fine with predicted upsampling weights and a predicted blend; then multiplied by the albedo again.

    Source: Vogels et al. 2018 (kernel prediction, multi-scale); Balint et al. 2023 (partitioned pyramids and
    learned upsampling); the trust and the asked-for demodulation are ours (docs/decisions/0001).
    """

    stride = 16
    radius = 144

    def __init__(self, widths: Sequence[int] = (48, 64, 96, 128)) -> None:
        super().__init__()
        self._widths = tuple(widths)
        a, b, c, d = self._widths
        self.encoders = nn.ModuleList(
            [convs(4 * (6 + GUIDE_CHANNELS), a), convs(a, b), convs(b, c), convs(c, d)]
        )
        self.decoders = nn.ModuleList([convs(a + b, a), convs(b + c, b), convs(c + d, c)])
        # Of each level: its kernel, the upsampling to the next finer level, and the blend there.
        shared = TAPS + 36 + 4
        # The finest also has the full-resolution kernel, trust and demodulation, four pixels each.
        self.heads = nn.ModuleList(
            [nn.Conv2d(a, shared + 4 * (TAPS + 2), 1), *(nn.Conv2d(w, shared, 1) for w in (b, c, d))]
        )

    @property
    def recipe(self) -> dict[str, Any]:
        """See `Denoising.recipe`."""
        return {"widths": list(self._widths)}

    def forward(
        self, color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]
    ) -> Float[Tensor, "n 3 h w"]:
        """See `Denoising.forward`."""
        albedo = split_guides(guides)[0].clamp(min=LEAST_ALBEDO)
        features = torch.cat([tone_map(color), tone_map(color / albedo), guides], dim=1)
        predicted = [head.float() for head in self._trunk(features)]
        full = F.pixel_shuffle(predicted[0][:, TAPS + 40 :], 2)
        kernel, trust, share = full.split([TAPS, 1, 1], dim=1)
        reflectance = 1 - torch.sigmoid(share) * (1 - albedo)
        weight = torch.exp(TRUST * torch.tanh(trust / TRUST))
        return _reconstruct(color / reflectance, weight, kernel, predicted) * reflectance

    def _trunk(self, features: Float[Tensor, "n c h w"]) -> list[Tensor]:
        """What the heads predict, from 1/2 to 1/16."""
        x, skips = F.pixel_unshuffle(features, 2), []
        for level, encoder in enumerate(self.encoders):
            x = encoder(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        decoded = [skips[-1]]
        for decoder, skip in zip(reversed(self.decoders), reversed(skips[:-1]), strict=True):
            x = F.interpolate(decoded[0], scale_factor=2.0, mode="nearest")
            decoded.insert(0, decoder(torch.cat([x, skip], dim=1)))
        return [head(x) for head, x in zip(self.heads, decoded, strict=True)]


def _reconstruct(
    radiance: Float[Tensor, "n 3 h w"],
    weight: Float[Tensor, "n 1 h w"],
    kernel: Float[Tensor, "n k h w"],
    predicted: list[Tensor],
) -> Float[Tensor, "n 3 h w"]:
    """Pyramid of weighted radiance, filtered at each level, joined from coarse to fine."""
    weighted = torch.cat([radiance * weight, weight], dim=1)
    levels = [_filtered(weighted, kernel)]
    for head in predicted:
        weighted = F.avg_pool2d(weighted, 2)
        levels.append(_filtered(weighted, head[:, :TAPS]))
    result = levels.pop()
    for head in reversed(predicted):
        taps = head[:, TAPS : TAPS + 36].unflatten(1, (4, 9)).softmax(2).flatten(1, 2)
        blend = torch.sigmoid(F.pixel_shuffle(head[:, TAPS + 36 : TAPS + 40], 2))
        result = torch.lerp(upsample(result, taps), levels.pop(), blend)
    return result


def _filtered(
    weighted: Float[Tensor, "n 4 h w"], logits: Float[Tensor, "n k h w"]
) -> Float[Tensor, "n 3 h w"]:
    """The mean of radiance under kernel times weight; `weighted` is radiance times weight, then weight."""
    total = apply_kernels(weighted, logits.softmax(1), KERNEL)
    return total[:, :3] / total[:, 3:]
