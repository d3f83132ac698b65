"""What is done with one frame: it is read, denoised and written, each of them apart so that they overlap."""

import argparse
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mcdenoise import __version__
from mcdenoise.commands import _adapt, _halves, _memory, _pipeline, _temporal, _terminal
from mcdenoise.commands._jobs import Job
from mcdenoise.errors import ExrError, McdenoiseError, printable

if TYPE_CHECKING:
    from mcdenoise.adapt import Adapter
    from mcdenoise.engine import Denoiser
    from mcdenoise.frame import Attribute, Frame
    from mcdenoise.halves import Estimate
    from mcdenoise.selection import Selection, Wanted

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Read:
    """A frame in memory, with what is taken of it, notes on its guides, and its other half or its neighbours
    if they have a say."""

    chosen: "Selection"
    frame: "Frame"
    notes: Mapping[str, str]
    seconds: float
    half: "Frame | None" = None
    around: "_temporal.Around | None" = None


@dataclass(frozen=True)
class Worked:
    """A denoised frame, with what its header will say, and its line beyond the usual."""

    read: Read
    clean: "Frame"
    made_by: "Mapping[str, Attribute]"
    seconds: float
    estimate: "Estimate | None" = None
    said: str = ""


@dataclass(frozen=True)
class Written:
    """How a frame ended, what to say of it, and its expected error if it had two halves."""

    status: str
    seconds: float = 0.0
    summary: str = ""
    expected_error: float | None = None


def may_overwrite(arguments: argparse.Namespace) -> bool:
    """Whether results that are there may go."""
    return bool(arguments.force or arguments.inplace)


def is_done(job: Job, arguments: argparse.Namespace) -> bool:
    """With `--skip-existing`, whether the frame's result is there.

    Raises:
        ExrError: something else is there, and may not be replaced.
    """
    if not arguments.skip_existing or not job.target.exists():
        return False
    from mcdenoise.commands import _existing

    return _existing.is_done(job, _wanted(arguments), arguments, may_overwrite=may_overwrite(arguments))


def read(job: Job, arguments: argparse.Namespace) -> Read | None:
    """The frame with what is taken of it; None if another process has done it meanwhile."""
    from mcdenoise import exr, selection

    if is_done(job, arguments):
        return None
    start = time.perf_counter()
    wanted = _wanted(arguments)
    chosen = selection.select(exr.read(job.source), wanted)
    frame, notes = selection.load(chosen)
    half = _halves.read(job, arguments.half, wanted, chosen, frame) if arguments.half else None
    around = None
    if arguments.temporal:
        around, more = _temporal.read(job, wanted, chosen, frame)
        notes = {**notes, **more}
    if arguments.strength == "auto":
        from mcdenoise import noise2self

        noise2self.refuse_shared(f"{job.source}: --strength auto", frame)
    return Read(chosen, frame, notes, time.perf_counter() - start, half, around)


def load(arguments: argparse.Namespace) -> "Denoiser":
    """The model, ready to denoise.

    Raises:
        ModelError: there is no such model, or its file is damaged.
        UsageError: there is no such device, or this model hasn't that quality.
    """
    from mcdenoise import ensemble
    from mcdenoise.engine import Denoiser

    model, looks = ensemble.chosen(arguments.quality, arguments.model)
    return Denoiser(model, device=arguments.device, tile=arguments.tile, looks=looks)


def denoise(
    job: Job,
    read: Read | None,
    *,
    denoiser: "Denoiser",
    arguments: argparse.Namespace,
    adapter: "Adapter | None" = None,
    label: str = "",
    on_tile: Callable[[int, int], None] | None = None,
) -> Worked | None:
    """The network's part, adapted to the frame first if asked for; `label` stands beside the bars of steps
    and of tiles, unless `on_tile` is told of those."""
    from mcdenoise import selection

    if read is None:
        return None
    start = time.perf_counter()
    _memory.keep_for(*read.frame.size)
    estimate, quiet = None, _shows_no_bar(arguments)
    told, said = {}, ""
    if adapter and read.half:
        steps = _adapt.fit(job, adapter, (read.frame, read.half), label, quiet=quiet)
        told, said = {_adapt.STEPS: steps}, _adapt.summary(steps)
    with _terminal.bar(label, quiet=quiet) as bar:
        advance = on_tile or bar
        if read.around:
            clean = _temporal.denoise(read.around, denoiser, arguments.strength)
        elif read.half is None:
            clean = denoiser(read.frame, strength=arguments.strength, on_tile=advance)
        else:
            both = read.frame, read.half
            clean, estimate = _halves.denoise(both, denoiser, strength=arguments.strength, on_tile=advance)
    seconds = read.seconds + time.perf_counter() - start
    made_by = {
        "mcdenoise.version": __version__,
        "mcdenoise.model": denoiser.model_name,
        "mcdenoise.quality": arguments.quality,
        "mcdenoise.strength": arguments.strength,
        **selection.told(read.chosen, clean),
        **(_halves.told(job, arguments.half, estimate) if estimate else {}),
        **(_temporal.told(read.around) if read.around else {}),
        **told,
        "mcdenoise.seconds": seconds,
    }
    kept = replace(read, frame=_without_guides(read.frame), half=None, around=None)
    return Worked(kept, _without_guides(clean), made_by, seconds, estimate, said)


