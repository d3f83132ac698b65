"""Frame <-> tensors, for trainer and engine both: exposure, curves, guides, and the policy for NaN."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mcdenoise.conventions import FAR, NO_RADIANCE
from mcdenoise.frame import GUIDES, PLANES, Frame, Layer, Plane, strips

# Guides as the network gets them: albedo, normal, depth, then a mask per guide that says it is there.
GUIDE_CHANNELS = sum(PLANES[name] for name in GUIDES) + len(GUIDES)
# An exposed radiance beyond this is a firefly for any curve; it also keeps float16 away from its end (65504).
RADIANCE_LIMIT = 6e4
KEY = 0.18
BIN = 16
# Luminance weights of linear Rec. 709.
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


@dataclass(frozen=True)
class Encoded:
    """What a network is fed, n c h w: exposed scene-linear radiance, guides in -1..1, the exposure used."""

    color: Float[Tensor, "n 3 h w"]
    guides: Float[Tensor, "n g h w"]
    exposure: float
    replaced: int


def encode(frame: Frame) -> Encoded:
    """A frame as a batch of one, exposed, on the CPU."""
    color, replaced = finite(frame.color)
    scale = exposure(color)
    return Encoded(tensor(expose(color, scale)), tensor(guides(frame.planes, frame.size)), scale, replaced)


def decode(color: Float[Tensor, "1 c h w"], scale: float) -> Plane:
    """The network's radiance without the exposure, h w c."""
    pixels = color[0].permute(1, 2, 0).float().cpu()
    found: Plane = torch.div(pixels, scale, out=torch.empty(pixels.shape)).numpy()
    return found


def tensor(plane: Plane) -> Float[Tensor, "1 c h w"]:
    """h w c as 1 c h w."""
    return torch.from_numpy(np.ascontiguousarray(plane.transpose(2, 0, 1), np.float32))[None]


def exposure(color: Plane) -> float:
    """The factor that brings the log-average luminance of `color` to 0.18; 1 for a black picture.

    Averaged over bins of 16x16 pixels first, so that noise, most of it dark with rare bright pixels, doesn't
    lower the logarithm's mean; a bin counts at most 1000 times the median, so that no firefly raises it.

    Source: the auto-exposure documented for Open Image Denoise's HDR filter; the bound is ours.
    """
    rows = strips(*color.shape[:2], multiple=BIN)
    means = np.concatenate([_bin_means(np.maximum(color[some], 0) @ LUMINANCE) for some in rows])
    lit = means[means > 1e-8]
    if lit.size == 0:
        return 1.0
    lit = np.minimum(lit, 1000 * np.median(lit))
    return float(KEY / np.exp(np.mean(np.log(lit))))


def expose(color: Plane, scale: float) -> Plane:
    """Radiance times the exposure, within `RADIANCE_LIMIT`."""
    with np.errstate(over="ignore"):  # beyond float32 is beyond the limit too
        return np.clip(color * scale, -RADIANCE_LIMIT, RADIANCE_LIMIT)


def _bin_means(luminance: np.ndarray) -> np.ndarray:
    height, width = luminance.shape
    rows, columns = np.arange(0, height, BIN), np.arange(0, width, BIN)
    sums = np.add.reduceat(np.add.reduceat(luminance.astype(np.float64), rows, 0), columns, 1)
    counts = np.diff(np.append(rows, height))[:, None] * np.diff(np.append(columns, width))[None]
    return np.asarray(sums / counts)


def is_no_number(plane: Layer) -> Bool[np.ndarray, "h w"]:
    """Where a channel is NaN, Inf or beyond all radiance."""
    parts = (plane[rows] for rows in strips(*plane.shape[:2]))
    return np.concatenate([~((p <= NO_RADIANCE) & (p >= -NO_RADIANCE)).all(axis=2) for p in parts])


def finite(plane: Layer, bad: Bool[np.ndarray, "h w"] | None = None) -> tuple[Layer, int]:
    """What is no number, or what is `bad`, replaced by the mean of the others among the 8 neighbours (0 if
    there is none).

    Also returns how many pixels that touched.
    """
    if bad is None:
        if plane.max() <= NO_RADIANCE and plane.min() >= -NO_RADIANCE:  # never so with a NaN
            return plane, 0
        bad = is_no_number(plane)
    if not bad.any():
        return plane, 0
    found = plane.copy()
    for rows in strips(*bad.shape):
        if bad[rows].any():
            seen = slice(max(rows.start - 1, 0), rows.stop + 1)
            filled = _filled(plane[seen], bad[seen])
            found[rows] = filled[rows.start - seen.start :][: rows.stop - rows.start]
    return found, int(bad.sum())


