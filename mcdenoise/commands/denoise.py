"""`mcdenoise denoise`, the default verb: frames in, denoised frames out, everything but color untouched."""

import argparse
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mcdenoise import __version__, sequence
from mcdenoise.commands import _terminal
from mcdenoise.ensemble import QUALITIES
from mcdenoise.errors import ExrError, McdenoiseError, NoInputError, UsageError, printable
from mcdenoise.frame import PLANES, Frame

if TYPE_CHECKING:
    from mcdenoise.engine import Denoiser
    from mcdenoise.selection import Selection, Wanted

    Read = tuple[Selection, Frame, Mapping[str, str]]

HELP = "denoise frames (the default verb)"
EXAMPLES = """\
examples:
  mcdenoise frame.exr                       writes frame_denoised.exr beside it
  mcdenoise frame.exr -o out.exr --force    names the result, and may overwrite it
  mcdenoise shot.*.exr -o clean/            many frames into a folder: clean/shot_denoised.0001.exr ...
  mcdenoise frame.exr --model mine.safetensors --strength 0.8
  mcdenoise frame.exr --quality high
  mcdenoise frame.exr --inplace --keep-noisy
  mcdenoise frame.exr --albedo diffcol --normal guides.exr::N --aovs key_light,fill_light

Every other channel, part and attribute is written as it was read. Exit codes: 0 all denoised, 1 a frame
or the model failed, 2 wrong use, 3 no such file.
"""


@dataclass(frozen=True)
class Job:
    """One frame to denoise, and where it goes."""

    source: Path
    target: Path
    in_place: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this verb."""
    parser.add_argument("frames", nargs="+", type=Path, metavar="FRAME.exr", help="frames to denoise")
    parser.add_argument("-o", "--output", metavar="FILE|FOLDER", help="where to write (a folder for several)")
    parser.add_argument("--model", default="standard", metavar="NAME|FILE", help="model to use (standard)")
    parser.add_argument(
        "--quality",
        default="standard",
        choices=tuple(QUALITIES),
        help="high: four times the work, from four sides, averaged (standard)",
    )
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"), help="(auto)")
    parser.add_argument(
        "--strength", type=_strength, default=1.0, metavar="0..1", help="0 keeps the input (1)"
    )
    parser.add_argument("--tile", type=_pixels, metavar="PIXELS", help="side of a tile (by memory)")
    for plane in PLANES:
        where = "LAYER" if plane == "color" else "LAYER|FILE.exr::LAYER|none"
        parser.add_argument(f"--{plane}", metavar=where, help=f"layer to take for {plane} (see inspect)")
    parser.add_argument(
        "--aovs",
        default="auto",
        metavar="auto|all|none|NAMES",
        help="parts of the light to denoise alike (auto)",
    )
    parser.add_argument("--keep-noisy", action="store_true", help="add the input as a layer of its own")
    parser.add_argument("--keep-nonfinite", action="store_true", help="put NaN and Inf of the input back")
    parser.add_argument(
        "--compression", type=_compression, metavar="NAME", help="zip, piz, dwaa ... (as it is)"
    )
    parser.add_argument("--inplace", action="store_true", help="replace each frame by its result")
    parser.add_argument("--force", action="store_true", help="overwrite results that exist")
    parser.add_argument("--quiet", action="store_true", help="print errors only")


def run(arguments: argparse.Namespace) -> int:
    """Denoise each frame; one bad frame doesn't stop the rest."""
    if arguments.inplace and arguments.output:
        raise UsageError("--inplace and -o: a frame can't go to two places; give one of them")
    jobs = _in_place(arguments.frames) if arguments.inplace else _jobs(arguments.frames, arguments.output)
    force = arguments.force or arguments.inplace
    failures = {job: _attempt(job.source, partial(_check, job, force=force)) for job in jobs}
    sound = [job for job in jobs if not failures[job]]
    if sound:
        failures.update(_denoise_all(sound, arguments))
    return _exit_code([error for error in failures.values() if error])


def _in_place(frames: Sequence[Path]) -> list[Job]:
    """Each frame as its own target; the file that a link leads to, so that the link stays one."""
    return [Job(frame, Path(os.path.realpath(frame)), in_place=True) for frame in dict.fromkeys(frames)]


def _jobs(frames: Sequence[Path], output: str | None) -> list[Job]:
    """Each frame with its target.

    Raises:
        UsageError: `output` is one file for several frames, or no EXR; or two frames have one target.
    """
    jobs = [Job(frame, _target(frame, output)) for frame in dict.fromkeys(frames)]
    by_target: dict[Path, Path] = {}
    for job in jobs:
        if job.target in by_target:
            both = f"{by_target[job.target]} and {job.source}"
            raise UsageError(
                f"{job.target}: would be the result of {both}; give a folder with -o, or one by one"
            )
        by_target[job.target] = job.source
    return jobs


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


def _attempt(where: Path, work: Callable[[], None]) -> McdenoiseError | None:
    """Do the work for one frame; what goes wrong is reported and returned."""
    try:
        work()
    except McdenoiseError as error:
        _terminal.report(error)
        return error
    except MemoryError:
        full = ExrError(
            f"{where}: needs more memory than there is; close other programs or use a smaller frame"
        )
        _terminal.report(full)
        return full
    return None


