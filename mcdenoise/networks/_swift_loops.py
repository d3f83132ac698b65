"""The loops of `_swift`: between convolutions, planes are read once and written once.

Threads share the rows; along a row sixteen pixels go at a time. Planes called tone, seen, features and
picture have a margin of 2 around the picture, its edges repeated. Rows may go on beyond: what is computed
there is never used. What a head says comes as products, in planes, with sixteen pixels
of bias for each.
"""

from typing import Any

import numpy as np

from mcdenoise import affinity
from mcdenoise.encoding import RADIANCE_LIMIT
from mcdenoise.networks import _kernels, _trunk, hybrid
from mcdenoise.networks._compiled import of_lines, of_pixels, over_rows
from mcdenoise.networks._vectors import (
    ONE,
    add_pairs,
    alternate,
    doubled,
    exp,
    expm1,
    if_less,
    least,
    load,
    log1p,
    most,
    pairs,
    root,
    sixteen,
    store,
    tanh,
)

ZERO, FAR_BELOW = np.float32(0), np.float32(-1e30)
CLEAN, SHRINK, KIN = np.float32(affinity.CLEAN), np.float32(affinity.SHRINK), np.float32(affinity.KIN)
FEW, FEW_AROUND = np.float32(affinity.FEW), np.float32(affinity.FEW_AROUND)
CARE = tuple(np.float32(care) for care in affinity.CARE)
COARSE_CARE = tuple(np.float32(care) for care in np.multiply(affinity.CARE, _kernels.COARSE_CARE))
CARE_RANGE, TRUST = np.float32(_kernels.CARE_RANGE), np.float32(_kernels.TRUST)
NOISE_RANGE, MOST_NOISE = np.float32(_kernels.NOISE_RANGE), np.float32(_kernels.MOST_NOISE)
DISSENT_RANGE, BLEND_RANGE = np.float32(_kernels.DISSENT_RANGE), np.float32(_kernels.BLEND_RANGE)
CALMER, LEAST_ALBEDO = np.float32(_kernels.CALMER), np.float32(_trunk.LEAST_ALBEDO)
SHIFT, SHIFTED = np.float32(hybrid.SHIFT), np.float32(hybrid.SHIFTED)
ALONE, HALF = np.float32(hybrid.ALONE), np.float32(0.5)
HIGHLIGHT, TINY = np.float32(hybrid.HIGHLIGHT), np.float32(hybrid.TINY)
MOST_LOG = np.float32(np.log1p(100 * RADIANCE_LIMIT))
FIFTH, HUNDRED = np.float32(0.2), np.float32(100)
# What `prepared` is told of a pixel: the guides' kernel, trust, share, correction and factor.
OF_TRUST, OF_SHARE, OF_CORRECTION, OF_FACTOR = 25, 26, 27, 34
# What `finest` is told of it: its kernel, shift and care; and of the level below, from a row of its own on.
OF_SHIFT, OF_CARE, OF_LEVEL = 25, 28, 128


@of_pixels
def _tone(value: Any) -> Any:
    """`encoding.tone_map`."""
    return log1p(HUNDRED * most(value, ZERO)) * FIFTH


@of_pixels
def _radiance(tone: Any) -> Any:
    """`encoding.tone_unmap`."""
    return expm1(least(tone * np.float32(5), MOST_LOG)) * np.float32(0.01)


@of_pixels
def _within(bound: Any, value: Any) -> Any:
    """e to the value, between e^-bound and e^bound."""
    return exp(bound * tanh(value / bound))


@of_pixels
def _ten(planes: Any, y: Any, x: Any) -> Any:
    return (
        load(planes, (0, y, x)), load(planes, (1, y, x)), load(planes, (2, y, x)), load(planes, (3, y, x)),
        load(planes, (4, y, x)), load(planes, (5, y, x)), load(planes, (6, y, x)), load(planes, (7, y, x)),
        load(planes, (8, y, x)), load(planes, (9, y, x)),
    )  # fmt: skip


