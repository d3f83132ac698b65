"""Two renders of one frame: how wrong its denoised picture is, and where the noisy one is better.

The halves are a = y + n and b = y + n', their noise independent and zero on average. D(a) and D(b) are what a
denoiser makes of them; each knows nothing of the other's noise. With f the mean of both results and m that of
the halves, no reference is needed for

    bias² of f    = E[(D(a) - a) (D(b) - b)]         two independent numbers with the same mean, the bias
    variance of f = E[(D(a) - D(b))² / 4]
    variance of m = E[(a - b)² / 4]
    Cov(f, m)     = E[(D(a) - D(b)) (a - b) / 4]

The first is true of means only: its own noise is as large as the input's. So a pixel's error is told from the
two variances, by constants that were fitted, and raised where the bias around stands out (docs/halves.md).

Source: the buffers are those of Rousselle et al. 2012, "Adaptive Rendering with Non-Local Means Filtering",
section 4.2; Zheng et al. 2021, "Ensemble Denoising for Monte Carlo Renderings", mix by estimated errors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64
from scipy import ndimage

from mcdenoise import encoding, relighting, soundness
from mcdenoise.errors import FrameError
from mcdenoise.frame import Attribute, Frame, Layer, Plane
from mcdenoise.metrics import EPSILON, exposure_for, luminance, tone_map

Map = Float64[np.ndarray, "h w"]

# The error of f is FACTOR (variance of f)^(1 - SHARE) (variance of m)^SHARE: fitted to one of the validation
# scenes, `bathroom`, by gamma regression, but for FACTOR, which is between both (benchmarks.error_map).
FACTOR, SHARE = 1.4, 0.31
# Relative variance that counts as none.
FLOOR = 1e-5
# Deviations in pixels of the Gaussians that the variance of f, and all else, is smoothed with.
NEAR, AROUND = 1.0, 2.0
# So many deviations of its own noise has the bias to stand out by.
SURE = 2.0
# A result may be so many times as bright as the brightest of the other's within so many pixels.
OUTSHINE, WITHIN = 1.5, 5
BLACK = 1e-4
# Attributes in which the halves of a frame are alike, ours and Blender's.
ALIKE = ("mcdenoise.scene", "mcdenoise.view", "mcdenoise.spp", "mcdenoise.filter", "Frame", "Camera", "Scene")
# Guides that differ by more than that in most of the pixels are of different pictures; depth as a share.
UNLIKE = {"albedo": 0.1, "normal": 0.2, "depth": 0.1}
# Correlation of the results below which they show different pictures, and what contrast that needs.
SAME_PICTURE, CONTRAST = 0.5, 0.05


@dataclass(frozen=True)
class Estimate:
    """What two halves say of a result.

    Attributes:
        error: the expected squared error over (y² + 0.01), mean of the channels; smoothed over pixels.
        weight: of the noisy mean in the result, 0 to 1.
    """

    error: Float32[np.ndarray, "h w"]
    weight: Float32[np.ndarray, "h w"]

    @property
    def mean_error(self) -> float:
        """Of the frame: the relMSE that `mcdenoise evaluate` is expected to say."""
        return float(self.error.mean(dtype=np.float64))


class Evidence(NamedTuple):
    """The four statistics of this module's head, per pixel, over (y² + 0.01), mean of the channels."""

    bias: Map
    variance: Map
    noise: Map
    covariance: Map