def _check(job: Job, *, force: bool) -> None:
    """Refuse what can't end well, before any work.

    Raises:
        NoInputError: there is no such frame.
        UsageError: the frame would overwrite itself.
        ExrError: the target exists already, or can't be written.
    """
    if not job.source.exists():
        raise NoInputError(f"{job.source}: no such file; check the path")
    if job.target.exists():
        if job.target.samefile(job.source) and not job.in_place:
            raise UsageError(
                f"{job.target}: would overwrite its own input; choose another name, or --inplace"
            )
        if job.target.is_dir() or not force:
            what = (
                "is a folder; choose another name" if job.target.is_dir() else "exists; --force overwrites it"
            )
            raise ExrError(f"{job.target}: {what}")
    _check_folder(job.target.parent)


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise ExrError(f"{folder}: no such folder to write to; make it first")
    try:
        tempfile.TemporaryFile(dir=folder).close()  # asking the system for rights says yes to root anywhere
    except OSError as error:
        raise ExrError(f"{folder}: can't be written to: {error.strerror}; choose another folder") from error


def _denoise_all(jobs: Sequence[Job], arguments: argparse.Namespace) -> dict[Job, McdenoiseError | None]:
    """The failures, frame by frame; without a model nothing is possible, so that error isn't caught here."""
    from mcdenoise.selection import Wanted

    planes = {plane: getattr(arguments, plane) for plane in PLANES if getattr(arguments, plane)}
    wanted = Wanted(planes, arguments.aovs)
    with ThreadPoolExecutor(1) as background:  # the first frame decodes while torch is imported
        reads = deque([background.submit(_read, jobs[0].source, wanted).result])
        denoiser = _load(arguments)
    reads += [partial(_read, job.source, wanted) for job in jobs[1:]]
    failures = {}
    for number, job in enumerate(jobs, 1):
        label = f"{job.source.name} ({number}/{len(jobs)})"
        work = partial(_denoise, job, reads.popleft(), denoiser, arguments, label)
        failures[job] = _attempt(job.source, work)
    return failures


def _read(path: Path, wanted: "Wanted") -> "Read":
    from mcdenoise import exr, selection

    chosen = selection.select(exr.read(path), wanted)
    return chosen, *selection.load(chosen)


def _load(arguments: argparse.Namespace) -> "Denoiser":
    from mcdenoise.engine import Denoiser

    looks = QUALITIES[arguments.quality]
    return Denoiser(arguments.model, device=arguments.device, tile=arguments.tile, looks=looks)


def _denoise(
    job: Job, read: Callable[[], "Read"], denoiser: "Denoiser", arguments: argparse.Namespace, label: str
) -> None:
    from mcdenoise import exr, selection

    start = time.perf_counter()
    chosen, noisy, notes = read()
    with _terminal.tile_bar(label, quiet=arguments.quiet) as advance:
        clean = denoiser(noisy, strength=arguments.strength, on_tile=advance)
    planes = {}
    if arguments.strength:
        planes = selection.put_back(chosen, noisy, clean, keep_nonfinite=arguments.keep_nonfinite)
    made_by = {
        "mcdenoise.version": __version__,
        "mcdenoise.model": denoiser.model_name,
        "mcdenoise.quality": arguments.quality,
        "mcdenoise.strength": arguments.strength,
        **selection.told(chosen, clean),
        "mcdenoise.seconds": time.perf_counter() - start,
    }
    kept = {"keep_noisy": arguments.keep_noisy, "compression": arguments.compression}
    exr.write(job.target, chosen.picture, selection.edits(chosen, planes, made_by, **kept))
    if not arguments.quiet:
        _terminal.say(_summary(job, chosen, noisy, notes, time.perf_counter() - start))


def _summary(job: Job, chosen: "Selection", noisy: Frame, notes: Mapping[str, str], seconds: float) -> str:
    """One line: what was written, from which layers, in what time, and what isn't as one might expect."""
    from mcdenoise import conventions, selection

    taken = ", ".join(f"{name} {text}" for name, text in selection.taken(chosen).items())
    parts = [f"{job.source} -> {job.target}: {taken}", f"{seconds:.1f} s"]
    parts += [f"{count} pixels of {what}{'' if what == 'less than 0' else ' replaced'}"
              for what, count in conventions.faults(noisy.color).items()]  # fmt: skip
    parts += [f"{name} {note}" for name, note in notes.items()]
    if chosen.layout.others:
        parts.append(f"not denoised: {', '.join(chosen.layout.others)}")
    return printable("; ".join(parts))


def _exit_code(failures: Sequence[McdenoiseError]) -> int:
    """0 without failures; the failures' own code where they agree; else 1."""
    codes = {error.exit_code for error in failures}
    return codes.pop() if len(codes) == 1 else min(len(codes), 1)


def _strength(text: str) -> float:
    try:
        strength = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} isn't a number") from error
    if not 0 <= strength <= 1:
        raise argparse.ArgumentTypeError(f"{text} isn't from 0 to 1")
    return strength


def _compression(text: str) -> str:
    from mcdenoise.exr import COMPRESSIONS  # numpy and OpenEXR: only for those who ask

    name = {"none": "NO"}.get(text.lower(), text.upper())
    if name not in COMPRESSIONS:
        known = ", ".join("none" if each == "NO" else each.lower() for each in COMPRESSIONS)
        raise argparse.ArgumentTypeError(f"{text!r} isn't one of {known}")
    return name


def _pixels(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} isn't a number of pixels, 1 or more")
    return int(text)
