"""Is a pair fit to train on: what is wrong with two or more renders of one view, if anything.

Every check can fail a pair on its own, says what it found in a number, and costs milliseconds. What the
statistical ones give on sound pairs is in docs/decisions/0006.
"""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
from scipy import ndimage

from mcdenoise.frame import Frame, Plane

# A half can't hold more: a renderer that wrote halves clipped there.
HALF_MAX = 65504.0
# Filters that give a sample to one pixel, Blackman-Harris as our renderers have it; others spread noise.
UNSPREAD = ("box", "blackman-harris")
# Renderers that draw their samples from the filter instead: no filter spreads their noise.
FILTER_SAMPLING = ("cycles",)
# Filters with negative lobes: negative radiance is part of an unbiased picture.
NEGATIVE_LOBES = ("mitchell", "lanczos", "catmullrom")
# Of the difference of two halves, between neighbours: 0 for box, *measured* 0.38 for Mitsuba's Gaussian.
SPREAD_LEAST, UNSPREAD_MOST = 0.08, 0.3
# Of the two halves' noise at one pixel, in the tenth of the blocks where it is lowest: about -0.2 for
# independent halves, near their share for halves that share samples.
CORRELATION_MOST = 0.45
BLOCK = 8
# Relative noise below which a block shows the picture's detail only, and fewer blocks than prove anything.
LEAST_NOISE, LEAST_BLOCKS = 0.05, 24
# The difference of two halves has 1.4 times the deviation of a half's detail where that is noise, 0.9 times
# if they share half of their samples.
LEAST_SHARE = 0.75
# Means of two halves differ by this share and by so many standard errors: another exposure, light or view.
MEAN_SHARE, MEAN_ERRORS = 0.03, 8.0
# Fewer pixels than that prove nothing.
LEAST_PIXELS = 400

Pairwise = Callable[[Frame, Frame], str]


def faults(renders: Sequence[Frame]) -> list[str]:
    """What is wrong with these renders of one view (two or more), a line each; none for a sound pair."""
    if len(renders) < 2:
        return ["has one render; a pair needs two with different seeds"]
    shape = [_shape(renders[0], other) for other in renders[1:]]
    if any(shape):
        return [line for line in shape if line]
    alone = [line for number, frame in enumerate(renders) for line in _alone(frame, "abcdefgh"[number])]
    if any("NaN or Inf" in line for line in alone):
        return alone
    found = []
    for one, other in combinations(range(len(renders)), 2):
        line = fault_between(renders[one], renders[other]) or _other_filter(renders[one], renders[other])
        if line:
            found.append(f"{'abcdefgh'[one]} and {'abcdefgh'[other]}: {line}")
    return alone + found


def faults_alone(frame: Frame) -> list[str]:
    """What is wrong with a render that is learned from by itself, a line each."""
    return _alone(frame, "a")


def fault_between(one: Frame, other: Frame) -> str:
    """Why two renders of one size, finite in all planes, aren't independent ones of one view; else empty."""
    checks = (_same_seed, _same_pixels, _other_exposure, _correlated)
    return next((line for check in checks if (line := check(one, other))), "")


def correlation_between(one: Frame, other: Frame) -> float:
    """How the noise of one half follows the other's at the same pixel; NaN where there is too little noise.

    Detail of the picture is in both halves and looks like shared noise. So blocks of 8x8 pixels are looked at
    one by one, without those over an edge of the guides and those where the halves differ by less than their
    detail would if it were noise, and the lowest tenth counts. Halves that share two thirds of their samples
    and more aren't told from detail.
    """
    scale = _scale(one, other)
    details = [_blocks(np.clip(_detail(frame.color.mean(axis=2)) / scale, -2, 2)) for frame in (one, other)]
    noise = (details[0] - details[1]).std(axis=1)
    level = _blocks(flat(one) & flat(other)).mean(axis=1)
    details = [block - block.mean(axis=1, keepdims=True) for block in details]
    power = np.sqrt((details[0] ** 2).mean(axis=1) * (details[1] ** 2).mean(axis=1))
    usable = (noise > np.maximum(LEAST_NOISE, LEAST_SHARE * np.sqrt(power))) & (level > 0.5) & (power > 0)
    if usable.sum() < LEAST_BLOCKS:
        return float("nan")
    shared = (details[0] * details[1]).mean(axis=1)
    return float(np.quantile(shared[usable] / power[usable], 0.1))


def correlation_beside(one: Frame, other: Frame) -> float:
    """How the noise of a pixel follows its right and lower neighbours': 0 for a box filter, 0.24 to 0.38 for
    Mitsuba's others. The difference of two halves is looked at, which holds no picture."""
    difference = np.clip((one.color - other.color).mean(axis=2) / _scale(one, other), -2, 2)
    beside = [(difference[:, :-1], difference[:, 1:]), (difference[:-1], difference[1:])]
    return float(np.mean([_correlation(a.ravel(), b.ravel()) for a, b in beside]))


def _scale(one: Frame, other: Frame) -> np.ndarray:
    """What radiance is about, pixel by pixel, so that noise can be told relative to it."""
    level = (one.color + other.color).mean(axis=2) / 2
    return np.asarray(np.maximum(ndimage.uniform_filter(level, 5), 1e-6 + 1e-2 * float(np.abs(level).mean())))


