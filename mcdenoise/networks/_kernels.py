"""What kernel-predicting networks share: the trunk that predicts, and the pyramid that filters.

Source: Vogels et al. 2018 (kernel prediction, multi-scale); Balint et al. 2023 (partitioned pyramids, learned
upsampling); the trust is ours (docs/decisions/0001).
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mcdenoise import affinity
from mcdenoise.encoding import tone_map, tone_map_odd
from mcdenoise.networks._blocks import apply_kernels, upsample
from mcdenoise.networks._contract import Denoising, Output, Riders
from mcdenoise.networks._narrow import narrowed
from mcdenoise.networks._trunk import (
    KERNEL,
    Predicted,
    Spread,
    Trunk,
)

# Care is `affinity.CARE` until training finds better, within e^1.5 of it: left more room, training lowers it,
# and light leaks over edges again (docs/decisions/0005).
CARE_RANGE = 1.5
# Coarse guides are means over four pixels, so they differ less than what they stand for; tones have noise.
COARSE_CARE = (3.0, 3.0, 3.0, 1.0)
# The squared difference of tones, as a share of their noise, counts so much for the finer level until
# training finds better, within e^1.5.
DISSENT_START = 1.0
DISSENT_RANGE = 1.5
# Squared differences of tones to that share of their noise happen by chance; what is beyond counts fully.
CHANCE = 2.0
# Bound on the logit of the blend: where nothing above is like a pixel, its own level always counts.
BLEND_RANGE = 4.0
# The network may find so much more or less noise than statistics do: a factor of e^8.
NOISE_RANGE = 8.0
# No tone's variance is larger than that.
MOST_NOISE = 0.5
# Noise left from a level to the next: a quarter if it is independent, all of it if it isn't at all.
CALMER = 0.5
# Guides before this one are means over samples.
NEARNESS = 6
# How much less guides count for each unit of strangeness between them and what is left of them, prefiltered.
MURK = 10.0
# Bound on the log of a pixel's weight: a firefly can count e^-12 times as much as its neighbour.
TRUST = 6.0


class Pixels(NamedTuple):
    """What is predicted for each pixel: its kernel, the logarithm of its weight, what to add to its guides,
    how much differing features count, and, through which nothing is learned, its noise's variance in tones
    and how clear its guides are."""

    kernel: Float[Tensor, "n k h w"]
    trust: Float[Tensor, "n 1 h w"]
    correction: Float[Tensor, "n 7 h w"]
    care: Float[Tensor, "n 4 h w"]
    noise: Float[Tensor, "n 1 h w"]
    clear: Float[Tensor, "n 1 h w"]


# Radiance times weight, riders times weight, weight.
Weighted = Float[Tensor, "n c h w"]
# Filters a picture of any channels by kernels that are known already.
Apply = Callable[[Float[Tensor, "n c h w"]], Float[Tensor, "n c h w"]]
Filter = Callable[[Weighted, Apply], Float[Tensor, "n c h w"]]


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

    def take_over(self, given: Denoising) -> bool:
        """See `Denoising.take_over`; of one with more channels, those that matter most."""
        assert isinstance(given, KernelPredicting)
        if any(own > there for own, there in zip(self._widths, given._widths, strict=True)):
            return False
        if self._widths == given._widths:
            return super().take_over(given)
        self.trunk.load_state_dict(narrowed(given.trunk, self._widths))
        return True

    def hasten(self) -> None:
        """See `Denoising.hasten`: the pyramid's many small steps are joined, where `_fused` hasn't done it;
        the convolutions are fast."""
        if next(self.parameters()).device.type != "cpu":
            self.reconstruct = torch.compile(reconstruct, dynamic=False)

    @property
    def recipe(self) -> dict[str, Any]:
        """See `Denoising.recipe`."""
        return {"widths": self._widths}

    def forward(
        self, color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]
    ) -> Float[Tensor, "n 3 h w"]:
        """See `Denoising.forward`."""
        return self.in_full(color, guides).estimate

    def carry(
        self, color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"], riders: Riders
    ) -> Output:
        """See `Denoising.carry`; the kernels are the picture's."""
        return self.in_full(color, guides, riders)

    @abstractmethod
    def in_full(
        self, color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"], riders: Riders | None = None
    ) -> Output:
        """See `Denoising.in_full` and `carry`."""


