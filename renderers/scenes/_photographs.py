"""Photographs as textures: those of scikit-image that lie in its wheel and that anyone may use."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from renderers.scenes._pictures import Draw

# Never one that scikit-image would download.
COLORED = ("astronaut", "chelsea", "coffee", "hubble_deep_field", "immunohistochemistry", "rocket")
GREY = ("brick", "camera", "coins", "grass", "gravel", "moon", "page", "text")
# Of each side, so that no two crops need be alike.
SMALLEST_CROP = 0.5


def read(name: str) -> Float[np.ndarray, "h w 3"]:
    """The photograph as linear reflectance, 0.01 to 0.95."""
    from skimage import data

    image = getattr(data, name)().astype(np.float64) / 255
    image = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image[..., :3]
    return np.asarray(0.01 + 0.94 * image**2.2)


def crop_of(name: str) -> Draw:
    """Draws any part of the photograph."""

    def draw(chance: np.random.Generator) -> np.ndarray:
        image = read(name)
        height, width = (int(side * chance.uniform(SMALLEST_CROP, 1)) for side in image.shape[:2])
        y = int(chance.integers(image.shape[0] - height + 1))
        x = int(chance.integers(image.shape[1] - width + 1))
        return image[y : y + height, x : x + width]

    draw.__name__ = name
    return draw


def tinted(name: str, color: Callable[[np.random.Generator], np.ndarray]) -> Draw:
    """Draws a grey photograph in the shades of some colour."""

    def draw(chance: np.random.Generator) -> np.ndarray:
        image = crop_of(name)(chance)
        return np.asarray(np.clip(image / image.max() * (0.15 + color(chance)), 0.01, 0.95))

    draw.__name__ = name
    return draw