def _blocks(image: np.ndarray) -> np.ndarray:
    """Whole blocks of the picture, a row of pixels each."""
    rows, columns = (extent // BLOCK for extent in image.shape)
    whole = image[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    return np.asarray(whole.transpose(0, 2, 1, 3).reshape(rows * columns, BLOCK * BLOCK))


def _shape(one: Frame, other: Frame) -> str:
    if one.size != other.size:
        return f"its halves differ in size: {one.size} and {other.size}"
    if one.planes.keys() != other.planes.keys():
        missing = ", ".join(sorted(one.planes.keys() ^ other.planes.keys()))
        return f"its halves hold different planes: {missing} is in one only"
    return ""


def _alone(frame: Frame, letter: str) -> list[str]:
    found = []
    for name, plane in frame.planes.items():
        broken = int((~np.isfinite(plane)).any(axis=2).sum())
        if broken:
            found.append(f"{letter}: NaN or Inf in {name} ({broken} pixels)")
    if found:
        return found
    color = frame.color
    if not color.any():
        found.append(f"{letter}: color is black everywhere")
    if color.min() < 0 and _filter(frame) not in (*NEGATIVE_LOBES, "unknown"):
        found.append(
            f"{letter}: negative radiance ({float(color.min()):.3g}) under a {_filter(frame)} filter"
        )
    if int((color == HALF_MAX).sum()) > 0:
        found.append(f"{letter}: radiance clipped at {HALF_MAX:.0f}, the end of half; write float")
    ranges = {"albedo": (0.0, 1.0), "normal": (-1.0, 1.0)}
    for name in ranges.keys() & frame.planes.keys():
        (least, most), plane = ranges[name], frame.planes[name]
        # A thousandth is what halves and splatting filters round to.
        if plane.min() < least - 1e-3 or plane.max() > most + 1e-3:
            found.append(
                f"{letter}: {name} outside {least:g}..{most:g}: {plane.min():.3g} to {plane.max():.3g}"
            )
    if not isinstance(frame.attributes.get("mcdenoise.spp", 0), int | float):
        found.append(f"{letter}: its mcdenoise.spp is no number but {frame.attributes['mcdenoise.spp']!r}")
    return found


def _same_seed(one: Frame, other: Frame) -> str:
    seeds = [frame.attributes.get("mcdenoise.seed") for frame in (one, other)]
    return (
        "have the same seed, so the noise is the same"
        if seeds[0] is not None and seeds[0] == seeds[1]
        else ""
    )


def _same_pixels(one: Frame, other: Frame) -> str:
    """Exactly equal where there is noise to differ by: the same render, or one that shares its samples."""
    if np.array_equal(one.color, other.color):
        return "have the same pixels; render them with different seeds"
    return ""


def _other_exposure(one: Frame, other: Frame) -> str:
    difference = (one.color - other.color).mean(axis=2).astype(np.float64)
    level = float((one.color + other.color).mean()) / 2
    error = float(difference.std()) / np.sqrt(difference.size)
    # A splatting filter shares noise among some ten pixels: then the error is about three times as large.
    off = abs(float(difference.mean()))
    if level > 0 and off > MEAN_SHARE * level and off > MEAN_ERRORS * error:
        return (
            f"their means differ by {off / level:.0%} ({off / error:.0f} standard errors): another exposure?"
        )
    return ""


def _correlated(one: Frame, other: Frame) -> str:
    shared = correlation_between(one, other)
    if shared > CORRELATION_MOST:
        return f"their noise is correlated ({shared:.2f}); render them with independent seeds"
    return ""


def _other_filter(one: Frame, other: Frame) -> str:
    name, beside = _filter(one), correlation_beside(one, other)
    if name == "unknown" or np.isnan(beside):
        return ""
    spreads = name not in UNSPREAD and not _renderer(one).startswith(FILTER_SAMPLING)
    if not spreads and beside > UNSPREAD_MOST:
        return f"declared as {name}-filtered, but neighbours share noise ({beside:.2f})"
    if spreads and beside < SPREAD_LEAST:
        return f"declared as {name}-filtered, but neighbours share no noise ({beside:.2f})"
    return ""


def _filter(frame: Frame) -> str:
    return str(frame.attributes.get("mcdenoise.filter", "unknown"))


def _renderer(frame: Frame) -> str:
    return str(frame.attributes.get("mcdenoise.renderer", "unknown"))


def _detail(level: np.ndarray) -> np.ndarray:
    return np.asarray(level - ndimage.uniform_filter(level, 3))


def flat(frame: Frame) -> np.ndarray:
    """Where no guide changes over 3x3 pixels; everywhere without guides."""
    flat = np.ones(frame.size, bool)
    guides = {name: plane for name, plane in frame.planes.items() if name != "color"}
    for name, plane in guides.items():
        flat &= _range(plane) < (0.02 * np.maximum(plane.max(axis=2), 1e-6) if name == "depth" else 0.02)
    return flat


def _range(plane: Plane) -> np.ndarray:
    size = (3, 3, 1)
    return np.asarray((ndimage.maximum_filter(plane, size) - ndimage.minimum_filter(plane, size)).max(axis=2))


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    if one.size < LEAST_PIXELS or one.std() < 1e-3 or other.std() < 1e-3:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])