@of_pixels
def _ten_doubled(planes: Any, y: Any, x: Any) -> Any:
    return (
        doubled(planes, (0, y, x)), doubled(planes, (1, y, x)), doubled(planes, (2, y, x)),
        doubled(planes, (3, y, x)), doubled(planes, (4, y, x)), doubled(planes, (5, y, x)),
        doubled(planes, (6, y, x)), doubled(planes, (7, y, x)), doubled(planes, (8, y, x)),
        doubled(planes, (9, y, x)),
    )  # fmt: skip


@of_pixels
def _square(a: Any, b: Any, c: Any) -> Any:
    return a * a + b * b + c * c


@of_pixels
def _strangeness(one: Any, other: Any, strength: Any) -> Any:
    """`affinity.strangeness` of ten features."""
    albedo = _square(one[0] - other[0], one[1] - other[1], one[2] - other[2])
    normal = _square(one[3] - other[3], one[4] - other[4], one[5] - other[5])
    tone = _square(one[7] - other[7], one[8] - other[8], one[9] - other[9])
    nearness = one[6] - other[6]
    of_guides = albedo * strength[0] + normal * strength[1] + nearness * nearness * strength[2]
    return of_guides + tone * strength[3]


@of_pixels
def _seven(planes: Any, y: Any, x: Any) -> Any:
    return (
        load(planes, (0, y, x)), load(planes, (1, y, x)), load(planes, (2, y, x)), load(planes, (3, y, x)),
        load(planes, (4, y, x)), load(planes, (5, y, x)), load(planes, (6, y, x)),
    )  # fmt: skip


@of_pixels
def _strangeness_of_guides(one: Any, other: Any) -> Any:
    albedo = _square(one[0] - other[0], one[1] - other[1], one[2] - other[2])
    normal = _square(one[3] - other[3], one[4] - other[4], one[5] - other[5])
    nearness = one[6] - other[6]
    return albedo * CARE[0] + normal * CARE[1] + nearness * nearness * CARE[2]


@over_rows
def toned(share: Any, color: Any, tone: Any, level: Any, margin: Any) -> None:
    """Tones of a picture without a margin; and each pixel's largest channel, with a margin."""
    for y in range(*share):
        for x in range(0, color.shape[2], 16):
            red, green, blue = load(color, (0, y, x)), load(color, (1, y, x)), load(color, (2, y, x))
            store(level, (y + margin, x + margin), most(most(red, green), blue))
            store(tone, (0, y + 2, x + 2), _tone(red))
            store(tone, (1, y + 2, x + 2), _tone(green))
            store(tone, (2, y + 2, x + 2), _tone(blue))


@over_rows
def statistics(
    share: Any, tone: Any, near: Any, margin: Any, variance: Any, number: Any, unlike: Any, nearby: Any
) -> None:
    """What is needed of `affinity.kin`; the guides `near` have a margin of their own, and `nearby` is what
    is called near there."""
    for y in range(*share):
        for x in range(0, variance.shape[1], 16):
            own = _seven(near, y + margin, x + margin)
            mine = (
                load(tone, (0, y + 2, x + 2)),
                load(tone, (1, y + 2, x + 2)),
                load(tone, (2, y + 2, x + 2)),
            )
            red = green = blue = reds = greens = blues = count = close = sixteen(ZERO)
            closest, second = sixteen(np.float32(1e30)), sixteen(np.float32(1e30))
            for tap in range(25):
                down, right = tap // 5, tap % 5
                other = _seven(near, y + down + margin - 2, x + right + margin - 2)
                is_kin = if_less(_strangeness_of_guides(other, own), KIN, ONE, ZERO)
                r, g, b = (
                    load(tone, (0, y + down, x + right)),
                    load(tone, (1, y + down, x + right)),
                    load(tone, (2, y + down, x + right)),
                )
                count = count + is_kin
                red, green, blue = red + is_kin * r, green + is_kin * g, blue + is_kin * b
                reds, greens, blues = reds + is_kin * r * r, greens + is_kin * g * g, blues + is_kin * b * b
                if 0 < down < 4 and 0 < right < 4:
                    close = close + is_kin
                if 0 < down < 4 and 0 < right < 4 and tap != 12:
                    far = _square(r - mine[0], g - mine[1], b - mine[2])
                    second = least(second, most(closest, far))
                    closest = least(closest, far)
            share_of_one = ONE / count
            red, green, blue = red * share_of_one, green * share_of_one, blue * share_of_one
            found = most(reds * share_of_one - red * red, ZERO) + most(
                greens * share_of_one - green * green, ZERO
            )
            found = found + most(blues * share_of_one - blue * blue, ZERO)
            store(variance, (y, x), found * np.float32(1 / 3))
            store(number, (y, x), count)
            store(nearby, (y, x), close)
            store(unlike, (y, x), second * np.float32(1 / 3))


