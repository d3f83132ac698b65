"""A denoised frame of a sequence, and what the frames before and after say of it: less noise and flicker.

A neighbour's pictures are moved to where its surfaces are now. It counts where the guides agree, and the less
the more the light has changed: with v the variance of a denoised pixel and d the change of the true radiance,
its best weight beside 1 for the frame itself is v / (v + d²). Both are told without a reference, from squares
over (y² + 0.01), means of the channels:

    d² = m² - SURE² var(m)      m the mean, over some pixels, of the difference of the noisy frames
    2 v + d² = E[(difference of the denoised frames)²]

Source: weights by inverse variance; a change is what stands out of its own noise. docs/decisions/0020.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from torch import Tensor

from mcdenoise import affinity, encoding
from mcdenoise.frame import Frame, Layer, Plane, strips
from mcdenoise.metrics import EPSILON

# Row by row, for vectors that are rows: OpenEXR's `worldToNDC`.
Matrix = tuple[float, ...]
# Where a pixel's surface is in another frame: so many pixels to the right and down.
Motion = Float32[np.ndarray, "h w 2"]

# Deviations of the Gaussians over which a change is sought, in pixels, and that of v.
SOUGHT, AROUND = (1.0, 3.0), 2.0
# Rows beyond a strip that its means take in, and beyond a place that cubic interpolation does.
REACH, EDGE = 9, 4
# A change has to stand out by so many deviations of its own noise.
SURE = 3.0
# Squared differences of the denoised tones count so much.
TONE = 12.0
# Relative variance of a denoised pixel at least.
CLEAN = 1e-6


class Moment(NamedTuple):
    """A frame before and after it was denoised; the noisy one has the guides."""

    noisy: Frame
    clean: Frame


def vote(now: Moment, others: Sequence[tuple[Moment, Motion]]) -> Frame:
    """The denoised frame, its color and layers averaged with those of its neighbours where they agree.

    Each neighbour comes with the motion from now to there. All are of one size and have the same layers. Done
    in strips of rows: a pixel at work takes some 600 bytes.
    """
    exposure = encoding.exposure(now.clean.color)
    middle = encoding.middle_depth(now.noisy.planes["depth"]) if "depth" in now.noisy.planes else None
    height, width = now.clean.size
    found = {name: np.empty_like(plane) for name, plane in _light(now.clean).items()}
    for rows in strips(height, width):
        seen = slice(max(rows.start - REACH, 0), min(rows.stop + REACH, height))
        near = [_near(other, motion[seen], seen.start) for other, motion in others]
        for name, plane in _vote(_rows(now, seen), near, exposure, middle).items():
            found[name][rows] = plane[rows.start - seen.start :][: rows.stop - rows.start]
    return Frame({**now.clean.planes, "color": found.pop("color")}, now.clean.attributes, found)


def _vote(
    now: Moment, others: Sequence[tuple[Moment, Motion]], scale: float, middle: float | None
) -> dict[str, Layer]:
    """The light of one strip; `scale` and `middle` are the whole frame's exposure and median depth."""
    own, total = _seen(now, scale, middle), _exposed(now.clean, scale)
    weights = torch.ones_like(own.guides[:, :1])
    for other, motion in others:
        at = places(motion, other.clean.size[0])
        there = _seen(other, scale, middle).from_now(at)
        weight = _weight(own, there, inside(at) * agreement(there.guides, own.guides))
        light = _exposed(other.clean, scale)
        total = {name: plane + weight * moved_light(light[name], at) for name, plane in total.items()}
        weights = weights + weight
    return {name: encoding.decode(plane / weights, scale) for name, plane in total.items()}


def _near(other: Moment, motion: Motion, start: int) -> tuple[Moment, Motion]:
    """The rows of a neighbour that a strip sees which starts at row `start`, and the motion to them."""
    rows = start + np.arange(len(motion))[:, None] + motion[..., 1]
    known = np.append(rows[np.isfinite(rows)], start)
    first, last = np.clip((known.min() - EDGE, known.max() + EDGE), 0, other.clean.size[0] - 1).astype(int)
    return _rows(other, slice(first, last + 1)), motion + np.array((0, start - first), np.float32)


