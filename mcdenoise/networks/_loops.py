"""The loops of `_fused`, compiled.

Forward, threads share the rows; backward, the items of a batch, since rows add to each other's gradients.
Pixels of a row go through the processor's vectors: each inner loop goes over neighbouring pixels and stores
to one array, which is what LLVM can vectorise. Pictures are padded: c h+2m w+2m for filters that reach m.
"""

from typing import Any

import numpy as np

from mcdenoise.networks._compiled import of_lines, of_pixels, over_rows

# Which strength counts for which feature: albedo, normal, nearness, tone.
KINDS = (0, 0, 0, 1, 1, 1, 2, 3, 3, 3)
# Below e to this, a weight is nothing.
LEAST = np.float32(-40.0)


@of_lines
def _copy(lines: Any, into: Any) -> None:
    """Not `into[:] = lines`, for whose message about unlike shapes numba compiles Python's texts."""
    for line in range(lines.shape[0]):
        for x in range(lines.shape[1]):
            into[line, x] = lines[line, x]


@of_pixels
def _exp(value: Any) -> Any:
    """e to a value between `LEAST` and 0, to 1e-4 of it above -8: a series at a 128th, squared 7 times."""
    u = max(value, LEAST) * np.float32(1 / 128)
    e = np.float32(1) + u * (
        np.float32(1) + u * (np.float32(1 / 2) + u * (np.float32(1 / 6) + u * np.float32(1 / 24)))
    )
    for _ in range(7):
        e *= e
    return e


@of_lines
def _add_square(total: Any, one: Any, other: Any, strength: Any, width: Any) -> None:
    for x in range(width):
        difference = one[x] - other[x]
        total[x] += strength[x] * difference * difference


@of_lines
def _add_weighted(total: Any, weight: Any, value: Any, width: Any) -> None:
    for x in range(width):
        total[x] += weight[x] * value[x]


@of_lines
def _compare(rows: Any, features: Any, own: Any, strength: Any, y: Any, size: Any) -> None:
    """Rows become the strangeness of each neighbour in size x size, for a row of pixels that are `own`."""
    taps, width = rows.shape
    rows[:] = 0
    for tap in range(taps):
        dy, dx = tap // size, tap % size
        for f in range(own.shape[0]):
            other = features[f, y + dy, dx : dx + width]
            _add_square(rows[tap], other, own[f], strength[KINDS[f], y], width)


@of_lines
def _to_weights(rows: Any, logits: Any, first: Any, y: Any, line: Any) -> None:
    """Strangeness becomes the softmax of logits - strangeness over taps; logits begin at `first`."""
    taps, width = rows.shape
    line[:] = np.float32(-1e30)
    for tap in range(taps):
        row, logit = rows[tap], logits[first + tap, y]
        for x in range(width):
            row[x] = logit[x] - row[x]
        for x in range(width):
            line[x] = max(line[x], row[x])
    for tap in range(taps):
        row = rows[tap]
        for x in range(width):
            row[x] = _exp(row[x] - line[x])
    line[:] = 0
    for tap in range(taps):
        row = rows[tap]
        for x in range(width):
            line[x] += row[x]
    for x in range(width):
        line[x] = np.float32(1) / line[x]
    for tap in range(taps):
        row = rows[tap]
        for x in range(width):
            row[x] *= line[x]


@of_lines
def _mean(sums: Any, weights: Any, image: Any, y: Any, size: Any) -> None:
    channels, width = sums.shape
    sums[:] = 0
    for tap in range(size * size):
        dy, dx = tap // size, tap % size
        for c in range(channels):
            _add_weighted(sums[c], weights[tap], image[c, y + dy, dx : dx + width], width)


@over_rows
def filtered(share: Any, image: Any, features: Any, logits: Any, strength: Any, size: Any, out: Any) -> None:
    """`_fused.filtered`, of one item."""
    channels, _, width = out.shape
    taps, middle = size * size, size // 2
    rows, line = np.empty((taps, width), np.float32), np.empty(width, np.float32)
    sums = np.empty((channels, width), np.float32)
    for y in range(*share):
        own = features[:, y + middle, middle : middle + width].copy()
        _compare(rows, features, own, strength, y, size)
        _to_weights(rows, logits, 0, y, line)
        _mean(sums, rows, image, y, size)
        _copy(sums, out[:, y])