def alighted(
    carried: Float[Tensor, "n r h w"], factor: Float[Tensor, "n 3 h w"], riders: Riders | None
) -> Float[Tensor, "n r h w"] | None:
    """Filtered riders: layers times the factor that the picture gets (divisor, texture), and shares."""
    if riders is None:
        return None
    layers, shares = carried.split([riders.layers.shape[1], riders.shares.shape[1]], dim=1)
    return torch.cat([layers * for_each(factor, riders), shares], dim=1)


def for_each(factor: Float[Tensor, "n 3 h w"], riders: Riders) -> Float[Tensor, "n l h w"]:
    """A factor of the picture, for each of its layers."""
    return factor.repeat(1, riders.layers.shape[1] // 3, 1, 1)


class Level(NamedTuple):
    """What pixels of a level are compared by.

    Attributes:
        features: guides prefiltered and corrected, and tones: nothing is learned through those.
        noise: variance of those tones.
        clear: how much of their say guides keep.
    """

    features: Float[Tensor, "n 10 h w"]
    noise: Float[Tensor, "n 1 h w"]
    clear: Float[Tensor, "n 1 h w"]


def reconstruct(
    radiance: Float[Tensor, "n c h w"],
    guides: Float[Tensor, "n 7 h w"],
    pixels: Pixels,
    levels: list[Predicted],
    filtered: Filter,
    tone: Callable[[Tensor], Tensor],
) -> Float[Tensor, "n c h w"]:
    """Average radiance down a pyramid by trust, filter each level, join from coarse to fine.

    Kernels and upsampling shun pixels whose features differ, as a cross-bilateral filter does: the
    prefiltered guides, as the network corrects them (noise taken out, edges of shadows put in), and the
    tone, as far as its noise doesn't explain the difference; so a pixel that many samples made clean
    stays as it is. Where all coarse pixels around differ from a fine one, the fine one's own level is all
    that counts; so it is where that level is of another tone than noise explains. `tone` turns what
    `filtered` gives into tones. Channels beyond the first three ride along: they are filtered, and
    nothing is decided by them.
    """
    weight = _within(TRUST, pixels.trust)
    weighted = torch.cat([radiance * weight, weight], dim=1)
    features = guides + torch.tanh(pixels.correction)
    finest = _finest(weighted, guides.detach(), features, pixels)
    here = filtered(weighted, _filter(pixels.kernel, finest, pixels.care))
    above, coarse = coarser(*pooled(weighted, features, pixels.noise, pixels.clear), levels, filtered, tone)
    return _joined(above, here, levels[0], finest, coarse, tone)


def pooled(
    weighted: Weighted,
    features: Float[Tensor, "n 7 h w"],
    variance: Float[Tensor, "n 1 h w"],
    clear: Float[Tensor, "n 1 h w"],
) -> tuple[
    Float[Tensor, "n c h2 w2"],
    Float[Tensor, "n 7 h2 w2"],
    Float[Tensor, "n 1 h2 w2"],
    Float[Tensor, "n 1 h2 w2"],
]:
    """Half the size, by means; less noise is left in those."""
    weighted, features, variance, clear = (
        F.avg_pool2d(part, 2) for part in (weighted, features, variance, clear)
    )
    return weighted, features, CALMER * variance, clear


def coarser(
    weighted: Weighted,
    features: Float[Tensor, "n 7 h w"],
    variance: Float[Tensor, "n 1 h w"],
    clear: Float[Tensor, "n 1 h w"],
    levels: list[Predicted],
    filtered: Filter,
    tone: Callable[[Tensor], Tensor],
) -> tuple[Float[Tensor, "n p h w"], Level]:
    """A level of the pyramid, joined with those below it; and what its pixels are compared by."""
    level, *below = levels
    place = Level(torch.cat([features, _tone(weighted)], dim=1), variance, clear)
    here = filtered(weighted, _filter(level.kernel, place, level.kernel_care))
    if below:
        above, coarse = coarser(*pooled(weighted, features, variance, clear), below, filtered, tone)
        here = _joined(above, here, below[0], place, coarse, tone)
    return here, place


def _joined(
    coarse_picture: Float[Tensor, "n c h w"],
    here: Float[Tensor, "n c h2 w2"],
    level: Predicted,
    fine: Level,
    coarse: Level,
    tone: Callable[[Tensor], Tensor],
) -> Float[Tensor, "n c h2 w2"]:
    above, kinship = upsampled(coarse_picture, level, fine, coarse)
    dissent = (tone(above[:, :3]) - tone(here[:, :3])).square().mean(1, keepdim=True) / (
        fine.noise + affinity.CLEAN
    )
    heed = _within(DISSENT_RANGE, level.dissent) * DISSENT_START
    blend = BLEND_RANGE * torch.tanh(level.blend / BLEND_RANGE)
    logit = F.pixel_shuffle(blend, 2) - torch.log(kinship + 1e-4)
    dissent = dissent * F.pixel_shuffle(heed, 2)
    return torch.lerp(above, here, torch.sigmoid(logit + dissent * dissent / (dissent + CHANCE)))


@torch.no_grad()
def spread(color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]) -> Spread:
    """The noise of `color`, as far as its kin tell it."""
    tone = tone_map(color)
    kin = _kin(tone, guides)
    outshines = affinity.outshining(tone, kin.unlike)
    return Spread(affinity.noise(tone, kin), kin.number / affinity.AROUND, kin.unlike, kin.near, outshines)


