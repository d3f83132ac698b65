"""Reflectances (n n 3) in 0..1: patterns made of numbers, most of them tileable, photographs and text."""

from collections.abc import Callable
from functools import wraps

import numpy as np
from jaxtyping import Float

from renderers.scenes import _photographs, _writing
from renderers.scenes._colors import color
from renderers.scenes._pictures import Draw

Image = Float[np.ndarray, "h w 3"]
Field = Float[np.ndarray, "n n"]

SIZE = 512


def noise(chance: np.random.Generator, slope: float, stretch: float = 1.0) -> Field:
    """Tileable noise in 0..1 whose amplitude falls as frequency^-slope; `stretch` > 1 makes grain."""
    fy, fx = np.meshgrid(np.fft.fftfreq(SIZE), np.fft.rfftfreq(SIZE), indexing="ij")
    frequency = np.hypot(fy * stretch, fx)
    frequency[0, 0] = np.inf
    spectrum = chance.normal(size=frequency.shape) + 1j * chance.normal(size=frequency.shape)
    field = np.fft.irfft2(spectrum / frequency**slope, (SIZE, SIZE))
    low, high = np.quantile(field, [0.02, 0.98])
    return np.asarray(np.clip((field - low) / (high - low), 0, 1))


def painted(mask: Callable[[np.random.Generator], Field]) -> Draw:
    """Draws the mask in two colours, half of them with grime."""

    @wraps(mask)
    def draw(chance: np.random.Generator) -> Image:
        share = mask(chance)[..., None]
        one, two = color(chance), color(chance)
        image = one + (two - one) * share
        if chance.uniform() < 0.5:
            grime = noise(chance, chance.uniform(0.6, 1.6))[..., None]
            image = image * (1 - chance.uniform(0, 0.4) * grime)
        return np.asarray(np.clip(image, 0.01, 0.95))

    return draw


def _grid(chance: np.random.Generator) -> tuple[Field, Field]:
    y, x = np.meshgrid(np.arange(SIZE), np.arange(SIZE), indexing="ij")
    count = int(chance.choice([2, 4, 8, 16]))
    return y * count / SIZE, x * count / SIZE


def checks(chance: np.random.Generator) -> Field:
    """A chessboard."""
    y, x = _grid(chance)
    return np.asarray((np.floor(x) + np.floor(y)) % 2, np.float64)


def bricks(chance: np.random.Generator) -> Field:
    """Bricks of many shades, with joints."""
    y, x = _grid(chance)
    x = x / 2 + 0.5 * (np.floor(y) % 2)
    joint = ((x % 1) < 0.04) | ((y % 1) < 0.08)
    shade = np.sin(np.floor(x) * 12.9 + np.floor(y) * 78.2) * 43758.5 % 1
    return np.where(joint, 0.0, 0.5 + 0.5 * shade)


def planks(chance: np.random.Generator) -> Field:
    """Boards with their grain."""
    y, _ = _grid(chance)
    rings = np.sin(40 * noise(chance, 1.2, stretch=6.0)) * 0.3
    shade = np.sin(np.floor(y) * 78.2) * 43758.5 % 1
    return np.clip(np.where((y % 1) < 0.03, 0.0, 0.3 + 0.5 * shade + rings), 0, 1)


def stripes(chance: np.random.Generator) -> Field:
    """Broad stripes, straight or slanting."""
    y, x = _grid(chance)
    return ((x + y * chance.integers(0, 2)) % 1 < chance.uniform(0.1, 0.7)).astype(np.float64)


def dots(chance: np.random.Generator) -> Field:
    """Round dots in rows."""
    y, x = _grid(chance)
    return (np.hypot(x % 1 - 0.5, y % 1 - 0.5) < chance.uniform(0.15, 0.45)).astype(np.float64)


def marble(chance: np.random.Generator) -> Field:
    """Waves, bent by noise."""
    _, x = _grid(chance)
    return np.asarray(0.5 + 0.5 * np.sin(np.pi * x + 9 * noise(chance, 1.5)))


def clouds(chance: np.random.Generator) -> Field:
    """Noise, fine or coarse."""
    return noise(chance, chance.uniform(0.4, 1.8))


def dents(chance: np.random.Generator) -> Field:
    """Smooth noise."""
    return noise(chance, chance.uniform(1.2, 2.2))


def weave(chance: np.random.Generator) -> Field:
    """Threads over and under each other, 16 to 64 of them."""
    count = int(chance.choice([16, 32, 64]))
    y, x = np.meshgrid(np.arange(SIZE) * count / SIZE, np.arange(SIZE) * count / SIZE, indexing="ij")
    across, along = np.abs(np.sin(np.pi * y)), np.abs(np.sin(np.pi * x))
    return np.asarray(np.where((np.floor(x) + np.floor(y)) % 2 == 0, across, 0.7 * along))


def speckle(chance: np.random.Generator) -> Field:
    """Pixels of their own each: granite, carpet, static."""
    return np.asarray(chance.uniform(size=(SIZE, SIZE)) ** chance.uniform(0.5, 3))


def pinstripes(chance: np.random.Generator) -> Field:
    """32 to 128 thin stripes."""
    x = np.arange(SIZE) * int(chance.choice([32, 64, 128])) / SIZE
    return np.tile((x % 1 < chance.uniform(0.2, 0.6)).astype(np.float64), (SIZE, 1))


def tiles(chance: np.random.Generator) -> Field:
    """Tiles of many shades, with joints."""
    y, x = _grid(chance)
    shades = chance.uniform(0.3, 1, (16, 16))[np.floor(y).astype(int), np.floor(x).astype(int)]
    return np.where((x % 1 < 0.05) | (y % 1 < 0.05), 0.0, shades)


def plain(chance: np.random.Generator) -> Field:
    """One shade."""
    return np.full((SIZE, SIZE), chance.uniform())


def leaf_green(chance: np.random.Generator) -> Image:
    """Green to autumn, with veins."""
    line = np.arange(SIZE) / SIZE
    vein = np.abs((line[:, None] * 9 - 6 * np.abs(line[None] - 0.5)) % 1 - 0.5) < 0.04
    ripe = np.array([chance.uniform(0.05, 0.5), chance.uniform(0.2, 0.5), chance.uniform(0.02, 0.15)])
    return np.asarray(ripe * (0.6 + 0.4 * noise(chance, 1.0)[..., None]) + 0.15 * vein[..., None])


MASKS = (checks, bricks, planks, stripes, dots, marble, clouds, weave, speckle, pinstripes, tiles, plain)
PATTERNS: tuple[Draw, ...] = tuple(painted(mask) for mask in MASKS)
PRINTS: tuple[Draw, ...] = (
    *(_photographs.crop_of(name) for name in _photographs.COLORED),
    *(_photographs.tinted(name, color) for name in _photographs.GREY),
    _writing.page,
    _writing.poster,
)
