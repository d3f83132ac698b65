"""File names of sequences: the frame number stays last, where compositing programs look for it."""

import re
from pathlib import Path

# A frame number is set off by a dot or an underscore: `shot.0001`, `shot_0001`, `shot.-005`. The fileseq
# library also takes the digits of `render_v003` and `frame2` for one, which would tear those names apart.
_NUMBERED = re.compile(r"(?P<name>.+?)(?P<number>[._]-?\d+)")


def denoised_path(path: Path) -> Path:
    """Where the denoised `path` goes: `a.exr` -> `a_denoised.exr`, `a.0001.exr` -> `a_denoised.0001.exr`."""
    match = _NUMBERED.fullmatch(path.stem)
    name, number = (match["name"], match["number"]) if match else (path.stem, "")
    return path.with_name(f"{name}_denoised{number}{path.suffix}")
