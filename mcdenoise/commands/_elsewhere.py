"""Frames on other processes or machines: a task a frame, the model loaded once in each process."""

import argparse
import functools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mcdenoise import __version__, cluster
from mcdenoise.commands import _jobs, _stages
from mcdenoise.commands._jobs import Job
from mcdenoise.commands._stages import Written
from mcdenoise.errors import McdenoiseError, UsageError

if TYPE_CHECKING:
    from mcdenoise.engine import Denoiser

# A worker of several threads reads one frame while it denoises another; two at once would share the cores.
_denoising = threading.Lock()


@dataclass(frozen=True)
class _Unfit:
    """What a worker says that can't do any frame."""

    error: McdenoiseError


def run(
    jobs: Sequence[Job], arguments: argparse.Namespace, ended: Callable[[Job, "Future[Written]"], None]
) -> None:
    """Do all jobs; `ended` is told what came of each, in any order. All machines see the same files.

    Raises:
        ModelError: there is no such model, or its file is damaged.
        UsageError: no such device, no scheduler, or a worker of another version.
        McdenoiseError: the scheduler died.
    """
    sent = _sent_along(arguments)
    tasks = [(_absolute(job), sent, __version__) for job in jobs]
    for number, told in cluster.run(_do, tasks, workers=arguments.workers, address=arguments.cluster):
        if isinstance(told, _Unfit):
            raise told.error
        done: Future[Written] = Future()
        if isinstance(told, str):
            told = McdenoiseError(f"{jobs[number].source}: its worker died or failed: {told}")
        if isinstance(told, McdenoiseError):
            done.set_exception(told)
        else:
            done.set_result(told)
        ended(jobs[number], done)


def _sent_along(arguments: argparse.Namespace) -> argparse.Namespace:
    """The flags as they mean the same anywhere; a worker prints nothing."""
    from mcdenoise.frame import PLANES

    files = {name: getattr(arguments, name) for name in ("model", *PLANES) if getattr(arguments, name)}
    found = {name: _jobs.found_anywhere(value) for name, value in files.items()}
    return argparse.Namespace(**{**vars(arguments), **found, "quiet": True})


def _absolute(job: Job) -> Job:
    half, pattern = job.half and job.half.absolute(), job.pattern and str(Path(job.pattern).absolute())
    source, target = job.source.absolute(), job.target.absolute()
    return replace(job, source=source, target=target, half=half, pattern=pattern)


def _do(job: Job, arguments: argparse.Namespace, version: str) -> Written | McdenoiseError | _Unfit:
    """In a worker: one frame from its file into its file."""
    if version != __version__:
        mixed = f"--cluster: a worker has mcdenoise {__version__}, this is {version}"
        return _Unfit(UsageError(f"{mixed}; install one version on all machines"))
    try:
        denoiser = _engine(
            arguments.model, arguments.device, arguments.tile, arguments.quality, _changed(arguments.model)
        )
    except McdenoiseError as error:
        return _Unfit(error)
    try:
        read = _stages.read(job, arguments)
        with _denoising:
            denoiser.use_threads(cluster.threads())
            worked = _stages.denoise(job, read, denoiser=denoiser, label="", arguments=arguments)
        return _stages.write(job, worked, arguments)
    except Exception as error:  # whatever it is, it's of this frame and goes back
        return _stages.explained(job, error)


@functools.lru_cache(maxsize=1)
def _engine(model: str, device: str, tile: int | None, quality: str, _: int) -> "Denoiser":
    return _stages.load(argparse.Namespace(model=model, device=device, tile=tile, quality=quality))


def _changed(model: str) -> int:
    """When the model's file was; a worker outlives many of them."""
    path = Path(model)
    return path.stat().st_mtime_ns if path.is_file() else 0
