"""The trunk of kernel-predicting networks: what is predicted at each level and pixel, and by what layers."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mcdenoise import affinity
from mcdenoise.encoding import GUIDE_CHANNELS, split_guides, tone_map
from mcdenoise.networks._blocks import convs, evened, spread_out

KERNEL = 5
TAPS = KERNEL * KERNEL
# What each level predicts: its kernel, upsampling weights to the next finer level, the blend there, how
# much differing features weigh in the kernel and in upsampling, and how much the finer level dissents there.
UPSAMPLING = slice(TAPS, TAPS + 36)
BLEND = slice(TAPS + 36, TAPS + 40)
KERNEL_CARE = slice(TAPS + 40, TAPS + 44)
UPSAMPLING_CARE = slice(TAPS + 44, TAPS + 48)
DISSENT = slice(TAPS + 48, TAPS + 52)
PER_LEVEL = TAPS + 52
# How many values each of these is, the kernel first: to split them in one go.
PARTS = [
    TAPS,
    *(part.stop - part.start for part in (UPSAMPLING, BLEND, KERNEL_CARE, UPSAMPLING_CARE, DISSENT)),
]
CARES = len(affinity.CARE)
# Of a pixel: what corrects its guides, care, a factor on its noise, and its guides' kernel.
OF_FEATURES = affinity.CHANNELS + CARES + 1 + TAPS
# Channels that a trunk is told of the noise.
OF_SPREAD = 4
# Below this no albedo divides, nor gives texture: that is too dark there to tell from noise.
LEAST_ALBEDO = 0.03


class Spread(NamedTuple):
    """What statistics say of the noise: its variance in tones, the share of a pixel's neighbours that are its
    kin, whom that is from, how unlike its neighbours a pixel is, how many of the nearest are its kin (see
    `affinity.Kin`), and how far it outshines them (`affinity.outshining`)."""

    variance: Float[Tensor, "n 1 h w"]
    share: Float[Tensor, "n 1 h w"]
    unlike: Float[Tensor, "n 1 h w"]
    near: Float[Tensor, "n 1 h w"]
    outshines: Float[Tensor, "n 1 h w"]


class Predicted(NamedTuple):
    """What a level predicts, float32: see `PARTS`."""

    kernel: Float[Tensor, "n k h w"]
    upsampling: Float[Tensor, "n 36 h w"]
    blend: Float[Tensor, "n 4 h w"]
    kernel_care: Float[Tensor, "n 4 h w"]
    upsampling_care: Float[Tensor, "n 4 h w"]
    dissent: Float[Tensor, "n 4 h w"]


class Trunk(nn.Module):
    """A U-Net from 1/2 to 1/16 on pixel-unshuffled features, with a head at each level.

    The finest head also predicts values for each full-resolution pixel: the kernel, `extra` ones, what to add
    to the guides before they are compared, care, a factor on the noise's variance, and the guides' kernel.
    """

    def __init__(self, widths: Sequence[int], extra: int) -> None:
        super().__init__()
        a, b, c, d = widths
        self.encoders = nn.ModuleList(
            [convs(4 * (6 + GUIDE_CHANNELS + OF_SPREAD), a), convs(a, b), convs(b, c), convs(c, d)]
        )
        self.decoders = nn.ModuleList([convs(a + b, a), convs(b + c, b), convs(c + d, c)])
        finest = nn.Conv2d(a, PER_LEVEL + 4 * (TAPS + extra + OF_FEATURES), 1)
        heads = [finest, *(nn.Conv2d(width, PER_LEVEL, 1) for width in (b, c, d))]
        self.heads = nn.ModuleList(heads)
        _begin(heads)

    def forward(
        self,
        color: Float[Tensor, "n 3 h w"],
        guides: Float[Tensor, "n g h w"],
        spread: Spread,
    ) -> tuple[Float[Tensor, "n e h w"], list[Predicted]]:
        """Values per full-resolution pixel, in the heads' precision since they are many, and the levels'
        predictions from 1/2 to 1/16."""
        squares = [spread.variance, spread.unlike, affinity.box(spread.unlike)]
        known = torch.cat([torch.log10(torch.cat(squares, dim=1) + affinity.CLEAN) + 2, spread.share], dim=1)
        decoded = self.decoded(F.pixel_unshuffle(torch.cat([_features(color, guides), known], dim=1), 2))
        levels = [_said(head, x, slice(PER_LEVEL)) for head, x in zip(self.heads, decoded, strict=True)]
        pixels = spread_out(_said(self.heads[0], decoded[0], slice(PER_LEVEL, None)))
        if self.training:
            pixels, *levels = evened(pixels, *levels)
        return pixels, [Predicted(*level.float().split(PARTS, dim=1)) for level in levels]

    def decoded(self, x: Float[Tensor, "n c h w"]) -> list[Tensor]:
        """What the heads are given, from 1/2 to 1/16."""
        skips = []
        for level, encoder in enumerate(self.encoders):
            x = encoder(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        decoded = [skips[-1]]
        for decoder, skip in zip(reversed(self.decoders), reversed(skips[:-1]), strict=True):
            x = F.interpolate(decoded[0], scale_factor=2.0, mode="nearest")
            decoded.insert(0, decoder(torch.cat([x, skip], dim=1)))
        return decoded


def _said(head: nn.Module, x: Float[Tensor, "n c h w"], rows: slice) -> Float[Tensor, "n p h w"]:
    """Some of a head's values; to take them from all would cost a picture of zeros in the gradient."""
    assert isinstance(head.weight, Tensor)
    assert isinstance(head.bias, Tensor)
    return F.conv2d(x, head.weight[rows], head.bias[rows])


@torch.no_grad()
def _begin(heads: list[nn.Conv2d]) -> None:
    """Care begins at `affinity.CARE`, guides nearly as they are, noise as statistics have it, full-resolution
    kernels with half their weight on the pixel itself."""
    for head in heads:
        assert head.bias is not None
        head.weight[KERNEL_CARE.start : PER_LEVEL] = 0
        head.bias[KERNEL_CARE.start : PER_LEVEL] = 0
    finest = heads[0]
    assert finest.bias is not None
    finest.weight[-4 * OF_FEATURES :], finest.bias[-4 * OF_FEATURES :] = 0, 0
    finest.bias[PER_LEVEL:].view(-1, 4)[TAPS // 2] = 3.0
    finest.bias[-4 * TAPS :].view(-1, 4)[TAPS // 2] = 5.0


def _features(color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]) -> Float[Tensor, "n c h w"]:
    albedo = split_guides(guides)[0].clamp(min=LEAST_ALBEDO)
    return torch.cat([tone_map(color), tone_map(color / albedo), guides], dim=1)
