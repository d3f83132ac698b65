"""What the loops of `_swift` do with sixteen pixels: tones, features and their distances, what heads say.

What a head says comes as products, in planes, with sixteen pixels of bias for each.
"""

from typing import Any

import numpy as np

from mcdenoise import affinity
from mcdenoise.encoding import RADIANCE_LIMIT
from mcdenoise.networks._compiled import of_pixels
from mcdenoise.networks._vectors import (
    ONE,
    alternate,
    doubled,
    exp,
    expm1,
    if_less,
    least,
    load,
    log1p,
    magnitude,
    most,
    sixteen,
    store,
    tanh,
    weight_of,
)

ZERO, FAR_BELOW = np.float32(0), np.float32(-1e30)
CLEAN, KIN = np.float32(affinity.CLEAN), np.float32(affinity.KIN)
CARE = tuple(np.float32(care) for care in affinity.CARE)
MOST_LOG = np.float32(np.log1p(100 * RADIANCE_LIMIT))
# The plane after a level's ten features: the logarithm of how much a pixel's tones count.
TRUSTED = 10
# The first of three planes after that: `hybrid.shade_of`.
SHADE = 11
FIFTH, HUNDRED = np.float32(0.2), np.float32(100)


@of_pixels
def to_tone(value: Any) -> Any:
    """`encoding.tone_map`."""
    return log1p(HUNDRED * most(value, ZERO)) * FIFTH


@of_pixels
def to_odd_tone(value: Any) -> Any:
    """`encoding.tone_map_odd`."""
    size = log1p(HUNDRED * magnitude(value)) * FIFTH
    return if_less(value, ZERO, ZERO - size, size)


@of_pixels
def to_radiance(tone: Any) -> Any:
    """`encoding.tone_unmap`."""
    size = expm1(least(magnitude(tone) * np.float32(5), MOST_LOG)) * np.float32(0.01)
    return if_less(tone, ZERO, ZERO - size, size)


@of_pixels
def within(bound: Any, value: Any) -> Any:
    """e to the value, between e^-bound and e^bound."""
    return exp(bound * tanh(value / bound))


@of_pixels
def ten(planes: Any, y: Any, x: Any) -> Any:
    return (
        load(planes, (0, y, x)), load(planes, (1, y, x)), load(planes, (2, y, x)), load(planes, (3, y, x)),
        load(planes, (4, y, x)), load(planes, (5, y, x)), load(planes, (6, y, x)), load(planes, (7, y, x)),
        load(planes, (8, y, x)), load(planes, (9, y, x)),
    )  # fmt: skip


@of_pixels
def ten_doubled(planes: Any, y: Any, x: Any) -> Any:
    return (
        doubled(planes, (0, y, x)), doubled(planes, (1, y, x)), doubled(planes, (2, y, x)),
        doubled(planes, (3, y, x)), doubled(planes, (4, y, x)), doubled(planes, (5, y, x)),
        doubled(planes, (6, y, x)), doubled(planes, (7, y, x)), doubled(planes, (8, y, x)),
        doubled(planes, (9, y, x)),
    )  # fmt: skip


@of_pixels
def square(a: Any, b: Any, c: Any) -> Any:
    return a * a + b * b + c * c


@of_pixels
def strangeness(one: Any, other: Any, strength: Any) -> Any:
    """`affinity.strangeness` of ten features."""
    albedo = square(one[0] - other[0], one[1] - other[1], one[2] - other[2])
    normal = square(one[3] - other[3], one[4] - other[4], one[5] - other[5])
    tone = square(one[7] - other[7], one[8] - other[8], one[9] - other[9])
    nearness = one[6] - other[6]
    of_guides = albedo * strength[0] + normal * strength[1] + nearness * nearness * strength[2]
    return of_guides + tone * strength[3]


@of_pixels
def seven(planes: Any, y: Any, x: Any) -> Any:
    return (
        load(planes, (0, y, x)), load(planes, (1, y, x)), load(planes, (2, y, x)), load(planes, (3, y, x)),
        load(planes, (4, y, x)), load(planes, (5, y, x)), load(planes, (6, y, x)),
    )  # fmt: skip


@of_pixels
def strangeness_of_guides(one: Any, other: Any) -> Any:
    albedo = square(one[0] - other[0], one[1] - other[1], one[2] - other[2])
    normal = square(one[3] - other[3], one[4] - other[4], one[5] - other[5])
    nearness = one[6] - other[6]
    return albedo * CARE[0] + normal * CARE[1] + nearness * nearness * CARE[2]


@of_pixels
def in_turn(said: Any, bias: Any, one: Any, other: Any, y: Any, x: Any) -> Any:
    """Of two children of each pixel, by what is said of `one` and of `other`."""
    return alternate(said, (one, y, x), (other, y, x)) + load(bias, (one, 0))


@of_pixels
def per_pixel(said: Any, bias: Any, value: Any, y: Any, x: Any) -> Any:
    """Of full-resolution pixels, by planes (4c rows w/2) as the finest head leaves them."""
    place = 4 * value + 2 * (y % 2)
    return in_turn(said, bias, place, place + 1, y // 2, x // 2)


@of_pixels
def twice(said: Any, bias: Any, value: Any, y: Any, x: Any) -> Any:
    return doubled(said, (value, y, x)) + load(bias, (value, 0))


@of_pixels
def once(said: Any, bias: Any, value: Any, y: Any, x: Any) -> Any:
    return load(said, (value, y, x)) + load(bias, (value, 0))


@of_pixels
def softened(said: Any, bias: Any, first: Any, weights: Any, number: Any, x: Any) -> Any:
    """Logits of a pixel's 5x5 weights, from value `first` on, into `weights`; and the largest."""
    best = sixteen(FAR_BELOW)
    for tap in range(25):
        logit = per_pixel(said, bias, first + tap, number, x)
        best = most(best, logit)
        store(weights, (tap, 0), logit)
    return best


@of_pixels
def weighted_means(weights: Any, best: Any, one: Any, other: Any, y: Any, x: Any) -> Any:
    """The means of two pictures, three planes each, under the softmax of 5x5 values in `weights`."""
    total = red = green = blue = a = b = c = sixteen(ZERO)
    for tap in range(25):
        weight, row, column = weight_of(load(weights, (tap, 0)) - best), y + tap // 5, x + tap % 5
        total = total + weight
        red, green, blue = (
            red + weight * load(one, (0, row, column)),
            green + weight * load(one, (1, row, column)),
            blue + weight * load(one, (2, row, column)),
        )
        a, b, c = (
            a + weight * load(other, (0, row, column)),
            b + weight * load(other, (1, row, column)),
            c + weight * load(other, (2, row, column)),
        )
    share = ONE / total
    return red * share, green * share, blue * share, a * share, b * share, c * share
