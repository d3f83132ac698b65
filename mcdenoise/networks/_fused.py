"""The pyramid's filters on the CPU, fused: no shifted copies of the picture, no array of weights.

The same sums as `_kernels` and `_blocks` write in torch, and their gradients (both tested); the loops are in
`_loops`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mcdenoise import affinity
from mcdenoise.networks import _loops


def filtered(
    image: Float[Tensor, "n c h w"], logits: Float[Tensor, "n k h w"], features: Float[Tensor, "n f h w"],
    strength: Float[Tensor, "n 4 h w"], size: int,
) -> Float[Tensor, "n c h w"]:  # fmt: skip
    """The mean of each pixel's size x size neighbours under softmax(logits - strangeness), edges repeated."""
    result: Tensor = _Filtered.apply(image, logits, features, strength, size)
    return result


def upsampled(
    coarse: Float[Tensor, "n c h w"], logits: Float[Tensor, "n u h w"], fine: Float[Tensor, "n f h2 w2"],
    features: Float[Tensor, "n f h w"], strength: Float[Tensor, "n 4 h w"],
) -> tuple[Float[Tensor, "n c h2 w2"], Float[Tensor, "n 1 h2 w2"]]:  # fmt: skip
    """Twice the size: each child is the mean of the 3x3 coarse pixels around its parent under softmax(logits
    - strangeness of child and coarse pixel); and the mean of e to minus that strangeness."""
    result: tuple[Tensor, Tensor] = _Upsampled.apply(coarse, logits, fine, features, strength)
    return result


def applied_back(
    image: Float[Tensor, "n c h2 w2"], kernels: Float[Tensor, "n k h w"], size: int,
    gradient: Float[Tensor, "n c h w"],
) -> tuple[Float[Tensor, "n c h2 w2"], Float[Tensor, "n k h w"]]:  # fmt: skip
    """The gradients of `_blocks.apply_kernels` by the image, which has its margin, and by the kernels."""
    of_image, of_kernels = torch.zeros(image.shape), torch.empty(kernels.shape)
    given = [_array(part) for part in (image, kernels)]
    _loops.applied_back(len(image), *given, size, _array(gradient), of_image.numpy(), of_kernels.numpy())
    return of_image, of_kernels


class _Filtered(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, image: Tensor, logits: Tensor, features: Tensor, strength: Tensor, size: int
    ) -> Tensor:
        ctx.save_for_backward(image, logits, features, strength)
        ctx.size = size
        out = torch.empty(image.shape)
        for number in range(len(image)):
            given = [padded(picture[number], size // 2) for picture in (image, features)]
            _loops.filtered(
                image.shape[2],
                *given,
                _array(logits[number]),
                _array(strength[number]),
                size,
                out[number].numpy(),
            )
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        image, logits, features, strength = ctx.saved_tensors
        by = ctx.size // 2
        given = [padded(image, by), padded(features, by), _array(logits), _array(strength)]
        wanted = [np.zeros_like(part) for part in given]
        _loops.filtered_back(len(image), *given, ctx.size, _array(gradient), *wanted)
        found = [_unpadded(wanted[0], by), wanted[2], _unpadded(wanted[1], by), wanted[3]]
        return *_like(found, ctx.saved_tensors), None


class _Upsampled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, coarse: Tensor, logits: Tensor, fine: Tensor, features: Tensor, strength: Tensor
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(coarse, logits, fine, features, strength)
        n, channels, height, width = coarse.shape
        out = torch.empty(n, channels, 2 * height, 2 * width)
        kinship = torch.empty(n, 1, 2 * height, 2 * width)
        for number in range(n):
            _loops.upsampled(height, padded(coarse[number], 1), _array(logits[number]), _array(fine[number]),
                             padded(features[number], 1), _array(strength[number]),
                             out[number].numpy(), kinship[number, 0].numpy())  # fmt: skip
        return out, kinship

    @staticmethod
    def backward(ctx: Any, of_out: Tensor, of_kinship: Tensor) -> tuple[Tensor | None, ...]:
        coarse, logits, fine, features, strength = ctx.saved_tensors
        given = [
            padded(coarse, 1),
            _array(logits),
            _array(fine),
            padded(features, 1),
            _array(strength),
        ]
        wanted = [np.zeros_like(part) for part in given]
        _loops.upsampled_back(len(coarse), *given, _array(of_out), _array(of_kinship), *wanted)
        wanted[0], wanted[3] = _unpadded(wanted[0], 1), _unpadded(wanted[3], 1)
        return _like(wanted, ctx.saved_tensors)


def kin(tone: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]) -> affinity.Kin:
    """`affinity.kin`."""
    n, _, height, width = tone.shape
    care, limit = np.array(affinity.CARE, np.float32), np.float32(affinity.KIN)
    found = affinity.Kin(*(torch.empty(n, channels, height, width) for channels in (3, 1, 1, 1, 1)))
    for number in range(n):
        near = padded(guides[number, : affinity.CHANNELS], 2)
        mean, *others = (part[number].numpy() for part in found)
        planes = (mean, *(other[0] for other in others))
        _loops.kin(height, padded(tone[number], 2), near, care, limit, *planes)
    return found


def _array(picture: Float[Tensor, "*s h w"]) -> np.ndarray:
    return np.ascontiguousarray(picture.detach().float().numpy())


def padded(picture: Float[Tensor, "*s h w"], by: int) -> np.ndarray:
    """With a margin, edges repeated."""
    planes = F.pad(picture.detach().float().contiguous(), [by] * 4, mode="replicate")
    found: np.ndarray = planes.numpy()
    return found


def _unpadded(gradient: np.ndarray, by: int) -> np.ndarray:
    """What reached the repeated edges belongs to the edge."""
    for axis in (2, 3):
        gradient = np.moveaxis(gradient, axis, 0)
        gradient[by] += gradient[:by].sum(0)
        gradient[-by - 1] += gradient[-by:].sum(0)
        gradient = np.moveaxis(gradient[by:-by], 0, axis)
    return np.ascontiguousarray(gradient)


def _like(gradients: Sequence[np.ndarray], inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(one).to(of.dtype) for one, of in zip(gradients, inputs, strict=True))
