"""`mcdenoise denoise`, the default verb: frames in, denoised frames out, everything but color untouched."""

import argparse
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from mcdenoise.commands import _adapt, _elsewhere, _imports, _jobs, _pipeline, _progress, _stages, _terminal
from mcdenoise.commands._jobs import Job
from mcdenoise.commands._report import Outcome, Report
from mcdenoise.errors import McdenoiseError, UsageError, printable

HELP = "denoise frames (the default verb)"
EXAMPLES = """\
examples:
  mcdenoise frame.exr                       writes frame_denoised.exr beside it
  mcdenoise frame.exr -o out.exr --force    names the result, and may overwrite it
  mcdenoise shot.*.exr -o clean/            many frames into a folder: clean/shot_denoised.0001.exr ...
  mcdenoise shot.####.exr --frames 1-1000x2 -o out.####.exr --skip-existing
  mcdenoise frame.exr --model mine.safetensors --strength 0.8
  mcdenoise frame.exr --quality high   (or fast)
  mcdenoise beauty.a.exr --half beauty.b.exr --target-error 0.01
  mcdenoise shot.####.exr --temporal -o clean/
  mcdenoise beauty.a.exr --half beauty.b.exr --adapt 300
  mcdenoise frame.exr --inplace --keep-noisy
  mcdenoise frame.exr --albedo diffcol --normal guides.exr::N --aovs key_light,fill_light

Every other channel, part and attribute is written as it was read. Exit codes: 0 all denoised, 1 some frames
or the model failed, 2 wrong use, 3 no such file, 4 all denoised and some above --target-error, 130 and 143
stopped by a signal.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this verb."""
    from mcdenoise.ensemble import QUALITIES
    from mcdenoise.frame import PLANES

    parser.add_argument("frames", nargs="+", type=Path, metavar="FRAME.exr",
                        help="frames to denoise; shot.####.exr (or %%04d, $F4) for a sequence")  # fmt: skip
    parser.add_argument(
        "-o", "--output", metavar="FILE|FOLDER", help="where to write (a folder or out.####.exr for several)"
    )
    _add_sequence_arguments(parser)
    parser.add_argument("--model", default="standard", metavar="NAME|FILE", help="model to use (standard)")
    parser.add_argument(
        "--quality",
        default="standard",
        choices=tuple(QUALITIES),
        help="fast: a smaller model; high: four times the work, from four sides, averaged (standard)",
    )
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"), help="(auto)")
    parser.add_argument(
        "--strength",
        type=_strength,
        default=1.0,
        metavar="0..1|auto",
        help="0 keeps the input; auto: told from the frame's noise (1)",
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
    parser.add_argument(
        "--half",
        metavar="FILE.exr|LAYER",
        help="the same frame with another seed: denoise both, say the error",
    )
    parser.add_argument(
        "--target-error", type=_error, metavar="X", help="exit code 4 if a frame's expected error is above X"
    )
    parser.add_argument(
        "--temporal",
        action="store_true",
        help="let the frames before and after vote, moved by motion vectors or by camera and depth",
    )
    parser.add_argument(
        "--adapt",
        nargs="?",
        type=_adapt.seconds,
        const=math.inf,
        metavar="SECONDS",
        help="with --half: fine-tune the model on the frame first, for so long at most",
    )
    parser.add_argument("--keep-noisy", action="store_true", help="add the input as a layer of its own")
    parser.add_argument("--keep-nonfinite", action="store_true", help="put NaN and Inf of the input back")
    parser.add_argument(
        "--compression", type=_compression, metavar="NAME", help="zip, piz, dwaa ... (as it is)"
    )
    parser.add_argument("--inplace", action="store_true", help="replace each frame by its result")
    parser.add_argument("--force", action="store_true", help="overwrite results that exist")
    parser.add_argument("--quiet", action="store_true", help="print errors only")


def _add_sequence_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags for many frames."""
    parser.add_argument(
        "--frames",
        dest="numbers",
        metavar="RANGES",
        help="numbers for ####: 1-1000x2,1500 (all that are there)",
    )
    parser.add_argument(
        "--skip-existing",
        action="store_true",
        help="leave out frames whose result is there, whole, and made alike; --force remakes others",
    )
    parser.add_argument("--chunk-size", type=_positive, metavar="N", help="frames in a task of an array job")
    parser.add_argument("--chunk-index", type=_index, metavar="I", help="which task this is, from 0")
    parser.add_argument(
        "--workers",
        type=_positive,
        default=1,
        metavar="N",
        help="processes on this machine, a frame each at a time (1)",
    )
    parser.add_argument(
        "--cluster",
        default="",
        metavar="ADDRESS",
        help="a Dask cluster in place of them: tcp://HOST:8786, tls://HOST:8786 or scheduler.json; "
        "its machines see the frames under the same names",
    )
    parser.add_argument(
        "--progress-format", default="auto", choices=tuple(_progress.FORMATS), help="for whom (auto)"
    )
    parser.add_argument("--report", type=Path, metavar="FILE.json", help="write what became of each frame")


def run(arguments: argparse.Namespace) -> int:
    """Denoise each frame; one bad frame doesn't stop the rest."""
    if arguments.target_error is not None and not arguments.half:
        raise UsageError("--target-error: the error is known from two halves only; give --half too")
    if arguments.strength == "auto" and arguments.half:
        raise UsageError("--strength auto: two halves tell the best mix pixel by pixel; leave it out")
    _adapt.refuse_misuse(arguments)
    jobs = _jobs.plan(arguments)
    report = Report(jobs)
    with _kept(report, arguments):
        missing = _jobs.missing(jobs)
        _tell_missing(jobs, missing, arguments)
        for job, error in missing.items():
            _end(Outcome.failed(job, error, status="missing"), report, arguments)
        todo = _checked([job for job in jobs if job not in missing], report, arguments)
        if todo:
            _denoise_all(todo, report, arguments)
    _tell_failures(report)
    return report.exit_code


@contextmanager
def _kept(report: Report, arguments: argparse.Namespace) -> Iterator[None]:
    """Write the report when all is over, however it ends; and before, so that what can't be is told early."""
    if not arguments.report:
        yield
        return
    report.write(arguments.report, arguments)
    try:
        yield
    finally:
        report.write(arguments.report, arguments)


def _tell_missing(
    jobs: Sequence[Job], missing: Mapping[Job, McdenoiseError], arguments: argparse.Namespace
) -> None:
    """The frames of a sequence that aren't there in one line, others one by one; before any work."""
    for job, error in missing.items():
        if not job.pattern:
            _terminal.report(error)
    numbered = [job for job in missing if job.pattern]
    if numbered:
        lacking = f"{len(numbered)} of {len(jobs)} frames aren't there"
        _terminal.complain(f"{lacking}: {_jobs.in_words(numbered)}; render them first")
    if arguments.numbers is None and (gaps := _jobs.gaps(jobs)):
        _terminal.complain(f"between those frames there is no {gaps}")


def _tell_failures(report: Report) -> None:
    """At the end of many lines, once more which frames failed."""
    failed = [outcome.job for outcome in report.failures]
    if failed and len(report.jobs) > 1:
        _terminal.complain(f"{len(failed)} of {len(report.jobs)} frames failed: {_jobs.in_words(failed)}")


def _checked(jobs: Sequence[Job], report: Report, arguments: argparse.Namespace) -> list[Job]:
    """The jobs that can and need be done; how the others ended goes into the report."""
    unwritable = _jobs.unwritable(jobs)
    todo = []
    for job in jobs:
        try:
            if fault := unwritable.get(job.target.parent):
                raise fault
            _jobs.check(job, may_overwrite=_stages.may_overwrite(arguments) or arguments.skip_existing)
            if _stages.is_done(job, arguments):
                _end(_outcome(job, _stages.there(job, arguments), arguments), report, arguments)
            else:
                todo.append(job)
        except McdenoiseError as error:
            _end(Outcome.failed(job, _stages.explained(job, error)), report, arguments)
    return todo


def _end(outcome: Outcome, report: Report, arguments: argparse.Namespace, summary: str = "") -> None:
    """Note how a frame ended, and tell it in the words that were asked for."""
    report.outcomes[outcome.job] = outcome
    _tell_end(outcome, arguments, summary)
    _progress.say(arguments.progress_format, outcome, len(report.outcomes), len(report.jobs))


def _tell_end(outcome: Outcome, arguments: argparse.Namespace, summary: str) -> None:
    if outcome.error and outcome.status != "missing":
        _terminal.complain(outcome.error)
    elif outcome.status == "skipped":
        summary = f"{printable(str(outcome.job.target))}: is there already"
    if summary and not arguments.quiet and arguments.progress_format != "json":
        _terminal.say(summary)


def _denoise_all(jobs: Sequence[Job], report: Report, arguments: argparse.Namespace) -> None:
    """All jobs; without a model nothing is possible, so that error isn't caught here."""

    def ended(job: Job, done: "Future[_stages.Written]") -> None:
        error = done.exception()
        if error:
            _end(Outcome.failed(job, _stages.explained(job, error)), report, arguments)
            return
        written = done.result()
        _end(_outcome(job, written, arguments), report, arguments, written.summary)

    if arguments.workers > 1 or arguments.cluster:
        _elsewhere.run(jobs, arguments, ended)
        return

    def start() -> "Callable[[Job, _stages.Read | None], _stages.Worked | None]":
        with _imports.uncollected():
            denoiser = _stages.load(arguments)
        adapter = _adapt.adapter(denoiser, arguments)

        def denoise(job: Job, read: "_stages.Read | None") -> "_stages.Worked | None":
            label = f"{job.source.name} ({len(report.outcomes) + 1}/{len(report.jobs)})"
            return _stages.denoise(
                job, read, denoiser=denoiser, adapter=adapter, label=label, arguments=arguments
            )

        return denoise

    stages = _pipeline.Stages(
        read=partial(_stages.read, arguments=arguments),
        start=start,
        write=partial(_stages.write, arguments=arguments),
    )
    _pipeline.run(jobs, stages, ended)


def _outcome(job: Job, written: "_stages.Written", arguments: argparse.Namespace) -> Outcome:
    error, target = written.expected_error, arguments.target_error
    needs = error is not None and target is not None and error > target
    return Outcome(job, written.status, written.seconds, expected_error=error, needs_samples=needs)


def _error(text: str) -> float:
    try:
        error = float(text)
    except ValueError as cause:
        raise argparse.ArgumentTypeError(f"{text!r} isn't a number") from cause
    if not error > 0:
        raise argparse.ArgumentTypeError(f"{text} isn't above 0")
    return error


def _strength(text: str) -> float | str:
    if text == "auto":
        return text
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


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} isn't a whole number, 1 or more")
    return int(text)


def _index(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} isn't a whole number, 0 or more")
    return int(text)
