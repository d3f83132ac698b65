"""Fewer guides, and noisier ones: ours beside OIDN with the same inputs, as ratios of relMSE.

    python -m benchmarks.subsets VALIDATION_DIR --model mcdenoise/weights/standard.safetensors

OIDN knows color, albedo, and normal with albedo; its best setting that these inputs allow is taken for each
frame. `noisy guides`: albedo and normal with noise of their own added; OIDN may prefilter them, as its users
do.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks import origin, quality, validation
from mcdenoise import metrics, oidn
from mcdenoise.errors import McdenoiseError
from mcdenoise.frame import Frame
from mcdenoise.metrics import Image

# Of the noise added to albedo and normal, as its standard deviation.
GUIDE_NOISE = 0.15
PLANES = {
    "color only": ("color",),
    "color, albedo": ("color", "albedo"),
    "color, albedo, normal": ("color", "albedo", "normal"),
    "all, with depth": ("color", "albedo", "normal", "depth"),
}


def main() -> int:
    """The command line."""
    arguments = _arguments()
    try:
        where = origin.here("benchmarks.subsets", arguments.model)
        cases = quality.choose(validation.cases(arguments.folder)[0], arguments.frames)
        denoise = quality.denoisers(arguments.model, "cpu", ["standard"])["ours"]
        ratios = [measure(case, denoise) for case in tqdm(cases, unit="frame")]
    except McdenoiseError as error:
        print(f"benchmarks.subsets: {error}", file=sys.stderr)
        return error.exit_code
    print(origin.as_markdown(where))
    print("\n".join(table(ratios)))
    return 0


def measure(case: validation.Case, denoise: quality.Denoise) -> dict[str, float | None]:
    """relMSE of ours over OIDN's for each set of inputs; None where one is below the reference's noise."""
    frame = validation.mean_frame(case.pair)
    halves = validation.reference_halves(case)
    found = {}
    for name, given in inputs(frame).items():
        theirs = min(_relmse(image, halves) for image in peers(given).values())
        ours = _relmse(denoise(given).color, halves)
        found[name] = ours / theirs if ours > 0 and theirs > 0 else None
    return found


def inputs(frame: Frame) -> Mapping[str, Frame]:
    """The frame with each set of planes, and with noisy guides."""
    sets = {
        name: replace(frame, planes={plane: frame.planes[plane] for plane in planes})
        for name, planes in PLANES.items()
    }
    chance = np.random.default_rng(1)
    noisy = {
        name: (frame.planes[name] + chance.normal(0, GUIDE_NOISE, frame.planes[name].shape)).astype(
            np.float32
        )
        for name in ("albedo", "normal")
    }
    noisy["albedo"] = noisy["albedo"].clip(0, 1)
    return {**sets, "noisy guides": replace(frame, planes={"color": frame.color, **noisy})}


def peers(frame: Frame) -> Mapping[str, Image]:
    """What OIDN makes of the frame in each setting that its planes allow."""
    if "albedo" in frame.planes and "normal" not in frame.planes:
        return {"color only": oidn.color_only(frame), "albedo": oidn.with_albedo(frame)}
    return {name: run(frame) for name, run in oidn.modes(frame).items()}


def table(ratios: list[dict[str, float | None]]) -> list[str]:
    """Geometric means and the worst frames, as Markdown."""
    rows = ["| inputs | ours / OIDN with the same | worst frame |", "|---|---|---|"]
    for name in ratios[0]:
        values = [value for ratio in ratios if (value := ratio[name]) is not None]
        rows.append(f"| {name} | {metrics.geometric_mean(values):.3f} | {max(values):.2f} |")
    return rows


def _relmse(image: Image, halves: tuple[Image, Image]) -> float:
    return metrics.relmse(image, halves[0], second_half=halves[1])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.subsets", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("folder", type=Path, metavar="VALIDATION_DIR", help="NAME.a.exr and NAME.b.exr")
    parser.add_argument("--model", type=Path, required=True, metavar="FILE.safetensors")
    parser.add_argument("--frames", nargs="+", metavar="PATTERN", help="only these, as 'kitchen*16spp.box'")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
