"""What kernel-predicting networks share: the trunk that predicts, and the pyramid that filters.

Source: Vogels et al. 2018 (kernel prediction, multi-scale); Balint et al. 2023 (partitioned pyramids, learned
upsampling); the trust is ours (docs/decisions/0001).
"""

from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
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
# What each level predicts: its kernel, upsampling weights to the next finer level, the blend there, how
# much differing features weigh in the kernel and in upsampling, and how much the finer level dissents there.
UPSAMPLING = slice(TAPS, TAPS + 36)
BLEND = slice(TAPS + 36, TAPS + 40)
KERNEL_CARE = slice(TAPS + 40, TAPS + 44)
UPSAMPLING_CARE = slice(TAPS + 44, TAPS + 48)
DISSENT = slice(TAPS + 48, TAPS + 52)
PER_LEVEL = TAPS + 52
CARES = len(affinity.CARE)
# Care is `affinity.CARE` until training finds better, within e^1.5 of it: left more room, training lowers it,
# and light leaks over edges again (docs/decisions/0005).
CARE_RANGE = 1.5
# Coarse guides are means over four pixels, so they differ less than what they stand for; tones have noise.
COARSE_CARE = (3.0, 3.0, 3.0, 1.0)
# The squared difference of tones counts so much for the finer level until training finds better, within e^4.
DISSENT_START = 10.0
DISSENT_RANGE = 4.0
# Below this an albedo no longer divides: the texture there is too dark to tell from noise.
LEAST_ALBEDO = 0.03
# Bound on the log of a pixel's weight: a firefly can count e^-12 times as much as its neighbour.
TRUST = 6.0

Weighted = Float[Tensor, "n 4 h w"]
# Filters a picture of any channels by kernels that are known already.
Apply = Callable[[Float[Tensor, "n c h w"]], Float[Tensor, "n c h w"]]
Filter = Callable[[Weighted, Apply], Float[Tensor, "n 3 h w"]]


