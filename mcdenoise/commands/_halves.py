"""The other half of a frame: where it is read, and what is made of both."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from mcdenoise.commands._jobs import Job
from mcdenoise.errors import FrameError

if TYPE_CHECKING:
    from mcdenoise.engine import Denoiser
    from mcdenoise.frame import Attribute, Frame
    from mcdenoise.halves import Estimate
    from mcdenoise.selection import Selection, Wanted

HALF, ERROR = "mcdenoise.half", "mcdenoise.error"


def read(job: Job, half: str, wanted: "Wanted", chosen: "Selection", frame: "Frame") -> "Frame":
    """The other half of `frame`, from its own file or from the layer `half` of the same one.

    Raises:
        NoInputError, ExrError: its file can't be read.
        FrameError: it isn't another render of the same frame (see `halves.refuse_unlike`).
    """
    from mcdenoise import exr, halves, selection

    name = str(job.half) if job.half else f"{job.source}: layer {half!r}"
    if job.half:
        other = selection.select(exr.read(job.half), wanted)
    else:
        other = selection.select(chosen.picture, replace(wanted, planes={**wanted.planes, "color": half}))
    if other.window != chosen.window:
        raise FrameError(
            f"{name}: its data window is {other.window}, the first half's {chosen.window}; render both alike"
        )
    second, _ = selection.load(other)
    halves.refuse_unlike(name, frame, second)
    return second


def denoise(
    both: "tuple[Frame, Frame]",
    denoiser: "Denoiser",
    *,
    strength: float,
    on_tile: "Callable[[int, int], None]",
) -> "tuple[Frame, Estimate]":
    """The best mix of both halves, denoised and noisy, and how wrong it is; see `halves.merge`."""
    from mcdenoise import halves

    first = denoiser(both[0], on_tile=lambda done, parts: on_tile(done, 2 * parts))
    second = denoiser(both[1], on_tile=lambda done, parts: on_tile(parts + done, 2 * parts))
    return halves.merge(both, (first, second), strength=strength)


def told(job: Job, half: str, estimate: "Estimate") -> "Mapping[str, Attribute]":
    """What the header says of them."""
    return {HALF: named(job, half), ERROR: estimate.mean_error}


def named(job: Job, half: str) -> str:
    """The other half's file without its folder, or its layer."""
    return job.half.name if job.half else half


def summary(estimate: "Estimate") -> str:
    """In a few words."""
    return (
        f"expected error {estimate.mean_error:.3g}, {float(estimate.weight.mean()):.0%} from the noisy mean"
    )
