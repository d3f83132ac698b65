"""`hybrid` on the CPU, in use: the same sums (tested), without most of the pictures in between.

What the finest head says of each pixel is made a few rows at a time and used while it is in the cache; what
else lies between the convolutions goes through the loops of `_swift_loops` and `_swift_filters`
(docs/decisions/0014, 0023).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor

from mcdenoise import affinity
from mcdenoise.networks import _fused, _swift_filters, _swift_loops
from mcdenoise.networks._compiled import in_shares
from mcdenoise.networks._swift_pixels import SHADE
from mcdenoise.networks._trunk import (
    BLEND,
    DISSENT,
    KERNEL_CARE,
    PER_LEVEL,
    TAPS,
    UPSAMPLING,
    UPSAMPLING_CARE,
    Trunk,
)
from mcdenoise.networks._vectors import LANES

# Rows, at half resolution, of which a head's output stays in the cache.
BAND = 16
# Which of two neighbours in a coarse picture each of three pixels is that a child sees: of the first child,
# between that before and its own; of the second, between its own and the next.
SEEN = torch.tensor([[[1.0, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]])
# Pixels around planes, as far as a kernel reaches.
EDGE = 2


class _Said(NamedTuple):
    """Outputs of a head, in the order in which loops want them; and for each which of them is the one of the
    pixel to the right, where two take turns in a row."""

    outputs: list[int]
    turns: list[int]

    def __add__(self, other: "_Said") -> "_Said":  # type: ignore[override]
        return _Said(
            self.outputs + other.outputs, self.turns + [len(self.turns) + turn for turn in other.turns]
        )


def _of_level(*parts: slice) -> _Said:
    outputs = np.r_[parts].tolist()
    return _Said(outputs, list(range(len(outputs))))


def _of_children(outputs: np.ndarray) -> _Said:
    """Four outputs a value (n 4 t): of two rows of two children; `t` taps each."""
    turns = np.arange(outputs.size).reshape(-1, 2, 2, outputs.shape[2])[:, :, [1, 1]]
    return _Said(outputs.ravel().tolist(), turns.ravel().tolist())


# What a level's head says of its kernel, and of how the level is joined with the finer one.
OF_KERNEL = _of_level(slice(0, TAPS), KERNEL_CARE)
OF_JOINT = (
    _of_children(np.r_[UPSAMPLING].reshape(1, 4, -1)) + _of_children(np.r_[BLEND].reshape(1, 4, 1))
    + _of_level(UPSAMPLING_CARE) + _of_children(np.r_[DISSENT].reshape(1, 4, 1))
)  # fmt: skip
# What the finest head says of each pixel after that: kernel, mixture, trust, share, shift, strength of the
# kernel that goes along edges, and that kernel, correction, care and factor, the guides' kernel.
_PIXEL = np.arange(PER_LEVEL, PER_LEVEL + 4 * (4 * TAPS + 18)).reshape(-1, 4, 1)
KERNEL, MIXTURE, TRUST, SHARE, SHIFT, STRENGTH, ALONG, CORRECTION, CARE, FACTOR, SIGHT = np.split(
    _PIXEL, np.cumsum([TAPS, TAPS, 1, 1, 3, 1, TAPS, 7, 4, 1])
)
OF_FEATURES = _of_children(np.concatenate([SIGHT, TRUST, CORRECTION, FACTOR]))
OF_ALONG = _of_children(np.concatenate([ALONG, STRENGTH]))
OF_MIXTURE = _of_children(np.concatenate([MIXTURE, SHARE]))
OF_FINEST = _of_children(np.concatenate([KERNEL, SHIFT, CARE])) + OF_JOINT

# Rows and columns, in planes of a channel each; with a margin or without.
Plane = Float[np.ndarray, "_ _"]
Planes = Float[np.ndarray, "_ _ _"]
# What a head says, in planes: float32, or bfloat16 as int16.
Said = Shaped[np.ndarray, "o _ _"]


class _Level(NamedTuple):
    """Of a level of the pyramid: radiance times weight (3), weight, shade times weight (3); the ten features,
    half the logarithm of the weight, but for a constant, and shade, with a margin; the noise's variance; how
    clear guides are.
    Rows go on to a multiple of `LANES`; `width` is the picture's."""

    weighted: Planes
    features: Planes
    variance: Plane
    clear: Plane
    width: int


# A level's picture, its features, the variance of its noise and how clear its guides are.
_Filtered = tuple[Planes, Planes, Plane, Plane]


def denoised(
    trunk: Trunk, color: Float[Tensor, "1 3 h w"], guides: Float[Tensor, "1 g h w"]
) -> Float[Tensor, "1 3 h w"]:
    """See `Denoising.forward`."""
    return torch.from_numpy(_mended(trunk, _estimated(trunk, color, guides)))[None]


