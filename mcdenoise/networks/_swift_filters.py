"""The loops of `_swift` that filter, join and mend; rows and margins as in `_swift_loops`."""

from typing import Any

import numpy as np

from mcdenoise import affinity
from mcdenoise.networks import _kernels, hybrid
from mcdenoise.networks._compiled import of_pixels, over_rows
from mcdenoise.networks._swift_pixels import (
    CARE,
    CLEAN,
    FAR_BELOW,
    SHADE,
    TRUSTED,
    ZERO,
    in_turn,
    once,
    per_pixel,
    softened,
    square,
    strangeness,
    ten,
    ten_doubled,
    to_radiance,
    to_tone,
    twice,
    weighted_means,
    within,
)
from mcdenoise.networks._vectors import (
    ONE,
    doubled,
    exp,
    least,
    load,
    most,
    pairs,
    root,
    sixteen,
    store,
    tanh,
    weight_of,
)

COARSE_CARE = tuple(np.float32(care) for care in np.multiply(affinity.CARE, _kernels.COARSE_CARE))
CARE_RANGE = np.float32(_kernels.CARE_RANGE)
DISSENT_RANGE, BLEND_RANGE = np.float32(_kernels.DISSENT_RANGE), np.float32(_kernels.BLEND_RANGE)
CHANCE = np.float32(_kernels.CHANCE)
SHIFT, SHIFTED = np.float32(hybrid.SHIFT), np.float32(hybrid.SHIFTED)
MORE_SHIFT = np.float32(hybrid.SHIFT * (hybrid.LONE_SHIFT - 1))
ALONE, HALF, TEXTURE = np.float32(hybrid.ALONE), np.float32(0.5), np.float32(hybrid.TEXTURE)
HIGHLIGHT, TINY = np.float32(hybrid.HIGHLIGHT), np.float32(hybrid.TINY)
BELIEVED, FOLLOWED = np.float32(hybrid.BELIEVED), np.float32(hybrid.FOLLOWED)
# What the loops of the finest level are told of a pixel: its kernel, shift and care; and of the level below,
# from a plane of its own on.
OF_SHIFT, OF_CARE, OF_LEVEL = 25, 28, 128
# What `along` and `mended` are told after their kernel: its strength, and the share of texture.
OF_SHARE = OF_STRENGTH = 25


@of_pixels
def _strength(a: Any, b: Any, c: Any, d: Any, care: Any, noisy: Any, clear: Any) -> Any:
    """`_kernels._strength` by what a head says of care."""
    return (
        care[0] * within(CARE_RANGE, a) * clear, care[1] * within(CARE_RANGE, b) * clear,
        care[2] * within(CARE_RANGE, c) * clear, care[3] * within(CARE_RANGE, d) / noisy,
    )  # fmt: skip


@over_rows
def filtered(
    share: Any, said: Any, bias: Any, first: Any, features: Any, variance: Any, clear: Any, out: Any
) -> None:
    """A level's tones and shade filtered, from row `first` on; `said` are its kernel and care."""
    weights = np.empty((25, 16), np.float32)
    for number in range(*share):
        y = first + number
        for x in range(0, variance.shape[1], 16):
            noisy = load(variance, (y, x)) + CLEAN
            strength = _strength(once(said, bias, 25, number, x), once(said, bias, 26, number, x),
                                 once(said, bias, 27, number, x), once(said, bias, 28, number, x),
                                 CARE, noisy, load(clear, (y, x)))  # fmt: skip
            own, best = ten(features, y + 2, x + 2), sixteen(FAR_BELOW)
            for tap in range(25):
                row, column = y + tap // 5, x + tap % 5
                strange = strangeness(ten(features, row, column), own, strength)
                logit = once(said, bias, tap, number, x) - strange + load(features, (TRUSTED, row, column))
                best = most(best, logit)
                store(weights, (tap, 0), logit)
            mean = weighted_means(weights, best, features[7:10], features[SHADE:], y, x)
            for c in range(6):
                store(out, (c, y + 2, x + 2), mean[c])


