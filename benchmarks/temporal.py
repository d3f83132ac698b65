"""What `--temporal` does to error and flicker, on animated shots with references.

    python -m benchmarks.temporal shots/bathroom shots/room --out runs/temporal

A shot is a folder of noisy.####.exr and clean.####.exr, as `benchmarks.shot_mitsuba` and
`benchmarks.shot_blender` write them. *relMSE*: geometric means over the frames, and the worst frame's ratio.
*Difference*: of a frame and the one before it, moved by the references' motion, where their guides agree; the
mean of absolute values, as displayed (0..1). *Flicker*: the same of what is wrong, the result less its
reference, so that what the reference does itself is none. Writes flicker.png into `--out`: of frame 2.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from benchmarks import pictures
from mcdenoise import encoding, exr, metrics, selection, sequence, temporal
from mcdenoise.__main__ import main as mcdenoise
from mcdenoise.commands import _temporal
from mcdenoise.errors import McdenoiseError
from mcdenoise.frame import Frame, Plane
from mcdenoise.selection import Selection, Wanted
from mcdenoise.temporal import Motion

RESULTS = {"denoised": (), "--temporal": ("--temporal",)}
# Guides that agree so far are of one surface.
AGREE = 0.7
# Times as bright as it is, so that flicker is seen.
SHOWN = 8


@dataclass(frozen=True)
class Shot:
    """References and results by frame, and the motion from each reference to the one before."""

    name: str
    clean: dict[int, Frame]
    results: dict[str, dict[int, Plane]]
    motion: dict[int, Motion]


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.temporal", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("shots", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=Path("runs/temporal"), metavar="FOLDER")
    parser.add_argument("--model", default="standard", metavar="NAME|FILE")
    arguments = parser.parse_args()
    try:
        shots = [load(folder, arguments.out / folder.name, arguments.model) for folder in arguments.shots]
    except McdenoiseError as error:
        print(f"benchmarks.temporal: {error}", file=sys.stderr)
        return error.exit_code
    for shot in shots:
        draw(shot, arguments.out / shot.name / "flicker.png")
    print(as_markdown(shots))
    return 0


def load(folder: Path, out: Path, model: str) -> Shot:
    """Denoise a shot both ways into folders of `out`, and read all of it.

    Raises:
        McdenoiseError: a frame can't be read or denoised.
    """
    results = {
        name: _denoised(folder, out / name.strip("-"), model, flags) for name, flags in RESULTS.items()
    }
    clean: dict[int, tuple[Selection, Frame]] = {}
    for number in results["denoised"]:
        chosen = selection.select(exr.read(folder / f"clean.{number:04}.exr"), Wanted())
        clean[number] = chosen, selection.load(chosen)[0]
    motion = {
        number: _temporal.motion(chosen, clean[number - 1][0], frame, -1)
        for number, (chosen, frame) in clean.items()
        if number - 1 in clean
    }
    return Shot(folder.name, {number: frame for number, (_, frame) in clean.items()}, results, motion)


def _denoised(folder: Path, out: Path, model: str, flags: tuple[str, ...]) -> dict[int, Plane]:
    numbers = sequence.on_disk(folder / "noisy.####.exr")
    out.mkdir(parents=True, exist_ok=True)
    words = [str(folder / "noisy.####.exr"), "-o", str(out / "noisy.####.exr"), "--model", model, "--force"]
    if mcdenoise([*words, *flags, "--quiet"]):
        raise McdenoiseError(f"{folder}: can't be denoised; what is wrong is said above")
    return {number: exr.read_frame(out / f"noisy.{number:04}.exr").color for number in numbers}


def relmse(shot: Shot, name: str) -> dict[int, float]:
    """By frame."""
    return {
        number: metrics.relmse(color, shot.clean[number].color)
        for number, color in shot.results[name].items()
    }


def difference(shot: Shot, colors: dict[int, Plane], less: dict[int, Plane] | None, number: int) -> Plane:
    """What a frame, as displayed, has that the one before hadn't; `less` is taken off both. 0 where what is
    seen was hidden before."""
    exposure = metrics.exposure_for(shot.clean[number].color)
    shown = []
    for one in (number, number - 1):
        display = metrics.tone_map(colors[one], exposure)
        shown.append(display - metrics.tone_map(less[one], exposure) if less else display)
    at = temporal.places(shot.motion[number])
    return np.where(_agreed(shot, number), shown[0] - _moved(shown[1], at), np.float32(0))


def _moved(plane: Plane, at: Tensor) -> Plane:
    return encoding.decode(temporal.moved(encoding.tensor(plane), at), 1.0)


def _agreed(shot: Shot, number: int) -> np.ndarray:
    now, before = shot.clean[number], shot.clean[number - 1]
    middle = encoding.middle_depth(now.planes["depth"])
    guides = [encoding.tensor(encoding.guides(frame.planes, frame.size, middle)) for frame in (now, before)]
    at = temporal.places(shot.motion[number])
    agreed = temporal.agreement(temporal.moved(guides[1], at), guides[0]) * temporal.inside(at)
    return np.asarray((agreed > AGREE)[0, 0].numpy()[..., None])


def flicker(shot: Shot, colors: dict[int, Plane], less: dict[int, Plane] | None = None) -> float:
    """The mean difference of all frames, of pixels that could be seen before."""
    total = sum(float(np.abs(difference(shot, colors, less, number)).mean(2).sum()) for number in shot.motion)
    return total / sum(int(_agreed(shot, number).sum()) for number in shot.motion)


def as_markdown(shots: list[Shot]) -> str:
    """A row per shot and way, with the reference's own difference."""
    lines = ["| shot | | relMSE | worst frame | difference | flicker |", "|---|---|---|---|---|---|"]
    for shot in shots:
        clean = {number: frame.color for number, frame in shot.clean.items()}
        before = relmse(shot, "denoised")
        for name, colors in shot.results.items():
            errors = relmse(shot, name)
            worst = max(errors[number] / before[number] for number in errors)
            mean = metrics.geometric_mean(errors.values())
            measured = flicker(shot, colors), flicker(shot, colors, clean)
            lines.append(f"| {shot.name} | {name} | {mean:.4f} | {worst:.2f} | "
                         f"{measured[0]:.4f} | {measured[1]:.4f} |")  # fmt: skip
        lines.append(f"| {shot.name} | reference | | | {flicker(shot, clean):.4f} | |")
    return "\n".join(lines)


def draw(shot: Shot, path: Path) -> None:
    """The second frame, and below it what flickers."""
    clean = {number: frame.color for number, frame in shot.clean.items()}
    number = min(shot.motion)
    exposure = metrics.exposure_for(clean[number])
    columns = []
    for name, colors in {**shot.results, "reference": clean}.items():
        changed = np.abs(difference(shot, colors, clean, number)) * SHOWN
        columns.append((name, [metrics.tone_map(colors[number], exposure), np.minimum(changed, 1)]))
    pictures.sheet(columns, shot.clean[number].size).save(path)


if __name__ == "__main__":
    sys.exit(main())
