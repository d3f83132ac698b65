"""Which neighbours belong together: the distances of the cross-bilateral filter.

Source: cross-bilateral weights as in Rousselle et al. 2013 and Bitterli et al. 2016 (NFOR).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

# Albedo, normal and nearness, as `encoding.guides` puts them first.
CHANNELS = 7
# Squared differences of albedo, normal, nearness and tone count so much unless a network finds better.
CARE = (60.0, 12.0, 600.0, 30.0)

# Less strange than that: albedos that differ by 0.1 together, normals by 13 degrees, nearness by 0.03.
KIN = 0.6
# Where kin are sought: 3x3, and 5x5 in steps of 2 and of 4, so that sparse light isn't missed.
WINDOWS = ((3, 1), (5, 2), (5, 4))


def shifted(image: Float[Tensor, "n c h w"], size: int, *, step: int = 1) -> list[Float[Tensor, "n c h w"]]:
    """The picture moved so that each pixel's neighbours come to lie on it, row by row, edges repeated.

    `step` spreads the size x size neighbours, so many pixels from one to the next.
    """
    _, _, h, w = image.shape
    padded = F.pad(image, [size // 2 * step] * 4, mode="replicate")
    places = range(0, size * step, step)
    return [padded[:, :, y : y + h, x : x + w] for y in places for x in places]


def strangeness(
    one: Float[Tensor, "n f *s"], other: Float[Tensor, "n f *s"], strength: Float[Tensor, "m 4 *t"]
) -> Float[Tensor, "n *s"]:
    """Squared differences of albedo, normal, nearness, and of tone where there are ten channels, each summed
    and times its strength."""
    squares = (one - other).square()
    albedo, normal, nearness = squares[:, :3].sum(1), squares[:, 3:6].sum(1), squares[:, 6]
    of_guides = albedo * strength[:, 0] + normal * strength[:, 1] + nearness * strength[:, 2]
    return of_guides + squares[:, CHANNELS:].sum(1) * strength[:, 3] if one.shape[1] > CHANNELS else of_guides


def care(like: Float[Tensor, "n c h w"]) -> Float[Tensor, "1 4 1 1"]:
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
    level: Float[Tensor, "n 1 h w"], guides: Float[Tensor, "n g h w"]
) -> Float[Tensor, "n 1 h w"]:
    """The largest level among the pixels around whose guides are nearly the same, out to 8 pixels."""
    seen, strength, brightest = guides[:, :CHANNELS], care(guides), level
    for size, step in WINDOWS:
        around = zip(shifted(level, size, step=step), shifted(seen, size, step=step), strict=True)
        for value, near in around:
            is_kin = (strangeness(near, seen, strength) < KIN)[:, None]
            brightest = torch.where(is_kin, torch.maximum(brightest, value), brightest)
    return brightest


def variance_among_kin(
    color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]
) -> tuple[Float[Tensor, "n 1 h w"], Float[Tensor, "n 1 h w"]]:
    """The relative variance of radiance, mean over the channels, among the kin within 5x5 pixels, and their
    number, the pixel itself among them."""
    seen, strength = guides[:, :CHANNELS], care(guides)
    count, total, squares = torch.zeros_like(color[:, :1]), torch.zeros_like(color), torch.zeros_like(color)
    for value, near in zip(shifted(color, 5), shifted(seen, 5), strict=True):
        is_kin = (strangeness(near, seen, strength) < KIN)[:, None].to(color.dtype)
        count, total, squares = count + is_kin, total + is_kin * value, squares + is_kin * value * value
    mean = total / count
    variance = (squares / count - mean.square()).clamp(min=0) / (mean + 0.01).square()
    return variance.mean(1, keepdim=True), count
