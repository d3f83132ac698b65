"""`--temporal`: what the frames before and after a frame of a sequence have to say of it."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mcdenoise import sequence
from mcdenoise.commands._jobs import Job
from mcdenoise.errors import FrameError, McdenoiseError

if TYPE_CHECKING:
    from mcdenoise.engine import Denoiser
    from mcdenoise.frame import Attribute, Frame
    from mcdenoise.selection import Selection, Wanted
    from mcdenoise.temporal import Motion

TEMPORAL = "mcdenoise.temporal"


@dataclass(frozen=True)
class Noisy:
    """A frame of the sequence; its file's time and the layers that were asked for tell it from others of its
    name."""

    path: Path
    changed: int
    layers: str
    frame: "Frame" = field(compare=False)


@dataclass(frozen=True)
class Around:
    """A frame with those before and after, and where in each of them its surfaces are."""

    now: Noisy
    others: "tuple[tuple[Noisy, Motion], ...]"


def neighbours(job: Job) -> dict[int, Path]:
    """The files of the frames before (-1) and after (1) that there are."""
    named = {step: sequence.framed(job.pattern, job.number + step) for step in (-1, 1)}
    return {step: path for step, path in named.items() if path.exists()}


def read(job: Job, wanted: "Wanted", chosen: "Selection", frame: "Frame") -> tuple[Around, Mapping[str, str]]:
    """The frames around, and notes on those that can't be used.

    Raises:
        FrameError: the file doesn't say what moves where.
    """
    from mcdenoise import exr, selection

    others, notes = [], {}
    for step, path in neighbours(job).items():
        try:
            other = selection.select(exr.read(path), wanted)
            there, _ = selection.load(other)
        except McdenoiseError as error:
            notes[f"frame {job.number + step}"] = f"left out: {error}"
            continue
        if there.size == frame.size and there.layers.keys() == frame.layers.keys():
            others.append((_noisy(path, wanted, there), motion(chosen, other, frame, step)))
        else:
            notes[f"frame {job.number + step}"] = "left out: it has another size or other layers"
    if others and not any(moved.any() for _, moved in others):
        notes["motion"] = (
            "0 everywhere: nothing moves, or Cycles rendered motion blur, which leaves Vector empty"
        )
    return Around(_noisy(job.source, wanted, frame), tuple(others)), notes


def denoise(around: Around, denoiser: "Denoiser", strength: float) -> "Frame":
    """The denoised frame after its neighbours' vote; see `temporal.vote`."""
    from mcdenoise.temporal import Moment, vote

    def moment(noisy: Noisy) -> Moment:
        return Moment(noisy.frame, _denoised(noisy, denoiser, strength))

    return vote(moment(around.now), [(moment(noisy), moved) for noisy, moved in around.others])


def told(around: Around) -> "Mapping[str, Attribute]":
    """What the header says: the files that had a vote."""
    return {TEMPORAL: ", ".join(noisy.path.name for noisy, _ in around.others) or "none"}


def motion(chosen: "Selection", other: "Selection", frame: "Frame", step: int) -> "Motion":
    """From Cycles' pass Vector beside the color, or from depth and both cameras.

    Raises:
        FrameError: there is neither.
    """
    from mcdenoise import exr, temporal
    from mcdenoise.layouts import Taken

    picture, color = chosen.picture, chosen.layout.planes["color"]
    layer = ".".join((*color.group.split(".")[:-1], "Vector"))
    channels = tuple(f"{layer}.{axis}" for axis in "XYZW")
    for part in picture.parts:
        if not part.unread and part.types.keys() >= set(channels):
            vector = exr.planes(picture, {layer: Taken(part.index, channels, layer, "")}, chosen.window)
            return temporal.vector_motion(vector[layer])[step]
    head, its = (one.picture.parts[one.layout.planes["color"].part].head for one in (chosen, other))
    here, there = head.matrix("worldToNDC"), its.matrix("worldToNDC")
    if not (here and there and "depth" in frame.planes):
        raise FrameError(
            f"{picture.path}: doesn't say what moves where: no layer {layer}, nor depth and, in all headers, "
            "worldToNDC; render motion vectors (in Cycles the pass Vector)"
        )
    x0, y0, x1, y1 = head.display_window
    corner = chosen.window[0] - x0, chosen.window[1] - y0
    return temporal.camera_motion(frame.planes["depth"], here, there, corner, (x1 - x0 + 1, y1 - y0 + 1))


@functools.lru_cache(maxsize=3)  # the frame after is the next one, and then the one before
def _denoised(noisy: Noisy, denoiser: "Denoiser", strength: float) -> "Frame":
    return denoiser(noisy.frame, strength=strength)


def _noisy(path: Path, wanted: "Wanted", frame: "Frame") -> Noisy:
    return Noisy(path, path.stat().st_mtime_ns, repr(wanted), frame)
