# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture's planes, h w c, as the network gets them, and back.

`mcdenoise.encoding` in numpy, since Blender has no torch; a test holds the two together.
"""

from collections.abc import Mapping

import numpy as np

# Guides in the network's order, with their channels.
GUIDES = {"albedo": 3, "normal": 3, "depth": 1}
LIMIT = 6e4
KEY = 0.18
BIN = 16
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
FARTHEST = 1e10


def finite(color: np.ndarray) -> tuple[np.ndarray, int]:
    """NaN and Inf replaced by the mean of the finite among the 8 neighbours; how many pixels those are."""
    bad = ~np.isfinite(color).all(axis=2)
    if not bad.any():
        return color, 0
    good = np.pad((~bad).astype(float), 1)[..., None]
    values = np.pad(np.where(bad[..., None], 0.0, color.astype(float)), ((1, 1), (1, 1), (0, 0)))
    height, width = bad.shape
    shifts = [np.s_[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    fill = sum(values[s] for s in shifts) / np.maximum(sum(good[s] for s in shifts), 1)
    return np.where(bad[..., None], fill, color).astype(np.float32), int(bad.sum())


def exposure(color: np.ndarray) -> float:
    """The factor that brings the log-average luminance, over bins of 16x16 pixels, to 0.18."""
    luminance = (np.maximum(color, 0) @ LUMINANCE).astype(float)
    height, width = luminance.shape
    rows, columns = np.arange(0, height, BIN), np.arange(0, width, BIN)
    counts = np.diff(np.append(rows, height))[:, None] * np.diff(np.append(columns, width))
    means = np.add.reduceat(np.add.reduceat(luminance, rows, 0), columns, 1) / counts
    lit = means[means > 1e-8]
    if not lit.size:
        return 1.0
    return float(KEY / np.exp(np.log(np.minimum(lit, 1000 * np.median(lit))).mean()))


def expose(color: np.ndarray, scale: float) -> np.ndarray:
    """1 3 h w."""
    with np.errstate(over="ignore"):
        return _first_channels(np.clip(color * scale, -LIMIT, LIMIT))


def guides(planes: Mapping[str, np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """1 10 h w: albedo, normal, nearness, and a mask for each that says it is there."""
    curves = {"albedo": lambda a: np.clip(a, 0, 1), "normal": lambda n: np.clip(n, -1, 1), "depth": _nearness}
    channels = []
    for name, count in GUIDES.items():
        if name in planes:
            channels.append(curves[name](np.nan_to_num(planes[name], nan=0, posinf=0, neginf=0)))
        else:
            channels.append(np.full((*size, count), float(name == "albedo")))
    masks = [np.full((*size, 1), float(name in planes)) for name in GUIDES]
    return _first_channels(np.concatenate([*channels, *masks], axis=2))


def _nearness(depth: np.ndarray) -> np.ndarray:
    hit = (depth > 0) & (depth < FARTHEST)
    middle = float(np.median(depth[hit])) if hit.any() else 1.0
    return np.where(hit, middle / (middle + np.where(hit, depth, 0)), 0)


def _first_channels(plane: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(plane.transpose(2, 0, 1)[None], np.float32)
