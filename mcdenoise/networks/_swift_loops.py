"""The loops of `_swift`: between convolutions, planes are read once and written once.

As in `_loops`, threads share the rows and each inner loop runs along a row. `margin` is how many pixels an
array has around the picture, its edges repeated.
"""

from typing import Any

import numpy as np

from mcdenoise import affinity
from mcdenoise.networks._compiled import of_lines, of_pixels, over_rows
from mcdenoise.networks._loops import (
    KINDS,
    _add_weighted,
    _compare,
    _copy,
    _exp,
    _mean,
    _to_weights,
)

ONE, TWO = np.float32(1), np.float32(2)
CLEAN, SHRINK = np.float32(affinity.CLEAN), np.float32(affinity.SHRINK)
FEW, FEW_AROUND = np.float32(affinity.FEW), np.float32(affinity.FEW_AROUND)


@of_pixels
def _tanh(value: Any) -> Any:
    e = _exp(-TWO * abs(value))
    return np.copysign((ONE - e) / (ONE + e), value)


@of_pixels
def _within(bound: Any, value: Any) -> Any:
    """e to the value, between e^-bound and e^bound; `bound` is both."""
    return _exp(bound[0] * _tanh(value / bound[0]) - bound[0]) * bound[1]


@over_rows
def unshuffled(share: Any, parts: Any, first: Any, out: Any) -> None:
    """Rows of `pixel_unshuffle` by 2 of planes (c h w), one below the other, channels last: (rows w/2 4c)."""
    for y in range(*share):
        above = 0
        for part in parts:
            for channel in range(part.shape[0]):
                for place in range(4):
                    line = part[channel, 2 * (first + y) + place // 2]
                    into = out[y, :, 4 * (above + channel) + place]
                    for x in range(out.shape[1]):
                        into[x] = line[2 * x + place % 2]
            above += part.shape[0]


@of_lines
def _side_by_side(one: Any, other: Any, into: Any) -> None:
    """Two lines as every other pixel of one; both are stored in one loop, or it isn't vectorised."""
    for x in range(one.shape[0]):
        into[2 * x] = one[x]
        into[2 * x + 1] = other[x]


@over_rows
def shuffled(share: Any, planes: Any, first: Any, out: Any) -> None:
    """Rows (4c rows w/2) as those of `pixel_shuffle` by 2, into planes (c h w)."""
    for y in range(*share):
        for line in range(2 * out.shape[0]):
            into = out[line // 2, 2 * (first + y) + line % 2]
            _side_by_side(planes[2 * line, y], planes[2 * line + 1, y], into)


@of_lines
def _sums(line: Any, out: Any, width: Any) -> None:
    """Sums of five neighbours of a line with two zeros at both ends."""
    for x in range(width):
        out[x] = line[x] + line[x + 1] + line[x + 2] + line[x + 3] + line[x + 4]


@over_rows
def noise(
    share: Any, tone: Any, found: Any, number: Any, unlike: Any, variance: Any, unlike_around: Any
) -> None:
    """`affinity.noise` of tones with a margin of 2, and the mean of `unlike` over 5x5 pixels."""
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


@over_rows
def prepared(
    share: Any, raw: Any, color: Any, albedo: Any, seen: Any, start: Any, bounds: Any, least: Any,
    most: Any, divisor: Any, radiance: Any, features: Any, variance: Any, pooled: Any,
) -> None:  # fmt: skip
    """What `hybrid` makes of its predictions `raw` (17 h w) before anything is filtered.

    Args:
        albedo, seen: as it is; guides that are prefiltered. With a margin of 2, as radiance and features.
        raw: trust, share, shift (3), correction (7), care (4), factor on the noise.
        bounds: those of trust and of the factor, each with e to it.
        least, most: the least albedo that divides, and the largest variance.
        pooled: means of 2x2 pixels of radiance times weight (3), weight, features (7) and variance.
    """
    _, width = variance.shape
    half = width // 2
    weight, line = np.empty(width, np.float32), np.empty(width, np.float32)
    for row in range(*share):
        pooled[:, row] = 0
        for y in (2 * row, 2 * row + 1):
            for x in range(width):
                weight[x] = _within(bounds[0], raw[0, y, x])
            _pool(weight, pooled[3, row], half)
            for x in range(width):
                line[x] = ONE / (ONE + _exp(-abs(raw[1, y, x])))
            for x in range(width):
                line[x] = line[x] if raw[1, y, x] > 0 else ONE - line[x]
            for c in range(3):
                reflected, by = albedo[c, y + 2, 2 : 2 + width], divisor[c, y]
                for x in range(width):
                    by[x] = ONE - line[x] * (ONE - max(reflected[x], least))
                into = radiance[c, y + 2, 2 : 2 + width]
                for x in range(width):
                    into[x] = max(color[c, y, x], np.float32(0)) / by[x]
            for c in range(3):
                into = radiance[c, y + 2, 2 : 2 + width]
                for x in range(width):
                    line[x] = into[x] * weight[x]
                _pool(line, pooled[c, row], half)
            for c in range(7):
                into, guide = features[c, y + 2, 2 : 2 + width], seen[c, y + 2, 2 : 2 + width]
                for x in range(width):
                    into[x] = guide[x] + _tanh(raw[5 + c, y, x])
                _pool(into, pooled[4 + c, row], half)
            for x in range(width):
                variance[y, x] = min(start[y, x] * _within(bounds[1], raw[16, y, x]), most)
            _pool(variance[y], pooled[11, row], half)


@of_lines
def _pool(line: Any, into: Any, half: Any) -> None:
    for x in range(half):
        into[x] += np.float32(0.25) * (line[2 * x] + line[2 * x + 1])


@of_lines
def _kin_nearby(
    tone: Any, guides: Any, care: Any, limit: Any, y: Any, is_kin: Any, near: Any, sums: Any
) -> None:
    """Of a row of pixels: how many kin there are in 3x3, and the sums of their tones; see `affinity.Kin`."""
    _, width = sums.shape
    sums[:], near[:] = 0, 0
    for tap in range(9):
        row, left = tap // 3 - 1, tap % 3 - 1
        is_kin[:] = 0
        for f in range(7):
            own = guides[f, y + 2, 2 : 2 + width]
            other = guides[f, y + 2 + row, 2 + left : 2 + left + width]
            strength = care[KINDS[f]]
            for x in range(width):
                is_kin[x] += strength * (other[x] - own[x]) * (other[x] - own[x])
        for x in range(width):
            is_kin[x] = ONE if is_kin[x] < limit else np.float32(0)
        for x in range(width):
            near[x] += is_kin[x]
        for c in range(3):
            _add_weighted(sums[c], is_kin, tone[c, y + 2 + row, 2 + left : 2 + left + width], width)


@over_rows
def compared(
    share: Any, tone: Any, guides: Any, variance: Any, raw: Any, care: Any, limit: Any, bound: Any,
    features: Any, strength: Any, left: Any,
) -> None:  # fmt: skip
    """`_finest` and `_strength` of `_kernels`: the features' tones, the noise left in them, and how much each
    kind of feature counts. `tone`, `guides` and `features` have a margin of 2."""
    _, width = variance.shape
    shrunk, near = np.empty(width, np.float32), np.empty(width, np.float32)
    means = np.empty((3, width), np.float32)
    for y in range(*share):
        _kin_nearby(tone, guides, care, limit, y, shrunk, near, means)
        for x in range(width):
            shrunk[x] = variance[y, x] / (variance[y, x] + SHRINK)
        for x in range(width):
            rest = ONE - shrunk[x]
            left[y, x] = variance[y, x] * (shrunk[x] * shrunk[x] / near[x] + rest * rest)
        for c in range(3):
            own, into = tone[c, y + 2, 2 : 2 + width], features[7 + c, y + 2, 2 : 2 + width]
            for x in range(width):
                into[x] = own[x] + shrunk[x] * (means[c, x] / near[x] - own[x])
        for kind in range(4):
            for x in range(width):
                strength[kind, y, x] = care[kind] * _within(bound, raw[12 + kind, y, x])
        for x in range(width):
            strength[3, y, x] /= left[y, x] + CLEAN


@of_lines
def _logits_of(logits: Any, number: Any, into: Any) -> None:
    """A row's 25 logits out of planes (100 rows w/2) as the head leaves them."""
    for tap in range(25):
        left = 4 * tap + 2 * (number % 2)
        _side_by_side(logits[left, number // 2], logits[left + 1, number // 2], into[tap, 0])


@over_rows
def filtered(share: Any, image: Any, features: Any, logits: Any, strength: Any, first: Any, out: Any) -> None:
    """`_loops.filtered` by 5x5 from row 2 * `first` on, its logits (100 rows w/2) as the head leaves them."""
    channels, _, width = out.shape
    weights, line = np.empty((25, width), np.float32), np.empty(width, np.float32)
    own_logits, sums = np.empty((25, 1, width), np.float32), np.empty((channels, width), np.float32)
    for number in range(*share):
        y = 2 * first + number
        _logits_of(logits, number, own_logits)
        own = features[:, y + 2, 2 : 2 + width].copy()
        _compare(weights, features, own, strength, y, 5)
        _to_weights(weights, own_logits, 0, 0, line)
        _mean(sums, weights, image, y, 5)
        _copy(sums, out[:, y])


@over_rows
def prefiltered(share: Any, guides: Any, logits: Any, first: Any, out: Any) -> None:
    """`_kernels.prefiltered` from row 2 * `first` on; guides and result have a margin of 2."""
    channels, width = out.shape[0], out.shape[2] - 4
    weights, line = np.empty((25, width), np.float32), np.empty(width, np.float32)
    own_logits, sums = np.empty((25, 1, width), np.float32), np.empty((channels, width), np.float32)
    for number in range(*share):
        y = 2 * first + number
        _logits_of(logits, number, own_logits)
        weights[:] = 0
        _to_weights(weights, own_logits, 0, 0, line)
        _mean(sums, weights, guides, y, 5)
        _copy(sums, out[:, y + 2, 2 : 2 + width])


@over_rows
def mended(
    share: Any, tone: Any, near: Any, variance: Any, logits: Any, alone: Any, first: Any, out: Any
) -> None:
    """`hybrid.mended` from row 2 * `first` on, of tones with a margin of 2."""
    width = out.shape[2]
    weights, line = np.empty((25, width), np.float32), np.empty(width, np.float32)
    own_logits, sums = np.empty((25, 1, width), np.float32), np.empty((3, width), np.float32)
    for number in range(*share):
        y = 2 * first + number
        _logits_of(logits, number, own_logits)
        weights[:] = 0
        _to_weights(weights, own_logits, 0, 0, line)
        _mean(sums, weights, tone, y, 5)
        for x in range(width):
            part = min(max((alone - near[y, x]) / TWO, np.float32(0)), ONE)
            line[x] = part * variance[y, x] / (variance[y, x] + CLEAN)
        for channel in range(3):
            own, mixed, into = tone[channel, y + 2, 2:], sums[channel], out[channel, y]
            for x in range(width):
                into[x] = own[x] + line[x] * (mixed[x] - own[x])


@over_rows
def joined(
    share: Any, above: Any, here: Any, kinship: Any, left: Any, level: Any, raw: Any, variance: Any,
    blend_bound: Any, heed_bound: Any, shift_bound: Any, shifted: Any, out: Any,
) -> None:  # fmt: skip
    """The last joint of the pyramid and the shift: tones.

    Args:
        level: blend and heed (4 each) of each 2x2 pixels.
        blend_bound: of the blend, with e to it; the others likewise or alone.
    """
    _, _, width = out.shape
    blend, heed = np.empty(width, np.float32), np.empty(width, np.float32)
    dissent = np.empty(width, np.float32)
    for y in range(*share):
        place = 2 * (y % 2)
        _side_by_side(level[place, y // 2], level[place + 1, y // 2], blend)
        _side_by_side(level[4 + place, y // 2], level[5 + place, y // 2], heed)
        dissent[:] = 0
        for c in range(3):
            for x in range(width):
                difference = above[c, y, x] - here[c, y, x]
                dissent[x] += difference * difference
        for x in range(width):
            disagreeing = dissent[x] / (np.float32(3) * (left[y, x] + CLEAN)) * _within(heed_bound, heed[x])
            logit = blend_bound[0] * _tanh(blend[x] / blend_bound[0]) + disagreeing
            odds = _exp(-logit - blend_bound[0]) * blend_bound[1]
            blend[x] = ONE / (ONE + odds * (kinship[y, x] + np.float32(1e-4)))
        for x in range(width):
            heed[x] = shift_bound * variance[y, x] / (variance[y, x] + shifted)
        for c in range(3):
            for x in range(width):
                moved = heed[x] * _tanh(raw[2 + c, y, x] / shift_bound)
                out[c, y, x] = above[c, y, x] + blend[x] * (here[c, y, x] - above[c, y, x]) + moved


@over_rows
def least(share: Any, plane: Any, reach: Any, out: Any) -> None:
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


@over_rows
def brightest(share: Any, picture: Any, out: Any) -> None:
    """The largest channel of each pixel."""
    for y in range(*share):
        for x in range(out.shape[1]):
            out[y, x] = max(picture[0, y, x], picture[1, y, x], picture[2, y, x])


@over_rows
def brightest_neighbour(share: Any, level: Any, out: Any) -> None:
    """`affinity.brightest_neighbour` of a plane."""
    height, width = level.shape
    line = np.empty(width + 2, np.float32)
    for y in range(*share):
        best = out[y]
        best[:] = 0
        for step in (-1, 1, 0):
            row = min(max(y + step, 0), height - 1)
            for x in range(width):
                line[x + 1] = level[row, x]
            line[0], line[-1] = level[row, 0], level[row, width - 1]
            for x in range(width):
                best[x] = max(best[x], line[x], line[x + 2])
            if step:
                for x in range(width):
                    best[x] = max(best[x], line[x + 1])


@over_rows
def dimmed(share: Any, picture: Any, limit: Any) -> None:
    """All channels alike, so that the largest is within the limit, in place."""
    _, _, width = picture.shape
    factor = np.empty(width, np.float32)
    for y in range(*share):
        for x in range(width):
            largest = max(picture[0, y, x], picture[1, y, x], picture[2, y, x], np.float32(1e-9))
            factor[x] = min(limit[y, x] / largest, ONE)
        for c in range(3):
            for x in range(width):
                picture[c, y, x] *= factor[x]