class _Estimated(NamedTuple):
    """The picture's tones and shade before they are mended, its features, the variance of its noise, its
    noisiness, and what the finest head is given."""

    smooth: Planes
    features: Planes
    variance: Plane
    noisy: Plane
    finest: Float[Tensor, "1 c h2 w2"]


def _estimated(
    trunk: Trunk, picture: Float[Tensor, "1 3 h w"], guides: Float[Tensor, "1 g h w"]
) -> _Estimated:
    """What isn't needed any more is let go: the largest tiles decide how much memory is taken."""
    color, near = picture.contiguous()[0].numpy(), _fused.padded(guides[0, : affinity.CHANNELS], EDGE)
    tone, start, nearby, told = _told(color, guides.contiguous()[0].numpy(), near)
    decoded = _decoded(trunk, told)
    seen, features, variance, noisy, clear, half = _prepared(trunk, decoded[0], color, near, start)
    del near, start
    left = _compared(tone, seen, variance, features)
    del seen
    if color.min() < 0:  # which counts in what is filtered, not in what pixels are compared by
        _swift_loops.toned_below_black(len(left), color, tone)
        _border(tone, color.shape[2], EDGE)
    coarse = _coarser(trunk, decoded, half)
    out = _empty(6, *color.shape[1:], margin=EDGE)

    def finish(first: int, said: Said, bias: Plane) -> None:
        rows = 2 * said.shape[1]
        _swift_filters.finest_filtered(rows, said, bias, first, features, tone, left, clear, out)
        _swift_filters.finest_joined(rows, said, bias, first, coarse, features, left, variance, nearby, out)

    _by_bands(trunk.heads[0], decoded[0], OF_FINEST, finish)
    _border(out, color.shape[2], EDGE)
    return _Estimated(out, features, variance, noisy, decoded[0])


