"""Colours that chance gives to surfaces."""

import colorsys

import numpy as np
from jaxtyping import Float

# Reflectances of fresh white paint, paper and enamel.
WHITE = (0.65, 0.92)


def color(chance: np.random.Generator, *, least: float = 0.08, most: float = 0.85) -> Float[np.ndarray, "3"]:
    """A reflectance as paints have it: often nearly grey, seldom saturated; half of them wood or earth; and
    every fifth of those that may be bright is a white."""
    if most > WHITE[0] and chance.uniform() < 0.2:
        tint = chance.uniform(0.93, 1, 3)
        return np.asarray(chance.uniform(*WHITE) * tint / tint.max(), np.float64)
    hue = float(chance.uniform(0.02, 0.16) if chance.uniform() < 0.5 else chance.uniform())
    saturation = float(chance.beta(1.1, 2.6))
    rgb = colorsys.hsv_to_rgb(hue, saturation, float(chance.uniform(least, most)))
    return np.array(rgb, np.float64)
