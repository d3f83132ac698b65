"""Guides as other programs store them, recognised by their values and made what the network knows.

The network compares guides between pixels, so the axes that normals refer to hardly matter to it, nor does
the unit of depth; what does is that steps are as large as those it learned from.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from mcdenoise.frame import Plane, strips

# Beyond this a value is a fault, not light: the sun's disc is below 1e10 in any unit that renders use.
NO_RADIANCE = 1e12
# Depth beyond this is nothing that was hit.
FAR = 1e10
# What share of pixels makes a rule of it, and what share an exception.
MOST, FEW = 0.98, 0.02
# A convention is recognised in so many pixels, in rows evenly spread.
SEEN = 2**18
# A background stored as one large number: at least so many times what is hit, in so many pixels.
BEYOND, BACKGROUND = 8.0, 0.001
# A plane's 1/z runs straight over the picture where z is bent, so many times as much.
STRAIGHTER = 3.0


class Settled(NamedTuple):
    """Guides as the network knows them, what was made of each, and which were dropped."""

    planes: Mapping[str, Plane]
    notes: Mapping[str, str]


def settle(planes: Mapping[str, Plane], guessed: Collection[str] = ()) -> Settled:
    """Convert what is in another convention; what was guessed by name and can't be that is left out.

    What comes out: albedo 0..1; normals of unit length, of any axes, but in camera space with z towards the
    viewer; depth that grows with distance, 0 where nothing was hit.
    """
    settled, notes = dict(planes), {}
    for name, recognise in _RECOGNISE.items():
        if name in planes:
            seen = _numbers(planes[name][:: -(-planes[name][..., 0].size // SEEN)])
            steps = list(recognise(seen))
            if name in guessed and (doubt := _doubt(name, seen)):
                settled.pop(name)
                notes[name] = f"left out: {doubt}"
                continue
            settled[name], broken = _converted(planes[name], steps)
            counted = [f"{broken} pixels of NaN or Inf taken as 0"] if broken else []
            notes[name] = ", ".join([step.said for step in steps] + counted)
    return Settled(settled, {name: said for name, said in notes.items() if said})


class _Step(NamedTuple):
    """What is done to each pixel of a plane, and why in words."""

    said: str
    convert: Callable[[Plane], Plane]


def _numbers(plane: Plane) -> Plane:
    return np.asarray(np.nan_to_num(plane, nan=0, posinf=0, neginf=0))


def _converted(plane: Plane, steps: list[_Step]) -> tuple[Plane, int]:
    """The plane after all steps, or itself if nothing is to be done; and how many pixels were no numbers."""
    rows = strips(*plane.shape[:2])
    whole = np.isfinite(plane.min(initial=0)) and np.isfinite(plane.max(initial=0))
    broken = 0 if whole else sum(int((~np.isfinite(plane[some])).any(axis=2).sum()) for some in rows)
    if not (steps or broken):
        return plane, 0
    found = np.empty_like(plane)
    for some in rows:
        part = _numbers(plane[some])
        for step in steps:
            part = step.convert(part)
        found[some] = part
    return found, broken


def faults(color: Plane) -> dict[str, int]:
    """What in a color can't be light, and in how many pixels."""
    if color.min(initial=0) >= 0 and color.max(initial=0) <= NO_RADIANCE:  # never so with a NaN
        return {}
    found = {"NaN or Inf": 0, f"more than {NO_RADIANCE:.0e}": 0, "less than 0": 0}
    for rows in strips(*color.shape[:2]):
        part, number = color[rows], np.isfinite(color[rows])
        wrong = ~number, number & (np.abs(part) > NO_RADIANCE), (part < 0) & (part >= -NO_RADIANCE)
        for what, where in zip(found, wrong, strict=True):
            found[what] += int(where.any(axis=2).sum())
    return {what: count for what, count in found.items() if count}


def _doubt(name: str, plane: Plane) -> str:
    """Why a plane that was guessed by its name can't be what it was taken for."""
    if not plane.any():
        return "it is all zero"
    if name == "albedo" and ((plane < -0.01).mean() > FEW or (plane > 1.5).mean() > 0.2):
        return "its values are no reflectance"
    if name == "normal" and (np.abs(plane) > 1.5).mean() > FEW:
        return "its values are no directions"
    return ""


def _albedo(plane: Plane) -> Iterator[_Step]:
    """Clipped to 0..1 where it is beyond; divided by 255 where it counts so far."""
    lit = plane[plane > 0]
    if lit.size and 50 < lit.max() <= 255 and np.median(lit) > 4:
        yield _Step("stored 0..255: divided", lambda albedo: np.minimum(albedo / np.float32(255), 1))
    elif above := float((plane > 1).any(axis=2).mean()):
        yield _Step(f"over 1 in {100 * above:.2g} % of pixels: clipped", lambda albedo: np.minimum(albedo, 1))


