"""Parts that networks share."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

# Length of a crop's gradient at what is predicted: of half of crops it is over ten times that. A shorter one
# stays short, since that crop is fine.
SHORT = 0.001


def conv(inputs: int, outputs: int) -> nn.Sequential:
    """3x3 convolution and a leaky ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.LeakyReLU(0.1, inplace=True))


def convs(inputs: int, outputs: int) -> nn.Sequential:
    """Two of them."""
    return nn.Sequential(conv(inputs, outputs), conv(outputs, outputs))


def apply_kernels(
    image: Float[Tensor, "n c h w"], kernels: Float[Tensor, "n k h w"], size: int
) -> Float[Tensor, "n c h w"]:
    """Filter each pixel of `image` with its own kernel of size x size weights, edges repeated."""
    padded = F.pad(image, [size // 2] * 4, mode="replicate")
    if torch.is_grad_enabled():
        result: Tensor = _Applied.apply(padded, kernels, size)
        return result
    return _applied(padded, kernels, size)


def _applied(
    padded: Float[Tensor, "n c h2 w2"], kernels: Float[Tensor, "n k h w"], size: int
) -> Float[Tensor, "n c h w"]:
    total = torch.zeros_like(_moved(padded, 0, size))
    for tap in range(size * size):
        total.addcmul_(_moved(padded, tap, size), kernels[:, tap, None])
    return total


def _moved(padded: Float[Tensor, "n c h2 w2"], tap: int, size: int) -> Float[Tensor, "n c h w"]:
    y, x = divmod(tap, size)
    return padded[:, :, y : y + padded.shape[2] - size + 1, x : x + padded.shape[3] - size + 1]


class _Applied(torch.autograd.Function):
    """Autograd on the sum above would keep, and fill with zeros, a picture for each tap."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, kernels: Tensor, size: int) -> Tensor:
        ctx.save_for_backward(padded, kernels)
        ctx.size = size
        return _applied(padded, kernels, size)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        padded, kernels = ctx.saved_tensors
        kinds = {part.dtype for part in (padded, kernels, gradient)}
        if gradient.device.type == "cpu" and kinds == {torch.float32}:
            from mcdenoise.networks import _fused  # numba takes half a second to import

            return *_fused.applied_back(padded, kernels, ctx.size, gradient), None
        of_padded, of_kernels = torch.zeros_like(padded), torch.empty_like(kernels)
        for tap in range(kernels.shape[1]):
            torch.linalg.vecdot(_moved(padded, tap, ctx.size), gradient, dim=1, out=of_kernels[:, tap])
            _moved(of_padded, tap, ctx.size).addcmul_(gradient, kernels[:, tap, None])
        return of_padded, of_kernels, None


def spread_out(packed: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
    """`F.pixel_shuffle` by 2. Its gradient is gathered in planes, which torch does value by value."""
    if packed.device.type == "cpu" and torch.is_grad_enabled():
        result: Tensor = _SpreadOut.apply(packed)
        return result
    return F.pixel_shuffle(packed, 2)


class _SpreadOut(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, packed: Tensor) -> Tensor:  # noqa: ARG004 - torch's signature
        return F.pixel_shuffle(packed, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004 - the same
        children = gradient.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
        packed: Tensor = children.permute(0, 1, 3, 5, 2, 4).flatten(1, 3)
        return packed


def upsample(
    coarse: Float[Tensor, "n c h w"], weights: Float[Tensor, "n u h w"]
) -> Float[Tensor, "n c h2 w2"]:
    """Twice the size: each of a pixel's four children is its own weighted mean of the 3x3 around the parent.

    `weights` holds 4 x 9 values a pixel, child by child; those of a child sum to 1.
    """
    children = [apply_kernels(coarse, part, 3) for part in weights.chunk(4, dim=1)]
    return F.pixel_shuffle(torch.stack(children, dim=2).flatten(1, 2), 2)


def evened(*predicted: Float[Tensor, "n _ _ _"]) -> tuple[Tensor, ...]:
    """The same tensors; but their gradient, all together, has about the same length for each item.

    One crop's gradient is a thousand times as long as another's, so a batch would be a step for the worst of
    its crops, whatever that one happens to be. Errors are compared frame by frame, as ratios, and so each
    should count alike (docs/decisions/0030).

    Source: gradients clipped for each sample, Abadi et al. 2016, though at the predictions, where a batch
    need not be taken apart; 0.9 is the correlation of the logarithms of both lengths.
    """
    even: tuple[Tensor, ...] = _Evened.apply(*predicted)
    return even


class _Evened(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *predicted: Tensor) -> tuple[Tensor, ...]:  # noqa: ARG004 - torch's signature
        return tuple(part.view_as(part) for part in predicted)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:  # noqa: ARG004 - the same
        lengths = [torch.stack([_length(item) for item in gradient]) for gradient in gradients]
        # A loss is a mean over the batch.
        length = len(lengths[0]) * torch.linalg.vector_norm(torch.stack(lengths), dim=0)
        factor = (length + SHORT).reciprocal()[:, None, None, None]
        return tuple(gradient * factor.to(gradient.dtype) for gradient in gradients)


def _length(item: Tensor) -> Tensor:
    """In float32, without a picture of squares: over all of a batch at once torch takes twice as long."""
    length: Tensor = torch.linalg.vector_norm(item, dtype=torch.float32)
    return length
