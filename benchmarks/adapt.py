"""What `--adapt` is worth: relMSE of `--half` with and without it, each frame by itself.

    python -m benchmarks.adapt VALIDATION_DIR --model mcdenoise/weights/standard.safetensors
    python -m benchmarks.adapt SHOT_DIR --model mcdenoise/weights/standard.safetensors --shot

`--shot`: the frames are one shot in the order of their names (`benchmarks.adapt_shot` renders such), and the
weights are carried over from each to the next as well. The numbers of steps are the product's own, whatever
the clock says. Each row is printed as it is known; writes OUT/NAME.png (noisy | without | with | reference).
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from benchmarks import origin, pictures, quality, validation
from benchmarks.validation import Case
from mcdenoise import exr, halves, metrics
from mcdenoise.adapt import Adapter
from mcdenoise.engine import Denoiser
from mcdenoise.errors import McdenoiseError
from mcdenoise.frame import Frame
from mcdenoise.metrics import Image

# relMSE of the noisy mean, of `--half` without and with `--adapt`, and so on.
Row = dict[str, float]


def main() -> int:
    """The command line."""
    arguments = _arguments()
    try:
        print(origin.as_markdown(origin.here("benchmarks.adapt", arguments.model)))
        cases = quality.choose(validation.cases(arguments.folder)[0], arguments.frames)
        rows = list(told(measure_all(cases, arguments)))
    except McdenoiseError as error:
        print(f"benchmarks.adapt: {error}", file=sys.stderr)
        return error.exit_code
    for way in ("adapted", "carried over") if arguments.shot else ("adapted",):
        ratios = [row[way] / row["without"] for row in rows]
        spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
        print(f"\n{way} / without: {metrics.geometric_mean(ratios):.3f} ({spread})")
    return 0


def measure_all(cases: Iterable[Case], arguments: argparse.Namespace) -> Iterator[tuple[str, Row]]:
    """Each frame by its name; its pictures are written."""
    on_the_way = Denoiser(arguments.model, device=arguments.device)
    adapter = Adapter(on_the_way)
    for case in cases:
        noisy = exr.read_frame(case.pair.first), exr.read_frame(case.pair.second)
        alone = Denoiser(arguments.model, device=arguments.device)
        images = {"noisy": validation.mean_frame(case.pair).color, "without": merged(alone, noisy)}
        steps = {"steps": Adapter(alone).fit(noisy)}
        images["adapted"] = merged(alone, noisy)
        if arguments.shot:
            steps["steps carried over"] = adapter.fit(noisy)
            images["carried over"] = merged(on_the_way, noisy)
        one, other = validation.reference_halves(case)
        reference = (one + other) / np.float32(2)
        pictures.write(arguments.out / f"{case.name}.png", images, reference=reference)
        scores = {name: metrics.relmse(image, one, second_half=other) for name, image in images.items()}
        yield case.name, {**scores, **steps}


def merged(denoiser: Denoiser, noisy: tuple[Frame, Frame]) -> Image:
    """What `--half` makes of both."""
    return halves.merge(noisy, (denoiser(noisy[0]), denoiser(noisy[1])))[0].color


def told(rows: Iterable[tuple[str, Row]]) -> Iterator[Row]:
    """Print each as it comes."""
    for number, (name, row) in enumerate(rows):
        if not number:
            print(f"| frame | {' | '.join(row)} |", "|---" * (len(row) + 1) + "|", sep="\n")
        print(f"| {name} | {' | '.join(f'{value:.4g}' for value in row.values())} |", flush=True)
        yield row


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.adapt", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("folder", type=Path, metavar="VALIDATION_DIR", help="NAME.a.exr and NAME.b.exr")
    parser.add_argument("--model", type=Path, required=True, metavar="FILE.safetensors")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or auto (default: cpu)")
    parser.add_argument("--out", type=Path, default=Path("runs/adapt"), help="(default: runs/adapt)")
    parser.add_argument("--frames", nargs="+", metavar="PATTERN", help="only these, as 'kitchen*16spp.box'")
    parser.add_argument("--shot", action="store_true", help="carry weights over from frame to frame, too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