def refuse_unlike(name: str, one: Frame, other: Frame) -> None:
    """Refuse what aren't two independent renders of one frame; `name` is the second's, for the message.

    Raises:
        FrameError: they differ in size, planes, layers, view or samples, or share their noise.
    """
    for what, mine, its in (
        ("size", one.size, other.size),
        ("planes", [*one.planes], [*other.planes]),
        ("layers", [*one.layers], [*other.layers]),
    ):
        if mine != its:
            raise FrameError(
                f"{name}: has other {what} than the first half: {its}, not {mine}; render both alike"
            )
    for key in ALIKE:
        first, second = (frame.attributes.get(key) for frame in (one, other))
        if None not in (first, second) and first != second:
            raise FrameError(
                f"{name}: {key} is {second!r}, in the first half {first!r}; give halves of one frame"
            )
    for plane, most in UNLIKE.items():
        if plane in one.planes and _differ(one.planes[plane], other.planes[plane], most, plane == "depth"):
            raise FrameError(f"{name}: its {plane} isn't the first half's; give halves of one frame and view")
    sound = [_finite(frame) for frame in (one, other)]
    if sound[0].color.any() and (fault := soundness.fault_between(*sound)):
        raise FrameError(f"{name} and the first half: {fault}")


def merge(
    noisy: tuple[Frame, Frame], clean: tuple[Frame, Frame], *, strength: float = 1.0
) -> tuple[Frame, Estimate]:
    """The best mix of two denoised halves and of the halves themselves, and how wrong it is.

    What shines in one result only is bounded by the other's first. Color and layers are mixed by the same
    weights, so that parts that add up still do; they get back what light that took (`relighting`). Other
    planes and attributes are the first half's. `strength` blends from the noisy mean (0) to that mix; below 1
    the error is rather a bound.

    Raises:
        FrameError: the denoised halves show different pictures.
    """
    if not _show_the_same(clean[0].color, clean[1].color):
        raise FrameError("the denoised halves show different pictures; give halves of one frame")
    bounded = _bounded(clean[0], clean[1].color), _bounded(clean[1], clean[0].color)
    mended = _mended(noisy[0], bounded[0]), _mended(noisy[1], bounded[1])
    evidence = gather((mended[0].color, mended[1].color), (bounded[0].color, bounded[1].color))
    expected = error_of_denoised(evidence)
    weight = 1 - strength * (1 - best_weight(evidence, expected))
    error = error_of_mix(evidence, expected, weight).astype(np.float32)
    share = weight.astype(np.float32)[..., None]

    def mixed(one: Layer, other: Layer, a: Layer, b: Layer) -> Layer:
        return np.asarray((1 - share) * (one + other) / 2 + share * (a + b) / 2, np.float32)

    color = mixed(*(frame.color for frame in (*bounded, *mended)))
    layers = {name: mixed(*(frame.layers[name] for frame in (*bounded, *mended))) for name in noisy[0].layers}
    counted = _replaced(clean[0].attributes) + _replaced(clean[1].attributes)
    attributes = {**clean[0].attributes, "mcdenoise.replaced": counted}
    merged = Frame({**noisy[0].planes, "color": color}, attributes, layers)
    mean = (mended[0].color + mended[1].color) / 2
    relighting.give_back(mean, merged, encoding.exposure(mean))
    return merged, Estimate(error, share[..., 0])


def gather(noisy: tuple[Plane, Plane], clean: tuple[Plane, Plane]) -> Evidence:
    """The statistics of each pixel, scene-linear h w 3 in. y is the denoised mean, or what both halves
    have where that is brighter: a highlight that was denoised away is one."""
    a, b, one, other = (plane.astype(np.float64) for plane in (*noisy, *clean))
    level = np.maximum((one + other) / 2, np.minimum(a, b).clip(min=0))
    scale = 1 / (level**2 + EPSILON)
    products = (
        (one - a) * (other - b), (one - other) ** 2 / 4, (a - b) ** 2 / 4, (one - other) * (a - b) / 4,
    )  # fmt: skip
    return Evidence(*((product * scale).mean(axis=2) for product in products))