def prefiltered(
    guides: Float[Tensor, "n g h w"], logits: Float[Tensor, "n k h w"]
) -> Float[Tensor, "n 7 h w"]:
    """What pixels are compared by: albedo and normal as many samples would have them, and nearness as it is.

    At few samples an edge's pixels are like none of their neighbours, by chance; so nothing is taken from
    those along the edge. Nearness is no mean: half a pixel of sky makes the other half nearer
    (docs/decisions/0021).
    """
    flat = apply_kernels(guides[:, :NEARNESS], logits.softmax(1), KERNEL)
    return torch.cat([flat, guides[:, NEARNESS : affinity.CHANNELS]], dim=1)


@torch.no_grad()
def clearness(guides: Float[Tensor, "n g h w"], seen: Float[Tensor, "n 7 h w"]) -> Float[Tensor, "n 1 h w"]:
    """How much of their say guides keep: less where prefiltering found noise in them, within 5x5 pixels; out
    of focus at few samples neighbours differ by chance (docs/decisions/0028)."""
    murk = affinity.strangeness(seen, guides[:, : affinity.CHANNELS], affinity.care(guides))[:, None]
    return 1 / (1 + MURK * affinity.box(murk))


def predicted_noise(start: Spread, factor: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n 1 h w"]:
    """The variance of a tone's noise: what statistics say, times what the network makes of it, since only it
    can tell noise from blinds before a window."""
    return (start.variance * _within(NOISE_RANGE, factor)).clamp(max=MOST_NOISE)


def strain(pixels: Sequence[Tensor], levels: Sequence[Predicted]) -> Float[Tensor, ""]:
    """The mean square of what is predicted for each pixel, and of each level's blend, care and dissent."""
    of_levels = [torch.cat(level[2:], dim=1).square().mean() for level in levels]
    return torch.stack([part.square().mean() for part in pixels] + of_levels).mean()


def _kin(tone: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]) -> affinity.Kin:
    """See `affinity.kin`; fused where that can be."""
    fused = _fused_for(tone)
    return (fused or affinity).kin(tone, guides)  # type: ignore[no-any-return]


def _finest(
    weighted: Weighted,
    guides: Float[Tensor, "n 7 h w"],
    features: Float[Tensor, "n 7 h w"],
    pixels: Pixels,
) -> Level:
    """Noisy tones stand back behind the mean over their kin nearby, so that a firefly is one of them."""
    tone = _tone(weighted).clamp(min=0)
    kin = _kin(tone, guides)
    shrunk = affinity.doubt(pixels.noise)
    left = pixels.noise * (shrunk.square() / kin.near + (1 - shrunk).square())
    return Level(torch.cat([features, torch.lerp(tone, kin.mean, shrunk)], dim=1), left, pixels.clear)


