"""What is done to pictures: each makes a function of a picture and chance; values aren't clipped.

Source: Lehtinen et al. 2018, sections 3.1 and 3.2.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from benchmarks.literature.images import Picture


class Corrupted(NamedTuple):
    """A corrupted picture, and where it is known: 1 or 0, of each value."""

    values: Picture
    known: Picture


Corruption = Callable[[Picture, np.random.Generator], Corrupted]
Range = tuple[float, float]


def gaussian(sigma: Range, *, blur: float = 0.0, is_clipped: bool = False) -> Corruption:
    """Additive, its sigma from a range of 255ths; `blur` correlates it over so many pixels."""

    def corrupt(picture: Picture, chance: np.random.Generator) -> Corrupted:
        noise = correlated(picture.shape, blur, chance) * chance.uniform(*sigma) / 255
        return _all_known(np.clip(picture + noise, 0, 1) if is_clipped else picture + noise)

    return corrupt


def correlated(shape: tuple[int, ...], blur: float, chance: np.random.Generator) -> np.ndarray:
    """Normal noise of variance 1, filtered by a Gaussian of such a sigma in pixels."""
    white = chance.standard_normal(shape)
    if not blur:
        return white
    peak = np.zeros((8 * round(blur + 1) + 1,) * 2)
    peak[len(peak) // 2, len(peak) // 2] = 1
    gain = np.sqrt(np.square(ndimage.gaussian_filter(peak, blur)).sum())
    return np.asarray(ndimage.gaussian_filter(white, (blur, blur, 0), mode="wrap") / gain)


def poisson(events: Range) -> Corruption:
    """Counts of such a mean where the picture is 1."""

    def corrupt(picture: Picture, chance: np.random.Generator) -> Corrupted:
        peak = chance.uniform(*events)
        return _all_known(chance.poisson(picture * peak) / peak)

    return corrupt


def bernoulli(kept: Range) -> Corruption:
    """Such a share of the pixels is kept, the others are black and not known."""

    def corrupt(picture: Picture, chance: np.random.Generator) -> Corrupted:
        known = (chance.uniform(size=(*picture.shape[:2], 1)) < chance.uniform(*kept)).astype(np.float32)
        known = np.broadcast_to(known, picture.shape)
        return Corrupted(picture * known, known)

    return corrupt


def text(covered: Range) -> Corruption:
    """Words of all sizes and colours, one over the other, until such a share of the pixels is covered."""
    from PIL import Image, ImageDraw, ImageFont

    from renderers.scenes._writing import word

    fonts = {size: ImageFont.load_default(size) for size in range(8, 24)}

    def corrupt(picture: Picture, chance: np.random.Generator) -> Corrupted:
        height, width = picture.shape[:2]
        share, values, shown = chance.uniform(*covered), picture.copy(), np.zeros((height, width), bool)
        while shown.mean() < share:
            mask = Image.new("L", (width, height), 0)
            place = (int(chance.integers(-width // 4, width)), int(chance.integers(-10, height)))
            ImageDraw.Draw(mask).text(place, word(chance), 255, fonts[int(chance.integers(8, 24))])
            ink = np.asarray(mask) > 127
            values[ink] = chance.uniform(size=3)
            shown |= ink
        return _all_known(values)

    return corrupt


def impulse(replaced: Range) -> Corruption:
    """Such a share of the pixels has a colour from chance in its place."""

    def corrupt(picture: Picture, chance: np.random.Generator) -> Corrupted:
        lost = chance.uniform(size=(*picture.shape[:2], 1)) < chance.uniform(*replaced)
        return _all_known(np.where(lost, chance.uniform(size=picture.shape), picture))

    return corrupt


def _all_known(values: np.ndarray) -> Corrupted:
    return Corrupted(np.asarray(values, np.float32), np.ones(values.shape, np.float32))