@of_lines
def _sums(line: Any, out: Any, width: Any) -> None:
    """Sums of five neighbours of a line with two zeros at both ends."""
    for x in range(width):
        out[x] = line[x] + line[x + 1] + line[x + 2] + line[x + 3] + line[x + 4]


@over_rows
def noise(
    share: Any, tone: Any, found: Any, number: Any, unlike: Any, variance: Any, unlike_around: Any
) -> None:
    """`affinity.noise`, and the mean of `unlike` over 5x5 pixels."""
    height, width = number.shape
    inside = np.zeros(width + 4, np.float32)
    inside[2:-2] = 1
    columns = np.empty(width, np.float32)
    _sums(inside, columns, width)
    lines, means = np.zeros((5, width + 4), np.float32), np.empty((5, width), np.float32)
    for y in range(*share):
        lines[:, 2:-2] = 0
        top, bottom = max(y - 2, 0), min(y + 3, height)
        for row in range(top, bottom):
            for x in range(width):
                lines[0, x + 2] += found[row, x]
            for x in range(width):
                lines[1, x + 2] += ONE - ONE / number[row, x]
            red, green, blue = tone[0, row + 2, 2:], tone[1, row + 2, 2:], tone[2, row + 2, 2:]
            for x in range(width):
                lines[2, x + 2] += (red[x] + green[x] + blue[x]) * np.float32(1 / 3)
            for x in range(width):
                level = (red[x] + green[x] + blue[x]) * np.float32(1 / 3)
                lines[3, x + 2] += level * level
            for x in range(width):
                lines[4, x + 2] += unlike[row, x]
        for kind in range(5):
            _sums(lines[kind], means[kind], width)
            for x in range(width):
                means[kind, x] /= columns[x] * np.float32(bottom - top)
        for x in range(width):
            unsorted = max(means[3, x] - means[2, x] * means[2, x], np.float32(0))
            elsewhere = (means[0, x] + FEW_AROUND * unsorted) / (means[1, x] + FEW_AROUND)
            variance[y, x] = (found[y, x] + FEW * elsewhere) / (ONE - ONE / number[y, x] + FEW)
        for x in range(width):
            unlike_around[y, x] = means[4, x]


@of_pixels
def _known(variance: Any) -> Any:
    """How a trunk is told of a variance; see `Trunk.forward`."""
    return log1p(variance / CLEAN) * np.float32(1 / np.log(10)) + np.float32(np.log10(affinity.CLEAN) + 2)


