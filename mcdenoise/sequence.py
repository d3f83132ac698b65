"""Sequences: which frames there are of `shot.####.exr`, and the names of what comes out.

fileseq brings a parser that takes longer to import than the rest of `--help`: it is imported on first use.
"""

import functools
import itertools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mcdenoise.errors import NoInputError, UsageError

if TYPE_CHECKING:
    from fileseq.filesequence import FileSequence

# A frame number is set off by a dot or an underscore: `shot.0001`, `shot_0001`, `shot.-005`. The fileseq
# library also takes the digits of `render_v003` and `frame2` for one, which would tear those names apart.
_NUMBERED = re.compile(r"(?P<name>.+?)(?P<number>[._]-?\d+)")


def denoised_path(path: Path) -> Path:
    """Where the denoised `path` goes: `a.exr` -> `a_denoised.exr`, `a.0001.exr` -> `a_denoised.0001.exr`."""
    match = _NUMBERED.fullmatch(path.stem)
    name, number = (match["name"], match["number"]) if match else (path.stem, "")
    return path.with_name(f"{name}_denoised{number}{path.suffix}")


def is_pattern(path: str | Path) -> bool:
    """Whether the name has a place for the frame number: `####`, `%04d`, `@@@@`, `$F4`."""
    return _parsed(path) is not None


def framed(pattern: str | Path, number: int) -> Path:
    """The file of one frame: `shot.####.exr` and 7 give `shot.0007.exr`."""
    parsed = _parsed(pattern)
    assert parsed is not None, f"{pattern}: no pattern"
    return Path(parsed.frame(number))


def frames(text: str) -> list[int]:
    """The numbers of `1-1000x2,1500`, in that order, each once.

    Raises:
        UsageError: it can't be read, or has a `:`, which is a step to some and a stagger to others.
    """
    from fileseq.frameset import FrameSet

    if ":" in text:
        raise UsageError(
            f"--frames {text}: ':' is a step in OpenJD and in OpenCue and Fileseq a stagger, which takes "
            "every frame; write x for steps: 1-20x3"
        )
    try:
        found = [frame for frame in FrameSet(text) if isinstance(frame, int)]
    except ValueError as error:  # what fileseq raises are such errors; its message is a regular expression
        raise UsageError(f"--frames {text}: can't be read; write ranges such as 1-100x2,150") from error
    if not found or "." in text:
        raise UsageError(f"--frames {text}: no whole numbers; write ranges such as 1-100x2,150")
    return found


def on_disk(pattern: str | Path) -> list[int]:
    """The numbers of the frames that are there, ascending.

    Raises:
        NoInputError: there is none.
    """
    from fileseq.constants import PAD_STYLE_HASH1 as HASH
    from fileseq.exceptions import FileSeqException
    from fileseq.filesequence import FileSequence

    try:
        found = FileSequence.findSequenceOnDisk(
            str(pattern), strictPadding=True, pad_style=HASH, allow_subframes=False
        )
    except (FileSeqException, OSError) as error:
        raise NoInputError(f"{pattern}: no such frames; check the path and the number of digits") from error
    return sorted(int(frame) for frame in found.frameSet() or ())


def ranged(numbers: Iterable[int]) -> str:
    """Numbers as people write them: `1-3,5,9-13x2`."""
    from fileseq.frameset import FrameSet

    return str(FrameSet.framesToFrameRange(sorted(set(numbers))))


def gaps(numbers: Iterable[int]) -> str:
    """What lies between numbers of one step: `1-5,7-9` lacks `6`; `1-9x2` lacks nothing."""
    there = sorted(set(numbers))
    steps = [after - before for before, after in itertools.pairwise(there)]
    step = min(steps, default=1)
    missing = set(range(there[0], there[-1] + 1, step)) - set(there) if there else set()
    return ranged(missing) if missing else ""


@functools.cache  # asked for each of ten thousand frames
def _parsed(path: str | Path) -> "FileSequence | None":
    """The name as a pattern, or None; digits that stand where a number could are no pattern.

    One digit for each #, as Nuke and Blender count them; the library's own default is four.
    """
    from fileseq.constants import PAD_STYLE_HASH1 as HASH
    from fileseq.filesequence import FileSequence

    try:
        parsed = FileSequence(str(path), pad_style=HASH, allow_subframes=False)
    except ValueError:
        return None
    return parsed if parsed.padding() and not parsed.frameRange() and parsed.extension() else None