@over_rows
def upsampled(
    share: Any, coarse: Any, logits: Any, fine: Any, features: Any, strength: Any, out: Any, kinship: Any
) -> None:  # fmt: skip
    """`_fused.upsampled`, of one item."""
    channels, width = coarse.shape[0], logits.shape[2]
    child = np.empty((fine.shape[0], width), np.float32)
    rows, line = np.empty((9, width), np.float32), np.empty(width, np.float32)
    sums = np.empty((channels, width), np.float32)
    for y in range(*share):
        for place in range(4):
            down, right = 2 * y + place // 2, place % 2
            for f in range(fine.shape[0]):
                into = child[f]
                for x in range(width):
                    into[x] = fine[f, down, 2 * x + right]
            _compare(rows, features, child, strength, y, 3)
            line[:] = 0
            for tap in range(9):
                row = rows[tap]
                for x in range(width):
                    line[x] += _exp(-row[x])
            for x in range(width):
                kinship[down, 2 * x + right] = line[x] / np.float32(9)
            _to_weights(rows, logits, 9 * place, y, line)
            _mean(sums, rows, coarse, y, 3)
            for c in range(channels):
                for x in range(width):
                    out[c, down, 2 * x + right] = sums[c, x]


@of_lines
def _back_to_image(back: Any, of_image: Any, weights: Any, given: Any, image: Any, y: Any, size: Any) -> None:
    """From the gradient of a mean to those of its weights, which go into `back`, and of the image."""
    channels, width = given.shape
    back[:] = 0
    for tap in range(size * size):
        dy, dx = tap // size, tap % size
        for c in range(channels):
            _add_weighted(back[tap], given[c], image[c, y + dy, dx : dx + width], width)
        for c in range(channels):
            _add_weighted(of_image[c, y + dy, dx : dx + width], weights[tap], given[c], width)


@of_lines
def _back_to_logits(back: Any, of_logits: Any, first: Any, y: Any, weights: Any, line: Any) -> None:
    """From the gradient of weights to that of logits, and, into `back`, of strangeness."""
    taps, width = weights.shape
    line[:] = 0
    for tap in range(taps):
        _add_weighted(line, weights[tap], back[tap], width)
    for tap in range(taps):
        row, weight, into = back[tap], weights[tap], of_logits[first + tap, y]
        for x in range(width):
            into[x] = weight[x] * (row[x] - line[x])
        for x in range(width):
            row[x] = -into[x]


@of_lines
def _back_to_features(
    back: Any, features: Any, own: Any, strength: Any,
    of_features: Any, of_own: Any, of_strength: Any, y: Any, size: Any,
) -> None:  # fmt: skip
    """From the gradient of strangeness to those of what was compared, and of how much it counts."""
    taps, width = back.shape
    for tap in range(taps):
        dy, dx = tap // size, tap % size
        row = back[tap]
        for f in range(own.shape[0]):
            kind = KINDS[f]
            one, other, by = features[f, y + dy, dx : dx + width], own[f], strength[kind, y]
            into = of_strength[kind, y]
            for x in range(width):
                difference = one[x] - other[x]
                into[x] += row[x] * difference * difference
            into = of_features[f, y + dy, dx : dx + width]
            for x in range(width):
                into[x] += np.float32(2) * row[x] * by[x] * (one[x] - other[x])
            into = of_own[f]
            for x in range(width):
                into[x] -= np.float32(2) * row[x] * by[x] * (one[x] - other[x])


@over_rows
def filtered_back(
    share: Any, image: Any, features: Any, logits: Any, strength: Any, size: Any, given: Any,
    of_image: Any, of_features: Any, of_logits: Any, of_strength: Any,
) -> None:  # fmt: skip
    """The gradients of `filtered`, of a batch; `given` is that of its output."""
    _, _, height, width = given.shape
    taps, middle = size * size, size // 2
    rows, back = np.empty((taps, width), np.float32), np.empty((taps, width), np.float32)
    line = np.empty(width, np.float32)
    for n in range(*share):
        for y in range(height):
            own = features[n, :, y + middle, middle : middle + width].copy()
            of_own = np.zeros_like(own)
            _compare(rows, features[n], own, strength[n], y, size)
            _to_weights(rows, logits[n], 0, y, line)
            _back_to_image(back, of_image[n], rows, given[n, :, y].copy(), image[n], y, size)
            _back_to_logits(back, of_logits[n], 0, y, rows, line)
            _back_to_features(back, features[n], own, strength[n], of_features[n], of_own, of_strength[n],
                              y, size)  # fmt: skip
            for f in range(own.shape[0]):
                into = of_features[n, f, y + middle, middle : middle + width]
                for x in range(width):
                    into[x] += of_own[f, x]


@over_rows
def applied_back(
    share: Any, image: Any, kernels: Any, size: Any, given: Any, of_image: Any, of_kernels: Any
) -> None:
    """The gradients of `_blocks.apply_kernels`, of a batch; `given` is that of its output."""
    taps, width = size * size, given.shape[3]
    back = np.empty((taps, width), np.float32)
    for n in range(*share):
        for y in range(given.shape[2]):
            rows = kernels[n, :, y].copy()
            _back_to_image(back, of_image[n], rows, given[n, :, y].copy(), image[n], y, size)
            _copy(back, of_kernels[n, :, y])


