"""Scores of a model beside the noisy input and OIDN, on pairs with references.

    python -m benchmarks.quality VALIDATION_DIR --model mcdenoise/weights/standard.safetensors

Every frame is denoised from the mean of both halves, by us in each quality and by OIDN in its three settings,
in one run. Writes OUT/quality.md, OUT/quality.json, OUT/NAME.png (noisy | OIDN best | ours | reference) and
OUT/NAME.html, a page to compare all of them in any exposure and zoom.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks import origin, pictures, report, validation
from benchmarks.report import Result, Scored
from benchmarks.validation import Case
from mcdenoise import ensemble, exr, halves, metrics, oidn, page
from mcdenoise.errors import FrameError, McdenoiseError, NoInputError
from mcdenoise.frame import Frame
from mcdenoise.metrics import Image
from mcdenoise.page import Comparison

Denoise = Callable[[Frame], Frame]


def main() -> int:
    """The command line."""
    arguments = _arguments()
    try:
        where = origin.here("benchmarks.quality", arguments.model)
        found, remarks = validation.cases(arguments.folder)
        chosen = choose(found, arguments.frames)
        ours = denoisers(arguments.model, arguments.device)
        results = list(measure_all(tqdm(chosen, unit="frame"), ours, pictures_to=arguments.out))
        report.write(arguments.out, results, remarks, where)
    except McdenoiseError as error:
        print(f"benchmarks.quality: {error}", file=sys.stderr)
        return error.exit_code
    print((arguments.out / "quality.md").read_text(encoding="utf-8"))
    return 0


def choose(cases: list[Case], patterns: list[str] | None) -> list[Case]:
    """The cases whose name fits one of the patterns; all without patterns.

    Raises:
        NoInputError: none fits; the message lists some that exist.
    """
    chosen = [case for case in cases if fits(case.name, patterns)]
    if not chosen:
        there = ", ".join(case.name for case in cases[:4])
        raise NoInputError(f"--frames: none fits {' '.join(patterns or [])}; there is: {there} ...")
    return chosen


def fits(name: str, patterns: list[str] | None) -> bool:
    """Whether a name fits one of the patterns; every name does without patterns."""
    return patterns is None or any(fnmatch(name, pattern) for pattern in patterns)


def measure_all(
    cases: Iterable[Case], denoisers: Mapping[str, Denoise], *, pictures_to: Path
) -> Iterator[Result]:
    """Measure each case, and write its pictures, one after the other; `ours` is among the denoisers."""
    for case in cases:
        frame = validation.mean_frame(case.pair)
        references = validation.reference_halves(case)
        images = {"noisy": frame.color, **{name: run(frame).color for name, run in denoisers.items()}}
        images |= {f"{name} halves": from_halves(case, run) for name, run in denoisers.items()}
        images |= {f"OIDN {name}": run(frame) for name, run in oidn.modes(frame).items()}
        result = Result(case, {name: score(image, *references) for name, image in images.items()})
        shown = {"noisy": "noisy", result.best_oidn: result.best_oidn, "ours": "ours"}
        strip = {label: images[name] for label, name in shown.items()}
        reference = (references[0] + references[1]) / np.float32(2)
        pictures.write(pictures_to / f"{case.name}.png", strip, reference=reference)
        page.write(pictures_to / f"{case.name}.html", compared(result, images, reference))
        yield result


def compared(result: Result, images: Mapping[str, Image], reference: Image) -> Comparison:
    """All pictures of a frame and their scores, OIDN's best beside ours."""
    table = metrics.table({name: scored.scores for name, scored in result.methods.items()})
    flips = ["FLIP", *(f"{scored.flip:.4f}" for scored in result.methods.values())]
    return Comparison(
        title=result.case.name,
        images={**images, page.REFERENCE: reference},
        shown=(result.best_oidn, "ours"),
        table=[[*row, flip] for row, flip in zip(table, flips, strict=True)],
    )


def from_halves(case: Case, denoise: Denoise) -> Image:
    """What `mcdenoise --half` makes of the same samples; NaN where a denoiser broke them."""
    noisy = exr.read_frame(case.pair.first), exr.read_frame(case.pair.second)
    try:
        merged, _ = halves.merge(noisy, (denoise(noisy[0]), denoise(noisy[1])))
    except FrameError:
        return np.full_like(noisy[0].color, np.nan)
    return merged.color


def score(image: Image, reference: Image, second_half: Image) -> Scored:
    """Every metric of evaluation by the halves of the reference, and FLIP."""
    mean = (reference + second_half) / np.float32(2)
    scores = metrics.measure(image, reference, second_half=second_half)
    return Scored(scores, flip=flip(image, mean))


def flip(image: Image, reference: Image) -> float:
    """Mean HDR-FLIP of NVIDIA's flip-evaluator, 0 to 1, lower is better; NaN for black or broken pictures.

    Source: Andersson et al. 2021, "Visualizing Errors in Rendered High Dynamic Range Images".
    """
    import flip_evaluator

    # It takes no negative radiance, and ends the whole process on a black reference.
    pictures_ = [np.maximum(picture, 0) for picture in (reference, image)]
    if not pictures_[0].any() or not all(np.isfinite(picture).all() for picture in pictures_):
        return float("nan")
    _, mean, _ = flip_evaluator.evaluate(*pictures_, "HDR", applyMagma=False)
    return float(mean)


def denoisers(
    model: Path, device: str, qualities: Sequence[str] = tuple(ensemble.QUALITIES)
) -> dict[str, Denoise]:
    """Ours in each of the qualities: `ours`, `ours high`, and of a model that has its smaller size beside it
    `ours fast`."""
    from mcdenoise import Denoiser

    found: dict[str, Denoise] = {}
    for quality in qualities:
        size, looks = ensemble.QUALITIES[quality]
        path = model if size == ensemble.SHIPPED else model.with_name(f"{size}{model.suffix}")
        if path == model or (model.stem == ensemble.SHIPPED and path.is_file()):
            name = "ours" if quality == ensemble.SHIPPED else f"ours {quality}"
            found[name] = Denoiser(path, device=device, looks=looks)
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.quality", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("folder", type=Path, metavar="VALIDATION_DIR", help="NAME.a.exr and NAME.b.exr")
    parser.add_argument("--model", type=Path, required=True, metavar="FILE.safetensors")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or auto (default: cpu)")
    parser.add_argument("--out", type=Path, default=Path("runs/quality"), help="(default: runs/quality)")
    parser.add_argument("--frames", nargs="+", metavar="PATTERN", help="only these, as 'kitchen*16spp.box'")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
