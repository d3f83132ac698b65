"""`hybrid` on the CPU, in use: the same sums (tested), without most of the pictures in between.

What the finest head says of each pixel is made a few rows at a time and used while it is in the cache; what
else is done at full resolution goes through the loops of `_swift_loops` (docs/decisions/0014).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mcdenoise import affinity
from mcdenoise.encoding import split_guides, tone_map, tone_unmap
from mcdenoise.networks import _fused, _kernels, _loops, _swift_loops, hybrid
from mcdenoise.networks._kernels import Level
from mcdenoise.networks._trunk import BLEND, DISSENT, LEAST_ALBEDO, PER_LEVEL, TAPS, UPSAMPLING, Trunk

# Rows, at half resolution, of which a head's output stays in the cache.
BAND = 16
# Pixels around the guides, as far as the brightest kin are sought.
MARGIN = int(_fused.places().max())
# Which outputs of the finest head are the kernels, and the mixtures; those of the guides come last.
KERNELS = slice(PER_LEVEL, PER_LEVEL + 4 * TAPS)
MIXTURE = slice(KERNELS.stop, KERNELS.stop + 4 * TAPS)
OF_GUIDES = slice(-4 * TAPS, None)

# What a level says of how it is joined with the finer one: blend and dissent.
JOINT = [*range(BLEND.start, BLEND.stop), *range(DISSENT.start, DISSENT.stop)]

# Rows and columns, in planes of a channel each; with a margin or without.
Plane = Float[np.ndarray, "_ _"]
Planes = Float[np.ndarray, "_ _ _"]


def denoised(
    trunk: Trunk, color: Float[Tensor, "1 3 h w"], guides: Float[Tensor, "1 g h w"]
) -> Float[Tensor, "1 3 h w"]:
    """See `Denoising.forward`."""
    planes = color.contiguous()[0]
    near = _fused.padded(guides[0, : affinity.CHANNELS], MARGIN)
    found = _estimated(trunk, planes, guides.contiguous()[0], near)
    _bound_by_kin(found.estimate, planes.numpy(), near, found.variance)
    estimate = _mended(trunk, found)
    _quench(estimate, found.variance)
    return torch.from_numpy(estimate)[None]


class _Estimated(NamedTuple):
    """The picture before it is bounded, what it was divided by, the variance of its noise, how many pixels
    nearby are kin, and what the finest head is given."""

    estimate: Planes
    divisor: Planes
    variance: Plane
    near: Plane
    finest: Float[Tensor, "1 c h2 w2"]


def _estimated(
    trunk: Trunk, planes: Float[Tensor, "3 h w"], guides: Float[Tensor, "g h w"], near: Planes
) -> _Estimated:
    """What isn't needed any more is let go: the largest tiles decide how much memory a process takes."""
    start, kin_nearby, told = _told(planes, guides, near)
    decoded = trunk.decoded(told)
    del told
    finest = decoded[0]
    raw, levels = _of_pixels(trunk, finest), [_of_level(trunk, finest)]
    levels += [head(x)[:, :PER_LEVEL].float() for head, x in zip(trunk.heads[1:], decoded[1:], strict=True)]
    own = np.ascontiguousarray(near[:, MARGIN - 2 : 2 - MARGIN, MARGIN - 2 : 2 - MARGIN])
    seen = _prefiltered(trunk, finest, own)
    divisor, radiance, features, variance, pooled = _prepared(raw, planes.numpy(), own[:3], seen, start)
    tone = tone_map(torch.from_numpy(radiance)).numpy()
    del own, radiance
    strength, left = _compared(tone, seen, variance, raw, features)
    del seen
    small, coarse = _kernels.coarser(*pooled, levels, _kernels.mean_tone, hybrid.as_it_is)
    above, kinship = _upsampled(small, levels[0], features, left, coarse)
    joint = levels[0][0, JOINT].numpy()
    del levels
    here = _filtered(trunk, finest, tone, features, strength)
    _swift_loops.joined(
        len(left), above, here, kinship, left, joint, raw, variance,
        _bound(_kernels.BLEND_RANGE), _bound(_kernels.DISSENT_RANGE), np.float32(hybrid.SHIFT),
        np.float32(hybrid.SHIFTED), here,
    )  # fmt: skip
    estimate = tone_unmap(torch.from_numpy(here)).mul_(torch.from_numpy(divisor)).numpy()
    return _Estimated(estimate, divisor, variance, kin_nearby, finest)


def _mended(trunk: Trunk, found: _Estimated) -> Planes:
    """`hybrid.mended`, once the picture is bounded."""
    divided = torch.from_numpy(found.estimate).div_(torch.from_numpy(found.divisor))
    tone, out = _fused.padded(tone_map(divided), 2), np.empty_like(found.estimate)
    for first, logits in _head(trunk, found.finest, MIXTURE):
        _swift_loops.mended(
            2 * logits.shape[1], tone, found.near, found.variance, logits.float().numpy(),
            np.float32(hybrid.ALONE), first, out,
        )  # fmt: skip
    return tone_unmap(torch.from_numpy(out)).mul_(torch.from_numpy(found.divisor)).numpy()


