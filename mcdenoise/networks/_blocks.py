"""Parts that networks share."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mcdenoise import affinity


def conv(inputs: int, outputs: int) -> nn.Sequential:
    """3x3 convolution and a leaky ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.LeakyReLU(0.1, inplace=True))


def convs(inputs: int, outputs: int) -> nn.Sequential:
    """Two of them."""
    return nn.Sequential(conv(inputs, outputs), conv(outputs, outputs))


def neighbours(image: Float[Tensor, "n c h w"], size: int) -> Float[Tensor, "n c k h w"]:
    """Each pixel's size x size neighbourhood, row by row, edges repeated."""
    n, c, h, w = image.shape
    padded = F.pad(image, [size // 2] * 4, mode="replicate")
    return F.unfold(padded, size).reshape(n, c, size * size, h, w)


def apply_kernels(
    image: Float[Tensor, "n c h w"], kernels: Float[Tensor, "n k h w"], size: int
) -> Float[Tensor, "n c h w"]:
    """Filter each pixel of `image` with its own kernel of size x size weights, edges repeated."""
    if torch.is_grad_enabled():
        return (neighbours(image, size) * kernels[:, None]).sum(2)
    total = torch.zeros_like(image)
    for index, moved in enumerate(affinity.shifted(image, size)):
        total.addcmul_(moved, kernels[:, index, None])
    return total


def upsample(
    coarse: Float[Tensor, "n c h w"], weights: Float[Tensor, "n u h w"]
) -> Float[Tensor, "n c h2 w2"]:
    """Twice the size: each of a pixel's four children is its own weighted mean of the 3x3 around the parent.

    `weights` holds 4 x 9 values a pixel, child by child; those of a child sum to 1.
    """
    children = [apply_kernels(coarse, part, 3) for part in weights.chunk(4, dim=1)]
    return F.pixel_shuffle(torch.stack(children, dim=2).flatten(1, 2), 2)