def _filled(plane: Layer, bad: Bool[np.ndarray, "h w"]) -> Layer:
    good = np.pad(np.where(bad, 0.0, 1.0)[..., None], ((1, 1), (1, 1), (0, 0)))
    values = np.pad(np.where(bad[..., None], 0.0, plane.astype(np.float64)), ((1, 1), (1, 1), (0, 0)))
    height, width = bad.shape
    shifts = [(y, x) for y in range(3) for x in range(3)]
    total = sum(values[y : y + height, x : x + width] for y, x in shifts)
    count = sum(good[y : y + height, x : x + width] for y, x in shifts)
    fill = total / np.maximum(count, 1)
    return np.where(bad[..., None], fill, plane).astype(np.float32)


def guides(
    planes: Mapping[str, Plane], size: tuple[int, int], middle: float | None = None
) -> Float[np.ndarray, "h w g"]:
    """All guides, and a mask each; a guide that isn't there is 0 (albedo: 1) with mask 0.

    Albedo is clipped to 0..1; black may be a black thing, or, in Mitsuba's AOV, a mirror, smooth glass or a
    ray that misses: the network tells by the rest. Normals are clipped to -1..1. Depth d becomes m / (m + d)
    with the median m of what is hit (`middle`, where these are a tile of a picture), and 0 where nothing is:
    a scale-free nearness.
    """
    planar = np.zeros((GUIDE_CHANNELS, *size), np.float32)
    albedo, normal, nearness, *masks = np.split(planar, [3, 6, 7, 8, 9])
    albedo[:] = 1
    if "albedo" in planes:
        _number(planes["albedo"], 0.0, 1.0, albedo)
    if "normal" in planes:
        _number(planes["normal"], -1.0, 1.0, normal)
    if "depth" in planes:
        nearness[0] = _nearness(planes["depth"], middle)[..., 0]
    for name, mask in zip(GUIDES, masks, strict=True):
        mask[:] = name in planes
    return planar.transpose(1, 2, 0)


def _number(plane: Plane, least: float, most: float, out: np.ndarray) -> None:
    """Values within bounds, 0 for what is no finite number, as planes."""
    numbers = torch.from_numpy(np.ascontiguousarray(plane, np.float32)).nan_to_num(0, 0, 0)
    numbers = numbers.clamp_(least, most)
    torch.from_numpy(out).copy_(numbers.permute(2, 0, 1))


def middle_depth(depth: Plane) -> float:
    """The median of what is hit, 1 if nothing is."""
    hit = depth[(depth > 0) & (depth < FAR)]
    return float(np.median(hit)) if hit.size else 1.0


def _nearness(depth: Plane, middle: float | None) -> Plane:
    half = torch.tensor(middle_depth(depth) if middle is None else middle)  # torch rounds twice by a float
    distance = torch.from_numpy(np.ascontiguousarray(depth, np.float32))
    hit = (distance > 0) & (distance < FAR)
    found: Plane = torch.where(hit, half / (half + distance), 0.0).numpy()
    return found


def tone_map(color: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """Compress exposed radiance for the network's eyes: log(1 + 100 v) / 5; 0.18 becomes 0.59, 1 is 0.92."""
    return torch.log1p(100 * color.clamp(min=0)) / 5


def tone_map_odd(color: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """`tone_map`, and what is below black, as filters with negative lobes leave it, the same way below 0."""
    return tone_map(color) - tone_map(-color)


def tone_unmap(tone: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """The inverse of both, its size bounded by `RADIANCE_LIMIT`."""
    limit = float(np.log1p(100 * RADIANCE_LIMIT))
    size = torch.expm1((5 * tone.float().abs()).clamp(max=limit)) / 100
    return torch.where(tone < 0, -size, size)


def split_guides(
    given: Float[Tensor, "n g h w"],
) -> tuple[Float[Tensor, "n 3 h w"], Float[Tensor, "n 3 h w"], Float[Tensor, "n r h w"]]:
    """Albedo, normal, and the rest (nearness and masks)."""
    return given[:, 0:3], given[:, 3:6], given[:, 6:]