def _normal(plane: Plane) -> Iterator[_Step]:
    if _is_packed(plane):
        yield _Step("stored 0..1: unpacked", _unpacked)
        plane = _unpacked(plane)
    lengths = np.linalg.norm(plane, axis=2)
    if lengths.any() and abs(float(np.median(lengths[lengths > 0])) - 1) > 0.05:
        yield _Step("not of unit length: normalised", _normalised)
    if lengths.any() and float((plane[..., 2][lengths > 0] > 0).mean()) < FEW:
        flip = np.array([1, 1, -1], np.float32)
        yield _Step("camera space with z away from the viewer: flipped", lambda normal: normal * flip)


def _unpacked(plane: Plane) -> Plane:
    """The background was 0 before it was packed, or is 0 now."""
    hit = plane.any(axis=2, keepdims=True) & (np.abs(plane - 0.5) > 0.01).any(axis=2, keepdims=True)
    return np.where(hit, 2 * plane - 1, np.float32(0))


def _normalised(plane: Plane) -> Plane:
    lengths = np.linalg.norm(plane, axis=2, keepdims=True)
    return plane / np.where(lengths > 0, lengths, 1)


def _is_packed(plane: Plane) -> bool:
    """Whether -1..1 was stored as 0..1: none is below 0, and twice the values less 1 are of unit length."""
    hit: Bool[np.ndarray, "h w"] = np.asarray(plane.any(axis=2))
    if not hit.any() or plane.min() < 0 or plane.max() > 1.01:
        return False
    seen = hit & (np.abs(plane - 0.5) > 0.01).any(axis=2)
    unpacked, as_it_is = (np.abs(np.linalg.norm(p[seen], axis=1) - 1) for p in (2 * plane - 1, plane))
    return bool(seen.any() and np.median(unpacked) < 0.1 and np.median(unpacked) < np.median(as_it_is))


def _depth(plane: Plane) -> Iterator[_Step]:
    if (plane < 0).mean() > max(FEW, float((plane > 0).mean())):
        yield _Step("negative, as along the camera's z: turned round", np.negative)
        plane = -plane
    far = _background(plane)
    if far < np.inf:
        hit = _Step(f"background of {far:.3g}: taken as nothing", partial(_nearer, far=far))
        yield hit
        plane = hit.convert(plane)
    if _is_inverse(plane[..., 0]):
        yield _Step("stored as 1/z: inverted", _inverted)


def _nearer(plane: Plane, *, far: float) -> Plane:
    return np.where(plane >= far, np.float32(0), plane)


def _inverted(plane: Plane) -> Plane:
    return np.asarray(np.divide(1, plane, out=np.zeros_like(plane), where=plane > 0))


def _background(plane: Plane) -> float:
    """The least value that means nothing was hit; Inf if there is none."""
    hit = plane[plane > 0]
    largest = float(hit.max()) if hit.size else 0.0
    nearer = hit[hit < largest]
    if nearer.size == 0 or (hit == largest).mean() < BACKGROUND:
        return FAR if largest >= FAR else np.inf
    return largest if largest > BEYOND * float(np.quantile(nearer, 0.99)) else np.inf


def _is_inverse(depth: Plane | np.ndarray) -> bool:
    """Whether the values run straighter over the picture than their inverses, as 1/z does on planes."""
    hit = (depth > 0) & (depth <= 1)
    if hit.mean() < 0.25 or (depth > 1).any():
        return False
    inverse = np.divide(1, depth, out=np.zeros_like(depth), where=hit)
    near = hit[:, 2:] & hit[:, 1:-1] & hit[:, :-2] if depth.shape[1] > 2 else hit[:, :0]
    bent = [_bend(values, near) for values in (depth, inverse)]
    return bool(near.any() and bent[1] > 0 and bent[0] * STRAIGHTER < bent[1])


def _bend(values: np.ndarray, near: np.ndarray) -> float:
    """How much rows bend for how much they slope, in the middle of all pixels that slope."""
    bend = np.abs(values[:, 2:] - 2 * values[:, 1:-1] + values[:, :-2])
    slope = np.abs(values[:, 2:] - values[:, :-2])
    sloping = near & (slope > 1e-3 * values[:, 1:-1])
    return float(np.median(bend[sloping] / slope[sloping])) if sloping.any() else 0.0


_RECOGNISE: Mapping[str, Callable[[Plane], Iterator[_Step]]] = {
    "albedo": _albedo,
    "normal": _normal,
    "depth": _depth,
}
