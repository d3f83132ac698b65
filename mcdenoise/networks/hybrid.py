"""Kernels in the tone map's space, and a direct correction on top: sharp HDR edges, and the mean kept."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mcdenoise import affinity
from mcdenoise.encoding import tone_map, tone_unmap
from mcdenoise.networks._blocks import apply_kernels
from mcdenoise.networks._contract import Output, Riders
from mcdenoise.networks._kernels import (
    KernelPredicting,
    Pixels,
    alighted,
    clearness,
    mean_tone,
    predicted_noise,
    prefiltered,
    spread,
    strain,
)
from mcdenoise.networks._trunk import CARES, KERNEL, LEAST_ALBEDO, PER_LEVEL, TAPS

# Bound on the shift in tones, a factor of 2: what is averaged in tones has little noise left.
SHIFT = 0.15
# Tones by which a pixel may outshine all its neighbours, times the variance of its noise; that is at most so
# many times the least around: where all is clean it is a highlight.
HIGHLIGHT, BELIEVED, TINY = 1e-3, 30.0, 1e-9
# Pixels like it, of 3x3 with itself, from which on a pixel isn't alone; fully with two fewer.
ALONE = 5.0
# The logit of a pixel's own share in its mixture, and in the kernel before that, to begin with.
OWN = 3.0
# The logit of how much that kernel counts, until training finds better: 0.3.
FOLLOWED = -0.8473
# So much less is the logarithm of a pixel's weight, in noise, for each tone by which it outshines others.
MISTRUST = 1.0
# So many times further may a pixel be shifted that is like none of its neighbours: of that it has no mean.
LONE_SHIFT = 4.0
# Statistics' noise over the network's at which half of a pixel is mixed from others.
CERTAIN = 50.0
# Bound on the logarithm of what texture makes of a pixel: what is further from the mean is another thing.
TEXTURE = 1.0
# Variance of tones at which half of the shift is left: without noise there is no bias to make up for.
SHIFTED = 0.002


class Network(KernelPredicting):
    """Radiance is averaged down a pyramid, tone-mapped at each level, filtered by predicted kernels, joined
    from coarse to fine, and shifted by a predicted amount, which makes up for what the curve takes from the
    mean. What is noisy is mixed once more from what came of its neighbours. The albedo goes the same way:
    what that took from it is given back to the picture, as far as predicted.

    A stray weight on a bright window costs its logarithm, not its radiance (docs/decisions/0003).
    """

    extra = 2 * TAPS + 6
    frugal = True

    def __init__(self, widths: Sequence[int] = (48, 64, 96, 128)) -> None:
        super().__init__(widths)
        bias = self.trunk.heads[0].bias
        assert isinstance(bias, torch.Tensor)
        with torch.no_grad():
            values = bias[PER_LEVEL:].view(-1, 4)
            values[TAPS + TAPS // 2] = OWN
            values[2 * TAPS + 5] = 0
            values[2 * TAPS + 6 + TAPS // 2] = OWN

    def forward(
        self, color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]
    ) -> Float[Tensor, "n 3 h w"]:
        """See `Denoising.forward`."""
        if (
            color.device.type != "cpu"
            or len(color) > 1
            or self.training
            or not torch.is_inference_mode_enabled()
        ):
            return super().forward(color, guides)
        from mcdenoise.networks import _swift  # numba takes half a second to import

        return _swift.denoised(self.trunk, color, guides)

    def in_full(
        self, color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"], riders: Riders | None = None
    ) -> Output:
        """See `Denoising.in_full` and `carry`."""
        start = spread(color, guides)
        predicted, levels = self.trunk(color, guides, start)
        sizes = [TAPS, TAPS, 1, 1, 3, 1, TAPS, affinity.CHANNELS, CARES, 1, TAPS]
        kernel, mixture, *others = predicted.split(sizes, dim=1)
        others = [other.float() for other in others]
        trust, share, shift, strength, along, correction, care, factor, sight = others
        noise, seen = predicted_noise(start, factor), prefiltered(guides, sight)
        trust, shade = sceptical(trust, start.outshines, noise.detach()), shade_of(seen)
        pixels = Pixels(kernel, trust, correction, care, noise.detach(), clearness(guides, seen))
        given = torch.cat([color, shade, *(riders or [])], dim=1)
        tone = self.reconstruct(given, seen, pixels, levels, mean_tone, as_it_is)
        far = strain([shift / SHIFT, strength, correction, care, factor], levels) if self.training else None
        own = torch.cat([tone[:, :3] + shifted(shift, start.near, pixels.noise), tone[:, 3:]], dim=1)
        noisy = noisiness(pixels.noise, start.variance)
        smooth = mended(own, along, torch.sigmoid(strength + FOLLOWED), mixture, noisy)
        lost = torch.sigmoid(share) * (shade - smooth[:, 3:6])
        texture = torch.exp(lost.clamp(-TEXTURE, TEXTURE))
        estimate = tone_unmap(smooth[:, :3]) * texture
        if not self.training:
            estimate = without_fireflies(estimate, noise)
        return Output(estimate, noise, far, alighted(smooth[:, 6:], texture, riders), seen)


def shade_of(guides: Float[Tensor, "n 7 h w"]) -> Float[Tensor, "n 3 h w"]:
    """The logarithm of the albedo, from the least that counts on."""
    return torch.log(guides[:, :3].detach().clamp(min=LEAST_ALBEDO) / LEAST_ALBEDO)


def shifted(
    shift: Float[Tensor, "n 3 h w"], near: Float[Tensor, "n 1 h w"], noise: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, "n 3 h w"]:
    """By how much tones are shifted: within bounds, and not where there is no noise."""
    room = SHIFT * (1 + (LONE_SHIFT - 1) * loneliness(near))
    return room * torch.tanh(shift / room) * noise / (noise + SHIFTED)


def loneliness(near: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n 1 h w"]:
    """1 for a pixel with few of its like nearby (`affinity.Kin.near`), 0 for one with more."""
    return ((ALONE - near) / 2).clamp(0, 1)


def sceptical(
    trust: Float[Tensor, "n 1 h w"], outshines: Float[Tensor, "n 1 h w"], noise: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, "n 1 h w"]:
    """The logarithm of a pixel's weight, less where a noisy pixel outshines its neighbours: one firefly in a
    coarse pixel is a stain. A dark one keeps its weight: it may be a bar before a window
    (docs/decisions/0027)."""
    return trust - MISTRUST * affinity.doubt(noise) * outshines.sqrt()


def mended(
    picture: Float[Tensor, "n c h w"],
    along: Float[Tensor, "n k h w"],
    strength: Float[Tensor, "n 1 h w"],
    mixture: Float[Tensor, "n k h w"],
    noisy: Float[Tensor, "n 1 h w"],
) -> Float[Tensor, "n c h w"]:
    """Noisy pixels are mixed from what came of those around, twice: by a kernel that learns to go along
    edges, as strongly as is predicted, and by the mixture (docs/decisions/0034, 0035)."""
    for kernel, share in ((along, noisy * strength), (mixture, noisy)):
        picture = torch.lerp(picture, apply_kernels(picture, kernel.float().softmax(1), KERNEL), share)
    return picture


def noisiness(noise: Float[Tensor, "n 1 h w"], found: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n 1 h w"]:
    """From 0 to 1: little where there is little noise, or where the network says of what statistics found
    that nearly nothing is noise."""
    return noise / (noise + affinity.CLEAN + found / CERTAIN)


def without_fireflies(
    estimate: Float[Tensor, "n 3 h w"], noise: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, "n 3 h w"]:
    """No pixel outshines all its neighbours by more than a deviation of the noise around, and `HIGHLIGHT`
    over its own variance, as far as those around let that be believed (docs/decisions/0011, 0034)."""
    quiet = _least(noise, 3)
    own = torch.minimum(noise, BELIEVED * quiet)
    around = tone_map(affinity.brightest_neighbour(estimate.amax(1, keepdim=True)))
    return _dimmed(estimate, tone_unmap(around + quiet.sqrt() + HIGHLIGHT / (own + TINY)))


def _least(noise: Float[Tensor, "n 1 h w"], size: int) -> Float[Tensor, "n 1 h w"]:
    return -F.max_pool2d(-noise, size, stride=1, padding=size // 2)


def _dimmed(estimate: Float[Tensor, "n 3 h w"], limit: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n 3 h w"]:
    """All channels alike, so that the largest is within the limit."""
    return estimate * (limit / estimate.amax(1, keepdim=True).clamp(min=1e-9)).clamp(max=1)


def as_it_is(tone: Tensor) -> Tensor:
    """What is filtered are tones already."""
    return tone
