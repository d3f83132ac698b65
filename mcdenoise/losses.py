"""A function per loss; each says whether a noisy target is allowed.

With a noisy target, minimising a loss gives the best constant of that loss, not the clean value; only where
that constant is the mean is the result unbiased. The test suite measures it for each loss marked safe.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mcdenoise import affinity
from mcdenoise.encoding import tone_map, tone_unmap
from mcdenoise.errors import UsageError

Image = Float[Tensor, "n c h w"]
EPSILON = 0.01
# Relative variance beyond which pixels count no less.
MOST_NOISE = 20.0
# Pixels on a side over which light is summed up.
SQUARE = 32
# Where the power of `l0` ends.
LAST_POWER = 0.2
# How many times too bright an estimate can be before its cost grows no faster.
MOST_CAUTION = 30.0


@dataclass(frozen=True)
class Loss:
    """A loss: what it computes, whether its best constant is the mean of noisy targets, and whether it
    changes while a network learns."""

    name: str
    function: Callable[..., Image]
    noisy_targets: bool
    anneals: bool

    def __call__(
        self, estimate: Image, target: Image, weight: Image | None = None, *, done: float = 1.0
    ) -> Float[Tensor, ""]:
        """The loss of scene-linear `estimate` against scene-linear `target`, averaged over all.

        A weight may depend on the input, never on the target: then the best estimate stays the mean. `done`
        is the share of the training that is over.
        """
        value = self.function(estimate, target, *([done] if self.anneals else []))
        return (value if weight is None else value * weight).mean()


_LOSSES: dict[str, Loss] = {}


def loss(
    *, noisy_targets: bool, anneals: bool = False
) -> Callable[[Callable[..., Image]], Callable[..., Image]]:
    """Register the function below as a loss, by its name; one that anneals is also told what is done."""

    def register(function: Callable[..., Image]) -> Callable[..., Image]:
        _LOSSES[function.__name__] = Loss(function.__name__, function, noisy_targets, anneals)
        return function

    return register


@torch.no_grad()
def certainty(
    noise: Float[Tensor, "n 1 h w"], target_noise: Float[Tensor, "n 1 1 1"]
) -> Float[Tensor, "n 1 h w"]:
    """1 / (1 + 10 v) with the relative variance v of the target's noise: a weight for each pixel.

    The variance of a pixel's gradient grows with that of its target; noise and fireflies would drown what is
    to be learned from clean pixels: that they stay as they are. `noise` is the variance of the input in
    tones, told from the input alone, so that there is no bias; the target's is `target_noise` times as large.
    Of 3x3 pixels the quietest counts: an outlier of the input isn't one of the target.

    Down to `MOST_NOISE`, since noise is to be learned from too.

    Source: weights by inverse variance, Gauss and Markov's; variance of a log-normal from its logarithm's.
    """
    noise = -F.max_pool2d(-noise, 3, stride=1, padding=1)
    relative = torch.expm1(25 * noise).clamp(max=MOST_NOISE)  # a tone is a fifth of a logarithm
    return 1 / (1 + 10 * relative * target_noise)


@torch.no_grad()
def probable(
    noisy: Image,
    guides: Float[Tensor, "n g h w"],
    noise: Float[Tensor, "n 1 h w"],
    witness: Image | None = None,
) -> Image:
    """What a pixel's radiance probably is, told without the target: what a small cross-bilateral filter makes
    of the noisy input, or that input where it has no noise; where there is a `witness`, a further render that
    is neither input nor target, that one, unless the input and its filtered version both are brighter. NaN is
    no witness."""
    tone = tone_map(noisy)
    # In tones, where a bright neighbour is no reason to forgive.
    smooth = torch.lerp(tone, affinity.smoothed(tone, guides, 5), affinity.doubt(noise))
    if witness is not None:
        seen = torch.maximum(tone_map(witness), torch.minimum(tone, smooth))
        smooth = torch.where(witness.isnan(), smooth, seen)
    return tone_unmap(smooth)


@torch.no_grad()
def caution(estimate: Image, likely: Image) -> Image:
    """A weight that makes `relative_l2` divide by what a pixel probably is, as relMSE divides by the truth.

    `relative_l2` divides by the estimate: far too bright costs 1 at most, far too dark the ratio's square, so
    a network in doubt paints leaks and keeps fireflies. Here the divisor is `probable`, down to a
    `MOST_CAUTION`th of the estimate.

    Nothing of it depends on the target, given the pixel: the best constant stays the mean. A network that
    can't tell a dark pixel from a bright one favours the darker, as relMSE does.
    """
    bright = estimate.abs() + EPSILON
    return (bright / (likely + EPSILON)).clamp(max=MOST_CAUTION).square()


@torch.no_grad()
def tamed(target: Image, estimate: Image, likely: Image, limit: float) -> Image:
    """The target, nowhere brighter than `limit` times what is expected there, by the estimate or by
    `probable`.

    One target pixel in ten thousand, a firefly of its own, has nearly all of the gradient's square, and says
    nothing. What its mean loses is little, and comes back in part: with the light of squares, and with that
    of the frame (`relighting`; docs/decisions/0029).

    Source: winsorising, Tukey 1962; firefly-robust Noise2Noise, Tinits & Mann 2025.
    """
    return torch.minimum(target, limit * (torch.maximum(likely, estimate.abs()) + EPSILON))


def of_means(estimate: Image, target: Image, noisy: Image) -> Float[Tensor, ""]:
    """The squared error of means over squares of `SQUARE` pixels, relative to the estimate or the input, what
    is larger: no light is lost on the whole.

    Weights make a network in doubt favour the darker of what a pixel may be; noise of the target is small in
    such means, and what they should be needs no weights. A pixel that outshines the 5x5 around it takes a
    smaller part in the gradient: what light is missing isn't to come back as fireflies.
    """
    with torch.no_grad():
        around = affinity.box(estimate)
        part = (around / estimate.clamp(min=EPSILON)).clamp(0, 1).square()
    estimate = torch.lerp(estimate.detach(), estimate, part)
    found, wanted, given = (
        F.avg_pool2d(image, SQUARE, stride=SQUARE // 2) for image in (estimate, target, noisy)
    )
    return ((found - wanted) / (torch.maximum(found.detach(), given).clamp(min=0) + EPSILON)).square().mean()


def of_guides(guides: Float[Tensor, "n 7 h w"], target: Float[Tensor, "n g h w"]) -> Float[Tensor, ""]:
    """How strange guides are to those of another, independent render, by `affinity.CARE`: a squared error, so
    least where they are the mean of many renders."""
    return affinity.strangeness(guides, target[:, : affinity.CHANNELS], affinity.care(guides)).mean()


def of_noise(
    variance: Float[Tensor, "n 1 h w"], noisy: Image, target: Image, target_noise: Float[Tensor, "n 1 1 1"]
) -> Float[Tensor, ""]:
    """log v + d / v with the squared difference d of input and target in tones, mean over the channels, less
    the target's part: least where v is the mean of d, the variance of the input's noise.

    Where d is over 50 v, v grows as if it were 50 v.

    Source: the negative log-likelihood of a normal distribution of variance v.
    """
    with torch.no_grad():
        square = (tone_map(noisy) - tone_map(target)).square().mean(1, keepdim=True) / (1 + target_noise)
    variance = variance + affinity.CLEAN
    return (variance.log() + torch.minimum(square, 50 * variance.detach()) / variance).mean()


def every() -> Mapping[str, Loss]:
    """All losses by name."""
    return dict(_LOSSES)


def find(name: str, *, is_target_noisy: bool) -> Loss:
    """The loss `name`, if it may be used on such targets.

    Raises:
        UsageError: there is no such loss, or it is biased on noisy targets.
    """
    if name not in _LOSSES:
        raise UsageError(f"loss: no {name!r}; there is: {', '.join(_LOSSES)}")
    if is_target_noisy and not _LOSSES[name].noisy_targets:
        safe = ", ".join(known for known, entry in _LOSSES.items() if entry.noisy_targets)
        raise UsageError(f"loss: {name!r} darkens or brightens a model trained on noisy targets; use: {safe}")
    return _LOSSES[name]


@loss(noisy_targets=True)
def relative_l2(estimate: Image, target: Image) -> Image:
    """(f - y)^2 / (|f| + 0.01)^2, no gradient through the denominator; its best constant is the mean.

    Source: Lehtinen et al. 2018, "Noise2Noise", section 3.3, L_HDR. Mitchell-filtered renders hold negative
    radiance, hence the |f|.
    """
    weight = (estimate.detach().abs() + EPSILON).square().reciprocal()
    return (estimate - target).square() * weight


@loss(noisy_targets=True)
def l2(estimate: Image, target: Image) -> Image:
    """(f - y)^2; unbiased, but bright pixels are all that counts."""
    return (estimate - target).square()


@loss(noisy_targets=False)
def l1(estimate: Image, target: Image) -> Image:
    """|f - y|; its best constant is the median, darker than the mean of long-tailed noise."""
    return (estimate - target).abs()


@loss(noisy_targets=False, anneals=True)
def l0(estimate: Image, target: Image, done: float) -> Image:
    """|f - y| to a power that falls from 2 to `LAST_POWER`; its best constant then is near the mode.

    Source: Lehtinen et al. 2018, section 3.2; there the power falls to 0, where no gradient is left.
    """
    distance = (estimate - target).abs()
    return distance.square() / (distance + 1e-8) ** (done * (2 - LAST_POWER))


@loss(noisy_targets=False)
def smape(estimate: Image, target: Image) -> Image:
    """|f - y| / (|f| + |y| + 0.01); the noisy target in the denominator biases it dark."""
    return (estimate - target).abs() / (estimate.abs() + target.abs() + EPSILON)


@loss(noisy_targets=False)
def log_l2(estimate: Image, target: Image) -> Image:
    """(log(1 + f) - log(1 + y))^2; a concave curve on the target biases it dark.

    Source: Lehtinen et al. 2018, figure 6.
    """
    return (torch.log1p(estimate.clamp(min=0)) - torch.log1p(target.clamp(min=0))).square()