def error_of_denoised(evidence: Evidence) -> Map:
    """The expected relative squared error of the denoised mean."""
    variance, noise = _smoothed(evidence.variance, NEAR) + FLOOR, _smoothed(evidence.noise, AROUND) + FLOOR
    usual = FACTOR * variance ** (1 - SHARE) * noise**SHARE
    seen = _smoothed(evidence.variance, AROUND) + _smoothed(evidence.bias, AROUND)
    # A mean over a Gaussian's pixels; the deviation of each is the variance of a half, twice that of m.
    pixels = 4 * np.pi * AROUND**2
    unsure = np.sqrt(_smoothed(_smoothed(evidence.noise, NEAR) ** 2, AROUND) / pixels)
    return np.asarray(np.maximum(usual, seen - 2 * SURE * unsure))


def best_weight(evidence: Evidence, expected: Map) -> Map:
    """Of the noisy mean beside the denoised one of error `expected`: 0 to 1, with the least error."""
    noise, shared = _noise(evidence), _shared(evidence, expected)
    return np.asarray((expected - shared) / (expected + noise - 2 * shared + 1e-12))


def error_of_mix(evidence: Evidence, expected: Map, weight: Map) -> Map:
    """The expected relative squared error of (1 - weight) f + weight m."""
    both = 2 * weight * (1 - weight) * _shared(evidence, expected)
    return np.asarray((1 - weight) ** 2 * expected + weight**2 * _noise(evidence) + both)


def _noise(evidence: Evidence) -> Map:
    """The variance of m: that around, and more where this very pixel's halves differ more: a firefly."""
    return np.asarray(np.maximum(_smoothed(evidence.noise, AROUND), evidence.noise))


def _shared(evidence: Evidence, expected: Map) -> Map:
    """Cov(f, m), at most the lesser of both errors, so that no weight is outside 0 to 1."""
    most = np.minimum(expected, _noise(evidence))
    return np.asarray(np.clip(_smoothed(evidence.covariance, AROUND), 0, most))


def _smoothed(values: Map, deviation: float) -> Map:
    return np.asarray(ndimage.gaussian_filter(values, deviation, mode="reflect", truncate=3))


def _bounded(clean: Frame, other: Plane) -> Frame:
    """A result no brighter than the other half's around it allows; its parts of the light dimmed alike."""
    most = OUTSHINE * ndimage.maximum_filter(other, (WITHIN, WITHIN, 1), mode="nearest").clip(min=0) + BLACK
    dimmed = np.minimum(clean.color, most).astype(np.float32)
    kept = np.divide(dimmed, clean.color, out=np.ones_like(dimmed), where=clean.color > 0)
    layers = {name: plane * kept if plane.shape[2] == 3 else plane for name, plane in clean.layers.items()}
    return Frame({**clean.planes, "color": dimmed}, clean.attributes, layers)


def _mended(noisy: Frame, clean: Frame) -> Frame:
    """The half with what was made of it where it holds no number, in all that is mixed."""
    mixed = [noisy.color, *noisy.layers.values()]
    good = np.logical_and.reduce([np.isfinite(plane).all(axis=2) for plane in mixed])[..., None]
    layers = {name: np.where(good, plane, clean.layers[name]) for name, plane in noisy.layers.items()}
    return Frame({"color": np.where(good, noisy.color, clean.color)}, noisy.attributes, layers)


def _finite(frame: Frame) -> Frame:
    color = np.nan_to_num(frame.color, posinf=0, neginf=0)
    return Frame({**frame.planes, "color": color}, frame.attributes)


def _differ(one: Plane, other: Plane, most: float, is_depth: bool) -> bool:
    distance = np.abs(one - other).max(axis=2)
    return bool(np.median(distance / (np.abs(one).max(axis=2) + 1e-6) if is_depth else distance) > most)


def _show_the_same(one: Plane, other: Plane) -> bool:
    exposure = exposure_for(one)
    mine, its = (luminance(tone_map(plane, exposure)).ravel() for plane in (one, other))
    if min(mine.std(), its.std()) < CONTRAST:
        return True
    return float(np.corrcoef(mine, its)[0, 1]) > SAME_PICTURE


def _replaced(attributes: Mapping[str, Attribute]) -> int:
    return int(attributes.get("mcdenoise.replaced", 0))