def _told(
    color: Float[Tensor, "3 h w"], guides: Float[Tensor, "g h w"], near: Planes
) -> tuple[Plane, Plane, Float[Tensor, "1 c h2 w2"]]:
    """The variance of tones as statistics have it, how many of the nearest pixels are kin, and what the trunk
    begins with."""
    tone = tone_map(torch.from_numpy(_fused.padded(color, 2)))
    found = _kin(tone.numpy(), near)
    variance, around = np.empty(found.unlike.shape, np.float32), np.empty(found.unlike.shape, np.float32)
    _swift_loops.noise(
        len(variance), tone.numpy(), found.variance, found.number, found.unlike, variance, around
    )
    squares = torch.from_numpy(np.stack([variance, found.unlike, around]))
    known = torch.log10_(squares.add_(affinity.CLEAN)).add_(2)
    share = torch.from_numpy(found.number)[None] / affinity.AROUND
    demodulated = tone_map(color / split_guides(guides[None])[0][0].clamp(min=LEAST_ALBEDO))
    inner = np.ascontiguousarray(tone.numpy()[:, 2:-2, 2:-2])
    parts = (inner, demodulated.numpy(), guides.numpy(), known.numpy(), share.numpy())
    return variance, found.near, _unshuffled(parts)


def _unshuffled(parts: Sequence[Planes]) -> Float[Tensor, "1 c h2 w2"]:
    """`pixel_unshuffle` by 2, channels last, in the type that convolutions want."""
    height, width = parts[0].shape[1] // 2, parts[0].shape[2] // 2
    channels = 4 * sum(len(part) for part in parts)
    kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
    out = torch.empty(1, channels, height, width, dtype=kind, memory_format=torch.channels_last)
    rows = np.empty((BAND, width, channels), np.float32)
    for first, into in _bands(out):
        _swift_loops.unshuffled(len(into), tuple(parts), first, rows[: len(into)])
        into.copy_(torch.from_numpy(rows[: len(into)]))
    return out


def _bands(picture: Float[Tensor, "1 c h w"]) -> Iterator[tuple[int, Float[Tensor, "b w c"]]]:
    rows = picture[0].permute(1, 2, 0)
    return ((first, rows[first : first + BAND]) for first in range(0, len(rows), BAND))


def _head(
    trunk: Trunk, x: Float[Tensor, "1 c h w"], outputs: slice
) -> Iterator[tuple[int, Float[Tensor, "o b w"]]]:
    """Some outputs of the finest head, a band of rows at a time, as planes: loops want lines of pixels."""
    finest = trunk.heads[0]
    assert isinstance(finest, torch.nn.Conv2d)
    assert finest.bias is not None
    weight, bias = finest.weight[outputs, :, 0, 0].to(x.dtype), finest.bias[outputs, None].to(x.dtype)
    for first, band in _bands(x):
        yield first, torch.addmm(bias, weight, band.flatten(0, 1).t()).unflatten(1, band.shape[:2])


