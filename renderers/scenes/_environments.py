"""Environment maps (h w 3): radiance by direction, made of numbers or read from a file."""

from pathlib import Path

import numpy as np

from mcdenoise import exr
from renderers.scenes._colors import color
from renderers.scenes._textures import Image, noise

# Times the mean: a sun in a photograph of the sky is clamped to it, or a few paths would carry all its light.
BRIGHTEST = 2e4


def sky(chance: np.random.Generator) -> Image:
    """A sky (128 256 3) of radiance around 1: gradient, clouds, ground, and often a small bright sun."""
    up = np.linspace(1, -1, 128)[:, None, None]
    evening = np.array([1.0, chance.uniform(0.6, 1.0), chance.uniform(0.4, 1.1)])
    zenith, horizon = chance.uniform(0.2, 1) * np.array([0.45, 0.7, 1.2]), chance.uniform(0.5, 1.2) * evening
    image = np.where(up > 0, horizon + (zenith - horizon) * np.clip(up, 0, 1) ** 0.5, 0.3 * color(chance))
    clouds = noise(chance, 1.3)[::4, ::2, None] * (up > 0)
    image = image * (1 + chance.uniform(0, 1.5) * clouds)
    if chance.uniform() < 0.6:
        row, column = int(chance.uniform(8, 56)), int(chance.uniform(0, 254))
        image[row : row + 2, column : column + 2] = np.array([1, 0.9, 0.75]) * 10 ** chance.uniform(2.0, 3.6)
    return np.asarray(image)


def softboxes(chance: np.random.Generator) -> Image:
    """A dark studio (128 256 3) with a few bright rectangles."""
    image = np.tile(color(chance) * chance.uniform(0.02, 0.4), (128, 256, 1))
    for _ in range(chance.integers(1, 5)):
        row, column = chance.integers(0, 100), chance.integers(0, 220)
        height, width = chance.integers(3, 40, 2)
        image[row : row + height, column : column + width] = (0.5 + color(chance)) * 10 ** chance.uniform(
            0, 1.5
        )
    return np.asarray(image)


def read(path: Path) -> np.ndarray:
    """An environment map (256 512 3) of mean 1, without negative radiance, its sun clamped."""
    image = np.maximum(exr.read_frame(path).color, 0)
    step = max(image.shape[0] // 256, 1)
    rows, columns = image.shape[0] // step * step, image.shape[1] // step * step
    small = image[:rows, :columns].reshape(rows // step, step, columns // step, step, 3).mean(axis=(1, 3))
    small = np.minimum(small, BRIGHTEST * small.mean())
    return np.asarray(small / (small.mean() + 1e-6))
