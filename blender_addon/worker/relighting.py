# SPDX-License-Identifier: GPL-3.0-or-later
"""Light that the filter took from fireflies, given back to all that is noisy, over the whole frame.

`mcdenoise.relighting` in numpy, since Blender has no torch; a test holds the two together.
"""

import numpy as np

MOST = 50.0
BOUND = 1.5
LEAST = 1 / 3
CLEAN = np.float32(1e-4)


def give_back(noisy: np.ndarray, clean: np.ndarray, scale: float) -> np.ndarray:
    """`clean` with as much light as `noisy`, planes h w 3: what hardly changed stays, the others share what
    is missing. `scale` is `encoding.exposure`."""
    before, after = (plane.mean(2) * np.float32(scale) for plane in (noisy, clean))
    noise = _box((_tone(before) - _tone(after)) ** 2)
    shares = noise / (noise + CLEAN)
    left = max(_light(after), 1e-9)
    share = float((np.clip(after, 0, MOST) * shares).mean(dtype=float)) / left
    gain = (_light(before) / left - 1) / max(share, LEAST)
    return clean * (1 + np.float32(min(max(gain, 1 / BOUND - 1), BOUND - 1)) * shares)[..., None]


def _light(level: np.ndarray) -> float:
    return float(np.clip(level, 0, MOST).mean(dtype=float))


def _tone(level: np.ndarray) -> np.ndarray:
    return np.log1p(100 * np.maximum(level, 0)) / 5


def _box(level: np.ndarray) -> np.ndarray:
    """The mean over 5x5 pixels, of those that there are."""
    return _sums(level) / _sums(np.ones_like(level))


def _sums(level: np.ndarray) -> np.ndarray:
    for axis in (0, 1):
        around = np.pad(level, [(2, 2) if side == axis else (0, 0) for side in (0, 1)])
        views = np.lib.stride_tricks.sliding_window_view(around, 5, axis)
        level = views.sum(-1, dtype=np.float32)
    return level
