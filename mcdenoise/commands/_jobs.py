"""Which frames a command line means, where each one's result goes, and what forbids it beforehand."""

import argparse
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mcdenoise import sequence
from mcdenoise.errors import ExrError, McdenoiseError, NoInputError, UsageError


@dataclass(frozen=True)
class Job:
    """One frame to denoise, and where it goes; of a sequence, its pattern and number too.

    `half` is the other half's file, where there are two.
    """

    source: Path
    target: Path
    in_place: bool = False
    pattern: str = ""
    number: int = 0
    half: Path | None = None


def plan(arguments: argparse.Namespace) -> list[Job]:
    """What is asked for, in order, each frame once; a chunk of it with `--chunk-index`.

    Raises:
        UsageError: flags contradict each other, or two frames have one target.
        NoInputError: a pattern without `--frames` matches no file.
    """
    if arguments.inplace and arguments.output:
        raise UsageError("--inplace and -o: a frame can't go to two places; give one of them")
    patterns = [path for path in arguments.frames if _is_pattern(path)]
    numbers = None if arguments.numbers is None else sequence.frames(arguments.numbers)
    if numbers and not patterns:
        raise UsageError(
            f"--frames {arguments.numbers}: no place for them in {arguments.frames[0]}; write shot.####.exr"
        )
    if patterns and numbers is None and arguments.chunk_index is not None:
        raise UsageError("--chunk-index: needs --frames, so that all tasks cut the same frames into chunks")
    found = [
        job for path in dict.fromkeys(arguments.frames) for job in _named(path, numbers, arguments.output)
    ]
    if arguments.temporal:
        _refuse_temporal(found, arguments)
    if arguments.half and is_file(arguments.half):
        found = [_with_half(job, Path(arguments.half), len(arguments.frames)) for job in found]
    if arguments.inplace:
        found = [_in_place(job) for job in found]
    _refuse_shared_targets(found)
    return found[_chunk(arguments.chunk_size, arguments.chunk_index, len(found))]


def _refuse_temporal(jobs: Sequence[Job], arguments: argparse.Namespace) -> None:
    for flag in ("half", "inplace"):
        if getattr(arguments, flag):
            raise UsageError(f"--temporal and --{flag}: don't go together; leave one of them out")
    if not all(job.pattern for job in jobs):
        raise UsageError(f"--temporal: is for sequences, not for {jobs[0].source}; write shot.####.exr")


def missing(jobs: Sequence[Job]) -> dict[Job, McdenoiseError]:
    """The frames that aren't there."""
    found: dict[Job, McdenoiseError] = {}
    for job in jobs:
        try:
            _require(job.source)
            if job.half:
                _require(job.half)
        except NoInputError as error:
            found[job] = error
    return found


def _require(source: Path) -> None:
    if not source.exists():
        raise NoInputError(f"{source}: no such file; check the path")


def in_words(jobs: Sequence[Job]) -> str:
    """Frames by name, those of a sequence together: `shot.####.exr 1-3,7, other.exr`."""
    numbers: dict[str, list[int]] = {}
    for job in jobs:
        numbers.setdefault(job.pattern or str(job.source), []).append(job.number)
    alone = {str(job.source) for job in jobs if not job.pattern}
    return ", ".join(
        name if name in alone else f"{name} {sequence.ranged(of_it)}" for name, of_it in numbers.items()
    )


def gaps(jobs: Sequence[Job]) -> str:
    """What lies between the frames of sequences and isn't among them, in words; else nothing."""
    numbers: dict[str, list[int]] = {}
    for job in jobs:
        if job.pattern:
            numbers.setdefault(job.pattern, []).append(job.number)
    lacking = {pattern: sequence.gaps(of_it) for pattern, of_it in numbers.items()}
    return ", ".join(f"{pattern} {lack}" for pattern, lack in lacking.items() if lack)


def found_anywhere(value: str) -> str:
    """A file's absolute path, and `FILE.exr::LAYER` with one; else the value."""
    path, mark, layer = value.partition("::")
    return f"{Path(path).absolute()}{mark}{layer}" if Path(path).is_file() else value


def check(job: Job, *, may_overwrite: bool) -> None:
    """Refuse what can't end well, before any work.

    Raises:
        UsageError: the frame would overwrite itself.
        ExrError: the target exists already and may not be replaced.
    """
    if not job.target.exists():
        return
    if job.half and job.half.exists() and job.target.samefile(job.half):
        raise UsageError(f"{job.target}: would overwrite the other half; choose another name")
    if job.target.samefile(job.source) and not job.in_place:
        raise UsageError(f"{job.target}: would overwrite its own input; choose another name, or --inplace")
    if job.target.is_dir():
        raise ExrError(f"{job.target}: is a folder; choose another name")
    if not may_overwrite:
        raise ExrError(f"{job.target}: exists; --force overwrites it")