@of_pixels
def _upsampled(
    said: Any,
    bias: Any,
    first: Any,
    row: Any,
    coarse: Any,
    own: Any,
    noisy: Any,
    weights: Any,
    y: Any,
    x: Any,
) -> Any:
    """`_kernels.upsampled`: tones and shade, and how like the coarse pixels are."""
    picture, features, calm, clear = coarse
    place, up, half = first + 18 * (y % 2), y // 2 + 1, x // 2
    care, noisy = first + 40, noisy + doubled(calm, (y // 2, half)) + CLEAN
    strength = _strength(twice(said, bias, care, row, half), twice(said, bias, care + 1, row, half),
                         twice(said, bias, care + 2, row, half), twice(said, bias, care + 3, row, half),
                         COARSE_CARE, noisy, doubled(clear, (y // 2, half)))  # fmt: skip
    alike, best = sixteen(ZERO), sixteen(FAR_BELOW)
    for tap in range(9):
        around = ten_doubled(features, up + tap // 3, half + 1 + tap % 3)
        strange = strangeness(around, own, strength)
        alike = alike + weight_of(ZERO - strange)
        logit = in_turn(said, bias, place + tap, place + 9 + tap, row, half) - strange
        best = most(best, logit)
        store(weights, (tap, 0), logit)
    total = red = green = blue = a = b = c = sixteen(ZERO)
    for tap in range(9):
        weight = weight_of(load(weights, (tap, 0)) - best)
        down, column = up + tap // 3, half + 1 + tap % 3
        total = total + weight
        red, green, blue = (
            red + weight * doubled(picture, (0, down, column)),
            green + weight * doubled(picture, (1, down, column)),
            blue + weight * doubled(picture, (2, down, column)),
        )
        a, b, c = (
            a + weight * doubled(picture, (3, down, column)),
            b + weight * doubled(picture, (4, down, column)),
            c + weight * doubled(picture, (5, down, column)),
        )
    one = ONE / total
    return (red * one, green * one, blue * one, a * one, b * one, c * one), alike * np.float32(1 / 9)


@of_pixels
def _joined(
    said: Any,
    bias: Any,
    first: Any,
    row: Any,
    coarse: Any,
    own: Any,
    here: Any,
    variance: Any,
    weights: Any,
    y: Any,
    x: Any,
) -> Any:
    """`_kernels._joined`; what the coarse level's head says begins at plane `first` and is in `row`."""
    noisy = load(variance, (y, x))
    mean = pairs(noisy + load(variance, (y + 1 - 2 * (y % 2), x))) * np.float32(0.25)
    above, kinship = _upsampled(said, bias, first, row, coarse, own, mean, weights, y, x)
    blend, heed, half = first + 36 + 2 * (y % 2), first + 44 + 2 * (y % 2), x // 2
    far = square(above[0] - here[0], above[1] - here[1], above[2] - here[2])
    far = far / (np.float32(3) * (noisy + CLEAN))
    far = far * within(DISSENT_RANGE, in_turn(said, bias, heed, heed + 1, row, half))
    own_way = in_turn(said, bias, blend, blend + 1, row, half)
    logit = BLEND_RANGE * tanh(own_way / BLEND_RANGE) + far * far / (far + CHANCE)
    part = ONE / (ONE + exp(ZERO - logit) * (kinship + np.float32(1e-4)))
    return (
        above[0] + part * (here[0] - above[0]),
        above[1] + part * (here[1] - above[1]),
        above[2] + part * (here[2] - above[2]),
        above[3] + part * (here[3] - above[3]),
        above[4] + part * (here[4] - above[4]),
        above[5] + part * (here[5] - above[5]),
    )


@over_rows
def joined(
    share: Any, said: Any, bias: Any, first: Any, coarse: Any, features: Any, variance: Any, picture: Any
) -> None:
    """A level's picture, filtered already, joined with the coarser one, from row
    2 * `first` on, in place; `said` is of the coarser one."""
    weights = np.empty((9, 16), np.float32)
    for number in range(*share):
        y = 2 * first + number
        for x in range(0, variance.shape[1], 16):
            here = (
                load(picture, (0, y + 2, x + 2)),
                load(picture, (1, y + 2, x + 2)),
                load(picture, (2, y + 2, x + 2)),
                load(picture, (3, y + 2, x + 2)),
                load(picture, (4, y + 2, x + 2)),
                load(picture, (5, y + 2, x + 2)),
            )
            own = ten(features, y + 2, x + 2)
            joint = _joined(said, bias, 0, number // 2, coarse, own, here, variance, weights, y, x)
            for c in range(6):
                store(picture, (c, y + 2, x + 2), joint[c])


@over_rows
def finest_filtered(
    share: Any, said: Any, bias: Any, first: Any, features: Any, tone: Any, left: Any, clear: Any, out: Any
) -> None:
    """The finest level's tones and shade filtered, from row 2 * `first` on. `said` is all that the finest
    head has to say for this and for `finest_joined` (see `OF_SHIFT`)."""
    weights = np.empty((25, 16), np.float32)
    for number in range(*share):
        y = 2 * first + number
        for x in range(0, left.shape[1], 16):
            noisy = load(left, (y, x)) + CLEAN
            a, b = per_pixel(said, bias, OF_CARE, number, x), per_pixel(said, bias, OF_CARE + 1, number, x)
            c, d = (
                per_pixel(said, bias, OF_CARE + 2, number, x),
                per_pixel(said, bias, OF_CARE + 3, number, x),
            )
            strength = _strength(a, b, c, d, CARE, noisy, load(clear, (y, x)))
            own, best = ten(features, y + 2, x + 2), sixteen(FAR_BELOW)
            for tap in range(25):
                row, column = y + tap // 5, x + tap % 5
                strange = strangeness(ten(features, row, column), own, strength)
                trusted = load(features, (TRUSTED, row, column))
                logit = per_pixel(said, bias, tap, number, x) - strange + trusted
                best = most(best, logit)
                store(weights, (tap, 0), logit)
            mean = weighted_means(weights, best, tone, features[SHADE:], y, x)
            for channel in range(6):
                store(out, (channel, y + 2, x + 2), mean[channel])


@of_pixels
def _loneliness(nearby: Any, y: Any, x: Any) -> Any:
    """`hybrid.loneliness`."""
    return least(most((ALONE - load(nearby, (y, x))) * HALF, ZERO), ONE)


@over_rows
def finest_joined(
    share: Any, said: Any, bias: Any, first: Any, coarse: Any, features: Any, left: Any, variance: Any,
    nearby: Any, out: Any,
) -> None:  # fmt: skip
    """What `finest_filtered` gave, joined with the level below, and shifted, in place."""
    weights = np.empty((9, 16), np.float32)
    for number in range(*share):
        y = 2 * first + number
        for x in range(0, left.shape[1], 16):
            here = (
                load(out, (0, y + 2, x + 2)),
                load(out, (1, y + 2, x + 2)),
                load(out, (2, y + 2, x + 2)),
                load(out, (3, y + 2, x + 2)),
                load(out, (4, y + 2, x + 2)),
                load(out, (5, y + 2, x + 2)),
            )
            own = ten(features, y + 2, x + 2)
            joint = _joined(said, bias, OF_LEVEL, number // 2, coarse, own, here, left, weights, y, x)
            noisy = load(variance, (y, x))
            room = SHIFT + MORE_SHIFT * _loneliness(nearby, y, x)
            far = room * noisy / (noisy + SHIFTED)
            for c in range(3):
                moved = joint[c] + far * tanh(per_pixel(said, bias, OF_SHIFT + c, number, x) / room)
                store(out, (c, y + 2, x + 2), moved)
                store(out, (3 + c, y + 2, x + 2), joint[3 + c])


@over_rows
def smallest(share: Any, plane: Any, reach: Any, out: Any) -> None:
    """The smallest value within `reach` pixels in rows and columns."""
    height, width = plane.shape
    line = np.empty(width + 2 * reach, np.float32)
    for y in range(*share):
        line[:] = np.float32(np.inf)
        for row in range(max(y - reach, 0), min(y + reach + 1, height)):
            for x in range(width):
                line[x + reach] = min(line[x + reach], plane[row, x])
        best = out[y]
        for x in range(width):
            best[x] = line[x]
        for step in range(1, 2 * reach + 1):
            for x in range(width):
                best[x] = min(best[x], line[x + step])


@of_pixels
def _largest(picture: Any, y: Any, x: Any) -> Any:
    return most(most(load(picture, (0, y, x)), load(picture, (1, y, x))), load(picture, (2, y, x)))


@of_pixels
def _factor(limit: Any, largest: Any) -> Any:
    """What dims all channels alike, so that the largest is within the limit."""
    return least(limit / most(largest, np.float32(1e-9)), ONE)


@of_pixels
def _texture(features: Any, channel: Any, share: Any, smooth: Any, y: Any, x: Any) -> Any:
    """A factor: the share that is asked for of what filters took from a channel of the albedo."""
    lost = share * (load(features, (SHADE + channel, y + 2, x + 2)) - smooth)
    return exp(least(most(lost, ZERO - TEXTURE), TEXTURE))


@of_pixels
def _moved(smooth: Any, part: Any, mean: Any, y: Any, x: Any) -> Any:
    """Six planes of a picture, as far towards others as `part` says."""
    red, green, blue, a, b, c = (
        load(smooth, (0, y + 2, x + 2)), load(smooth, (1, y + 2, x + 2)), load(smooth, (2, y + 2, x + 2)),
        load(smooth, (3, y + 2, x + 2)), load(smooth, (4, y + 2, x + 2)), load(smooth, (5, y + 2, x + 2)),
    )  # fmt: skip
    return (
        red + part * (mean[0] - red), green + part * (mean[1] - green), blue + part * (mean[2] - blue),
        a + part * (mean[3] - a), b + part * (mean[4] - b), c + part * (mean[5] - c),
    )  # fmt: skip


@over_rows
def along(share: Any, said: Any, bias: Any, first: Any, smooth: Any, noisy: Any, out: Any) -> None:
    """The first of the two filters of `hybrid.mended`, from row 2 * `first` on."""
    weights = np.empty((25, 16), np.float32)
    for number in range(*share):
        y = 2 * first + number
        for x in range(0, noisy.shape[1], 16):
            best = softened(said, bias, 0, weights, number, x)
            mean = weighted_means(weights, best, smooth, smooth[3:6], y, x)
            followed = per_pixel(said, bias, OF_STRENGTH, number, x) + FOLLOWED
            strength = ONE / (ONE + exp(ZERO - followed))
            moved = _moved(smooth, strength * load(noisy, (y, x)), mean, y, x)
            for c in range(6):
                store(out, (c, y + 2, x + 2), moved[c])


@over_rows
def mended(
    share: Any, said: Any, bias: Any, first: Any, smooth: Any, features: Any, noisy: Any, out: Any,
    largest: Any,
) -> None:  # fmt: skip
    """The second, in radiance, given its texture; and each pixel's largest channel, with a margin of 1."""
    weights = np.empty((25, 16), np.float32)
    for number in range(*share):
        y = 2 * first + number
        for x in range(0, noisy.shape[1], 16):
            best = softened(said, bias, 0, weights, number, x)
            mean = weighted_means(weights, best, smooth, smooth[3:6], y, x)
            mixed = _moved(smooth, load(noisy, (y, x)), mean, y, x)
            asked = ONE / (ONE + exp(ZERO - per_pixel(said, bias, OF_SHARE, number, x)))
            for c in range(3):
                texture = _texture(features, c, asked, mixed[3 + c], y, x)
                store(out, (c, y, x), to_radiance(mixed[c]) * texture)
            store(largest, (y + 1, x + 1), _largest(out, y, x))


@over_rows
def quenched(share: Any, largest: Any, quiet: Any, variance: Any, estimate: Any) -> None:
    """`hybrid.without_fireflies`, in place; `largest` are the channels of `estimate`, with a margin of 1."""
    for y in range(*share):
        for x in range(0, quiet.shape[1], 16):
            best = load(largest, (y, x))
            for tap in range(1, 9):
                best = most(best, load(largest, (y + tap // 3, x + tap % 3)) if tap != 4 else best)
            silent = load(quiet, (y, x))
            own = least(load(variance, (y, x)), BELIEVED * silent)
            limit = to_radiance(to_tone(best) + root(silent) + HIGHLIGHT / (own + TINY))
            factor = _factor(limit, load(largest, (y + 1, x + 1)))
            for c in range(3):
                store(estimate, (c, y, x), load(estimate, (c, y, x)) * factor)
