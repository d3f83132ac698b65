"""Which neighbours belong together: the distances of the cross-bilateral filter.

Source: cross-bilateral weights as in Rousselle et al. 2013 and Bitterli et al. 2016 (NFOR).
"""

from functools import reduce
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

# Albedo, normal and nearness, as `encoding.guides` puts them first.
CHANNELS = 7
# Squared differences of albedo, normal and nearness count so much unless a network finds better, those of
# tones as a share of the variance of their noise.
CARE = (60.0, 12.0, 600.0, 0.15)

# Less strange than that: albedos that differ by 0.1 together, normals by 13 degrees, nearness by 0.03.
KIN = 0.6
# Neighbours among which kin are sought.
AROUND = 25
# Variance of tones that counts as no noise: 5 % of radiance.
CLEAN = 1e-4
# Variance at which a tone stands half back behind its kin's.
SHRINK = 0.003
# What kin say of noise is mixed with what is known around by such shares, which count where kin are few.
FEW, FEW_AROUND = 0.05, 0.003


def shifted(
    image: Float[Tensor, "n c h w"], size: int, *, step: int = 1, edges: str = "replicate"
) -> list[Float[Tensor, "n c h w"]]:
    """The picture moved so that each pixel's neighbours come to lie on it, row by row, edges repeated.

    `step` spreads the size x size neighbours, so many pixels from one to the next; `edges` is torch's name of
    what is beyond them.
    """
    _, _, h, w = image.shape
    padded = F.pad(image, [size // 2 * step] * 4, mode=edges)
    places = range(0, size * step, step)
    return [padded[:, :, y : y + h, x : x + w] for y in places for x in places]


def strangeness(
    one: Float[Tensor, "n f *s"], other: Float[Tensor, "n f *s"], strength: Float[Tensor, "m 4 *t"]
) -> Float[Tensor, "n *s"]:
    """Squared differences of albedo, normal, nearness, and of tone where there are ten channels, each summed
    and times its strength."""
    squares = (one - other).square()
    albedo, normal, nearness = squares[:, :3].sum(1), squares[:, 3:6].sum(1), squares[:, 6]
    of_guides = albedo * strength[:, 0] + normal * strength[:, 1] + nearness * strength[:, 2]
    return of_guides + squares[:, CHANNELS:].sum(1) * strength[:, 3] if one.shape[1] > CHANNELS else of_guides


def care(like: Float[Tensor, "n c h w"]) -> Float[Tensor, "1 4 1 1"]:
    """`CARE` on the device and in the type of a picture."""
    return like.new_tensor(CARE)[None, :, None, None]


def smoothed(
    image: Float[Tensor, "n c h w"], guides: Float[Tensor, "n g h w"], size: int
) -> Float[Tensor, "n c h w"]:
    """A plain cross-bilateral filter of size x size pixels, with `CARE`."""
    return _cross_bilateral(image, guides[:, :CHANNELS], care(guides), size)


def smoothed_alike(
    image: Float[Tensor, "n c h w"], features: Float[Tensor, "n 10 h w"], size: int, *, step: int
) -> Float[Tensor, "n c h w"]:
    """A cross-bilateral filter of size x size pixels, `step` apart, by guides and by tones without noise."""
    strength = features.new_tensor((*CARE[:3], CARE[3] / CLEAN))[None, :, None, None]
    return _cross_bilateral(image, features, strength, size, step=step)


def _cross_bilateral(
    image: Float[Tensor, "n c h w"],
    features: Float[Tensor, "n f h w"],
    strength: Float[Tensor, "1 4 1 1"],
    size: int,
    *,
    step: int = 1,
) -> Float[Tensor, "n c h w"]:
    total, weights = torch.zeros_like(image), torch.zeros_like(image[:, :1])
    scaled = features * _by_channel(strength, features.shape[1]).sqrt()
    around = zip(shifted(image, size, step=step), shifted(scaled, size, step=step), strict=True)
    for pixels, near in around:
        far = near - scaled
        weight = torch.exp(-torch.linalg.vecdot(far, far, dim=1))[:, None]
        total, weights = torch.addcmul(total, weight, pixels), weights + weight
    return total / weights


def _by_channel(strength: Float[Tensor, "1 4 1 1"], channels: int) -> Float[Tensor, "1 f 1 1"]:
    """The strength of each of the features: albedo, normal, nearness, tone."""
    counts = torch.tensor([3, 3, 1, channels - CHANNELS], device=strength.device)
    return strength.repeat_interleave(counts, dim=1)


def brightest_neighbour(level: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n 1 h w"]:
    """The largest level of the eight pixels around, the pixel itself not among them: beyond the edges of the
    picture it is mirrored."""
    around = shifted(level, 3, edges="reflect")
    return reduce(torch.maximum, around[:4] + around[5:])


class Kin(NamedTuple):
    """What the pixels around say whose guides are nearly the same, a pixel itself among them.

    Attributes:
        mean: of the tones within 3x3 pixels, which no single firefly moves far.
        near: how many those are.
        variance: of the tones within 5x5 pixels, mean over the channels, about their own mean.
        number: how many those are.
        unlike: the second smallest of the squared differences, mean over the channels, to the eight pixels
            around, whatever their guides: small on lines and surfaces, large on a firefly.
    """

    mean: Float[Tensor, "n 3 h w"]
    near: Float[Tensor, "n 1 h w"]
    variance: Float[Tensor, "n 1 h w"]
    number: Float[Tensor, "n 1 h w"]
    unlike: Float[Tensor, "n 1 h w"]


def kin(tone: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]) -> Kin:
    """Statistics among the kin of each pixel."""
    seen, strength = guides[:, :CHANNELS], care(guides)
    mean, total, squares = (torch.zeros_like(tone) for _ in range(3))
    near, count = (torch.zeros_like(tone[:, :1]) for _ in range(2))
    squared = [(value - tone).square().mean(1, keepdim=True) for value in shifted(tone, 3)]
    unlike = torch.stack(squared[:4] + squared[5:]).topk(2, dim=0, largest=False).values[1]
    for tap, (value, other) in enumerate(zip(shifted(tone, 5), shifted(seen, 5), strict=True)):
        is_kin = (strangeness(other, seen, strength) < KIN)[:, None].to(tone.dtype)
        apart = value - tone  # what has no kin must have no variance, not what rounding leaves
        count, total, squares = count + is_kin, total + is_kin * apart, squares + is_kin * apart * apart
        if tap // 5 in range(1, 4) and tap % 5 in range(1, 4):
            mean, near = mean + is_kin * value, near + is_kin
    variance = (squares / count - (total / count).square()).clamp(min=0)
    return Kin(mean / near, near, variance.mean(1, keepdim=True), count, unlike)


def outshining(tone: Float[Tensor, "n 3 h w"], unlike: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n 1 h w"]:
    """How unlike its neighbours (`Kin.unlike`) a pixel is that is brighter than the 3x3 pixels around; 0 for
    the others."""
    level = tone.mean(1, keepdim=True)
    around = F.avg_pool2d(F.pad(level, [1] * 4, mode="replicate"), 3, stride=1)
    return torch.where(level > around, unlike, 0)


def noise(tone: Float[Tensor, "n 3 h w"], found: Kin) -> Float[Tensor, "n 1 h w"]:
    """The variance of a tone's noise, told from the variance among kin; where there are few, from what there
    is among their neighbours, or, last, from that of all tones around."""
    known, level = 1 - 1 / found.number, tone.mean(1, keepdim=True)
    around = box(torch.cat([found.variance, known, level, level.square()], dim=1))
    variance, share, mean, square = around.chunk(4, dim=1)
    unsorted = (square - mean.square()).clamp(min=0)
    elsewhere = (variance + FEW_AROUND * unsorted) / (share + FEW_AROUND)
    return (found.variance + FEW * elsewhere) / (known + FEW)


def doubt(variance: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n 1 h w"]:
    """How far a tone with noise of this variance stands back behind its kin's: 0 without noise, up to 1."""
    return variance / (variance + SHRINK)


def box(image: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """The mean over 5x5 pixels, of those that there are."""
    if image.device.type != "cpu" or torch.compiler.is_compiling():
        return F.avg_pool2d(image, 5, stride=1, padding=2, count_include_pad=False)
    # On the CPU torch's own goes pixel by pixel, and takes four times as long.
    return _mean_of_five(_mean_of_five(image, 2), 3)


def _mean_of_five(image: Float[Tensor, "n c h w"], axis: int) -> Float[Tensor, "n c h w"]:
    """Along an axis, a pixel and two to either side, of those that there are."""
    length = image.shape[axis]
    padded = F.pad(image, [0, 0, 2, 2] if axis == 2 else [2, 2])
    total = padded.narrow(axis, 0, length) + padded.narrow(axis, 1, length)
    for first in (2, 3, 4):
        total += padded.narrow(axis, first, length)
    before = torch.arange(length).clamp(max=2)
    number = (1 + before + before.flip(0)).to(image.dtype)
    return total.mul_(number.reciprocal().view(-1, 1) if axis == 2 else number.reciprocal())
