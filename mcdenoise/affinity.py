"""Which neighbours belong together: the guides' side of the cross-bilateral filter.

Source: cross-bilateral weights as in Rousselle et al. 2013 and Bitterli et al. 2016 (NFOR).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

# Albedo, normal and nearness, as `encoding.guides` puts them first.
CHANNELS = 7
# Squared differences of albedo, normal and nearness count so much unless a network finds better.
CARE = (30.0, 6.0, 300.0)
# Less strange than that: albedos that differ by 0.1 together, normals by 13 degrees, nearness by 0.03.
KIN = 0.3


def shifted(image: Float[Tensor, "n c h w"], size: int, *, step: int = 1) -> list[Float[Tensor, "n c h w"]]:
    """The picture moved so that each pixel's neighbours come to lie on it, row by row, edges repeated.

    `step` spreads the size x size neighbours, so many pixels from one to the next.
    """
    _, _, h, w = image.shape
    padded = F.pad(image, [size // 2 * step] * 4, mode="replicate")
    places = range(0, size * step, step)
    return [padded[:, :, y : y + h, x : x + w] for y in places for x in places]


def strangeness(
    one: Float[Tensor, "n 7 *s"], other: Float[Tensor, "n 7 *s"], strength: Float[Tensor, "m 3 *t"]
) -> Float[Tensor, "n *s"]:
    """Squared differences of albedo, normal and nearness, each summed and times its strength."""
    squares = (one - other).square()
    albedo, normal, nearness = squares[:, :3].sum(1), squares[:, 3:6].sum(1), squares[:, 6]
    return albedo * strength[:, 0] + normal * strength[:, 1] + nearness * strength[:, 2]


def care(like: Float[Tensor, "n c h w"]) -> Float[Tensor, "1 3 1 1"]:
    """`CARE` on the device and in the type of a picture."""
    return like.new_tensor(CARE)[None, :, None, None]


def smoothed(
    image: Float[Tensor, "n c h w"], guides: Float[Tensor, "n g h w"], size: int
) -> Float[Tensor, "n c h w"]:
    """A plain cross-bilateral filter of size x size pixels, with `CARE`."""
    seen, strength = guides[:, :CHANNELS], care(guides)
    total, weights = torch.zeros_like(image), torch.zeros_like(image[:, :1])
    for pixels, near in zip(shifted(image, size), shifted(seen, size), strict=True):
        weight = torch.exp(-strangeness(near, seen, strength))[:, None]
        total, weights = total + weight * pixels, weights + weight
    return total / weights


def brightest_kin(
    image: Float[Tensor, "n c h w"], guides: Float[Tensor, "n g h w"]
) -> tuple[Float[Tensor, "n 1 h w"], Float[Tensor, "n 1 h w"]]:
    """The largest value of any channel among the pixels around whose guides are nearly the same, and their
    number; out to 8 pixels.

    3x3, and 5x5 in steps of 2 and of 4, so that sparse light isn't missed for want of samples.
    """
    level, seen = image.amax(1, keepdim=True), guides[:, :CHANNELS]
    strength, brightest, count = care(guides), level, torch.zeros_like(level)
    for size, step in ((3, 1), (5, 2), (5, 4)):
        around = zip(shifted(level, size, step=step), shifted(seen, size, step=step), strict=True)
        for value, near in around:
            is_kin = (strangeness(near, seen, strength) < KIN)[:, None]
            brightest = torch.where(is_kin, torch.maximum(brightest, value), brightest)
            count = count + is_kin
    return brightest, count