def _without_guides(frame: "Frame") -> "Frame":
    """Their memory is free while the frame is written."""
    return replace(frame, planes={"color": frame.color})


def write(job: Job, worked: Worked | None, arguments: argparse.Namespace) -> Written:
    """Put the result into its file; the status, the seconds that the frame took, and what to say of it."""
    from mcdenoise import exr, selection

    if worked is None:
        return there(job, arguments)
    start = time.perf_counter()
    chosen, noisy, estimate = worked.read.chosen, worked.read.frame, worked.estimate
    planes = {}
    if arguments.strength or estimate:
        planes = selection.put_back(chosen, noisy, worked.clean, keep_nonfinite=arguments.keep_nonfinite)
    kept = {"keep_noisy": arguments.keep_noisy, "compression": arguments.compression}
    if estimate:
        kept["error"] = estimate.error
    exr.write(job.target, chosen.picture, selection.edits(chosen, planes, worked.made_by, **kept))
    seconds = worked.seconds + time.perf_counter() - start
    parts = [_summary(job, chosen, noisy, worked.read.notes, seconds)]
    if selection.CHOSEN in worked.made_by:
        parts.append(f"strength {worked.made_by[selection.CHOSEN]:.2f}")
    if estimate:
        parts.append(_halves.summary(estimate))
    summary = "; ".join(part for part in (*parts, worked.said) if part)
    return Written("denoised", seconds, summary, estimate.mean_error if estimate else None)


def there(job: Job, arguments: argparse.Namespace) -> Written:
    """A frame that is left out, with the error that its header says where that is asked for."""
    from mcdenoise.commands import _existing

    wants = arguments.target_error is not None
    return Written("skipped", expected_error=_existing.expected_error(job) if wants else None)


def explained(job: Job, error: BaseException) -> McdenoiseError:
    """What went wrong with a frame in a line; with `-v` its traceback."""
    log.debug("%s", job.source, exc_info=error)
    if isinstance(error, McdenoiseError):
        return error
    if _pipeline.lacks_memory(error):
        return ExrError(
            f"{job.source}: needs more memory than there is; close other programs or use a smaller frame"
        )
    return McdenoiseError(f"{job.source}: {type(error).__name__}: {error}; please report this file")


def _wanted(arguments: argparse.Namespace) -> "Wanted":
    from mcdenoise.frame import PLANES
    from mcdenoise.selection import Wanted

    planes = {plane: getattr(arguments, plane) for plane in PLANES if getattr(arguments, plane)}
    return Wanted(planes, arguments.aovs)


def _shows_no_bar(arguments: argparse.Namespace) -> bool:
    return bool(arguments.quiet or arguments.progress_format != "auto")


def _summary(job: Job, chosen: "Selection", noisy: "Frame", notes: Mapping[str, str], seconds: float) -> str:
    """One line: what was written, from which layers, in what time, and what isn't as one might expect."""
    from mcdenoise import conventions, selection

    taken = ", ".join(f"{name} {text}" for name, text in selection.taken(chosen).items())
    parts = [f"{job.source} -> {job.target}: {taken}", f"{seconds:.1f} s"]
    parts += [f"{count} pixels of {what}{'' if what == 'less than 0' else ' replaced'}"
              for what, count in conventions.faults(noisy.color).items()]  # fmt: skip
    parts += [f"{name} {note}" for name, note in notes.items()]
    if left := (*chosen.layout.others, *chosen.layout.left):
        parts.append(f"not denoised: {', '.join(left)}")
    return printable("; ".join(parts))
