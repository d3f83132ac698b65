"""What kernel-predicting networks share: the trunk that predicts, and the pyramid that filters.

Source: Vogels et al. 2018 (kernel prediction, multi-scale); Balint et al. 2023 (partitioned pyramids, learned
upsampling); the trust is ours (docs/decisions/0001).
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mcdenoise import affinity
from mcdenoise.encoding import GUIDE_CHANNELS, split_guides, tone_map
from mcdenoise.networks._blocks import apply_kernels, convs, upsample
from mcdenoise.networks._contract import Denoising

KERNEL = 5
TAPS = KERNEL * KERNEL
# What each level predicts: its kernel, upsampling weights to the next finer level, the blend there, how much
# differing guides weigh in the kernel and in upsampling, and how much the finer level's dissent counts there.
UPSAMPLING = slice(TAPS, TAPS + 36)
BLEND = slice(TAPS + 36, TAPS + 40)
KERNEL_CARE = slice(TAPS + 40, TAPS + 43)
UPSAMPLING_CARE = slice(TAPS + 43, TAPS + 46)
DISSENT = slice(TAPS + 46, TAPS + 50)
PER_LEVEL = TAPS + 50
# Care is `affinity.CARE` until training finds better, within e^2 of it.
CARE_RANGE = 2.0
# Coarse guides are means over four pixels, so they differ less than what they stand for.
COARSE_CARE = 3.0
# The squared difference of tones counts so much for the finer level until training finds better, within e^4.
DISSENT_START = 10.0
DISSENT_RANGE = 4.0
# Below this an albedo no longer divides: the texture there is too dark to tell from noise.
LEAST_ALBEDO = 0.03
# Bound on the log of a pixel's weight: a firefly can count e^-12 times as much as its neighbour.
TRUST = 6.0

Weighted = Float[Tensor, "n 4 h w"]
Filter = Callable[[Weighted, Float[Tensor, "n k h w"]], Float[Tensor, "n 3 h w"]]


class Trunk(nn.Module):
    """A U-Net from 1/2 to 1/16 on pixel-unshuffled features, with a head at each level.

    The finest head also predicts values for each full-resolution pixel: the kernel, `extra` ones, and care.
    """

    def __init__(self, widths: Sequence[int], extra: int) -> None:
        super().__init__()
        a, b, c, d = widths
        self.encoders = nn.ModuleList(
            [convs(4 * (6 + GUIDE_CHANNELS), a), convs(a, b), convs(b, c), convs(c, d)]
        )
        self.decoders = nn.ModuleList([convs(a + b, a), convs(b + c, b), convs(c + d, c)])
        finest = nn.Conv2d(a, PER_LEVEL + 4 * (TAPS + extra + 3), 1)
        heads = [finest, *(nn.Conv2d(width, PER_LEVEL, 1) for width in (b, c, d))]
        self.heads = nn.ModuleList(heads)
        _begin(heads)

    def forward(
        self, color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]
    ) -> tuple[Float[Tensor, "n e h w"], list[Tensor]]:
        """Values per full-resolution pixel, and the levels' predictions from 1/2 to 1/16, float32."""
        x, skips = F.pixel_unshuffle(_features(color, guides), 2), []
        for level, encoder in enumerate(self.encoders):
            x = encoder(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        decoded = [skips[-1]]
        for decoder, skip in zip(reversed(self.decoders), reversed(skips[:-1]), strict=True):
            x = F.interpolate(decoded[0], scale_factor=2.0, mode="nearest")
            decoded.insert(0, decoder(torch.cat([x, skip], dim=1)))
        levels = [head(x).float() for head, x in zip(self.heads, decoded, strict=True)]
        return F.pixel_shuffle(levels[0][:, PER_LEVEL:], 2), levels


class KernelPredicting(Denoising):
    """A network on a `Trunk`; `extra` says how many values of its own it asks for at each pixel."""

    stride = 16
    radius = 176
    extra: ClassVar[int]

    def __init__(self, widths: Sequence[int] = (48, 64, 96, 128)) -> None:
        super().__init__()
        self._widths = list(widths)
        self.trunk = Trunk(widths, self.extra)

    @property
    def recipe(self) -> dict[str, Any]:
        """See `Denoising.recipe`."""
        return {"widths": self._widths}


@torch.no_grad()
def _begin(heads: list[nn.Conv2d]) -> None:
    """Care begins at `affinity.CARE`, full-resolution kernels with half their weight on the pixel itself."""
    for head in heads:
        assert head.bias is not None
        head.weight[KERNEL_CARE.start : PER_LEVEL] = 0
        head.bias[KERNEL_CARE.start : PER_LEVEL] = 0
    finest = heads[0]
    assert finest.bias is not None
    finest.weight[-12:], finest.bias[-12:] = 0, 0
    finest.bias[PER_LEVEL:].view(-1, 4)[TAPS // 2] = 3.0


def reflectance(
    guides: Float[Tensor, "n g h w"], share: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, "n 3 h w"]:
    """What radiance is divided by before it is filtered: the albedo where `share` asks for it, else 1."""
    return 1 - torch.sigmoid(share) * (1 - split_guides(guides)[0].clamp(min=LEAST_ALBEDO))


def reconstruct(
    radiance: Float[Tensor, "n 3 h w"],
    trust: Float[Tensor, "n 1 h w"],
    kernel: Float[Tensor, "n k h w"],
    care: Float[Tensor, "n 3 h w"],
    levels: list[Tensor],
    guides: Float[Tensor, "n g h w"],
    filtered: Filter,
    tone: Callable[[Tensor], Tensor],
) -> Float[Tensor, "n 3 h w"]:
    """Average radiance down a pyramid by trust, filter each level, join from coarse to fine.

    Kernels and upsampling shun pixels whose guides differ, as a cross-bilateral filter does. Where all coarse
    pixels around differ from a fine one, the fine one's own level is all that counts; so it is where that
    level is of another tone than noise explains, which the network judges. `tone` turns what `filtered` gives
    into tones.
    """
    weight = _within(TRUST, trust)
    weighted = torch.cat([radiance * weight, weight], dim=1)
    seen = [guides[:, : affinity.CHANNELS]]
    images = [filtered(weighted, kernel - strangeness(seen[0], care))]
    for level in levels:
        weighted = F.avg_pool2d(weighted, 2)
        seen.append(F.avg_pool2d(seen[-1], 2))
        images.append(filtered(weighted, level[:, :TAPS] - strangeness(seen[-1], level[:, KERNEL_CARE])))
    result = images.pop()
    for level in reversed(levels):
        coarse = seen.pop()
        strange = strangeness_of_children(seen[-1], coarse, level[:, UPSAMPLING_CARE])
        taps = (level[:, UPSAMPLING].unflatten(1, (4, 9)) - strange).softmax(2).flatten(1, 2)
        kinship = torch.exp(-strange).mean(2)
        logit = F.pixel_shuffle(level[:, BLEND] - torch.log(kinship + 1e-4), 2)
        above, here = upsample(result, taps), images.pop()
        dissent = (tone(above) - tone(here)).square().mean(1, keepdim=True)
        logit = logit + dissent * F.pixel_shuffle(
            _within(DISSENT_RANGE, level[:, DISSENT]) * DISSENT_START, 2
        )
        result = torch.lerp(above, here, torch.sigmoid(logit))
    return result


def strangeness(guides: Float[Tensor, "n 7 h w"], care: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n k h w"]:
    """How much the guides of each neighbour in the kernel differ from a pixel's own, weighed by care."""
    strength = _strength(care)
    around = affinity.shifted(guides, KERNEL)
    return torch.stack([affinity.strangeness(other, guides, strength) for other in around], dim=1)


def strangeness_of_children(
    fine: Float[Tensor, "n 7 h2 w2"], coarse: Float[Tensor, "n 7 h w"], care: Float[Tensor, "n 3 h w"]
) -> Float[Tensor, "n 4 9 h w"]:
    """The same for the four children of each coarse pixel and the 3x3 coarse pixels around it."""
    children = F.pixel_unshuffle(fine, 2).unflatten(1, (affinity.CHANNELS, 4))
    strength = COARSE_CARE * _strength(care)[:, :, None]
    around = [other[:, :, None].expand_as(children) for other in affinity.shifted(coarse, 3)]
    return torch.stack([affinity.strangeness(other, children, strength) for other in around], dim=2)


def _strength(care: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    return affinity.care(care) * _within(CARE_RANGE, care)


def _within(bound: float, value: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """A factor: e to the value, between e^-bound and e^bound."""
    return torch.exp(bound * torch.tanh(value / bound))


def mean_radiance(weighted: Weighted, logits: Float[Tensor, "n k h w"]) -> Float[Tensor, "n 3 h w"]:
    """The mean of radiance under kernel times weight; `weighted` is radiance times weight, then weight."""
    total = apply_kernels(weighted, logits.softmax(1), KERNEL)
    return total[:, :3] / total[:, 3:]


def mean_tone(weighted: Weighted, logits: Float[Tensor, "n k h w"]) -> Float[Tensor, "n 3 h w"]:
    """The mean of tone-mapped radiance under the kernel."""
    return apply_kernels(tone_map(weighted[:, :3] / weighted[:, 3:]), logits.softmax(1), KERNEL)


def _features(color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]) -> Float[Tensor, "n c h w"]:
    albedo = split_guides(guides)[0].clamp(min=LEAST_ALBEDO)
    return torch.cat([tone_map(color), tone_map(color / albedo), guides], dim=1)
