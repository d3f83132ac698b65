"""Renders a short shot for `benchmarks.adapt --shot`: a camera that walks past what a Mitsuba scene shows.

    python -m benchmarks.adapt_shot bathroom/scene_m3.xml -o shots/bathroom

A view a frame, each as two noisy halves and two of its reference. Goes on where it was stopped.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.shot_mitsuba import walk
from benchmarks.validation import REFERENCE_SPP
from mcdenoise import exr
from mcdenoise.errors import McdenoiseError
from mcdenoise.frame import Attribute
from renderers.backends._contract import Shot
from renderers.backends.mitsuba import MitsubaScene

# A step to the right, as a share of the distance to what is ahead.
STEP = 0.01


def main() -> int:
    """The command line."""
    arguments = _arguments()
    width, height = map(int, arguments.size.split("x"))
    arguments.output.mkdir(parents=True, exist_ok=True)
    try:
        scene = MitsubaScene.from_file(arguments.scene)
        for view, _ in enumerate(walk(scene, arguments.frames, step=STEP)):
            for number, spp in enumerate((arguments.spp, REFERENCE_SPP)):
                for letter, seed in (("a", 0), ("b", 1)):
                    shot = Shot(spp, 4 * view + 2 * number + seed, "box", width, height)
                    _render(scene, view, shot, arguments.output, letter)
    except McdenoiseError as error:
        print(f"benchmarks.adapt_shot: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _render(scene: MitsubaScene, view: int, shot: Shot, folder: Path, letter: str) -> None:
    path = folder / f"{scene.name}.v{view:03d}.{shot.spp}spp.{shot.filter}.{letter}.exr"
    if path.exists():
        return
    attributes: dict[str, Attribute] = {
        "mcdenoise.scene": scene.name,
        "mcdenoise.view": view,
        "mcdenoise.spp": shot.spp,
        "mcdenoise.seed": shot.seed,
        "mcdenoise.filter": shot.filter,
    }
    exr.write_frame(path, replace(scene.render(shot), attributes=attributes))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.adapt_shot", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("scene", type=Path, metavar="SCENE.xml")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--frames", type=int, default=6, metavar="N", help="(6)")
    parser.add_argument("--spp", type=int, default=8, metavar="N", help="of each noisy half (8)")
    parser.add_argument("--size", default="192x192", metavar="WxH", help="(192x192)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