def unwritable(jobs: Sequence[Job]) -> Mapping[Path, McdenoiseError]:
    """The folders of the targets that nothing can be written to; each is tried once."""
    faults = {folder: _fault(folder) for folder in {job.target.parent for job in jobs}}
    return {folder: fault for folder, fault in faults.items() if fault}


def _fault(folder: Path) -> ExrError | None:
    if not folder.is_dir():
        return ExrError(f"{folder}: no such folder to write to; make it first")
    try:
        tempfile.TemporaryFile(dir=folder).close()  # asking the system for rights says yes to root anywhere
    except OSError as error:
        return ExrError(f"{folder}: can't be written to: {error.strerror}; choose another folder")
    return None


def _is_pattern(path: Path) -> bool:
    return not os.path.lexists(path) and sequence.is_pattern(path)


def _named(path: Path, numbers: Sequence[int] | None, output: str | None) -> list[Job]:
    """The jobs that one word of the command line means.

    Raises:
        UsageError: `output` has a place for a number and the frame has none, or is neither folder nor EXR.
        NoInputError: the pattern matches no file.
    """
    if _is_pattern(path):
        wanted = sequence.on_disk(path) if numbers is None else numbers
        return [_numbered(path, number, output) for number in wanted]
    if output and _is_pattern(Path(output)):
        raise UsageError(f"-o {output}: a place for a number, and none in {path}; write shot.####.exr")
    return [Job(path, _target(path, output))]


def _numbered(pattern: Path, number: int, output: str | None) -> Job:
    source = sequence.framed(pattern, number)
    into_pattern = output and _is_pattern(Path(output))
    target = sequence.framed(output, number) if output and into_pattern else _target(source, output)
    return Job(source, target, pattern=str(pattern), number=number)


def is_file(half: str) -> bool:
    """Whether what `--half` names is a file or a sequence, else it is a layer of the frame."""
    return half.lower().endswith(".exr")


def _with_half(job: Job, half: Path, frames: int) -> Job:
    """The job with the file of its other half.

    Raises:
        UsageError: there are several frames for it, or it is the frame itself.
    """
    if frames > 1:
        raise UsageError(f"--half {half}: is for one frame or one sequence; give {frames} frames one by one")
    if _is_pattern(half) != bool(job.pattern):
        raise UsageError(f"--half {half}: frame and half are both files, or both sequences (shot.b.####.exr)")
    path = sequence.framed(half, job.number) if job.pattern else half
    if path.absolute() == job.source.absolute() or (
        path.exists() and job.source.exists() and path.samefile(job.source)
    ):
        raise UsageError(f"--half {path}: is the frame itself; give the render of it with another seed")
    return replace(job, half=path)


def _target(frame: Path, output: str | None) -> Path:
    denoised = sequence.denoised_path(frame)
    if output is None:
        return denoised
    if output.endswith(("/", os.sep)) or Path(output).is_dir():
        return Path(output) / denoised.name
    if Path(output).suffix.lower() != ".exr":
        raise UsageError(
            f"-o {output}: neither a folder that exists nor a name ending in .exr; give one of them"
        )
    return Path(output)


def _in_place(job: Job) -> Job:
    """The frame as its own target; the file that a link leads to, so that the link stays one."""
    return replace(job, target=Path(os.path.realpath(job.source)), in_place=True)


def _refuse_shared_targets(jobs: Sequence[Job]) -> None:
    by_target: dict[Path, Path] = {}
    for job in jobs:
        other = by_target.setdefault(job.target, job.source)
        if other != job.source:
            both = f"{other} and {job.source}"
            raise UsageError(
                f"{job.target}: would be the result of {both}; give a folder with -o, or one by one"
            )


def _chunk(size: int | None, index: int | None, count: int) -> slice:
    """Which of `count` frames are this task's.

    Raises:
        UsageError: one of the two is missing, or there is no such chunk.
    """
    if size is None and index is None:
        return slice(None)
    if size is None or index is None:
        raise UsageError("--chunk-size and --chunk-index: neither means anything alone; give both")
    chunks = -(-count // size)
    if index >= chunks:
        raise UsageError(
            f"--chunk-index {index}: {count} frames are {chunks} chunks of {size}, 0 to {chunks - 1}"
        )
    return slice(index * size, (index + 1) * size)
