"""Masks of thin and of large shapes, to look through from one picture into another."""

import numpy as np
from jaxtyping import Float32

# Pixels from one bar to the next, at least and at most; and on a side, in which a pixel's share is counted.
PITCHES, FINE = (2.0, 32.0), 4
# Of masks: those of bars, and of these those that stand or lie, and those that are all over the picture.
GRATINGS, UPRIGHT, ALL_OVER = 0.7, 0.6, 0.5
# By how much of itself the pitch changes over the picture, as in perspective, at most.
RECEDING = 0.4


def mask(size: int, chance: np.random.Generator) -> Float32[np.ndarray, "h w 1"]:
    """The share of each pixel of a square that is open, 0 to 1: between bars, or inside a shape."""
    axis = (np.arange(size * FINE, dtype=np.float32) + 0.5) / (size * FINE) - 0.5
    y, x = np.meshgrid(axis, axis, indexing="ij")
    if chance.uniform() < GRATINGS:
        is_open = _between_bars(x, y, size, chance)
        if chance.uniform() < 0.2:
            is_open &= _between_bars(x, y, size, chance)
        if chance.uniform() >= ALL_OVER:
            is_open &= _inside(x, y, chance)
    else:
        is_open = _inside(x, y, chance)
    shares: np.ndarray = is_open.reshape(size, FINE, size, FINE).mean((1, 3), dtype=np.float32)
    return shares[..., None]


def _between_bars(
    x: Float32[np.ndarray, "h w"], y: Float32[np.ndarray, "h w"], size: int, chance: np.random.Generator
) -> np.ndarray:
    is_upright = chance.uniform() < UPRIGHT
    angle = (
        chance.integers(2) * np.pi / 2 + chance.normal() * 0.03 if is_upright else chance.uniform(0, np.pi)
    )
    across, along = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    pitch = np.exp(chance.uniform(*np.log(PITCHES))) / size
    place = across / pitch * (1 + chance.uniform(-RECEDING, RECEDING) * along) + chance.uniform()
    found: np.ndarray = place % 1 < chance.uniform(0.15, 0.85)
    return found


def _inside(
    x: Float32[np.ndarray, "h w"], y: Float32[np.ndarray, "h w"], chance: np.random.Generator
) -> np.ndarray:
    """An ellipse, or a rectangle, anywhere and turned anyhow."""
    angle, (left, top) = chance.uniform(0, np.pi), chance.uniform(-0.4, 0.4, 2)
    wide, high = np.exp(chance.uniform(np.log(0.05), np.log(0.6), 2))
    u = ((x - left) * np.cos(angle) + (y - top) * np.sin(angle)) / wide
    v = ((y - top) * np.cos(angle) - (x - left) * np.sin(angle)) / high
    found: np.ndarray = u * u + v * v < 1 if chance.uniform() < 0.5 else np.maximum(abs(u), abs(v)) < 1
    return found