def _tone(weighted: Weighted) -> Float[Tensor, "n 3 h w"]:
    return tone_map_odd(weighted[:, :3] / weighted[:, -1:]).detach()


def _filter(logits: Float[Tensor, "n k h w"], place: Level, care: Float[Tensor, "n 4 h w"]) -> Apply:
    """Filters a picture by kernels that shun pixels of other features."""
    strength, features = _strength(care, place.noise, place.clear), place.features
    fused = _fused_for(logits)
    if fused:
        return partial(fused.filtered, logits=logits, features=features, strength=strength, size=KERNEL)
    weights = (logits.float() - strangeness(features, strength)).softmax(1)
    return partial(apply_kernels, kernels=weights, size=KERNEL)


def upsampled(
    picture: Float[Tensor, "n c h w"], level: Predicted, fine: Level, coarse: Level
) -> tuple[Float[Tensor, "n c h2 w2"], Float[Tensor, "n 1 h2 w2"]]:
    """Twice the size, each child from the coarse pixels around it that are like it; and how like they are."""
    logits = level.upsampling
    strength = upsampling_strength(level.upsampling_care, fine.noise, coarse)
    fused = _fused_for(picture)
    if fused:
        return fused.upsampled(picture, logits, fine.features, coarse.features, strength)  # type: ignore[no-any-return]
    strange = strangeness_of_children(fine.features, coarse.features, strength)
    taps = (logits.unflatten(1, (4, 9)) - strange).softmax(2).flatten(1, 2)
    return upsample(picture, taps), F.pixel_shuffle(torch.exp(-strange).mean(2), 2)


def upsampling_strength(
    care: Float[Tensor, "n 4 h w"], fine: Float[Tensor, "n 1 h2 w2"], coarse: Level
) -> Float[Tensor, "n 4 h w"]:
    """How much features count between a pixel and the coarse ones around it, by the noise of both."""
    strength = _strength(care, F.avg_pool2d(fine, 2) + coarse.noise, coarse.clear)
    return strength * care.new_tensor(COARSE_CARE)[:, None, None]


def _strength(
    care: Float[Tensor, "n 4 h w"], variance: Float[Tensor, "n 1 h w"], clear: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, "n 4 h w"]:
    """How much features count: guides by `affinity.CARE` and as far as they are clear, tones by their noise,
    times what is predicted."""
    factor = affinity.care(care) * _within(CARE_RANGE, care)
    return torch.cat([factor[:, :3] * clear, factor[:, 3:] / (variance + affinity.CLEAN)], dim=1)


def _fused_for(picture: Tensor) -> ModuleType | None:
    """The fused filters, where they apply: on the CPU; while exporting, operators that stand for them."""
    if torch.compiler.is_exporting():
        from mcdenoise.networks import _symbols

        return _symbols
    if picture.device.type != "cpu":
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


def mean_radiance(weighted: Weighted, apply: Apply) -> Float[Tensor, "n c2 h w"]:
    """The mean of radiance, and of riders, under kernel times weight."""
    total = apply(weighted)
    return total[:, :-1] / total[:, -1:]


def mean_tone(weighted: Weighted, apply: Apply) -> Float[Tensor, "n c2 h w"]:
    """The mean of tone-mapped radiance, and of the three channels after it as they are, under kernel times
    the root of the weight; of riders as `mean_radiance`."""
    weight = weighted[:, -1:]
    root = weight.sqrt()
    tones = torch.cat([tone_map_odd(weighted[:, :3] / weight), weighted[:, 3:6] / weight], dim=1)
    tone = mean_radiance(torch.cat([tones * root, root], dim=1), apply)
    if weighted.shape[1] == 7:
        return tone
    return torch.cat([tone, mean_radiance(weighted[:, 6:], apply)], dim=1)
