"""`mcdenoise render`: pairs of noisy renders, from scene files of any renderer or from procedural scenes."""

import argparse
from pathlib import Path

HELP = "render pairs of noisy frames to train on (Mitsuba 3, Cycles)"
EXAMPLES = """examples:
  mcdenoise render scene.xml -o pairs/ --spp 8 --views 4 --size 256x256
  mcdenoise render kitchen.xml office.xml -o pairs/ --spp 4,8,16 --filter box,gaussian --views 20
  mcdenoise render kitchen.xml -o pairs/ --views 60 --changed-share 0.7
  mcdenoise render shot.blend -o pairs/ --spp 8 --views 20 --filter blackman-harris
  mcdenoise render --procedural 100 -o pairs/ --views 4 --seed 7
A .blend is rendered with Cycles by Blender 4.2 or newer: what MCDENOISE_BLENDER names (blender, or a Python
that has bpy), else `blender`. Its own camera is the first view; then come its other cameras, frames of its
animation, and cameras found by chance.
Run it again to go on where it was stopped: only what is missing is rendered."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `render`."""
    from mcdenoise import config
    from renderers.settings import RenderSettings

    parser.add_argument(
        "scenes",
        nargs="*",
        type=Path,
        metavar="SCENE",
        help="Mitsuba 3 scenes (.xml), Blender files (.blend)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="PAIRS/", help="folder for the pairs"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    config.add_arguments(parser, RenderSettings)


def run(arguments: argparse.Namespace) -> int:
    """See `rendering.run`."""
    from renderers import rendering

    return rendering.run(arguments)
