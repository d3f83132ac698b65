"""Whether a result that is there already is the one that would be written: for `--skip-existing`."""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mcdenoise import __version__, exr, selection
from mcdenoise.commands import _adapt, _halves, _temporal
from mcdenoise.commands._jobs import Job
from mcdenoise.errors import ExrError, McdenoiseError
from mcdenoise.exr import Picture
from mcdenoise.frame import Attribute
from mcdenoise.selection import Selection, Wanted


def is_done(job: Job, wanted: Wanted, arguments: argparse.Namespace, *, may_overwrite: bool) -> bool:
    """Whether the frame can be skipped. Its header and its table of blocks are read, no pixels.

    Raises:
        ExrError: something else is there, and may not be replaced.
    """
    if not job.target.exists():
        return False
    different = _difference(job, wanted, arguments)
    if different and not may_overwrite:
        raise ExrError(f"{job.target}: exists and {different}; --force makes it again")
    return not different


def expected_error(job: Job) -> float | None:
    """What the header of a result says of its expected error."""
    there = exr.read(job.target)
    values = (part.head.values.get(_halves.ERROR) for part in there.parts)
    return next((float(value) for value in values if isinstance(value, float)), None)


def _difference(job: Job, wanted: Wanted, arguments: argparse.Namespace) -> str:
    """What sets the target apart from the result that would be written; empty if nothing does."""
    try:
        there = exr.read(job.target)
    except McdenoiseError as error:
        return f"is no whole frame ({str(error).removeprefix(f'{job.target}: ')})"
    chosen = selection.select(exr.read(job.source), wanted)
    if arguments.half and (told := _halves.named(job, arguments.half)) != _header(there, chosen).get(
        _halves.HALF
    ):
        return f"wasn't made with the half {told}"
    if arguments.temporal != (_temporal.TEMPORAL in _header(there, chosen)):
        return f"was made with{'out' if arguments.temporal else ''} --temporal"
    if (arguments.adapt is None) == (_adapt.STEPS in _header(there, chosen)):
        return "was made with --adapt" if arguments.adapt is None else "was made without --adapt"
    if job.in_place:
        return _difference_in_place(chosen, arguments)
    return (
        _changed_since(
            job.target, [*_sources(chosen), *_model_file(arguments.model), *_other(job, arguments)]
        )
        or _other_making(there, chosen, arguments)
        or _other_channels(there, chosen, arguments)
    )


def _difference_in_place(chosen: Selection, arguments: argparse.Namespace) -> str:
    """A frame that was denoised in another way can't be undone.

    Raises:
        ExrError: it was.
    """
    different = _other_making(chosen.picture, chosen, arguments)
    if different and "mcdenoise.version" in _header(chosen.picture, chosen):
        raise ExrError(f"{chosen.picture.path}: is denoised already, and {different}; render it again")
    return different


def _sources(chosen: Selection) -> list[Path]:
    return [chosen.picture.path, *(other.path for other, _ in chosen.elsewhere.values())]


def _other(job: Job, arguments: argparse.Namespace) -> list[Path]:
    around = _temporal.neighbours(job).values() if arguments.temporal else ()
    return [*around, *([job.half] if job.half else [])]


def _model_file(model: str) -> list[Path]:
    """The file of a model that isn't a shipped one; those change with the version only."""
    return [path for path in [Path(model)] if path.is_file()]


def _changed_since(target: Path, sources: list[Path]) -> str:
    written = target.stat().st_mtime_ns
    newer = [path for path in sources if path.stat().st_mtime_ns > written]
    return f"is older than {newer[0]}" if newer else ""


def _other_making(there: Picture, chosen: Selection, arguments: argparse.Namespace) -> str:
    """The first of the notes in the header that would be another one now."""
    found = _header(there, chosen)
    layers = "; ".join(f"{name}: {text}" for name, text in selection.taken(chosen).items())
    now: dict[str, Attribute] = {
        "mcdenoise.version": __version__,
        "mcdenoise.model": Path(arguments.model).stem,
        "mcdenoise.quality": arguments.quality,
        "mcdenoise.strength": "auto"
        if arguments.strength == "auto"
        else float(np.float32(arguments.strength)),
        "mcdenoise.layers": layers,
    }
    for name, value in now.items():
        if name not in found:
            return f"has no {name} in its header"
        if found[name] != value:
            return f"has {name} {found[name]!r} where it would be {value!r}"
    return ""


def _header(picture: Picture, chosen: Selection) -> Mapping[str, Attribute]:
    """The attributes of the color's part."""
    color = chosen.layout.planes["color"].part
    return picture.parts[color].head.values if color < len(picture.parts) else {}


def _other_channels(there: Picture, chosen: Selection, arguments: argparse.Namespace) -> str:
    """Parts, windows, channels and compression are the frame's own, but for what flags add."""
    before = chosen.picture
    if [(part.name, part.window) for part in before.parts] != [
        (part.name, part.window) for part in there.parts
    ]:
        return f"has other parts or windows than {before.path}"
    for old, new in zip(before.parts, there.parts, strict=True):
        added = new.types.keys() - old.types.keys() - {selection.ERROR}
        is_color = old.index == chosen.layout.planes["color"].part
        if not old.types.items() <= new.types.items() or bool(added) != (arguments.keep_noisy and is_color):
            return f"has other channels than {before.path} would give"
        if not new.unread and new.compression != (arguments.compression or old.compression):
            return f"is packed as {new.compression.lower()}"
    return ""