def _of_level(trunk: Trunk, x: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 p h w"]:
    """What the finest head says of its level."""
    out = torch.empty(1, PER_LEVEL, *x.shape[2:])
    for first, planes in _head(trunk, x, slice(PER_LEVEL)):
        out[0, :, first : first + planes.shape[1]] = planes
    return out


def _of_pixels(trunk: Trunk, x: Float[Tensor, "1 c h w"]) -> Planes:
    """What it says of each pixel but the kernels."""
    others = slice(MIXTURE.stop, int(trunk.heads[0].out_channels) + OF_GUIDES.start)  # type: ignore[arg-type]
    out = np.empty(((others.stop - others.start) // 4, 2 * x.shape[2], 2 * x.shape[3]), np.float32)
    for first, planes in _head(trunk, x, others):
        _swift_loops.shuffled(planes.shape[1], planes.float().numpy(), first, out)
    return out


def _prefiltered(trunk: Trunk, x: Float[Tensor, "1 c h w"], guides: Planes) -> Planes:
    """`_kernels.prefiltered`, with a margin of 2."""
    out = guides.copy()
    for first, logits in _head(trunk, x, OF_GUIDES):
        rows = 2 * logits.shape[1]
        _swift_loops.prefiltered(rows, guides, logits.float().numpy(), first, out[: _kernels.NEARNESS])
    _border(out)
    return out


def _prepared(
    raw: Planes, color: Planes, albedo: Planes, seen: Planes, start: Plane
) -> tuple[Planes, Planes, Planes, Plane, tuple[Tensor, Tensor, Tensor]]:
    """Divisor, radiance, features, variance, and what the coarser levels are made of."""
    height, width = start.shape
    divisor, radiance = (
        np.empty((3, height, width), np.float32),
        np.empty((3, height + 4, width + 4), np.float32),
    )
    features, variance = np.empty((10, height + 4, width + 4), np.float32), np.empty_like(start)
    small = np.empty((12, height // 2, width // 2), np.float32)
    limits = (_bound(_kernels.TRUST), _bound(_kernels.NOISE_RANGE))
    _swift_loops.prepared(
        height // 2, raw, color, albedo, seen, start, limits, np.float32(LEAST_ALBEDO),
        np.float32(_kernels.MOST_NOISE), divisor, radiance, features, variance, small,
    )  # fmt: skip
    _border(radiance)
    weighted, guided, noise = torch.from_numpy(small)[None].split([4, 7, 1], dim=1)
    return divisor, radiance, features, variance, (weighted, guided, noise * _kernels.CALMER)


def _compared(
    tone: Planes, guides: Planes, variance: Plane, raw: Planes, features: Planes
) -> tuple[Planes, Plane]:
    """How much kinds of features count, and the noise left in their tones, which are added to them."""
    strength, left = np.empty((4, *variance.shape), np.float32), np.empty_like(variance)
    care, limit = np.array(affinity.CARE, np.float32), np.float32(affinity.KIN)
    _swift_loops.compared(
        len(left), tone, guides, variance, raw, care, limit, _bound(_kernels.CARE_RANGE), features, strength,
        left,
    )  # fmt: skip
    _border(features)
    return strength, left


def _filtered(
    trunk: Trunk, x: Float[Tensor, "1 c h w"], tone: Planes, features: Planes, strength: Planes
) -> Planes:
    out = np.empty((3, *strength.shape[1:]), np.float32)
    for first, logits in _head(trunk, x, KERNELS):
        _swift_loops.filtered(
            2 * logits.shape[1], tone, features, logits.float().numpy(), strength, first, out
        )
    return out


def _upsampled(
    picture: Float[Tensor, "1 3 h w"], level: Tensor, features: Planes, left: Plane, coarse: Level
) -> tuple[Planes, Plane]:
    """`_kernels.upsampled` to the finest level."""
    strength = _kernels.upsampling_strength(level, torch.from_numpy(left)[None, None], coarse.noise)
    above, kinship = np.empty((3, *left.shape), np.float32), np.empty_like(left)
    logits = np.ascontiguousarray(level[0, UPSAMPLING].numpy())
    around = [_fused.padded(part[0], 1) for part in (picture, coarse.features)]
    _loops.upsampled(
        level.shape[2], around[0], logits, features, 2, around[1], strength[0].numpy(), above, kinship
    )
    return above, kinship


def _bound_by_kin(estimate: Planes, color: Planes, near: Planes, variance: Plane) -> None:
    """`hybrid.bounded`, in place."""
    level, brightest, quiet = (np.empty_like(variance) for _ in range(3))
    _swift_loops.brightest(len(level), color, level)
    rows = _fused.padded(torch.from_numpy(level)[None], MARGIN)[0]
    _fused.find_brightest(rows, near, MARGIN, brightest)
    _swift_loops.least(len(quiet), variance, hybrid.AROUND // 2, quiet)
    _dim(estimate, tone_map(torch.from_numpy(brightest)) + torch.from_numpy(quiet).sqrt_())


def _quench(estimate: Planes, variance: Plane) -> None:
    """`hybrid.without_fireflies`, in place."""
    level, brightest, least = (np.empty_like(variance) for _ in range(3))
    _swift_loops.brightest(len(level), estimate, level)
    _swift_loops.brightest_neighbour(len(level), level, brightest)
    _swift_loops.least(len(least), variance, 1, least)
    quiet = torch.from_numpy(least)
    highlight = hybrid.HIGHLIGHT / (quiet + hybrid.TINY)
    _dim(estimate, tone_map(torch.from_numpy(brightest)) + quiet.sqrt() + highlight)


def _dim(estimate: Planes, limit: Float[Tensor, "h w"]) -> None:
    _swift_loops.dimmed(len(limit), estimate, tone_unmap(limit).numpy())


class _Kin(NamedTuple):
    """See `affinity.Kin`."""

    mean: Planes
    near: Plane
    variance: Plane
    number: Plane
    unlike: Plane


def _kin(tone: Planes, near: Planes) -> _Kin:
    """`affinity.kin` of tones with a margin of 2."""
    size = tone.shape[1] - 4, tone.shape[2] - 4
    found = _Kin(np.empty((3, *size), np.float32), *(np.empty(size, np.float32) for _ in range(4)))
    _fused.find_kin(tone, near, MARGIN, found)
    return found


def _border(planes: Planes) -> None:
    """Repeat the edges into a margin of 2."""
    planes[:, :, :2], planes[:, :, -2:] = planes[:, :, 2:3], planes[:, :, -3:-2]
    planes[:, :2], planes[:, -2:] = planes[:, 2:3], planes[:, -3:-2]


def _bound(value: float) -> tuple[np.float32, np.float32]:
    return np.float32(value), np.float32(np.exp(value))
