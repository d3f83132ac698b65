"""Bumps as normal maps, and cut-outs as opacities: pictures that are no colours."""

from collections.abc import Callable
from functools import wraps

import numpy as np
from jaxtyping import Float

from renderers.scenes import _textures
from renderers.scenes._pictures import Draw
from renderers.scenes._textures import SIZE, Field


def relief(height: Callable[[np.random.Generator], Field]) -> Draw:
    """Draws a height as a normal map: unit normals, each axis moved from -1..1 to 0..1."""

    @wraps(height)
    def draw(chance: np.random.Generator) -> Float[np.ndarray, "n n 3"]:
        field = height(chance) * 10 ** chance.uniform(0.0, 1.3)
        slope = [np.roll(field, -1, axis) - np.roll(field, 1, axis) for axis in (1, 0)]
        normal = np.stack([-slope[0], -slope[1], np.ones_like(field)], -1)
        return np.asarray(normal / np.linalg.norm(normal, axis=2, keepdims=True) * 0.5 + 0.5)

    return draw


def leaf(chance: np.random.Generator) -> Float[np.ndarray, "n n 1"]:
    """1 inside a pointed leaf with a toothed edge."""
    y, x = _square()
    teeth = 0.06 * np.abs(np.sin(np.pi * y * chance.uniform(4, 14)))
    half = chance.uniform(0.25, 0.48) * np.sin(np.pi * y) ** chance.uniform(0.6, 1.3) - teeth
    return _opacity(np.abs(x - 0.5) < half)


def twig(chance: np.random.Generator) -> Float[np.ndarray, "n n 1"]:
    """1 inside a stem with leaves to both sides, as of a fern."""
    y, x = _square()
    away, pairs = np.abs(x - 0.5), int(chance.integers(5, 12))
    along = (y * pairs - 1.5 * away) % 1
    reach = 0.45 * np.sin(np.pi * np.clip(y, 0, 1)) ** 0.5
    return _opacity((away < 0.01) | ((np.abs(along - 0.5) < 0.33 * (1 - away / 0.5)) & (away < reach)))


def lattice(chance: np.random.Generator) -> Float[np.ndarray, "n n 1"]:
    """1 on thin bars that cross."""
    y, x = _square()
    count, thick = int(chance.choice([6, 10, 16, 24])), chance.uniform(0.08, 0.3)
    return _opacity((x * count % 1 < thick) | (y * count % 1 < thick))


def holes(chance: np.random.Generator) -> Float[np.ndarray, "n n 1"]:
    """0 in round holes, as of punched metal or lace."""
    y, x = _square()
    count = int(chance.choice([6, 12, 20]))
    far = np.hypot(x * count % 1 - 0.5, y * count % 1 - 0.5)
    return _opacity(far > chance.uniform(0.2, 0.45))


def rags(chance: np.random.Generator) -> Float[np.ndarray, "n n 1"]:
    """0 in ragged holes of all sizes."""
    return _opacity(_textures.noise(chance, 1.3) > chance.uniform(0.3, 0.6))


def _square() -> tuple[Field, Field]:
    line = (np.arange(SIZE) + 0.5) / SIZE
    y, x = np.meshgrid(line, line, indexing="ij")
    return y, x


def _opacity(inside: np.ndarray) -> Float[np.ndarray, "n n 1"]:
    return np.asarray(inside[..., None], np.float64)


DENTS: tuple[Draw, ...] = (relief(_textures.dents),)
BUMPS: tuple[Draw, ...] = tuple(
    relief(height) for height in (_textures.weave, _textures.bricks, _textures.tiles, _textures.dots)
)
LEAVES: tuple[Draw, ...] = (leaf, twig)
CUTOUTS: tuple[Draw, ...] = (lattice, holes, rags)
