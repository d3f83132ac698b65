"""Light that a filter took from fireflies, given back to all that is noisy, over the whole frame."""

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from mcdenoise import affinity
from mcdenoise.encoding import tone_map
from mcdenoise.frame import Frame, Plane, strips

# How far two rows of neighbours reach: noise is told from 5x5 pixels.
AROUND = 2
# So much of an exposed pixel counts, 8 stops over the middle: one firefly more is no other light.
MOST = 50.0
# No pixel becomes more times brighter or darker.
BOUND = 1.5
# The share of its noise that a pixel gets on average, at least, when all that is missing is given back.
LEAST = 1 / 3
# All channels alike.
LEVEL = np.full(3, 1 / 3, np.float32)


def give_back(noisy: Plane, clean: Frame, exposure: float) -> None:
    """Scale color and parts of the light of `clean`, in place, so that it has as much light as `noisy`.

    What hardly changed was clean and stays; the others share what is missing, each as much of its own as
    the next. Light comes and goes with the noise of the whole frame's mean, not of a pixel's
    (docs/decisions/0027, 0035). `exposure` brings the frame's middle to 0.18.
    """
    shares, sums = np.empty(clean.size, np.float32), np.zeros(3)
    for rows in strips(*clean.size):
        before, after, share = _seen(noisy, clean.color, exposure, rows)
        shares[rows] = share
        sums += [float(part.sum(dtype=np.float64)) for part in (before, after, after * share)]
    light, kept, taking = sums / shares.size
    kept = max(kept, 1e-9)
    gain = (light / kept - 1) / max(taking / kept, LEAST)
    factor = 1 + np.float32(min(max(gain, 1 / BOUND - 1), BOUND - 1)) * shares[..., None]
    for plane in (clean.color, *(plane for plane in clean.layers.values() if plane.shape[2] == 3)):
        for rows in strips(*clean.size):
            plane[rows] *= factor[rows]


def relit(noisy: Float[Tensor, "n 3 h w"], clean: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """What `give_back` makes of exposed pictures, each by itself; to learn through: what light a network
    takes from the whole is no error, what it takes from a place is (docs/decisions/0029)."""
    before, after = (picture.mean(1, keepdim=True) for picture in (noisy, clean))
    with torch.no_grad():
        noise = affinity.box((tone_map(before) - tone_map(after)).square())
        shares = noise / (noise + affinity.CLEAN)
    given, left = before.clamp(0, MOST), after.clamp(0, MOST)
    light, kept, taking = (level.mean((1, 2, 3), keepdim=True) for level in (given, left, left * shares))
    kept = kept.clamp(min=1e-9)
    gain = (light / kept - 1) / (taking / kept).clamp(min=LEAST)
    return clean * (1 + gain.clamp(1 / BOUND - 1, BOUND - 1) * shares)


def _seen(noisy: Plane, clean: Plane, exposure: float, rows: slice) -> tuple[Float32[np.ndarray, "_ w"], ...]:
    """Of some rows: both levels, exposed, as far as they count; and the share of pixels in what is missing, 0
    where little changed, to 1: by the squared difference of tones, averaged over the pixels around."""
    seen = slice(max(rows.start - AROUND, 0), rows.stop + AROUND)
    before, after = (
        torch.from_numpy(plane[seen] @ (LEVEL * np.float32(exposure))) for plane in (noisy, clean)
    )
    noise = affinity.box((tone_map(before) - tone_map(after)).square()[None, None])[0, 0]
    own = slice(rows.start - seen.start, rows.stop - seen.start)
    return tuple(
        part[own].numpy()
        for part in (before.clamp(0, MOST), after.clamp(0, MOST), noise / (noise + affinity.CLEAN))
    )
