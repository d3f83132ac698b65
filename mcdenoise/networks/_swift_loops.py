"""The loops of `_swift` before anything is filtered: planes are read once and written once.

Threads share the rows; along a row sixteen pixels go at a time. Planes called tone, near, seen, features and
picture have a margin of 2 around the picture, its edges repeated. Rows may go on beyond: what is computed
there is never used.
"""

from typing import Any

import numpy as np

from mcdenoise import affinity
from mcdenoise.networks import _kernels, _trunk, hybrid
from mcdenoise.networks._compiled import of_lines, of_pixels, over_rows
from mcdenoise.networks._swift_pixels import (
    CLEAN,
    KIN,
    SHADE,
    TRUSTED,
    ZERO,
    per_pixel,
    seven,
    softened,
    square,
    strangeness_of_guides,
    to_odd_tone,
    to_tone,
    weighted_means,
    within,
)
from mcdenoise.networks._vectors import (
    ONE,
    add_pairs,
    exp,
    if_less,
    least,
    load,
    log1p,
    most,
    root,
    sixteen,
    store,
    tanh,
)

SHRINK, HALF = np.float32(affinity.SHRINK), np.float32(0.5)
SURE = np.float32(1 / hybrid.CERTAIN)
FEW, FEW_AROUND = np.float32(affinity.FEW), np.float32(affinity.FEW_AROUND)
TRUST, CALMER = np.float32(_kernels.TRUST), np.float32(_kernels.CALMER)
LEAST_TRUST = np.exp(TRUST)
MISTRUST, MURK = np.float32(hybrid.MISTRUST), np.float32(_kernels.MURK)
NOISE_RANGE, MOST_NOISE = np.float32(_kernels.NOISE_RANGE), np.float32(_kernels.MOST_NOISE)
LEAST_ALBEDO = np.float32(_trunk.LEAST_ALBEDO)
# What `prepared` is told of a pixel: the guides' kernel, trust, correction and factor.
OF_TRUST, OF_CORRECTION, OF_FACTOR = 25, 26, 33


@over_rows
def toned(share: Any, color: Any, tone: Any) -> None:
    """Tones of a picture without a margin."""
    for y in range(*share):
        for x in range(0, color.shape[2], 16):
            red, green, blue = load(color, (0, y, x)), load(color, (1, y, x)), load(color, (2, y, x))
            store(tone, (0, y + 2, x + 2), to_tone(red))
            store(tone, (1, y + 2, x + 2), to_tone(green))
            store(tone, (2, y + 2, x + 2), to_tone(blue))


@over_rows
def toned_below_black(share: Any, color: Any, tone: Any) -> None:
    """The same by `encoding.tone_map_odd`."""
    for y in range(*share):
        for x in range(0, color.shape[2], 16):
            for c in range(3):
                store(tone, (c, y + 2, x + 2), to_odd_tone(load(color, (c, y, x))))


