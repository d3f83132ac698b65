"""Ours beside OIDN on views that have two cleaner renders, as ratios of relMSE: views kept from training, or
training's own, to see what a model has by heart.

    mcdenoise render --procedural 24 --first-scene 905000 --views 1 -o pairs/unseen \\
        --size 256x256 --spp 2,8,32 --extra-spp 256
    python -m benchmarks.unseen pairs/unseen --model mcdenoise/weights/standard.safetensors
    python -m benchmarks.unseen pairs --model runs/mine.safetensors --frames '*.box' --most 60

What is denoised is the mean of NAME.a.exr and NAME.b.exr; NAME.c.exr and NAME.d.exr are the two halves of its
reference. They may be as noisy as they like, since relMSE of halves has no bias; but ratios of single frames
scatter then, so `of sums` adds up the errors first, each at most 1.
"""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from benchmarks import origin, quality
from mcdenoise import metrics, oidn, views
from mcdenoise.errors import McdenoiseError, NoInputError
from mcdenoise.frame import Frame
from mcdenoise.metrics import Image
from mcdenoise.views import Files

# Below this an error is the reference's noise; above the other, all is lost and more is no worse.
LEAST, MOST = 1e-9, 1.0


class Errors(NamedTuple):
    """relMSE of ours and of OIDN's best."""

    name: str
    ours: float
    theirs: float


def main() -> int:
    """The command line."""
    arguments = _arguments()
    try:
        where = origin.here("benchmarks.unseen", arguments.model)
        chosen = choose(views.find(arguments.folder), arguments.frames, arguments.most)
        denoise = quality.denoisers(arguments.model, "cpu", ["standard"])["ours"]
        errors = [measure(files, denoise) for files in tqdm(chosen, unit="view")]
    except McdenoiseError as error:
        print(f"benchmarks.unseen: {error}", file=sys.stderr)
        return error.exit_code
    print(origin.as_markdown(where))
    print("\n".join(table(errors)))
    return 0


def choose(found: list[Files], patterns: list[str] | None, most: int | None) -> list[Files]:
    """Views of four renders whose name fits one of the patterns; at most so many, by chance but always the
    same.

    Raises:
        NoInputError: there is none.
    """
    fit = [files for files in found if len(files.paths) == 4 and quality.fits(files.name, patterns)]
    if not fit:
        raise NoInputError("no view with NAME.a.exr to NAME.d.exr fits; render some with --extra-spp")
    if most is None or most >= len(fit):
        return fit
    taken = np.random.default_rng(1).choice(len(fit), most, replace=False)
    return [fit[index] for index in sorted(taken)]


def measure(files: Files, denoise: quality.Denoise) -> Errors:
    """Ours and OIDN's best setting on the mean of the first two renders."""
    view, _ = views.read(files)
    a, b, c, d = (view.frame(number) for number in range(4))
    frame = Frame({name: (a.planes[name] + b.planes[name]) / np.float32(2) for name in a.planes})

    def error(image: Image) -> float:
        return max(metrics.relmse(image, c.color, second_half=d.color), LEAST)

    return Errors(
        files.name, error(denoise(frame).color), min(error(run(frame)) for run in oidn.modes(frame).values())
    )


def table(errors: list[Errors]) -> list[str]:
    """All ratios in a line, then the worst views, as Markdown."""
    ratios = [one.ours / one.theirs for one in errors]
    sums = [
        sum(min(value, MOST) for value in column) for column in zip(*(e[1:] for e in errors), strict=True)
    ]
    geometric = metrics.geometric_mean(ratios)
    worst = sorted(zip(ratios, errors, strict=True), reverse=True)[:5]
    return [
        "| views | ours / OIDN, geometric mean | median | of sums |", "|---|---|---|---|",
        f"| {len(errors)} | {geometric:.3f} | {np.median(ratios):.3f} | {sums[0] / sums[1]:.3f} |",
        "", "| worst views | ours / OIDN | ours | OIDN |", "|---|---|---|---|",
        *(f"| {one.name} | {ratio:.2f} | {one.ours:.4f} | {one.theirs:.4f} |" for ratio, one in worst),
    ]  # fmt: skip


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.unseen", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("folder", type=Path, metavar="PAIRS", help="NAME.a.exr to NAME.d.exr")
    parser.add_argument("--model", type=Path, required=True, metavar="FILE.safetensors")
    parser.add_argument("--frames", nargs="+", metavar="PATTERN", help="only these, as '*16spp.box'")
    parser.add_argument("--most", type=int, metavar="N", help="no more than so many of them")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