@over_rows
def told(share: Any, color: Any, tone: Any, guides: Any, noises: Any, number: Any, out: Any) -> None:
    """What the trunk begins with: `pixel_unshuffle` by 2, channels last.

    Args:
        color, guides: without a margin; three and all ten planes.
        noises: variance, how unlike a pixel is, and its mean around.
    """
    width, shown = color.shape[2], guides.shape[0]
    lines = np.empty((10 + shown, 2, width), out.dtype)
    for row in range(*share):
        for odd in range(2):
            y = 2 * row + odd
            for x in range(0, width, 16):
                for c in range(3):
                    store(lines, (c, odd, x), load(tone, (c, y + 2, x + 2)))
                    by = most(load(guides, (c, y, x)), LEAST_ALBEDO)
                    store(lines, (3 + c, odd, x), _tone(load(color, (c, y, x)) / by))
                    store(lines, (6 + shown + c, odd, x), _known(load(noises, (c, y, x))))
                for c in range(shown):
                    store(lines, (6 + c, odd, x), load(guides, (c, y, x)))
                store(lines, (9 + shown, odd, x), load(number, (y, x)) * np.float32(1 / affinity.AROUND))
        for c in range(10 + shown):
            for odd in range(2):
                for x in range(width // 2):
                    out[row, x, 4 * c + 2 * odd] = lines[c, odd, 2 * x]
                    out[row, x, 4 * c + 2 * odd + 1] = lines[c, odd, 2 * x + 1]


@of_pixels
def _ordered(bits: Any, most_bits: Any) -> Any:
    """Of a float's bits an integer of the same order; and back."""
    return bits ^ ((bits >> np.int64(63)) & most_bits)


@over_rows
def shrunk(share: Any, fine: Any, most_bits: Any, out: Any) -> None:
    """The largest of 2x2 pixels: pictures (h w c) of floats, seen as integers; the largest such is given."""
    for y in range(*share):
        for x in range(out.shape[1]):
            for c in range(out.shape[2]):
                upper = max(
                    _ordered(fine[2 * y, 2 * x, c], most_bits), _ordered(fine[2 * y, 2 * x + 1, c], most_bits)
                )
                lower = max(
                    _ordered(fine[2 * y + 1, 2 * x, c], most_bits),
                    _ordered(fine[2 * y + 1, 2 * x + 1, c], most_bits),
                )
                out[y, x, c] = _ordered(max(upper, lower), most_bits)


@over_rows
def stacked(share: Any, coarse: Any, fine: Any, out: Any) -> None:
    """Channels of a coarse picture, each pixel four times, then those of a fine one (h w c)."""
    for y in range(*share):
        for x in range(out.shape[1]):
            for c in range(coarse.shape[2]):
                out[y, x, c] = coarse[y // 2, x // 2, c]
            for c in range(fine.shape[2]):
                out[y, x, coarse.shape[2] + c] = fine[y, x, c]


@of_pixels
def _turns(said: Any, bias: Any, one: Any, other: Any, y: Any, x: Any) -> Any:
    """Of two children of each pixel, by what is said of `one` and of `other`."""
    return alternate(said, (one, y, x), (other, y, x)) + load(bias, (one, 0))


@of_pixels
def _said(said: Any, bias: Any, value: Any, y: Any, x: Any) -> Any:
    """Of full-resolution pixels, by planes (4c rows w/2) as the finest head leaves them."""
    place = 4 * value + 2 * (y % 2)
    return _turns(said, bias, place, place + 1, y // 2, x // 2)


@of_pixels
def _twice(said: Any, bias: Any, value: Any, y: Any, x: Any) -> Any:
    return doubled(said, (value, y, x)) + load(bias, (value, 0))


@of_pixels
def _once(said: Any, bias: Any, value: Any, y: Any, x: Any) -> Any:
    return load(said, (value, y, x)) + load(bias, (value, 0))


@of_pixels
def _prefiltered(
    said: Any, bias: Any, weights: Any, number: Any, near: Any, margin: Any, y: Any, x: Any
) -> Any:
    """`_kernels.prefiltered`."""
    best = sixteen(FAR_BELOW)
    for tap in range(25):
        logit = _said(said, bias, tap, number, x)
        best = most(best, logit)
        store(weights, (tap, 0), logit)
    total = a = b = c = d = e = f = sixteen(ZERO)
    for tap in range(25):
        weight = exp(load(weights, (tap, 0)) - best)
        row, left = y + margin - 2 + tap // 5, x + margin - 2 + tap % 5
        total = total + weight
        a, b, c = (
            a + weight * load(near, (0, row, left)),
            b + weight * load(near, (1, row, left)),
            c + weight * load(near, (2, row, left)),
        )
        d, e, f = (
            d + weight * load(near, (3, row, left)),
            e + weight * load(near, (4, row, left)),
            f + weight * load(near, (5, row, left)),
        )
    one = ONE / total
    return a * one, b * one, c * one, d * one, e * one, f * one, load(near, (6, y + margin, x + margin))


@over_rows
def prepared(
    share: Any, said: Any, bias: Any, first: Any, color: Any, near: Any, margin: Any, start: Any,
    seen: Any, tone: Any, features: Any, divisor: Any, variance: Any, level: Any,
) -> None:  # fmt: skip
    """What `hybrid` makes of its predictions before anything is filtered, from row 2 * `first` on, and the
    level below. `near` has a margin of its own; color, start, divisor and variance have none."""
    weighted, below, calm = level
    weights = np.empty((25, 16), np.float32)
    for row in range(*share):
        small = first + row
        weighted[:, small], below[:7, small + 2], calm[small] = 0, 0, 0
        for number in (2 * row, 2 * row + 1):
            y = 2 * first + number
            for x in range(0, start.shape[1], 16):
                guides = _prefiltered(said, bias, weights, number, near, margin, y, x)
                for c in range(7):
                    store(seen, (c, y + 2, x + 2), guides[c])
                    corrected = guides[c] + tanh(_said(said, bias, OF_CORRECTION + c, number, x))
                    store(features, (c, y + 2, x + 2), corrected)
                    add_pairs(below, (c, small + 2, x // 2 + 2), corrected)
                weight = _within(TRUST, _said(said, bias, OF_TRUST, number, x))
                add_pairs(weighted, (3, small, x // 2), weight)
                asked = ONE / (ONE + exp(ZERO - _said(said, bias, OF_SHARE, number, x)))
                for c in range(3):
                    reflected = most(load(near, (c, y + margin, x + margin)), LEAST_ALBEDO)
                    by = ONE - asked * (ONE - reflected)
                    store(divisor, (c, y, x), by)
                    radiance = most(load(color, (c, y, x)), ZERO) / by
                    add_pairs(weighted, (c, small, x // 2), radiance * weight)
                    store(tone, (c, y + 2, x + 2), _tone(radiance))
                found = load(start, (y, x)) * _within(NOISE_RANGE, _said(said, bias, OF_FACTOR, number, x))
                found = least(found, MOST_NOISE)
                store(variance, (y, x), found)
                add_pairs(calm, (small, x // 2), found)
        _toned_level(weighted, below, calm, small)


@of_lines
def _toned_level(weighted: Any, features: Any, variance: Any, y: Any) -> None:
    """What is left to do for a row of a level once means are taken."""
    for x in range(0, variance.shape[1], 16):
        weight = HUNDRED / load(weighted, (3, y, x))
        for c in range(3):
            tone = log1p(most(load(weighted, (c, y, x)), ZERO) * weight) * FIFTH
            store(features, (7 + c, y + 2, x + 2), tone)
        store(variance, (y, x), load(variance, (y, x)) * CALMER)


@over_rows
def halved(share: Any, fine: Any, level: Any) -> None:
    """A level from the finer one, by means."""
    weighted, below, calm = level
    for row in range(*share):
        weighted[:, row], below[:7, row + 2], calm[row] = 0, 0, 0
        for y in (2 * row, 2 * row + 1):
            for x in range(0, fine[2].shape[1], 16):
                for c in range(4):
                    add_pairs(weighted, (c, row, x // 2), load(fine[0], (c, y, x)))
                for c in range(7):
                    add_pairs(below, (c, row + 2, x // 2 + 2), load(fine[1], (c, y + 2, x + 2)))
                add_pairs(calm, (row, x // 2), load(fine[2], (y, x)))
        _toned_level(weighted, below, calm, row)


@over_rows
def compared(share: Any, tone: Any, seen: Any, variance: Any, features: Any, left: Any) -> None:
    """`_kernels._finest`: the features' tones, and the noise left in them."""
    for y in range(*share):
        for x in range(0, variance.shape[1], 16):
            own = _seven(seen, y + 2, x + 2)
            near = red = green = blue = sixteen(ZERO)
            for tap in range(9):
                row, column = y + 1 + tap // 3, x + 1 + tap % 3
                is_kin = if_less(_strangeness_of_guides(_seven(seen, row, column), own), KIN, ONE, ZERO)
                near = near + is_kin
                red = red + is_kin * load(tone, (0, row, column))
                green = green + is_kin * load(tone, (1, row, column))
                blue = blue + is_kin * load(tone, (2, row, column))
            noisy = load(variance, (y, x))
            shrunk, one = noisy / (noisy + SHRINK), ONE / near
            rest = ONE - shrunk
            store(left, (y, x), noisy * (shrunk * shrunk * one + rest * rest))
            sums = (red, green, blue)
            for c in range(3):
                mine = load(tone, (c, y + 2, x + 2))
                store(features, (7 + c, y + 2, x + 2), mine + shrunk * (sums[c] * one - mine))


@of_pixels
def _weighted_mean(weights: Any, best: Any, size: Any, image: Any, y: Any, x: Any) -> Any:
    """The mean of a picture under the softmax of what lies in `weights`."""
    total = red = green = blue = sixteen(ZERO)
    for tap in range(size * size):
        weight, row, column = exp(load(weights, (tap, 0)) - best), y + tap // size, x + tap % size
        total = total + weight
        red = red + weight * load(image, (0, row, column))
        green = green + weight * load(image, (1, row, column))
        blue = blue + weight * load(image, (2, row, column))
    one = ONE / total
    return red * one, green * one, blue * one


@over_rows
def filtered(share: Any, said: Any, bias: Any, first: Any, features: Any, variance: Any, out: Any) -> None:
    """A level's tones filtered, from row `first` on; `said` are its kernel and care."""
    weights = np.empty((25, 16), np.float32)
    for number in range(*share):
        y = first + number
        for x in range(0, variance.shape[1], 16):
            noisy = load(variance, (y, x)) + CLEAN
            strength = _strength(_once(said, bias, 25, number, x), _once(said, bias, 26, number, x),
                                 _once(said, bias, 27, number, x), _once(said, bias, 28, number, x),
                                 CARE, noisy)  # fmt: skip
            own, best = _ten(features, y + 2, x + 2), sixteen(FAR_BELOW)
            for tap in range(25):
                strange = _strangeness(_ten(features, y + tap // 5, x + tap % 5), own, strength)
                logit = _once(said, bias, tap, number, x) - strange
                best = most(best, logit)
                store(weights, (tap, 0), logit)
            mean = _weighted_mean(weights, best, 5, features[7:], y, x)
            for c in range(3):
                store(out, (c, y + 2, x + 2), mean[c])


@of_pixels
def _strength(a: Any, b: Any, c: Any, d: Any, care: Any, noisy: Any) -> Any:
    """`_kernels._strength` by what a head says of care."""
    return (
        care[0] * _within(CARE_RANGE, a), care[1] * _within(CARE_RANGE, b), care[2] * _within(CARE_RANGE, c),
        care[3] * _within(CARE_RANGE, d) / noisy,
    )  # fmt: skip


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
    """`_kernels.upsampled`: three tones, and how like the coarse pixels are."""
    picture, features, calm = coarse
    place, up, half = first + 18 * (y % 2), y // 2 + 1, x // 2
    care, noisy = first + 40, noisy + doubled(calm, (y // 2, half)) + CLEAN
    strength = _strength(_twice(said, bias, care, row, half), _twice(said, bias, care + 1, row, half),
                         _twice(said, bias, care + 2, row, half), _twice(said, bias, care + 3, row, half),
                         COARSE_CARE, noisy)  # fmt: skip
    alike, best = sixteen(ZERO), sixteen(FAR_BELOW)
    for tap in range(9):
        around = _ten_doubled(features, up + tap // 3, half + 1 + tap % 3)
        strange = _strangeness(around, own, strength)
        alike = alike + exp(ZERO - strange)
        logit = _turns(said, bias, place + tap, place + 9 + tap, row, half) - strange
        best = most(best, logit)
        store(weights, (tap, 0), logit)
    total = red = green = blue = sixteen(ZERO)
    for tap in range(9):
        weight, down, column = exp(load(weights, (tap, 0)) - best), up + tap // 3, half + 1 + tap % 3
        total = total + weight
        red = red + weight * doubled(picture, (0, down, column))
        green = green + weight * doubled(picture, (1, down, column))
        blue = blue + weight * doubled(picture, (2, down, column))
    one = ONE / total
    return red * one, green * one, blue * one, alike * np.float32(1 / 9)


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
    red, green, blue, kinship = _upsampled(said, bias, first, row, coarse, own, mean, weights, y, x)
    blend, heed, half = first + 36 + 2 * (y % 2), first + 44 + 2 * (y % 2), x // 2
    far = _square(red - here[0], green - here[1], blue - here[2]) / (np.float32(3) * (noisy + CLEAN))
    far = far * _within(DISSENT_RANGE, _turns(said, bias, heed, heed + 1, row, half))
    own_way = _turns(said, bias, blend, blend + 1, row, half)
    logit = BLEND_RANGE * tanh(own_way / BLEND_RANGE) + far
    part = ONE / (ONE + exp(ZERO - logit) * (kinship + np.float32(1e-4)))
    return red + part * (here[0] - red), green + part * (here[1] - green), blue + part * (here[2] - blue)


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
            )
            own = _ten(features, y + 2, x + 2)
            tones = _joined(said, bias, 0, number // 2, coarse, own, here, variance, weights, y, x)
            for c in range(3):
                store(picture, (c, y + 2, x + 2), tones[c])


@over_rows
def finest_filtered(
    share: Any, said: Any, bias: Any, first: Any, features: Any, tone: Any, left: Any, out: Any
) -> None:
    """The finest level's tones filtered, from row 2 * `first` on; `out` has no margin. `said` is all that the
    finest head has to say for this and for `finest_joined` (see `OF_SHIFT`)."""
    weights = np.empty((25, 16), np.float32)
    for number in range(*share):
        y = 2 * first + number
        for x in range(0, left.shape[1], 16):
            noisy = load(left, (y, x)) + CLEAN
            a, b = _said(said, bias, OF_CARE, number, x), _said(said, bias, OF_CARE + 1, number, x)
            c, d = _said(said, bias, OF_CARE + 2, number, x), _said(said, bias, OF_CARE + 3, number, x)
            strength = _strength(a, b, c, d, CARE, noisy)
            own, best = _ten(features, y + 2, x + 2), sixteen(FAR_BELOW)
            for tap in range(25):
                strange = _strangeness(_ten(features, y + tap // 5, x + tap % 5), own, strength)
                logit = _said(said, bias, tap, number, x) - strange
                best = most(best, logit)
                store(weights, (tap, 0), logit)
            mean = _weighted_mean(weights, best, 5, tone, y, x)
            for channel in range(3):
                store(out, (channel, y, x), mean[channel])


@over_rows
def finest_joined(
    share: Any, said: Any, bias: Any, first: Any, coarse: Any, features: Any, left: Any, variance: Any,
    divisor: Any, out: Any,
) -> None:  # fmt: skip
    """What `finest_filtered` gave, joined with the level below, shifted, and in radiance, in place."""
    weights = np.empty((9, 16), np.float32)
    for number in range(*share):
        y = 2 * first + number
        for x in range(0, left.shape[1], 16):
            here = (load(out, (0, y, x)), load(out, (1, y, x)), load(out, (2, y, x)))
            own = _ten(features, y + 2, x + 2)
            tones = _joined(said, bias, OF_LEVEL, number // 2, coarse, own, here, left, weights, y, x)
            noisy = load(variance, (y, x))
            room = SHIFT * noisy / (noisy + SHIFTED)
            for c in range(3):
                moved = tones[c] + room * tanh(_said(said, bias, OF_SHIFT + c, number, x) / SHIFT)
                store(out, (c, y, x), _radiance(moved) * load(divisor, (c, y, x)))


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


@over_rows
def bounded(
    share: Any, level: Any, near: Any, places: Any, margin: Any, quiet: Any, estimate: Any, divisor: Any,
    tone: Any,
) -> None:  # fmt: skip
    """`hybrid.bounded`, and what came of it in tones, divided."""
    for y in range(*share):
        for x in range(0, quiet.shape[1], 16):
            own, best = _seven(near, y + margin, x + margin), load(level, (y + margin, x + margin))
            for place in range(places.shape[0]):
                row, column = y + margin + places[place, 0], x + margin + places[place, 1]
                strange = _strangeness_of_guides(_seven(near, row, column), own)
                best = most(best, if_less(strange, KIN, load(level, (row, column)), FAR_BELOW))
            limit = _radiance(_tone(best) + root(load(quiet, (y, x))))
            factor = _factor(limit, _largest(estimate, y, x))
            for c in range(3):
                value = load(estimate, (c, y, x)) * factor / load(divisor, (c, y, x))
                store(tone, (c, y + 2, x + 2), _tone(value))


@of_pixels
def _is_one_alone(nearby: Any, y: Any, x: Any) -> Any:
    """Whether one of sixteen pixels has few of its kin nearby."""
    fewest = nearby[y, x]
    for lane in range(1, 16):
        fewest = min(fewest, nearby[y, x + lane])
    return fewest < ALONE


@over_rows
def mended(
    share: Any, said: Any, bias: Any, first: Any, tone: Any, nearby: Any, variance: Any, divisor: Any,
    out: Any, largest: Any,
) -> None:  # fmt: skip
    """`hybrid.mended` from row 2 * `first` on, in radiance; and each pixel's largest channel, with a margin
    of 1."""
    weights = np.empty((25, 16), np.float32)
    for number in range(*share):
        y = 2 * first + number
        for x in range(0, variance.shape[1], 16):
            red, green, blue = (
                load(tone, (0, y + 2, x + 2)),
                load(tone, (1, y + 2, x + 2)),
                load(tone, (2, y + 2, x + 2)),
            )
            if _is_one_alone(nearby, y, x):
                best = sixteen(FAR_BELOW)
                for tap in range(25):
                    logit = _said(said, bias, tap, number, x)
                    best = most(best, logit)
                    store(weights, (tap, 0), logit)
                mixed, noisy = _weighted_mean(weights, best, 5, tone, y, x), load(variance, (y, x))
                part = least(most((ALONE - load(nearby, (y, x))) * HALF, ZERO), ONE)
                part = part * noisy / (noisy + CLEAN)
                red, green, blue = (
                    red + part * (mixed[0] - red),
                    green + part * (mixed[1] - green),
                    blue + part * (mixed[2] - blue),
                )
            store(out, (0, y, x), _radiance(red) * load(divisor, (0, y, x)))
            store(out, (1, y, x), _radiance(green) * load(divisor, (1, y, x)))
            store(out, (2, y, x), _radiance(blue) * load(divisor, (2, y, x)))
            store(largest, (y + 1, x + 1), _largest(out, y, x))


@over_rows
def quenched(share: Any, largest: Any, quiet: Any, estimate: Any) -> None:
    """`hybrid.without_fireflies`, in place; `largest` are the channels of `estimate`, with a margin of 1."""
    for y in range(*share):
        for x in range(0, quiet.shape[1], 16):
            best = load(largest, (y, x))
            for tap in range(1, 9):
                best = most(best, load(largest, (y + tap // 3, x + tap % 3)) if tap != 4 else best)
            silent = load(quiet, (y, x))
            limit = _radiance(_tone(best) + root(silent) + HIGHLIGHT / (silent + TINY))
            factor = _factor(limit, load(largest, (y + 1, x + 1)))
            for c in range(3):
                store(estimate, (c, y, x), load(estimate, (c, y, x)) * factor)