@over_rows
def statistics(
    share: Any, tone: Any, near: Any, variance: Any, number: Any, unlike: Any, nearby: Any,
    outshines: Any,
) -> None:  # fmt: skip
    """What is needed of `affinity.kin`, and `affinity.outshining`; `near` are the guides, and
    `nearby` is what is called near there."""
    for y in range(*share):
        for x in range(0, variance.shape[1], 16):
            own = seven(near, y + 2, x + 2)
            mine = (
                load(tone, (0, y + 2, x + 2)),
                load(tone, (1, y + 2, x + 2)),
                load(tone, (2, y + 2, x + 2)),
            )
            red = green = blue = reds = greens = blues = count = close = lift = sixteen(ZERO)
            closest, second = sixteen(np.float32(1e30)), sixteen(np.float32(1e30))
            for tap in range(25):
                down, right = tap // 5, tap % 5
                other = seven(near, y + down, x + right)
                is_kin = if_less(strangeness_of_guides(other, own), KIN, ONE, ZERO)
                r, g, b = (
                    load(tone, (0, y + down, x + right)),
                    load(tone, (1, y + down, x + right)),
                    load(tone, (2, y + down, x + right)),
                )
                # From the pixel itself: what has no kin must have no variance, not what rounding leaves.
                r, g, b = r - mine[0], g - mine[1], b - mine[2]
                count = count + is_kin
                red, green, blue = red + is_kin * r, green + is_kin * g, blue + is_kin * b
                reds, greens, blues = reds + is_kin * r * r, greens + is_kin * g * g, blues + is_kin * b * b
                if 0 < down < 4 and 0 < right < 4:
                    close = close + is_kin
                if 0 < down < 4 and 0 < right < 4 and tap != 12:
                    lift = lift + (r + g + b)
                    far = square(r, g, b)
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
            alone = second * np.float32(1 / 3)
            store(unlike, (y, x), alone)
            store(outshines, (y, x), if_less(lift, ZERO, alone, ZERO))


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
                    store(lines, (3 + c, odd, x), to_tone(load(color, (c, y, x)) / by))
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
def of_both(share: Any, small: Any, large: Any, slope: Any, out: Any) -> None:
    """The sum of two convolutions (h w c), and its leaky ReLU. `small` has what each of a coarse pixel's four
    children is given, one after the other, a row and a column more than there are coarse pixels: the second
    child's is that of the next."""
    channels = out.shape[2]
    for y in range(*share):
        for x in range(out.shape[1]):
            row, column, child = (y + 1) // 2, (x + 1) // 2, (2 * (y % 2) + x % 2) * channels
            for step in range(0, channels, 16):
                c = min(step, channels - 16)
                both = load(large, (y, x, c)) + load(small, (row, column, child + c))
                store(out, (y, x, c), most(both, both * slope))


@of_pixels
def _prefiltered(said: Any, bias: Any, weights: Any, number: Any, near: Any, y: Any, x: Any) -> Any:
    """`_kernels.prefiltered`."""
    best = softened(said, bias, 0, weights, number, x)
    return (*weighted_means(weights, best, near[:3], near[3:6], y, x), load(near, (6, y + 2, x + 2)))


