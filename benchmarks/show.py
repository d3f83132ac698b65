"""What fine-tuning on a show is worth: the shipped model, the show's own and OIDN on its unseen frames.

    python -m benchmarks.show pairs/shot pairs/shot-unseen --steps 4000 --out runs/show

The first folder holds noisy pairs to train on, the second pairs of other frames with their references, as
`benchmarks.quality` takes them. Flags that aren't known here go to `mcdenoise train`. Wants an idle machine,
better a GPU: thousands of steps.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks import origin, pictures, validation
from benchmarks.validation import Case
from mcdenoise import Denoiser, metrics, oidn
from mcdenoise.__main__ import main as mcdenoise
from mcdenoise.errors import McdenoiseError, TrainingError
from mcdenoise.metrics import Image

Scores = dict[str, float]

# The noise of a reference's halves drops out of the squared error, and at so many samples it is small beside
# the light that the error is divided by.
REFERENCE_SPP = 64


def main() -> int:
    """The command line."""
    arguments, flags = _arguments()
    model = arguments.out / "show.safetensors"
    arguments.out.mkdir(parents=True, exist_ok=True)
    try:
        if not model.exists():
            words = ["train", str(arguments.pairs), "--init", arguments.init, "-o", str(model), *flags]
            if mcdenoise(words):
                raise TrainingError(f"{model}: not trained; see above")
        cases = validation.cases(arguments.unseen, reference_spp=REFERENCE_SPP)[0]
        denoisers = {"shipped": Denoiser(arguments.init), "show": Denoiser(model)}
        scores = {
            case.name: measure(case, denoisers, pictures_to=arguments.out)
            for case in tqdm(cases, unit="frame")
        }
        where = origin.here("benchmarks.show", model)
    except McdenoiseError as error:
        print(f"benchmarks.show: {error}", file=sys.stderr)
        return error.exit_code
    text = "\n".join([origin.as_markdown(where), f"- started from: {arguments.init}", "", *table(scores)])
    (arguments.out / "show.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0


def measure(case: Case, denoisers: dict[str, Denoiser], *, pictures_to: Path) -> Scores:
    """relMSE of each way, OIDN in its best setting; and a picture of them."""
    frame, (one, other) = validation.mean_frame(case.pair), validation.reference_halves(case)

    def error(image: Image) -> float:
        return metrics.relmse(image, one, second_half=other)

    best = min((run(frame) for run in oidn.modes(frame).values()), key=error)
    images = {"noisy": frame.color, "OIDN": best}
    images |= {name: run(frame).color for name, run in denoisers.items()}
    pictures.write(pictures_to / f"{case.name}.png", images, reference=(one + other) / np.float32(2))
    return {name: error(image) for name, image in images.items()}


def table(scores: dict[str, Scores]) -> list[str]:
    """A row a frame, and the geometric means of the ratios; the goal is 0.75 and 1."""
    names = list(next(iter(scores.values())))
    rows = [f"| frame | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    rows += [
        f"| {frame} | {' | '.join(f'{found[name]:.5f}' for name in names)} |"
        for frame, found in scores.items()
    ]
    for other in ("shipped", "OIDN"):
        ratios = [found["show"] / found[other] for found in scores.values() if min(found.values()) > 0]
        rows.append(f"\nshow / {other}: {metrics.geometric_mean(ratios):.3f}")
    return rows


def _arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser("python -m benchmarks.show", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("pairs", type=Path, metavar="PAIRS/", help="noisy pairs to train on")
    parser.add_argument("unseen", type=Path, metavar="UNSEEN/", help="pairs of other frames, with references")
    parser.add_argument("--init", default="standard", metavar="MODEL", help="(standard)")
    parser.add_argument("--out", type=Path, default=Path("runs/show"), help="(runs/show)")
    return parser.parse_known_args()


if __name__ == "__main__":
    sys.exit(main())