class Trunk(nn.Module):
    """A U-Net from 1/2 to 1/16 on pixel-unshuffled features, with a head at each level.

    The finest head also predicts values for each full-resolution pixel: the kernel, `extra` ones, what to add
    to the guides before they are compared, and care.
    """

    def __init__(self, widths: Sequence[int], extra: int) -> None:
        super().__init__()
        a, b, c, d = widths
        self.encoders = nn.ModuleList(
            [convs(4 * (6 + GUIDE_CHANNELS), a), convs(a, b), convs(b, c), convs(c, d)]
        )
        self.decoders = nn.ModuleList([convs(a + b, a), convs(b + c, b), convs(c + d, c)])
        finest = nn.Conv2d(a, PER_LEVEL + 4 * (TAPS + extra + affinity.CHANNELS + CARES), 1)
        heads = [finest, *(nn.Conv2d(width, PER_LEVEL, 1) for width in (b, c, d))]
        self.heads = nn.ModuleList(heads)
        _begin(heads)

    def forward(
        self, color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]
    ) -> tuple[Float[Tensor, "n e h w"], list[Tensor]]:
        """Values per full-resolution pixel, in the heads' precision since they are many, and the levels'
        predictions from 1/2 to 1/16, float32."""
        x, skips = F.pixel_unshuffle(_features(color, guides), 2), []
        for level, encoder in enumerate(self.encoders):
            x = encoder(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        decoded = [skips[-1]]
        for decoder, skip in zip(reversed(self.decoders), reversed(skips[:-1]), strict=True):
            x = F.interpolate(decoded[0], scale_factor=2.0, mode="nearest")
            decoded.insert(0, decoder(torch.cat([x, skip], dim=1)))
        predicted = [head(x) for head, x in zip(self.heads, decoded, strict=True)]
        return F.pixel_shuffle(predicted[0][:, PER_LEVEL:], 2), [p[:, :PER_LEVEL].float() for p in predicted]


class KernelPredicting(Denoising):
    """A network on a `Trunk`; `extra` says how many values of its own it asks for at each pixel."""

    stride = 16
    radius = 176
    extra: ClassVar[int]

    def __init__(self, widths: Sequence[int] = (48, 64, 96, 128)) -> None:
        super().__init__()
        self._widths = list(widths)
        self.trunk = Trunk(widths, self.extra)
        self.reconstruct = reconstruct

    def hasten(self) -> None:
        """See `Denoising.hasten`: the pyramid's many small steps are joined, the convolutions are fast."""
        self.reconstruct = torch.compile(reconstruct, dynamic=False)

    @property
    def recipe(self) -> dict[str, Any]:
        """See `Denoising.recipe`."""
        return {"widths": self._widths}


@torch.no_grad()
def _begin(heads: list[nn.Conv2d]) -> None:
    """Care begins at `affinity.CARE`, guides as they are, full-resolution kernels with half their weight on
    the pixel itself."""
    for head in heads:
        assert head.bias is not None
        head.weight[KERNEL_CARE.start : PER_LEVEL] = 0
        head.bias[KERNEL_CARE.start : PER_LEVEL] = 0
    finest = heads[0]
    assert finest.bias is not None
    of_guides = 4 * (affinity.CHANNELS + CARES)
    finest.weight[-of_guides:], finest.bias[-of_guides:] = 0, 0
    finest.bias[PER_LEVEL:].view(-1, 4)[TAPS // 2] = 3.0


def corrected(
    guides: Float[Tensor, "n g h w"], correction: Float[Tensor, "n 7 h w"]
) -> Float[Tensor, "n 7 h w"]:
    """Albedo, normal and nearness plus what the network adds, within -1..1, to tell pixels apart by."""
    return guides[:, : affinity.CHANNELS] + torch.tanh(correction)


def reflectance(
    guides: Float[Tensor, "n g h w"], share: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, "n 3 h w"]:
    """What radiance is divided by before it is filtered: the albedo where `share` asks for it, else 1."""
    return 1 - torch.sigmoid(share) * (1 - split_guides(guides)[0].clamp(min=LEAST_ALBEDO))


def reconstruct(
    radiance: Float[Tensor, "n 3 h w"],
    trust: Float[Tensor, "n 1 h w"],
    kernel: Float[Tensor, "n k h w"],
    care: Float[Tensor, "n 4 h w"],
    levels: list[Tensor],
    features: Float[Tensor, "n 7 h w"],
    filtered: Filter,
    tone: Callable[[Tensor], Tensor],
) -> Float[Tensor, "n 3 h w"]:
    """Average radiance down a pyramid by trust, filter each level, join from coarse to fine.

    Kernels and upsampling shun pixels whose features differ, as a cross-bilateral filter does: the guides, as
    the network corrects them (noise taken out, edges of shadows put in), and the tone, which has less noise
    from level to level. Where all coarse pixels around differ
    from a fine one, the fine one's own level is all that counts; so it is where that level is of another tone
    than noise explains, which the network judges. `tone` turns what `filtered` gives into tones.
    """
    weight = _within(TRUST, trust)
    weighted = torch.cat([radiance * weight, weight], dim=1)
    seen = [_with_tone(features, weighted)]
    images = [filtered(weighted, _filter(kernel, seen[0], care))]
    for level in levels:
        weighted, features = F.avg_pool2d(weighted, 2), F.avg_pool2d(features, 2)
        seen.append(_with_tone(features, weighted))
        images.append(filtered(weighted, _filter(level[:, :TAPS], seen[-1], level[:, KERNEL_CARE])))
    result = images.pop()
    for level in reversed(levels):
        coarse = seen.pop()
        above, kinship = _upsampled(result, level[:, UPSAMPLING], seen[-1], coarse, level[:, UPSAMPLING_CARE])
        here = images.pop()
        dissent = (tone(above) - tone(here)).square().mean(1, keepdim=True)
        heed = _within(DISSENT_RANGE, level[:, DISSENT]) * DISSENT_START
        logit = F.pixel_shuffle(level[:, BLEND], 2) - torch.log(kinship + 1e-4)
        result = torch.lerp(above, here, torch.sigmoid(logit + dissent * F.pixel_shuffle(heed, 2)))
    return result


def _with_tone(features: Float[Tensor, "n 7 h w"], weighted: Weighted) -> Float[Tensor, "n 10 h w"]:
    """Features and the tone of the radiance, as given: nothing is learned through it."""
    return torch.cat([features, tone_map(weighted[:, :3] / weighted[:, 3:]).detach()], dim=1)


def _filter(
    logits: Float[Tensor, "n k h w"], features: Float[Tensor, "n 10 h w"], care: Float[Tensor, "n 4 h w"]
) -> Apply:
    """Filters a picture by kernels that shun pixels of other features."""
    strength = affinity.care(care) * _within(CARE_RANGE, care)
    fused = _fused_for(logits)
    if fused:
        return partial(fused.filtered, logits=logits, features=features, strength=strength, size=KERNEL)
    weights = (logits.float() - strangeness(features, strength)).softmax(1)
    return partial(apply_kernels, kernels=weights, size=KERNEL)


def _upsampled(
    coarse: Float[Tensor, "n c h w"],
    logits: Float[Tensor, "n 36 h w"],
    fine: Float[Tensor, "n 10 h2 w2"],
    features: Float[Tensor, "n 10 h w"],
    care: Float[Tensor, "n 4 h w"],
) -> tuple[Float[Tensor, "n c h2 w2"], Float[Tensor, "n 1 h2 w2"]]:
    """Twice the size, each child from the coarse pixels around it that are like it; and how like they are."""
    strength = care.new_tensor(COARSE_CARE)[:, None, None] * affinity.care(care) * _within(CARE_RANGE, care)
    fused = _fused_for(coarse)
    if fused:
        return fused.upsampled(coarse, logits, fine, features, strength)  # type: ignore[no-any-return]
    strange = strangeness_of_children(fine, features, strength)
    taps = (logits.unflatten(1, (4, 9)) - strange).softmax(2).flatten(1, 2)
    return upsample(coarse, taps), F.pixel_shuffle(torch.exp(-strange).mean(2), 2)


def brightest_kin(
    level: Float[Tensor, "n 1 h w"], guides: Float[Tensor, "n g h w"]
) -> Float[Tensor, "n 1 h w"]:
    """See `affinity.brightest_kin`; fused where that can be."""
    fused = _fused_for(level)
    return (fused or affinity).brightest_kin(level, guides)  # type: ignore[no-any-return]


def variance_among_kin(
    color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]
) -> tuple[Float[Tensor, "n 1 h w"], Float[Tensor, "n 1 h w"]]:
    """See `affinity.variance_among_kin`; fused where that can be."""
    fused = _fused_for(color)
    return (fused or affinity).variance_among_kin(color, guides)  # type: ignore[no-any-return]


def _fused_for(picture: Tensor) -> ModuleType | None:
    """The fused filters, where they apply: on the CPU, with nothing to learn."""
    if torch.is_grad_enabled() or picture.device.type != "cpu":
        return None
    from mcdenoise.networks import _fused  # numba takes half a second to import

    return _fused


def strangeness(
    features: Float[Tensor, "n 10 h w"], strength: Float[Tensor, "n 4 h w"]
) -> Float[Tensor, "n k h w"]:
    """How much the features of each neighbour in the kernel differ from a pixel's own."""
    around = affinity.shifted(features, KERNEL)
    return torch.stack([affinity.strangeness(other, features, strength) for other in around], dim=1)


def strangeness_of_children(
    fine: Float[Tensor, "n f h2 w2"], coarse: Float[Tensor, "n f h w"], strength: Float[Tensor, "n 4 h w"]
) -> Float[Tensor, "n 4 9 h w"]:
    """The same for the four children of each coarse pixel and the 3x3 coarse pixels around it."""
    children = F.pixel_unshuffle(fine, 2).unflatten(1, (fine.shape[1], 4))
    around = [other[:, :, None].expand_as(children) for other in affinity.shifted(coarse, 3)]
    return torch.stack(
        [affinity.strangeness(other, children, strength[:, :, None]) for other in around], dim=2
    )


def _within(bound: float, value: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """A factor: e to the value, between e^-bound and e^bound."""
    return torch.exp(bound * torch.tanh(value / bound))


def mean_radiance(weighted: Weighted, apply: Apply) -> Float[Tensor, "n 3 h w"]:
    """The mean of radiance under kernel times weight; `weighted` is radiance times weight, then weight."""
    total = apply(weighted)
    return total[:, :3] / total[:, 3:]


def mean_tone(weighted: Weighted, apply: Apply) -> Float[Tensor, "n 3 h w"]:
    """The mean of tone-mapped radiance under the kernel."""
    return apply(tone_map(weighted[:, :3] / weighted[:, 3:]))


def _features(color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]) -> Float[Tensor, "n c h w"]:
    albedo = split_guides(guides)[0].clamp(min=LEAST_ALBEDO)
    return torch.cat([tone_map(color), tone_map(color / albedo), guides], dim=1)