@over_rows
def prepared(
    share: Any, said: Any, bias: Any, first: Any, color: Any, near: Any, start: Any,
    seen: Any, features: Any, variance: Any, noisy: Any, murk: Any, level: Any,
) -> None:  # fmt: skip
    """What `hybrid` makes of its predictions before anything is filtered, from row 2 * `first` on, and the
    level below. Color, start, variance, noisiness and murk have no margin. `start` is what statistics say
    of the variance, and how far a pixel outshines others."""
    weighted, below, calm = level
    weights = np.empty((25, 16), np.float32)
    for row in range(*share):
        small = first + row
        weighted[:, small], below[:7, small + 2], calm[small] = 0, 0, 0
        for number in (2 * row, 2 * row + 1):
            y = 2 * first + number
            for x in range(0, start.shape[2], 16):
                guides = _prefiltered(said, bias, weights, number, near, y, x)
                raw = seven(near, y + 2, x + 2)
                store(murk, (y, x), strangeness_of_guides(guides, raw))
                for c in range(7):
                    store(seen, (c, y + 2, x + 2), guides[c])
                    corrected = guides[c] + tanh(per_pixel(said, bias, OF_CORRECTION + c, number, x))
                    store(features, (c, y + 2, x + 2), corrected)
                    add_pairs(below, (c, small + 2, x // 2 + 2), corrected)
                told = load(start, (0, y, x))
                found = told * within(NOISE_RANGE, per_pixel(said, bias, OF_FACTOR, number, x))
                found = least(found, MOST_NOISE)
                store(variance, (y, x), found)
                store(noisy, (y, x), found / (found + CLEAN + told * SURE))
                add_pairs(calm, (small, x // 2), found)
                doubt = found / (found + SHRINK)
                trust = per_pixel(said, bias, OF_TRUST, number, x)
                trust = trust - MISTRUST * doubt * root(load(start, (1, y, x)))
                trust = TRUST * tanh(trust / TRUST)
                store(features, (TRUSTED, y + 2, x + 2), trust * HALF)
                weight = exp(trust)
                add_pairs(weighted, (3, small, x // 2), weight)
                for c in range(3):
                    add_pairs(weighted, (c, small, x // 2), load(color, (c, y, x)) * weight)
                    reflected = most(guides[c], LEAST_ALBEDO) * np.float32(1 / _trunk.LEAST_ALBEDO)
                    shade = log1p(reflected - ONE)
                    store(features, (SHADE + c, y + 2, x + 2), shade)
                    add_pairs(weighted, (4 + c, small, x // 2), shade * weight)
        _toned_level(weighted, below, calm, small)


@of_lines
def _toned_level(weighted: Any, features: Any, variance: Any, y: Any) -> None:
    """What is left to do for a row of a level once means are taken."""
    for x in range(0, variance.shape[1], 16):
        trusted = load(weighted, (3, y, x))
        # Made 1 at least, since this `log1p` knows no negative numbers; the softmax takes that out.
        store(features, (TRUSTED, y + 2, x + 2), log1p(trusted * LEAST_TRUST - ONE) * HALF)
        weight = ONE / trusted
        for c in range(3):
            store(features, (7 + c, y + 2, x + 2), to_odd_tone(load(weighted, (c, y, x)) * weight))
            store(features, (SHADE + c, y + 2, x + 2), load(weighted, (4 + c, y, x)) * weight)
        store(variance, (y, x), load(variance, (y, x)) * CALMER)


@over_rows
def cleared(share: Any, murk: Any, clear: Any, below: Any) -> None:
    """`_kernels.clearness` by what prefiltering took from the guides, and its means for the level below."""
    height, width = murk.shape
    inside = np.zeros(width + 4, np.float32)
    inside[2:-2] = 1
    columns, line = np.empty(width, np.float32), np.zeros(width + 4, np.float32)
    _sums(inside, columns, width)
    for row in range(*share):
        below[row] = 0
        for y in (2 * row, 2 * row + 1):
            line[2:-2] = 0
            top, bottom = max(y - 2, 0), min(y + 3, height)
            for near in range(top, bottom):
                for x in range(width):
                    line[x + 2] += murk[near, x]
            found = clear[y]
            _sums(line, found, width)
            for x in range(width):
                mean = found[x] / (columns[x] * np.float32(bottom - top))
                found[x] = ONE / (ONE + MURK * mean)
            for x in range(0, width, 16):
                add_pairs(below, (row, x // 2), load(clear, (y, x)))


@over_rows
def halved(share: Any, fine: Any, level: Any) -> None:
    """A level from the finer one, by means."""
    weighted, below, calm, clear = level
    for row in range(*share):
        weighted[:, row], below[:7, row + 2], calm[row], clear[row] = 0, 0, 0, 0
        for y in (2 * row, 2 * row + 1):
            for x in range(0, fine[2].shape[1], 16):
                for c in range(7):
                    add_pairs(weighted, (c, row, x // 2), load(fine[0], (c, y, x)))
                for c in range(7):
                    add_pairs(below, (c, row + 2, x // 2 + 2), load(fine[1], (c, y + 2, x + 2)))
                add_pairs(calm, (row, x // 2), load(fine[2], (y, x)))
                add_pairs(clear, (row, x // 2), load(fine[3], (y, x)))
        _toned_level(weighted, below, calm, row)


@over_rows
def compared(share: Any, tone: Any, seen: Any, variance: Any, features: Any, left: Any) -> None:
    """`_kernels._finest`: the features' tones, and the noise left in them."""
    for y in range(*share):
        for x in range(0, variance.shape[1], 16):
            own = seven(seen, y + 2, x + 2)
            near = red = green = blue = sixteen(ZERO)
            for tap in range(9):
                row, column = y + 1 + tap // 3, x + 1 + tap % 3
                is_kin = if_less(strangeness_of_guides(seven(seen, row, column), own), KIN, ONE, ZERO)
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