@over_rows
def upsampled_back(
    share: Any, coarse: Any, logits: Any, fine: Any, features: Any, strength: Any, given: Any,
    of_kinship: Any, of_coarse: Any, of_logits: Any, of_fine: Any, of_features: Any, of_strength: Any,
) -> None:  # fmt: skip
    """The gradients of `upsampled`, of a batch; `given` and `of_kinship` are those of its outputs."""
    channels, height, width = coarse.shape[1], logits.shape[2], logits.shape[3]
    kinds = fine.shape[1]
    child, of_child = np.empty((kinds, width), np.float32), np.empty((kinds, width), np.float32)
    rows, back = np.empty((9, width), np.float32), np.empty((9, width), np.float32)
    alike, line = np.empty((9, width), np.float32), np.empty(width, np.float32)
    out = np.empty((channels, width), np.float32)
    for n in range(*share):
        for y in range(height):
            for place in range(4):
                down, right = 2 * y + place // 2, place % 2
                for x in range(width):
                    for f in range(kinds):
                        child[f, x] = fine[n, f, down, 2 * x + right]
                    for c in range(channels):
                        out[c, x] = given[n, c, down, 2 * x + right]
                _compare(rows, features[n], child, strength[n], y, 3)
                for tap in range(9):
                    for x in range(width):
                        alike[tap, x] = _exp(-rows[tap, x])
                _to_weights(rows, logits[n], 9 * place, y, line)
                _back_to_image(back, of_coarse[n], rows, out, coarse[n], y, 3)
                _back_to_logits(back, of_logits[n], 9 * place, y, rows, line)
                for tap in range(9):
                    for x in range(width):
                        back[tap, x] -= of_kinship[n, 0, down, 2 * x + right] / np.float32(9) * alike[tap, x]
                of_child[:] = 0
                _back_to_features(back, features[n], child, strength[n], of_features[n], of_child,
                                  of_strength[n], y, 3)  # fmt: skip
                for f in range(kinds):
                    for x in range(width):
                        of_fine[n, f, down, 2 * x + right] = of_child[f, x]


@over_rows
def kin(
    share: Any, tone: Any, features: Any, care: Any, limit: Any, mean: Any, near: Any, variance: Any,
    count: Any, unlike: Any,
) -> None:  # fmt: skip
    """`affinity.kin`, of one item; the margins are 2."""
    _, width = variance.shape
    strength, strange = np.empty((3, width), np.float32), np.empty(width, np.float32)
    for kind in range(3):
        strength[kind, :] = care[kind]
    total, squares = np.empty((3, width), np.float32), np.empty((3, width), np.float32)
    inner, square = np.empty((3, width), np.float32), np.empty(width, np.float32)
    least, second = np.empty(width, np.float32), np.empty(width, np.float32)
    for y in range(*share):
        number, closest = count[y], near[y]
        number[:], closest[:], total[:], squares[:], inner[:] = 0, 0, 0, 0, 0
        least[:], second[:] = np.float32(1e30), np.float32(1e30)
        for tap in range(25):
            row, left = y + tap // 5, tap % 5
            is_near = 0 < tap // 5 < 4 and 0 < left < 4
            strange[:] = 0
            for f in range(features.shape[0]):
                own, other = features[f, y + 2, 2 : 2 + width], features[f, row, left : left + width]
                _add_square(strange, other, own, strength[KINDS[f]], width)
            for x in range(width):
                strange[x] = np.float32(1) if strange[x] < limit else np.float32(0)
            for x in range(width):
                number[x] += strange[x]
            if is_near:
                for x in range(width):
                    closest[x] += strange[x]
            for c in range(3):
                value, own = tone[c, row, left : left + width], tone[c, y + 2, 2 : 2 + width]
                sums, powers = total[c], squares[c]
                # From the pixel itself: what has no kin must have no variance, not what rounding leaves.
                for x in range(width):
                    apart = value[x] - own[x]
                    sums[x] += strange[x] * apart
                    powers[x] += strange[x] * apart * apart
                if is_near:
                    _add_weighted(inner[c], strange, value, width)
            if is_near and tap != 12:
                square[:] = 0
                for c in range(3):
                    value, own = tone[c, row, left : left + width], tone[c, y + 2, 2 : 2 + width]
                    for x in range(width):
                        square[x] += (value[x] - own[x]) * (value[x] - own[x])
                for x in range(width):
                    second[x] = min(second[x], max(least[x], square[x]))
                for x in range(width):
                    least[x] = min(least[x], square[x])
        for x in range(width):
            unlike[y, x] = second[x] / np.float32(3)
        for c in range(3):
            for x in range(width):
                mean[c, y, x] = inner[c, x] / closest[x]
        for x in range(width):
            found = np.float32(0)
            for c in range(3):
                middle = total[c, x] / number[x]
                found += max(squares[c, x] / number[x] - middle * middle, np.float32(0))
            variance[y, x] = found / np.float32(3)