def _told(color: Planes, guides: Planes, near: Planes) -> tuple[Planes, Planes, Plane, list[Tensor]]:
    """Tones, their variance as statistics have it and how far a pixel outshines its neighbours, how many
    pixels nearby are kin, and what the trunk begins with."""
    height, width = color.shape[1:]
    tone = _empty(3, height, width, margin=EDGE)
    _swift_loops.toned(height, color, tone)
    _border(tone, width, EDGE)
    number, nearby, found, outshines = (np.empty((height, width), np.float32) for _ in range(4))
    noises = np.empty((3, height, width), np.float32)
    start, unlike, around = noises
    _swift_loops.statistics(height, tone, near, found, number, unlike, nearby, outshines)
    _swift_loops.noise(height, tone, found, number, unlike, start, around)
    kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
    out = _like(torch.empty(0, dtype=kind), 4 * (10 + len(guides)), height // 2, width // 2)
    _swift_loops.told(height // 2, color, tone, guides, noises, number, _pixels(out))
    return tone, np.stack([start, outshines]), nearby, [out]


def _decoded(trunk: Trunk, told: list[Tensor]) -> list[Tensor]:
    """`Trunk.decoded` of what is taken out of `told`."""
    skips = [_convolved(trunk.encoders[0], told)]
    for encoder in trunk.encoders[1:]:
        skips.append(_convolved(encoder, [_shrunk(skips[-1])]))
    decoded = [skips.pop()]
    for decoder in trunk.decoders[::-1]:
        assert isinstance(decoder, torch.nn.Sequential)
        decoded.insert(0, _convolved(decoder[1:], [_of_both(decoder[0], decoded[0], skips.pop())]))
    return decoded


def _convolved(layers: torch.nn.Module, given: list[Tensor]) -> Tensor:
    """What layers make of a picture that is taken out of `given`: it is let go after the first."""
    for layer in layers.children():
        given.append(layer(given.pop()))
    return given.pop()


def _shrunk(fine: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 c h2 w2"]:
    out = _like(fine, fine.shape[1], fine.shape[2] // 2, fine.shape[3] // 2)
    bits = _bits(fine)
    _swift_loops.shrunk(out.shape[2], bits, np.iinfo(bits.dtype).max, _bits(out))
    return out


def _of_both(
    layer: torch.nn.Module, coarse: Float[Tensor, "1 c h w"], fine: Float[Tensor, "1 c2 h2 w2"]
) -> Float[Tensor, "1 c3 h2 w2"]:
    """What a convolution and its activation make of a coarse picture, each pixel four times, beside a fine
    one. Of 3x3 such pixels no more than 2x2 differ: that part is convolved before it is made larger."""
    convolution, activation = layer.children()
    assert isinstance(convolution, torch.nn.Conv2d)
    assert isinstance(activation, torch.nn.LeakyReLU)
    assert convolution.bias is not None
    short = max(LANES - convolution.out_channels, 0)  # loops take no fewer channels
    weight = F.pad(convolution.weight, (0,) * 7 + (short,))
    of_coarse, of_fine = weight.split([coarse.shape[1], fine.shape[1]], dim=1)
    with torch.autocast("cpu", enabled=False):
        children = torch.einsum("pyu,qxv,oiuv->pqoiyx", SEEN, SEEN, of_coarse).flatten(0, 2)
    small = F.conv2d(coarse, children, padding=1)
    large = F.conv2d(fine, of_fine, F.pad(convolution.bias, (0, short)), padding=1)
    out = _like(large, *large.shape[1:])
    slope = np.float32(activation.negative_slope)
    _swift_loops.of_both(out.shape[2], _pixels(small), _pixels(large), slope, _pixels(out))
    return out[:, : convolution.out_channels]


def _like(picture: Tensor, *shape: int) -> Tensor:
    return torch.empty(1, *shape, dtype=picture.dtype, memory_format=torch.channels_last)


def _pixels(picture: Float[Tensor, "1 c h w"]) -> Shaped[np.ndarray, "h w c"]:
    """A picture for loops, channels last."""
    return _array(picture.contiguous(memory_format=torch.channels_last)[0].permute(1, 2, 0))


def _bits(picture: Float[Tensor, "1 c h w"]) -> Shaped[np.ndarray, "h w c"]:
    """The same, as integers."""
    found = _pixels(picture)
    return found.view(np.int32) if found.dtype == np.float32 else found


def _array(said: Tensor) -> Shaped[np.ndarray, "..."]:
    """What loops read and write: bfloat16 as int16."""
    found: np.ndarray = (said.view(torch.int16) if said.dtype == torch.bfloat16 else said).numpy()
    return found


def _empty(*shape: int, margin: int) -> Shaped[np.ndarray, "..."]:
    """Planes with a margin whose rows go on to a multiple of `LANES`."""
    *channels, height, width = shape
    return np.empty((*channels, height + 2 * margin, -(-width // LANES) * LANES + 2 * margin), np.float32)


def _by_bands(
    head: torch.nn.Module,
    x: Float[Tensor, "1 c h w"],
    said: _Said,
    use: Callable[[int, Said, Plane], None],
) -> None:
    """Some outputs of a head, as planes, since loops want lines of pixels: a band of rows at a time is used
    while it is in the cache, by each thread its own. `use` gets the first row, products, and what is to be
    added to them, for sixteen pixels each."""
    assert isinstance(head, torch.nn.Conv2d)
    assert head.bias is not None
    weight, bias = head.weight[said.outputs, :, 0, 0].to(x.dtype), head.bias[said.outputs]
    added = torch.stack([bias, bias[said.turns]], dim=1).repeat(1, LANES // 2).numpy()
    pixels = x[0].permute(1, 2, 0)
    width = pixels.shape[1]

    @torch.inference_mode()
    def some(share: tuple[int, int]) -> None:
        room = torch.empty(len(bias) * min(BAND, share[1] - share[0]) * width + LANES, dtype=x.dtype)
        for first in range(*share, BAND):
            band = pixels[first : min(first + BAND, share[1])].flatten(0, 1)
            products = room[: len(bias) * len(band)].view(len(bias), len(band))
            torch.mm(weight, band.t(), out=products)
            use(first, _array(products.unflatten(1, (-1, width))), added)

    in_shares(len(pixels), some)


def _prepared(
    trunk: Trunk, x: Float[Tensor, "1 c h w"], color: Planes, near: Planes, start: Planes
) -> tuple[Planes, Planes, Plane, Plane, Plane, _Level]:
    """Prefiltered guides, features but for their tones, variance, noisiness, how clear guides are, and the
    level below."""
    height, width = start.shape[1:]
    seen, features = (_empty(channels, height, width, margin=EDGE) for channels in (7, SHADE + 3))
    variance, noisy, murk, clear = (np.empty_like(start[0]) for _ in range(4))
    half = _level(height // 2, width // 2)

    def prepare(first: int, said: Said, bias: Plane) -> None:
        _swift_loops.prepared(
            said.shape[1], said, bias, first, color, near, start, seen, features, variance, noisy, murk,
            half[:3],
        )  # fmt: skip

    _by_bands(trunk.heads[0], x, OF_FEATURES, prepare)
    _swift_loops.cleared(height // 2, murk, clear, half.clear)
    _border(seen, width, EDGE)
    return seen, features, variance, noisy, clear, half


def _level(height: int, width: int) -> _Level:
    weighted = _empty(7, height, width, margin=0)
    variance, clear = (_empty(height, width, margin=0) for _ in range(2))
    return _Level(weighted, _empty(SHADE + 3, height, width, margin=EDGE), variance, clear, width)


def _compared(tone: Planes, seen: Planes, variance: Plane, features: Planes) -> Plane:
    """The noise left in the features' tones, which are added to them."""
    left = np.empty_like(variance)
    _swift_loops.compared(len(left), tone, seen, variance, features, left)
    _border(features, left.shape[1], EDGE)
    return left


def _coarser(trunk: Trunk, decoded: Sequence[Tensor], finest: _Level) -> _Filtered:
    """A level's picture, joined with those below it."""
    levels = [finest]
    for _ in decoded[1:]:
        levels.append(_below(levels[-1]))
    said = list(zip(trunk.heads, decoded, strict=True))
    coarse = _filtered(levels[-1], *said[-1])
    for level, own, below in zip(levels[-2::-1], said[-2::-1], said[:0:-1], strict=True):
        here = _filtered(level, *own)
        _join(here, coarse, *below)
        coarse = here
    return coarse


def _filtered(level: _Level, head: torch.nn.Module, x: Float[Tensor, "1 c h w"]) -> _Filtered:
    """As `_coarser`, nothing joined."""
    _border(level.features, level.width, EDGE)
    picture = _empty(6, x.shape[2], level.width, margin=EDGE)

    def use(first: int, said: Said, bias: Plane) -> None:
        _swift_filters.filtered(
            said.shape[1], said, bias, first, level.features, level.variance, level.clear, picture
        )

    _by_bands(head, x, OF_KERNEL, use)
    _border(picture, level.width, EDGE)
    return picture, level.features, level.variance, level.clear


def _join(
    here: _Filtered, coarse: _Filtered, head: torch.nn.Module,
    x: Float[Tensor, "1 c h w"],
) -> None:  # fmt: skip
    """Join a level's picture with the coarser one, of which the head tells by `x`, in place."""
    picture, features, variance, _ = here

    def use(first: int, said: Said, bias: Plane) -> None:
        _swift_filters.joined(2 * said.shape[1], said, bias, first, coarse, features, variance, picture)

    _by_bands(head, x, OF_JOINT, use)
    _border(picture, 2 * x.shape[3], EDGE)


def _below(fine: _Level) -> _Level:
    level = _level(len(fine.variance) // 2, fine.width // 2)
    _swift_loops.halved(len(level.variance), fine[:4], level[:4])
    return level


def _mended(trunk: Trunk, found: _Estimated) -> Planes:
    """`hybrid.mended` and `hybrid.without_fireflies`: the estimate."""
    height, width = found.variance.shape
    quiet, largest = np.empty_like(found.variance), _empty(height, width, margin=1)
    smooth, estimate = np.empty_like(found.smooth), np.empty((3, height, width), np.float32)

    def go_along(first: int, said: Said, bias: Plane) -> None:
        rows = 2 * said.shape[1]
        _swift_filters.along(rows, said, bias, first, found.smooth, found.noisy, smooth)

    def mend(first: int, said: Said, bias: Plane) -> None:
        rows = 2 * said.shape[1]
        _swift_filters.mended(rows, said, bias, first, smooth, found.features, found.noisy, estimate, largest)

    _by_bands(trunk.heads[0], found.finest, OF_ALONG, go_along)
    _border(smooth, width, EDGE)
    _by_bands(trunk.heads[0], found.finest, OF_MIXTURE, mend)
    _mirror(largest, width)
    _swift_filters.smallest(height, found.variance, 1, quiet)
    _swift_filters.quenched(height, largest, quiet, found.variance, estimate)
    return estimate


def _border(planes: Shaped[np.ndarray, "*c h w"], width: int, margin: int) -> None:
    """Repeat the edges of a picture `width` pixels wide into its margin."""
    end = margin + width
    planes[..., :margin], planes[..., end : end + margin] = (
        planes[..., margin, None],
        planes[..., end - 1, None],
    )
    planes[..., :margin, :] = planes[..., margin, None, :]
    planes[..., -margin:, :] = planes[..., -margin - 1, None, :]


def _mirror(planes: Plane, width: int) -> None:
    """Into a margin of 1 what is next to the edges of a picture `width` pixels wide: no pixel is a neighbour
    of its own."""
    planes[:, 0], planes[:, width + 1] = planes[:, 2], planes[:, width - 1]
    planes[0], planes[-1] = planes[2], planes[-3]
