"""One noisy buffer, no second render: masks that hide a pixel from the denoiser which is judged by it.

A frame is x = y + n. Where noise is independent from pixel to pixel, what a denoiser makes of a pixel that is
hidden from it (J-invariance) knows nothing of that pixel's noise: E[(g - x)²] = E[(g - y)²] + E[n²].
Source: Batson & Royer 2019, "Noise2Self: Blind Denoising by Self-Supervision".
"""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Tensor

from mcdenoise import encoding, soundness
from mcdenoise.frame import Frame

# Every so manieth pixel of every so manieth row is hidden at a time; no neighbour of one is another.
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
# What stands in for a hidden pixel: its neighbours, those at the corners half as much.
AROUND = np.array([[0.5, 1, 0.5], [1, 0, 1], [0.5, 1, 0.5]], np.float32) / 6


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
        "further apart), as splatting filters make them; render with a box filter, or twice (--half)"
    )


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


def _likeness(frame: Frame) -> float:
    """Variance of second differences over one pixel by that over two, by medians; NaN without noise."""
    level = frame.color.mean(axis=2) * encoding.exposure(frame.color)
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