def _rows(moment: Moment, rows: slice) -> Moment:
    return Moment(*(
        Frame({name: plane[rows] for name, plane in frame.planes.items()},
              layers={name: plane[rows] for name, plane in frame.layers.items()})
        for frame in moment
    ))  # fmt: skip


def camera_motion(
    depth: Plane, here: Matrix, there: Matrix, corner: tuple[int, int], display: tuple[int, int]
) -> Motion:
    """Where things that stand still are in the picture of another camera.

    `depth` is the distance along the ray, 0 at infinity; `corner` the first pixel's x and y within the
    display window, `display` that window's width and height.
    """
    height, width = depth.shape[:2]
    x, y = np.meshgrid(np.arange(width) + 0.5 + corner[0], np.arange(height) + 0.5 + corner[1])
    (turn, shift), (other_turn, other_shift) = _parts(here), _parts(there)
    back = np.linalg.inv(turn)
    rays = np.stack([x / display[0], y / display[1], np.ones_like(x)], axis=2) @ back
    rays /= np.linalg.norm(rays, axis=2, keepdims=True)
    nearness = np.divide(1, depth, out=np.zeros(depth.shape), where=depth > 0)
    seen = rays @ other_turn + (other_shift - shift @ back @ other_turn) * nearness
    seen = np.where(seen[..., 2:] > 0, seen, np.nan)  # behind that camera
    found = seen[..., :2] / seen[..., 2:] * display
    return np.asarray(found - np.stack([x, y], axis=2), np.float32)


def vector_motion(vector: Float32[np.ndarray, "h w 4"]) -> Mapping[int, Motion]:
    """The motion to the frame before (-1) and after (1), of Cycles' pass Vector.

    Its x and y lead from now to the frame before, z and w from the frame after to now, upwards.

    Source: found by what brings the frames of `benchmarks.shot_blender` together, of four signs each.
    """
    flip = np.array([1, -1], np.float32)
    return {-1: vector[..., :2] * flip, 1: -vector[..., 2:] * flip}


def _parts(matrix: Matrix) -> tuple[np.ndarray, np.ndarray]:
    """What turns a row vector into x w, y w, w, and what is added then."""
    columns = np.array(matrix, np.float64).reshape(4, 4)[:, [0, 1, 3]]
    return columns[:3], columns[3]


class _Seen(NamedTuple):
    """Exposed noisy and denoised color, and guides."""

    noisy: Float[Tensor, "1 3 h w"]
    clean: Float[Tensor, "1 3 h w"]
    guides: Float[Tensor, "1 g h w"]

    def from_now(self, at: Float[Tensor, "1 h w 2"]) -> "_Seen":
        """As it is seen from now."""
        return _Seen(moved_light(self.noisy, at), moved_light(self.clean, at), moved(self.guides, at))


def _seen(moment: Moment, scale: float, middle: float | None) -> _Seen:
    noisy, _ = encoding.finite(moment.noisy.color)
    guides = encoding.guides(moment.noisy.planes, moment.noisy.size, middle)
    exposed = (encoding.expose(color, scale) for color in (noisy, moment.clean.color))
    return _Seen(*map(encoding.tensor, (*exposed, guides)))


def _light(clean: Frame) -> dict[str, Layer]:
    """All that is mixed alike."""
    return {"color": clean.color, **clean.layers}


def _exposed(clean: Frame, scale: float) -> dict[str, Float[Tensor, "1 c h w"]]:
    return {name: encoding.tensor(plane * np.float32(scale)) for name, plane in _light(clean).items()}


def places(motion: Motion, rows: int | None = None) -> Float[Tensor, "1 h w 2"]:
    """Where each pixel is sought, in -1..1 as `grid_sample` wants it; outside where that isn't known.

    It is sought in a picture of so many `rows`, by default as many as there are here.
    """
    height, width = motion.shape[:2]
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    places = (motion + np.stack([x, y], axis=2)) * (2 / width, 2 / (rows or height)) - 1
    return torch.from_numpy(np.nan_to_num(places, nan=-9).astype(np.float32))[None]


