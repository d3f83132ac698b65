"""What goes through a picture's filter beside it: parts of its light, which still add up to it, and alpha.

Every part is filtered by the same weights, so parts that add up to the noisy picture add up to the filtered
one. Where a network makes something else of the picture (tones averaged, shifts, bounds), every part is
multiplied by the same factor, picture over filtered picture: whatever was linear stays so, and no light
appears where there was none of it (docs/decisions/0012).
"""

from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float

from mcdenoise import encoding
from mcdenoise.frame import Layer, Plane
from mcdenoise.networks._contract import Output, Riders

# Parts that ride with the picture at a time; each beyond takes another run of the network.
SEATS = 8
# Filtered radiance below this, exposed, is black: there the picture is what the filter makes of it.
BLACK = 1e-6
# A pixel of alpha stays within what is around it: holdouts and solid things stay what they are.
AROUND = 5


def groups(layers: Mapping[str, Layer]) -> Iterator[list[str]]:
    """The names of parts that ride together."""
    names = iter(layers)
    while group := list(islice(names, SEATS)):
        yield group


def riders(color: Plane, layers: list[Layer], scale: float) -> Riders:
    """The exposed picture and its parts (h w 3), and shares (h w 1), as a batch of one."""
    height, width = color.shape[:2]
    light = [plane * np.float32(scale) for plane in (color, *layers) if plane.shape[2] == 3]
    shares = [plane for plane in layers if plane.shape[2] == 1] or [np.empty((height, width, 0), np.float32)]
    return Riders(*(encoding.tensor(np.concatenate(planes, axis=2)) for planes in (light, shares)))


def named(layers: Mapping[str, Layer], output: Output, scale: float) -> dict[str, Layer]:
    """The color and the layers in what a network made of `riders`, parts made to add up to the color."""
    assert output.carried is not None
    lights = [name for name, plane in layers.items() if plane.shape[2] == 3]
    shares = [name for name in layers if name not in lights]
    plain, parts, mixed = output.carried.split([3, 3 * len(lights), len(shares)], dim=1)
    lit = plain > BLACK
    factor = torch.where(lit, output.estimate / plain, 1)
    found = {"color": encoding.decode(torch.where(lit, output.estimate, plain), scale)}
    for number, name in enumerate(lights):
        found[name] = encoding.decode(parts[:, 3 * number : 3 * number + 3] * factor, scale)
    for number, name in enumerate(shares):
        found[name] = encoding.decode(mixed[:, number : number + 1], 1.0)
    return found


def held(noisy: Plane, filtered: Plane) -> Plane:
    """A share within the least and the most of the pixels around it in the input."""
    share = noisy[..., 0]
    least, most = -_most_around(-share), _most_around(share)
    return np.asarray(np.clip(filtered, least[..., None], most[..., None]))


def is_empty(planes: list[Layer]) -> Bool[np.ndarray, "h w"]:
    """Where nothing is in any of the planes, nor near: held out, or beside what was rendered."""
    something = np.logical_or.reduce([(plane != 0).any(axis=2) for plane in planes])
    return np.asarray(_most_around(something.astype(np.float32)) == 0)


def _most_around(plane: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """By torch, which is there anyway: scipy's filters take long to import."""
    given = torch.from_numpy(np.ascontiguousarray(plane))[None]
    found: np.ndarray = F.max_pool2d(given, AROUND, stride=1, padding=AROUND // 2)[0].numpy()
    return found
