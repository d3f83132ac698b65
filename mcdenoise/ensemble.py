"""Geometric self-ensemble: one frame, turned and mirrored, denoised in each orientation and averaged.

A network isn't the same from all sides; the mean of what it makes of them has less of its own errors. Sums of
layers stay sums, and the mean stays where it was.

Source: Timofte et al. 2016, "Seven Ways to Improve Example-Based Single Image Super Resolution", section 3.5;
the name is from Lim et al. 2017, EDSR.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mcdenoise.errors import UsageError
from mcdenoise.frame import Frame


class Quality(NamedTuple):
    """A size of the shipped model, and in how many orientations it looks at the frame: so many times the
    work."""

    model: str
    looks: int


SHIPPED = "standard"
QUALITIES = {"fast": Quality("fast", 1), "standard": Quality(SHIPPED, 1), "high": Quality(SHIPPED, 4)}
# Quarter turns, and whether mirrored first. Rows stay rows in the first four.
ORIENTATIONS = ((0, False), (0, True), (2, False), (2, True), (1, False), (1, True), (3, False), (3, True))

Progress = Callable[[int, int], None]


def chosen(quality: str, model: str) -> Quality:
    """The size and the looks of a quality with this model, a name or a file; only the shipped one has sizes.

    Raises:
        UsageError: another model is to be fast.
    """
    wanted = QUALITIES[quality]
    if model == SHIPPED:
        return wanted
    if wanted.model != SHIPPED and wanted.model != model:
        raise UsageError(
            f"--quality {quality}: {model} has one size; leave --quality out, or leave --model out"
        )
    return wanted._replace(model=model)


def average(
    denoise: Callable[[Frame, Progress | None], Frame], frame: Frame, looks: int, progress: Progress | None
) -> Frame:
    """What `denoise` makes of the frame in the first `looks` orientations, each turned back, on average.

    `progress` is told of the parts done and of how many there are in all.
    """
    if looks == 1:
        return denoise(frame, progress)
    total = _each(denoise(frame, _shifted(progress, 0, looks)), np.copy)
    for number, how in enumerate(ORIENTATIONS[1:looks], 1):
        _add(total, _turned_back(denoise(_turned(frame, *how), _shifted(progress, number, looks)), *how))
    for plane in (total.color, *total.layers.values()):
        plane /= np.float32(looks)
    return total


def _turned(frame: Frame, turns: int, is_mirrored: bool) -> Frame:
    return _each(frame, lambda plane: np.rot90(plane[:, ::-1] if is_mirrored else plane, turns))


def _turned_back(frame: Frame, turns: int, is_mirrored: bool) -> Frame:
    return _each(
        frame, lambda plane: np.rot90(plane, -turns)[:, ::-1] if is_mirrored else np.rot90(plane, -turns)
    )


def _each(frame: Frame, change: Callable[[np.ndarray], np.ndarray]) -> Frame:
    """Planes and layers alike. Normals needn't turn: networks learn from any basis."""
    planes, layers = (
        {name: change(plane) for name, plane in parts.items()} for parts in (frame.planes, frame.layers)
    )
    return Frame(planes, frame.attributes, layers)


def _add(total: Frame, other: Frame) -> None:
    total.color[:] += other.color
    for name, plane in total.layers.items():
        plane += other.layers[name]


def _shifted(progress: Progress | None, number: int, looks: int) -> Progress | None:
    if not progress:
        return None
    return lambda done, parts: progress(number * parts + done, looks * parts)
