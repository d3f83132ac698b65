"""One noisy buffer, no second render: masks that hide a pixel from the denoiser which is judged by it.

A frame is x = y + n. Where noise is independent from pixel to pixel, what a denoiser makes of a pixel that is
hidden from it (J-invariance) knows nothing of that pixel's noise: E[(g - x)²] = E[(g - y)²] + E[n²].
Source: Batson & Royer 2019, "Noise2Self: Blind Denoising by Self-Supervision".
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Tensor

from mcdenoise import encoding, soundness
from mcdenoise.errors import FrameError
from mcdenoise.frame import Frame, Plane
from mcdenoise.metrics import EPSILON

Denoise = Callable[[Frame], Frame]

# One pixel in so many, of one row in so many, is hidden at a time; no neighbour of one is another.
SPACING = 4
PHASES = SPACING**2
# Where noise is independent, second differences over one pixel have at least this share of the variance of
# those over two: *measured* 0.72 to 1.0 for box filters and Cycles (2 to 512 spp), 0.39 to 0.62 for Mitsuba's
# others.
INDEPENDENT = 0.67
# Pixels below which nothing is proved.
LEAST_PIXELS = 400
# Differences of tones that are none: the sky, lamps.
LEAST_NOISE = 1e-3
# Pixels that are enough to judge by, and phases at most; those with four runs at most see each other's place.
ENOUGH, MOST_PHASES = 20_000, 4
# Where a result changes by more than this share over 3x3 pixels there is an edge.
SMOOTH = 0.3
# Second differences of second differences: their squares' sum is 1, and on a plane they are 0.
RIPPLE = np.outer([1, -2, 1], [1, -2, 1])[..., None] / 6
# What stands in for a hidden pixel: its neighbours, those at the corners half as much.
AROUND = np.array([[0.5, 1, 0.5], [1, 0, 1], [0.5, 1, 0.5]], np.float32) / 6


class Judged(NamedTuple):
    """A phase: the pixels that were hidden, the color with others in their place, and what came of it."""

    hidden: Bool[np.ndarray, "h w"]
    around: Plane
    denoised: Plane


def fault(frame: Frame) -> str:
    """Why the noise of a frame isn't independent from pixel to pixel, in words; empty if it may be.

    Where guides are flat, tones are noise and little else. A filter that splats samples over pixels makes
    neighbours alike, and second differences between them small.
    """
    found = _likeness(frame)
    if not found < INDEPENDENT:
        return ""
    return (
        f"neighbouring pixels share noise (their differences have {found:.0%} of the variance of those "
        "further apart), as splatting filters make them; render with a box filter, or render twice"
    )


def refuse_shared(name: str, frame: Frame) -> None:
    """Refuse a frame whose neighbouring pixels share noise.

    Raises:
        FrameError: they do.
    """
    if found := fault(frame):
        raise FrameError(f"{name}: {found}")


def mask(size: tuple[int, int], phase: int) -> Bool[np.ndarray, "h w"]:
    """The pixels that are hidden in a phase, 0 to `PHASES` - 1; each pixel is in one of them."""
    hidden = np.zeros(size, bool)
    hidden[phase // SPACING :: SPACING, phase % SPACING :: SPACING] = True
    return hidden


def masked(color: Float[Tensor, "n c h w"], hidden: Bool[Tensor, "h w"]) -> Float[Tensor, "n c h w"]:
    """The picture with hidden pixels replaced by the mean of their neighbours; edges are mirrored."""
    channels = color.shape[1]
    kernel = torch.from_numpy(AROUND).to(color).expand(channels, 1, 3, 3)
    around = F.conv2d(F.pad(color, (1, 1, 1, 1), mode="reflect"), kernel, groups=channels)
    return torch.where(hidden, around, color)


def hide(frame: Frame, hidden: Bool[np.ndarray, "h w"]) -> Frame:
    """The frame with hidden pixels of its color replaced by the mean of their neighbours; guides stay."""
    around = masked(encoding.tensor(frame.color), torch.from_numpy(hidden))
    return Frame({**frame.planes, "color": encoding.decode(around, 1.0)}, frame.attributes)


def loss(denoise: Denoise, frame: Frame) -> float:
    """A denoiser's relative squared error on hidden pixels, and the noise's on top, the same for all: the
    least is the best denoiser's.

    A pixel's light is told from its neighbours, so that its own noise has no part in its weight.
    """
    judged = [_relative(one.denoised - frame.color, one.around)[one.hidden] for one in _judge(denoise, frame)]
    return float(np.mean(np.concatenate(judged) ** 2))


def strength(denoise: Denoise, frame: Frame, clean: Plane) -> float:
    """How much of `clean`, what `denoise` makes of the frame, is best beside the noisy color: 0 to 1.

    x + s (f - x) has its least squared error at s = E[n (x - f)] / E[(x - f)²], and the numerator is
    (1 - a) E[n²]. How far f follows a pixel's own noise, a, is told from what hiding it changes; the noise,
    from ripples. All three are looked at where guides and result show a plain surface, since elsewhere
    ripples are the picture's own: what a denoiser does to edges isn't seen. 1 where there is no such place.

    For noise that is independent from pixel to pixel (see `fault`).
    """
    noisy, level = frame.color.astype(np.float64), ndimage.gaussian_filter(clean, (2, 2, 0))
    plain = _plain(frame, clean)
    moved = (_relative(noisy - clean, level)[plain] ** 2).sum()
    noise = (_relative(ndimage.convolve(noisy, RIPPLE, mode="reflect"), level)[plain] ** 2).sum()
    followed = hidden_noise = 0.0
    for one in _judge(denoise, frame):
        here = one.hidden & plain
        change = _relative(noisy - one.around, level)[here]
        followed += float((_relative(clean - one.denoised, level)[here] * change).sum())
        hidden_noise += float((change**2).sum())
    if not min(moved, hidden_noise) > 0:
        return 1.0
    return float(np.clip((1 - followed / hidden_noise) * noise / moved, 0, 1))


def hidden_pixels(denoise: Denoise, frame: Frame) -> tuple[Plane, Plane]:
    """What a denoiser makes of hidden pixels, and what they are: 1 n 3 each."""
    judged = [(one.denoised[one.hidden], frame.color[one.hidden]) for one in _judge(denoise, frame)]
    made, given = (np.concatenate(each)[None] for each in zip(*judged, strict=True))
    return made, given


def _judge(denoise: Denoise, frame: Frame) -> Iterator[Judged]:
    count = min(max(-(-ENOUGH * PHASES // (frame.size[0] * frame.size[1])), 1), MOST_PHASES)
    for phase in range(0, PHASES, SPACING + 1)[:count]:
        hidden = mask(frame.size, phase)
        shown = hide(frame, hidden)
        yield Judged(hidden, shown.color, denoise(shown).color)


def _relative(difference: np.ndarray, level: np.ndarray) -> np.ndarray:
    return np.asarray(difference / np.sqrt(level.astype(np.float64) ** 2 + EPSILON))


def _plain(frame: Frame, clean: Plane) -> Bool[np.ndarray, "h w"]:
    """Where guides and result show no edge over 5x5 pixels."""
    level = clean.mean(axis=2)
    change = ndimage.maximum_filter(level, 3) - ndimage.minimum_filter(level, 3)
    smooth = change < SMOOTH * np.abs(level)
    return np.asarray(ndimage.minimum_filter(soundness.flat(frame) & smooth, 3))


def _likeness(frame: Frame) -> float:
    """Variance of second differences over one pixel by that over two, by medians; NaN without noise."""
    color, _ = encoding.finite(frame.color)
    level = color.mean(axis=2) * encoding.exposure(color)
    tone = np.log1p(100 * level.clip(min=0))
    plain = ndimage.minimum_filter(soundness.flat(frame), 3)
    if plain.sum() < LEAST_PIXELS:
        plain[:] = True
    seen = []
    for turned, usable in ((tone, plain), (tone.T, plain.T)):
        near, far = np.abs(_second(turned, 1)), np.abs(_second(turned, 2))
        lit = ndimage.minimum_filter1d(turned, 5, axis=1) > 0
        usable = usable & lit & (near + far > LEAST_NOISE)
        seen.append([near[usable], far[usable]])
    near, far = np.concatenate(seen, axis=1)
    return float((np.median(near) / np.median(far)) ** 2) if near.size >= LEAST_PIXELS else float("nan")


def _second(tone: np.ndarray, step: int) -> np.ndarray:
    """Differences of a pixel to those `step` to its left and right."""
    return np.asarray(np.roll(tone, step, 1) - 2 * tone + np.roll(tone, -step, 1))
