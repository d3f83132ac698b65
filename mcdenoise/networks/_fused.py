"""The pyramid's filters on the CPU, fused: no shifted copies of the picture, no array of weights.

The same sums as `_kernels` and `_blocks` write in torch (tested); numba compiles them at first use and keeps
the machine code in its cache. Rows are handled in parallel, pixels of a row in the processor's vectors: each
inner loop goes over neighbouring pixels and stores to one array, which is what LLVM can vectorise.
"""

import inspect
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from numba import njit, prange
from torch import Tensor

from mcdenoise import affinity

# Which strength counts for which feature: albedo, normal, nearness, tone.
KINDS = (0, 0, 0, 1, 1, 1, 2, 3, 3, 3)
# Below e to this, a weight is nothing.
LEAST = np.float32(-40.0)


def filtered(
    image: Float[Tensor, "n c h w"], logits: Float[Tensor, "n k h w"], features: Float[Tensor, "n f h w"],
    strength: Float[Tensor, "n 4 h w"], size: int,
) -> Float[Tensor, "n c h w"]:  # fmt: skip
    """The mean of each pixel's size x size neighbours under softmax(logits - strangeness), edges repeated."""
    out = torch.empty(image.shape)
    for number in range(len(image)):
        padded = [_padded(picture[number], size // 2) for picture in (image, features)]
        _filter(*padded, _array(logits[number]), _array(strength[number]), size, out[number].numpy())
    return out


def upsampled(
    coarse: Float[Tensor, "n c h w"], logits: Float[Tensor, "n u h w"], fine: Float[Tensor, "n f h2 w2"],
    features: Float[Tensor, "n f h w"], strength: Float[Tensor, "n 4 h w"],
) -> tuple[Float[Tensor, "n c h2 w2"], Float[Tensor, "n 1 h2 w2"]]:  # fmt: skip
    """Twice the size: each child is the mean of the 3x3 coarse pixels around its parent under softmax(logits
    - strangeness of child and coarse pixel); and the mean of e to minus that strangeness."""
    n, channels, height, width = coarse.shape
    out = torch.empty(n, channels, 2 * height, 2 * width)
    kinship = torch.empty(n, 1, 2 * height, 2 * width)
    for number in range(n):
        _upsample(_padded(coarse[number], 1), _array(logits[number]), _array(fine[number]),
                  _padded(features[number], 1), _array(strength[number]), out[number].numpy(),
                  kinship[number, 0].numpy())  # fmt: skip
    return out, kinship


def brightest_kin(
    level: Float[Tensor, "n 1 h w"], guides: Float[Tensor, "n g h w"]
) -> Float[Tensor, "n 1 h w"]:
    """`affinity.brightest_kin`."""
    steps = [_steps(size, step) for size, step in affinity.WINDOWS]
    places = np.array(sorted({(y, x) for axis in steps for y in axis for x in axis}))
    reach, out = int(places.max()), torch.empty(level.shape)
    care, kin = np.array(affinity.CARE, np.float32), np.float32(affinity.KIN)
    for number in range(len(level)):
        features = _padded(guides[number, : affinity.CHANNELS], reach)
        rows = _padded(level[number], reach)[0]
        _brightest(rows, features, places, reach, care, kin, out[number, 0].numpy())
    return out


def variance_among_kin(
    color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]
) -> tuple[Float[Tensor, "n 1 h w"], Float[Tensor, "n 1 h w"]]:
    """`affinity.variance_among_kin`."""
    n, _, height, width = color.shape
    variance, count = torch.empty(n, 1, height, width), torch.empty(n, 1, height, width)
    care, kin = np.array(affinity.CARE, np.float32), np.float32(affinity.KIN)
    for number in range(n):
        padded = _padded(color[number], 2), _padded(guides[number, : affinity.CHANNELS], 2)
        _agreement(*padded, care, kin, variance[number, 0].numpy(), count[number, 0].numpy())
    return variance, count


def _steps(size: int, step: int) -> range:
    return range(-(size // 2) * step, size // 2 * step + 1, step)


def _array(picture: Float[Tensor, "c h w"]) -> np.ndarray:
    return np.ascontiguousarray(picture.detach().float().numpy())


def _padded(picture: Float[Tensor, "c h w"], by: int) -> np.ndarray:
    return np.pad(_array(picture), ((0, 0), (by, by), (by, by)), mode="edge")


def _inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Unwrapped first: the test suite's type checks are nothing that numba can compile."""
    return cast("Callable[..., Any]", njit(inline="always")(inspect.unwrap(function)))


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return cast(
        "Callable[..., Any]", njit(parallel=True, fastmath=True, cache=True)(inspect.unwrap(function))
    )


@_inlined
def _exp(value: Any) -> Any:
    """e to a value between `LEAST` and 0, to 1e-4 of it above -8: a series at a 128th, squared 7 times."""
    u = max(value, LEAST) * np.float32(1 / 128)
    e = np.float32(1) + u * (
        np.float32(1) + u * (np.float32(1 / 2) + u * (np.float32(1 / 6) + u * np.float32(1 / 24)))
    )
    for _ in range(7):
        e *= e
    return e


@_inlined
def _add_square(total: Any, one: Any, other: Any, strength: Any, width: Any) -> None:
    for x in range(width):
        difference = one[x] - other[x]
        total[x] += strength[x] * difference * difference


@_inlined
def _add_weighted(total: Any, weight: Any, value: Any, width: Any) -> None:
    for x in range(width):
        total[x] += weight[x] * value[x]


@_inlined
def _add_softmax(total: Any, sums: Any, scores: Any, most: Any, image: Any, y: Any, size: Any) -> None:
    """Adds a row's neighbours under e to their scores, which become those weights, and the weights."""
    channels, width = sums.shape
    for tap in range(size * size):
        dy, dx = tap // size, tap % size
        row = scores[tap]
        for x in range(width):
            row[x] = _exp(row[x] - most[x])
        for x in range(width):
            total[x] += row[x]
        for c in range(channels):
            _add_weighted(sums[c], row, image[c, y + dy, dx : dx + width], width)


@_compiled
def _filter(image: Any, features: Any, logits: Any, strength: Any, size: Any, out: Any) -> None:
    channels, height, width = out.shape
    taps, middle = size * size, size // 2
    for y in prange(height):
        scores = np.empty((taps, width), np.float32)
        most = np.full(width, np.float32(-1e30))
        strange = np.empty(width, np.float32)
        for tap in range(taps):
            dy, dx = tap // size, tap % size
            strange[:] = 0
            for f in range(features.shape[0]):
                kind = KINDS[f]
                own = features[f, y + middle, middle : middle + width]
                _add_square(strange, features[f, y + dy, dx : dx + width], own, strength[kind, y], width)
            row, logit = scores[tap], logits[tap, y]
            for x in range(width):
                row[x] = logit[x] - strange[x]
            for x in range(width):
                most[x] = max(most[x], row[x])
        total, sums = np.zeros(width, np.float32), np.zeros((channels, width), np.float32)
        _add_softmax(total, sums, scores, most, image, y, size)
        for c in range(channels):
            into, part = out[c, y], sums[c]
            for x in range(width):
                into[x] = part[x] / total[x]


@_compiled
def _upsample(
    coarse: Any, logits: Any, fine: Any, features: Any, strength: Any, out: Any, kinship: Any
) -> None:
    channels, height, width = coarse.shape[0], logits.shape[1], logits.shape[2]
    for y in prange(height):
        child = np.empty((fine.shape[0], width), np.float32)
        scores = np.empty((9, width), np.float32)
        for place in range(4):
            down, right = place // 2, place % 2
            for f in range(fine.shape[0]):
                into = child[f]
                for x in range(width):
                    into[x] = fine[f, 2 * y + down, 2 * x + right]
            most = np.full(width, np.float32(-1e30))
            kin = np.zeros(width, np.float32)
            strange = np.empty(width, np.float32)
            for tap in range(9):
                dy, dx = tap // 3, tap % 3
                strange[:] = 0
                for f in range(fine.shape[0]):
                    kind = KINDS[f]
                    _add_square(
                        strange, features[f, y + dy, dx : dx + width], child[f], strength[kind, y], width
                    )
                row, logit = scores[tap], logits[9 * place + tap, y]
                for x in range(width):
                    row[x] = logit[x] - strange[x]
                for x in range(width):
                    kin[x] += _exp(-strange[x])
                for x in range(width):
                    most[x] = max(most[x], row[x])
            total, sums = np.zeros(width, np.float32), np.zeros((channels, width), np.float32)
            _add_softmax(total, sums, scores, most, coarse, y, 3)
            for c in range(channels):
                for x in range(width):
                    out[c, 2 * y + down, 2 * x + right] = sums[c, x] / total[x]
            for x in range(width):
                kinship[2 * y + down, 2 * x + right] = kin[x] / np.float32(9)


@_compiled
def _brightest(level: Any, features: Any, places: Any, reach: Any, care: Any, kin: Any, out: Any) -> None:
    height, width = out.shape
    for y in prange(height):
        strength = np.empty((3, width), np.float32)
        for kind in range(3):
            strength[kind, :] = care[kind]
        strange, best = np.empty(width, np.float32), level[y + reach, reach : reach + width].copy()
        for place in range(places.shape[0]):
            row, left = y + reach + places[place, 0], reach + places[place, 1]
            strange[:] = 0
            for f in range(features.shape[0]):
                own = features[f, y + reach, reach : reach + width]
                _add_square(strange, features[f, row, left : left + width], own, strength[KINDS[f]], width)
            value = level[row, left : left + width]
            for x in range(width):
                best[x] = max(best[x], value[x] if strange[x] < kin else best[x])
        out[y, :] = best


@_compiled
def _agreement(color: Any, features: Any, care: Any, kin: Any, variance: Any, count: Any) -> None:
    height, width = variance.shape
    for y in prange(height):
        strength = np.empty((3, width), np.float32)
        for kind in range(3):
            strength[kind, :] = care[kind]
        strange, number = np.empty(width, np.float32), np.zeros(width, np.float32)
        total, squares = np.zeros((3, width), np.float32), np.zeros((3, width), np.float32)
        for tap in range(25):
            row, left = y + tap // 5, tap % 5
            strange[:] = 0
            for f in range(features.shape[0]):
                own = features[f, y + 2, 2 : 2 + width]
                _add_square(strange, features[f, row, left : left + width], own, strength[KINDS[f]], width)
            for x in range(width):
                strange[x] = np.float32(1) if strange[x] < kin else np.float32(0)
            for x in range(width):
                number[x] += strange[x]
            for c in range(3):
                value, sums, powers = color[c, row, left : left + width], total[c], squares[c]
                for x in range(width):
                    sums[x] += strange[x] * value[x]
                for x in range(width):
                    powers[x] += strange[x] * value[x] * value[x]
        count[y, :] = number
        for x in range(width):
            found = np.float32(0)
            for c in range(3):
                mean = total[c, x] / number[x]
                spread = max(squares[c, x] / number[x] - mean * mean, np.float32(0))
                found += spread / ((mean + np.float32(0.01)) * (mean + np.float32(0.01)))
            variance[y, x] = found / np.float32(3)
