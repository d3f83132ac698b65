"""Textures made of numbers: reflectance images (n n 3) in 0..1, tileable."""

import colorsys

import numpy as np
from jaxtyping import Float

Image = Float[np.ndarray, "h w 3"]
Field = Float[np.ndarray, "n n"]

SIZE = 256


def color(chance: np.random.Generator, *, least: float = 0.08, most: float = 0.85) -> Float[np.ndarray, "3"]:
    """A reflectance as paints have it: often nearly grey, seldom saturated."""
    saturation = float(chance.beta(1.2, 2.2))
    rgb = colorsys.hsv_to_rgb(float(chance.uniform()), saturation, float(chance.uniform(least, most)))
    return np.array(rgb, np.float64)


def noise(chance: np.random.Generator, slope: float, stretch: float = 1.0) -> Field:
    """Tileable noise in 0..1 whose amplitude falls as frequency^-slope; `stretch` > 1 makes grain."""
    fy, fx = np.meshgrid(np.fft.fftfreq(SIZE), np.fft.rfftfreq(SIZE), indexing="ij")
    frequency = np.hypot(fy * stretch, fx)
    frequency[0, 0] = np.inf
    spectrum = chance.normal(size=frequency.shape) + 1j * chance.normal(size=frequency.shape)
    field = np.fft.irfft2(spectrum / frequency**slope, (SIZE, SIZE))
    low, high = np.quantile(field, [0.02, 0.98])
    return np.asarray(np.clip((field - low) / (high - low), 0, 1))


def texture(chance: np.random.Generator) -> Image:
    """Any of the kinds below, in two or three colours."""
    kind = chance.choice(list(_KINDS))
    mask = _KINDS[kind](chance)
    one, two = color(chance), color(chance)
    image = one + (two - one) * mask[..., None]
    grime = noise(chance, chance.uniform(0.6, 1.6))[..., None]
    return np.asarray(np.clip(image * (1 - chance.uniform(0, 0.4) * grime), 0.01, 0.95))


def _grid(chance: np.random.Generator) -> tuple[Field, Field]:
    y, x = np.meshgrid(np.arange(SIZE), np.arange(SIZE), indexing="ij")
    count = int(chance.choice([2, 4, 8, 16]))
    return y * count / SIZE, x * count / SIZE


def _checks(chance: np.random.Generator) -> Field:
    y, x = _grid(chance)
    return np.asarray((np.floor(x) + np.floor(y)) % 2, np.float64)


def _bricks(chance: np.random.Generator) -> Field:
    y, x = _grid(chance)
    x = x / 2 + 0.5 * (np.floor(y) % 2)
    joint = ((x % 1) < 0.04) | ((y % 1) < 0.08)
    shade = np.sin(np.floor(x) * 12.9 + np.floor(y) * 78.2) * 43758.5 % 1
    return np.where(joint, 0.0, 0.5 + 0.5 * shade)


def _planks(chance: np.random.Generator) -> Field:
    y, _ = _grid(chance)
    rings = np.sin(40 * noise(chance, 1.2, stretch=6.0)) * 0.3
    shade = np.sin(np.floor(y) * 78.2) * 43758.5 % 1
    return np.clip(np.where((y % 1) < 0.03, 0.0, 0.3 + 0.5 * shade + rings), 0, 1)


def _stripes(chance: np.random.Generator) -> Field:
    y, x = _grid(chance)
    return ((x + y * chance.integers(0, 2)) % 1 < chance.uniform(0.1, 0.7)).astype(np.float64)


def _dots(chance: np.random.Generator) -> Field:
    y, x = _grid(chance)
    return (np.hypot(x % 1 - 0.5, y % 1 - 0.5) < chance.uniform(0.15, 0.45)).astype(np.float64)


def _marble(chance: np.random.Generator) -> Field:
    _, x = _grid(chance)
    return np.asarray(0.5 + 0.5 * np.sin(np.pi * x + 9 * noise(chance, 1.5)))


def _clouds(chance: np.random.Generator) -> Field:
    return noise(chance, chance.uniform(0.4, 1.8))


def _writing(chance: np.random.Generator) -> Field:
    """Lines of glyph-like strokes: what text is to a denoiser, thin dark strokes in rows."""
    strokes = np.repeat(np.repeat(chance.uniform(size=(64, 64)), 4, 0), 4, 1) > 0.55
    line = (np.arange(SIZE) // 4) % 8 < 5
    word = np.repeat(chance.uniform(size=(8, 32)) > 0.2, 32, 0)
    return (strokes & line[:, None] & np.repeat(word, 8, 1)).astype(np.float64)


def _plain(chance: np.random.Generator) -> Field:
    return np.full((SIZE, SIZE), chance.uniform())


_KINDS = {"checks": _checks, "bricks": _bricks, "planks": _planks, "stripes": _stripes, "dots": _dots,
          "marble": _marble, "clouds": _clouds, "writing": _writing, "plain": _plain,
          "paint": _plain}  # fmt: skip
