"""Guides as other programs store them, recognised by their values and made what the network knows.

The network compares guides between pixels, so the axes that normals refer to hardly matter to it, nor does
the unit of depth; what does is that steps are as large as those it learned from.
"""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from mcdenoise.frame import Plane

# Beyond this a value is a fault, not light: the sun's disc is below 1e10 in any unit that renders use.
NO_RADIANCE = 1e12
# Depth beyond this is nothing that was hit.
FAR = 1e10
# What share of pixels makes a rule of it, and what share an exception.
MOST, FEW = 0.98, 0.02
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
    for name, convert in _CONVERT.items():
        if name in planes:
            finite = np.nan_to_num(planes[name], nan=0, posinf=0, neginf=0)
            doubt = _doubt(name, finite) if name in guessed else ""
            plane, said = convert(finite)
            broken = int((~np.isfinite(planes[name])).any(axis=2).sum())
            said = [*said, *([f"{broken} pixels of NaN or Inf taken as 0"] if broken else [])]
            settled[name], notes[name] = plane if said else planes[name], ", ".join(said)
            if doubt:
                settled.pop(name)
                notes[name] = f"left out: {doubt}"
    return Settled(settled, {name: said for name, said in notes.items() if said})


def faults(color: Plane) -> dict[str, int]:
    """What in a color can't be light, and in how many pixels."""
    found = {
        "NaN or Inf": ~np.isfinite(color),
        f"more than {NO_RADIANCE:.0e}": np.isfinite(color) & (np.abs(color) > NO_RADIANCE),
        "less than 0": (color < 0) & (color >= -NO_RADIANCE),
    }
    return {what: count for what, where in found.items() if (count := int(where.any(axis=2).sum()))}


def _doubt(name: str, plane: Plane) -> str:
    """Why a plane that was guessed by its name can't be what it was taken for."""
    if not plane.any():
        return "it is all zero"
    if name == "albedo" and ((plane < -0.01).mean() > FEW or (plane > 1.5).mean() > 0.2):
        return "its values are no reflectance"
    if name == "normal" and (np.abs(plane) > 1.5).mean() > FEW:
        return "its values are no directions"
    return ""


def _albedo(plane: Plane) -> tuple[Plane, list[str]]:
    """Clipped to 0..1 where it is beyond; divided by 255 where it counts so far."""
    lit = plane[plane > 0]
    if lit.size and 50 < lit.max() <= 255 and np.median(lit) > 4:
        return plane / 255, ["stored 0..255: divided"]
    above = float((plane > 1).any(axis=2).mean())
    said = [f"over 1 in {100 * above:.2g} % of pixels: clipped"] if above else []
    return np.minimum(plane, 1), said


def _normal(plane: Plane) -> tuple[Plane, list[str]]:
    said: list[str] = []
    hit = np.asarray(plane.any(axis=2))
    if _is_packed(plane, hit):
        # The background was 0 before it was packed.
        hit = np.logical_and(hit, (np.abs(plane - 0.5) > 0.01).any(axis=2))
        plane, said = np.where(hit[..., None], 2 * plane - 1, 0), ["stored 0..1: unpacked"]
    lengths = np.linalg.norm(plane, axis=2)
    if hit.any() and abs(float(np.median(lengths[hit])) - 1) > 0.05:
        plane = plane / np.where(lengths > 0, lengths, 1)[..., None]
        said.append("not of unit length: normalised")
    towards = float((plane[hit][:, 2] > 0).mean()) if hit.any() else 0.5
    if towards < FEW:
        plane, towards = plane * np.array([1, 1, -1], np.float32), 1.0
        said.append("camera space with z away from the viewer: flipped")
    return plane.astype(np.float32), said


def _is_packed(plane: Plane, hit: Bool[np.ndarray, "h w"]) -> bool:
    """Whether -1..1 was stored as 0..1: none is below 0, and twice the values less 1 are of unit length."""
    if not hit.any() or plane.min() < 0 or plane.max() > 1.01:
        return False
    seen = hit & (np.abs(plane - 0.5) > 0.01).any(axis=2)
    unpacked, as_it_is = (np.abs(np.linalg.norm(p[seen], axis=1) - 1) for p in (2 * plane - 1, plane))
    return bool(seen.any() and np.median(unpacked) < 0.1 and np.median(unpacked) < np.median(as_it_is))


def _depth(plane: Plane) -> tuple[Plane, list[str]]:
    said: list[str] = []
    if (plane < 0).mean() > max(FEW, float((plane > 0).mean())):
        plane, said = -plane, ["negative, as along the camera's z: turned round"]
    far = _background(plane)
    if far < np.inf:
        plane = np.where(plane >= far, np.float32(0), plane)
        said.append(f"background of {far:.3g}: taken as nothing")
    if _is_inverse(plane[..., 0]):
        plane = np.divide(1, plane, out=np.zeros_like(plane), where=plane > 0)
        said.append("stored as 1/z: inverted")
    return plane, said


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


_CONVERT: Mapping[str, Callable[[Plane], tuple[Plane, list[str]]]] = {
    "albedo": _albedo,
    "normal": _normal,
    "depth": _depth,
}
