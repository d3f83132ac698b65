"""Made-up views, or frames, side by side in one picture, to be looked at.

python -m benchmarks.contact_sheet -o docs/images/made-up-places.jpg --count 64
python -m benchmarks.contact_sheet -o docs/images/changed.jpg --frames pairs/staircase.v0*.d.exr
"""

import argparse
import math
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from mcdenoise import exr, metrics
from renderers.backends._contract import Shot
from renderers.scenes import procedural

LARGEST = 400_000  # bytes of the picture


def main() -> None:
    """Render, join, save."""
    arguments = _arguments()
    if arguments.frames:
        views = [display(exr.read_frame(path).color) for path in arguments.frames]
    else:
        numbers = range(arguments.first_scene, arguments.first_scene + arguments.count)
        views = [view(number, arguments.size, arguments.spp) for number in tqdm(numbers, unit="view")]
    save(sheet(views), arguments.output)


def view(number: int, size: int, spp: int) -> metrics.Display:
    """What the own camera of a made-up scene sees."""
    scene = procedural.open_scene(number, None)
    scene.look(0, np.random.default_rng(number))
    frame = scene.render(Shot(spp=spp, seed=number, filter="box", width=size, height=size))
    return display(frame.color)


def display(color: metrics.Image) -> metrics.Display:
    """Tone-mapped by its log-average exposure."""
    return metrics.tone_map(color, metrics.exposure_for(color))


def sheet(views: list[metrics.Display]) -> np.ndarray:
    """The views row by row, as many across as make a square, as bytes (h w 3)."""
    side = math.ceil(math.sqrt(len(views)))
    blank = np.zeros_like(views[0])
    padded = views + [blank] * (-len(views) % side)
    rows = [np.concatenate(padded[i : i + side], axis=1) for i in range(0, len(padded), side)]
    return (np.concatenate(rows) * 255 + 0.5).astype(np.uint8)


def save(picture: np.ndarray, path: Path) -> None:
    """As a JPEG of at most `LARGEST` bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for quality in (92, 85, 75, 60):
        Image.fromarray(picture).save(path, quality=quality)
        if path.stat().st_size <= LARGEST:
            return


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.contact_sheet", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="SHEET.jpg")
    parser.add_argument("--frames", nargs="+", type=Path, metavar="EXR", help="these, all of one size")
    parser.add_argument("--count", type=int, default=64, help="views, each of its own scene (64)")
    parser.add_argument("--first-scene", type=int, default=0, help="number of the first scene (0)")
    parser.add_argument("--size", type=int, default=96, help="of a view, in pixels (96)")
    parser.add_argument("--spp", type=int, default=32, help="samples per pixel (32)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
