"""`--adapt`: how long a model learns from each frame before it denoises it."""

import argparse
import math
from typing import TYPE_CHECKING

from mcdenoise.commands import _terminal
from mcdenoise.errors import FrameError, UsageError

if TYPE_CHECKING:
    from mcdenoise.adapt import Adapter
    from mcdenoise.commands._jobs import Job
    from mcdenoise.engine import Denoiser
    from mcdenoise.frame import Frame

STEPS = "mcdenoise.adapted"


def refuse_misuse(arguments: argparse.Namespace) -> None:
    """Refuse what can't be done, before any work.

    Raises:
        UsageError: there is no second half to learn from, or several processes would share the frames.
    """
    if arguments.adapt is None:
        return
    if not arguments.half:
        raise UsageError(
            "--adapt: one render alone can't tell whether it helps; give another seed's with --half"
        )
    if arguments.workers > 1 or arguments.cluster:
        raise UsageError(
            "--adapt: goes on from frame to frame in one process; leave out --workers and --cluster, "
            "or share out frames with --chunk-size"
        )


def adapter(denoiser: "Denoiser", arguments: argparse.Namespace) -> "Adapter | None":
    """For all frames of a run; None without `--adapt`."""
    if arguments.adapt is None:
        return None
    from mcdenoise.adapt import Adapter

    return Adapter(denoiser, arguments.adapt)


def fit(job: "Job", adapter: "Adapter", both: "tuple[Frame, Frame]", label: str, *, quiet: bool) -> int:
    """Adapt to a frame behind a bar of steps; after how many of them its weights were taken.

    Raises:
        FrameError: the frame is too small.
    """
    with _terminal.bar(f"{label}: adapting", unit="step", quiet=quiet) as advance:
        try:
            return adapter.fit(both, on_step=advance)
        except FrameError as error:
            raise FrameError(f"{job.source}: {error}") from error


def summary(steps: int) -> str:
    """In a few words."""
    return f"adapted in {steps} steps" if steps else "not adapted: nothing did better on the tiles held out"


def seconds(text: str) -> float:
    """What stands after `--adapt`."""
    try:
        found = float(text)
    except ValueError as cause:
        what = "frames go before --adapt" if text.lower().endswith(".exr") else "isn't a number of seconds"
        raise argparse.ArgumentTypeError(f"{text!r}: {what}") from cause
    if not 0 < found <= math.inf:
        raise argparse.ArgumentTypeError(f"{text} isn't above 0")
    return found
