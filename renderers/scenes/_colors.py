"""Colours that chance gives to surfaces."""

import colorsys

import numpy as np
from jaxtyping import Float


def color(chance: np.random.Generator, *, least: float = 0.08, most: float = 0.85) -> Float[np.ndarray, "3"]:
    """A reflectance as paints have it: often nearly grey, seldom saturated; half of them wood or earth."""
    hue = float(chance.uniform(0.02, 0.16) if chance.uniform() < 0.5 else chance.uniform())
    saturation = float(chance.beta(1.1, 2.6))
    rgb = colorsys.hsv_to_rgb(hue, saturation, float(chance.uniform(least, most)))
    return np.array(rgb, np.float64)
