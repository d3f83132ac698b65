"""Light that a filter took from fireflies, given back to all that is noisy, over the whole frame."""

from collections.abc import Iterator

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
# All light together becomes so many times brighter or darker at most.
BOUND = 1.5
# All channels alike.
LEVEL = np.full(3, 1 / 3, np.float32)


def give_back(noisy: Plane, clean: Frame, exposure: float) -> None:
    """Scale color and parts of the light of `clean`, in place, so that it has about as much light as `noisy`.

    What hardly changed was clean and stays; the others share what is missing, each as much of its own as
    the next. Light comes and goes with the noise of the whole frame's mean, not of a pixel's
    (docs/decisions/0027). `exposure` brings the frame's middle to 0.18.
    """
    ratio = _light(noisy, exposure) / max(_light(clean.color, exposure), 1e-9)
    gain = min(max(ratio, 1 / BOUND), BOUND) - 1
    colors = [clean.color, *(plane for plane in clean.layers.values() if plane.shape[2] == 3)]
    # A strip is scaled once the next one has looked at it.
    waiting: list[tuple[slice, np.ndarray]] = []
    for rows, noise in _noise(noisy, clean.color, exposure):
        waiting.append((rows, 1 + np.float32(gain) * noise / (noise + np.float32(affinity.CLEAN))))
        if len(waiting) > 1:
            _scale(colors, *waiting.pop(0))
    for rows, factor in waiting:
        _scale(colors, rows, factor)


def relit(noisy: Float[Tensor, "n 3 h w"], clean: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """What `give_back` makes of exposed pictures, each by itself; to learn through: what light a network
    takes from the whole is no error, what it takes from a place is (docs/decisions/0029)."""
    before, after = (picture.mean(1, keepdim=True) for picture in (noisy, clean))
    with torch.no_grad():
        noise = affinity.box((tone_map(before) - tone_map(after)).square())
    light, left = (level.clamp(0, MOST).mean((1, 2, 3), keepdim=True) for level in (before, after))
    gain = (light / left.clamp(min=1e-9)).clamp(1 / BOUND, BOUND) - 1
    return clean * (1 + gain * noise / (noise + affinity.CLEAN))


def _light(color: Plane, exposure: float) -> float:
    """The mean of all pixels, exposed."""
    levels = (color[rows] @ (LEVEL * np.float32(exposure)) for rows in strips(*color.shape[:2]))
    return sum(float(level.clip(0, MOST).sum(dtype=np.float64)) for level in levels) / color[..., 0].size


def _noise(noisy: Plane, clean: Plane, exposure: float) -> Iterator[tuple[slice, Float32[np.ndarray, "_ w"]]]:
    """Strips of rows, and the squared difference of tones there, averaged over the pixels around."""
    for rows in strips(*noisy.shape[:2]):
        seen = slice(max(rows.start - AROUND, 0), rows.stop + AROUND)
        one, other = (
            tone_map(torch.from_numpy(plane[seen] @ (LEVEL * np.float32(exposure))))
            for plane in (noisy, clean)
        )
        around = affinity.box((one - other).square()[None, None])[0, 0].numpy()
        yield rows, around[rows.start - seen.start :][: rows.stop - rows.start]


def _scale(colors: list[Plane], rows: slice, factor: Float32[np.ndarray, "_ w"]) -> None:
    for plane in colors:
        plane[rows] *= factor[..., None]