def inside(places: Float[Tensor, "1 h w 2"]) -> Float[Tensor, "1 1 h w"]:
    """1 where a place is in the picture, else 0."""
    return (places.abs() <= 1).all(3)[:, None].float()


def moved(image: Float[Tensor, "1 c rows w"], places: Float[Tensor, "1 h w 2"]) -> Float[Tensor, "1 c h w"]:
    """The picture as it is seen from now: cubic, so that little is blurred, and within the bounds of the 3x3
    pixels around each place, so that nothing rings."""

    def sampled(image: Tensor, mode: str) -> Tensor:
        return F.grid_sample(image, places, mode=mode, padding_mode="border", align_corners=False)

    least, most = (sampled(sign * F.max_pool2d(sign * image, 3, 1, 1), "nearest") for sign in (-1, 1))
    return torch.minimum(torch.maximum(sampled(image, "bicubic"), least), most)


def moved_light(
    image: Float[Tensor, "1 c rows w"], places: Float[Tensor, "1 h w 2"]
) -> Float[Tensor, "1 c h w"]:
    """The same of radiance, by its logarithm, nearly: a bright pixel doesn't shine into its neighbours."""
    return torch.sinh(moved(torch.asinh(100 * image), places)) / 100


def agreement(one: Float[Tensor, "1 g h w"], other: Float[Tensor, "1 g h w"]) -> Float[Tensor, "1 1 h w"]:
    """1 where the guides are the same, 0 where they are of another thing."""
    mine, its = one[:, : affinity.CHANNELS], other[:, : affinity.CHANNELS]
    return torch.exp(-affinity.strangeness(mine, its, affinity.care(one)))[:, None]


def _weight(own: _Seen, there: _Seen, agreed: Float[Tensor, "1 1 h w"]) -> Float[Tensor, "1 1 h w"]:
    """v / (v + d²) of a neighbour whose guides have `agreed` so far, times that."""
    level = ((there.clean + own.clean) / 2).square().mean(1, keepdim=True) + EPSILON
    squares = ((there.clean - own.clean).square() / level).mean(1, keepdim=True)
    both, _ = _mean(squares, agreed, AROUND)
    change = (squares - SURE**2 * both).clamp(min=0)  # what only one pixel has was moved wrongly
    noise = []
    for deviation in SOUGHT:
        mean, variance = _mean(there.noisy - own.noisy, agreed, deviation)
        beyond = ((mean.square() - SURE**2 * variance).clamp(min=0) / level).mean(1, keepdim=True)
        change = torch.maximum(change, beyond)
        noise.append((variance / level).mean(1, keepdim=True))
    variance = torch.minimum((both - change).clamp(min=0), noise[0]) / 2 + CLEAN
    tones = encoding.tone_map(there.clean) - encoding.tone_map(own.clean)
    alike = torch.exp(-TONE * tones.square().sum(1, keepdim=True))
    return agreed * alike * variance / (variance + change)


def _mean(
    image: Float[Tensor, "1 c h w"], weight: Float[Tensor, "1 1 h w"], deviation: float
) -> tuple[Float[Tensor, "1 c h w"], Float[Tensor, "1 c h w"]]:
    """The mean over a Gaussian, and the variance of that mean."""
    total = _blurred(weight, deviation) + 1e-6
    mean = _blurred(weight * image, deviation) / total
    count, cross, square = (
        _blurred(weight.square() * image**power, deviation, power=2) for power in range(3)
    )
    return mean, (square - 2 * mean * cross + mean.square() * count).clamp(min=0) / total.square()


def _blurred(image: Float[Tensor, "1 c h w"], deviation: float, power: int = 1) -> Float[Tensor, "1 c h w"]:
    """Summed under a Gaussian of sum 1 or its square."""
    reach = round(3 * deviation)
    steps = torch.arange(-reach, reach + 1, dtype=image.dtype)
    taps = torch.exp(-(steps**2) / (2 * deviation**2))
    taps = (taps / taps.sum()) ** power
    channels = image.shape[1]
    down = taps.reshape(1, 1, -1, 1).expand(channels, -1, -1, -1)
    padded = F.pad(image, [reach] * 4)
    return F.conv2d(F.conv2d(padded, down, groups=channels), down.transpose(2, 3), groups=channels)
