"""What two halves say of their error, beside the true one: by tenths of the pixels, by frame, in pictures.

    python -m benchmarks.error_map VALIDATION_DIR --model mcdenoise/weights/standard.safetensors

Per scene, the pixels of all its frames in ten equal groups by expected error: the mean of that over the
mean of the true error, (f - r1)(f - r2) / (r² + 0.01) with r1, r2 the halves of the reference. Beside it the
constants of `mcdenoise.halves` as a gamma regression fits them to that scene alone. Writes OUT/NAME.png:
noisy | denoised | expected | true error, the last two smoothed alike.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Png
from scipy import ndimage, optimize
from tqdm import tqdm

from benchmarks import origin, quality, validation
from benchmarks.validation import Case
from mcdenoise import exr, halves, metrics
from mcdenoise.errors import McdenoiseError
from mcdenoise.halves import AROUND, Evidence, Map
from mcdenoise.metrics import Image

GROUPS = 10
# Single pixels whose true error is beyond that are the reference's fireflies.
MOST = 20.0
# Expected and true error from black to white, in powers of ten.
SHOWN = (-5.0, 0.0)


@dataclass(frozen=True)
class Measured:
    """One frame: what was expected and what is true, of the result and of the denoised mean (`plain`)."""

    case: Case
    expected: Map
    true: Map
    evidence: Evidence
    true_of_plain: Map
    relmse: Mapping[str, float]


def main() -> int:
    """The command line."""
    arguments = _arguments()
    try:
        where = origin.here("benchmarks.error_map", arguments.model)
        cases = quality.choose(validation.cases(arguments.folder)[0], arguments.frames)
        denoise = quality.denoisers(arguments.model, "cpu")["ours"]
        found = [measure(case, denoise, pictures_to=arguments.out) for case in tqdm(cases, unit="frame")]
    except McdenoiseError as error:
        print(f"benchmarks.error_map: {error}", file=sys.stderr)
        return error.exit_code
    print(origin.as_markdown(where))
    print("\n".join([*by_scene(found), "", *by_frame(found)]))
    return 0


def measure(case: Case, denoise: quality.Denoise, *, pictures_to: Path) -> Measured:
    """Denoise both halves, merge them, and compare what is expected with the reference."""
    noisy = exr.read_frame(case.pair.first), exr.read_frame(case.pair.second)
    clean = denoise(noisy[0]), denoise(noisy[1])
    result, estimate = halves.merge(noisy, clean)
    reference = validation.reference_halves(case)
    mean = (noisy[0].color + noisy[1].color) / np.float32(2)
    plain = (clean[0].color + clean[1].color) / np.float32(2)
    true = error(result.color, *reference)
    images = {"noisy": mean, "denoise the mean": denoise(validation.mean_frame(case.pair)).color,
              "mean of both": plain, "result": result.color}  # fmt: skip
    draw(pictures_to / f"{case.name}.png", mean, result.color, estimate.error.astype(np.float64), true)
    return Measured(
        case,
        estimate.error.astype(np.float64),
        true,
        halves.gather((noisy[0].color, noisy[1].color), (clean[0].color, clean[1].color)),
        error(plain, *reference),
        {name: float(error(image, *reference).mean()) for name, image in images.items()},
    )


def error(image: Image, one: Image, other: Image) -> Map:
    """The squared error relative to the reference, per pixel, mean of the channels; unbiased, so it may be
    below zero."""
    f, r1, r2 = (plane.astype(np.float64) for plane in (image, one, other))
    r = (r1 + r2) / 2
    return np.asarray(((f - r1) * (f - r2) / (r**2 + metrics.EPSILON)).mean(axis=2))


def by_scene(found: list[Measured]) -> list[str]:
    """Expected over true in each tenth, and the constants that this scene alone would give."""
    groups = " | ".join(str(number) for number in range(1, GROUPS + 1))
    rows = [f"| scene | {groups} | all | FACTOR, SHARE fitted to it |", "|---" * (GROUPS + 3) + "|"]
    for scene in sorted({one.case.pair.scene for one in found}):
        mine = [one for one in found if one.case.pair.scene == scene]
        expected, true = (np.concatenate([m.ravel() for m in maps])
                          for maps in ([m.expected for m in mine], [m.true for m in mine]))  # fmt: skip
        parts = np.array_split(np.argsort(expected), GROUPS)
        ratios = [expected[part].mean() / true[part].mean() for part in parts]
        told = " | ".join(f"{ratio:.2f}" for ratio in [*ratios, expected.mean() / true.mean()])
        factor, share = fit(mine)
        rows.append(f"| {scene} | {told} | {factor:.2f}, {share:.2f} |")
    return rows


def by_frame(found: Iterable[Measured]) -> list[str]:
    """relMSE of each way, and what was expected of the last."""
    rows = [
        "| frame | noisy mean | denoised mean | mean of both denoised | result | expected |",
        "|---" * 6 + "|",
    ]
    for one in found:
        scores = " | ".join(f"{score:.5f}" for score in one.relmse.values())
        rows.append(f"| {one.case.name} | {scores} | {one.expected.mean():.5f} |")
    return rows


def fit(found: Iterable[Measured]) -> tuple[float, float]:
    """FACTOR and SHARE of `mcdenoise.halves`: a gamma regression of the denoised mean's true error."""
    mine = list(found)
    variance, noise = (
        np.concatenate([np.log(ndimage.gaussian_filter(plane, width, truncate=3) + halves.FLOOR).ravel()
                        for plane in planes])
        for planes, width in (([m.evidence.variance for m in mine], halves.NEAR),
                              ([m.evidence.noise for m in mine], AROUND))
    )  # fmt: skip
    true = np.concatenate([m.true_of_plain.ravel() for m in mine]).clip(-MOST, MOST)

    def deviance(constants: np.ndarray) -> float:
        logarithm = constants[0] + (1 - constants[1]) * variance + constants[1] * noise
        return float(np.mean(true / np.exp(logarithm) + logarithm))

    factor, share = optimize.minimize(deviance, (0.5, 0.2), method="Nelder-Mead").x
    return float(np.exp(factor)), float(share)


def draw(path: Path, noisy: Image, result: Image, expected: Map, true: Map) -> None:
    """Noisy | denoised | expected | true error in one row."""
    exposure = metrics.exposure_for(result)
    pictures = [metrics.tone_map(image, exposure) for image in (noisy, result)]
    low, high = SHOWN
    for values in (expected, ndimage.gaussian_filter(true, AROUND)):
        shade = (np.log10(values.clip(min=10**low)) - low) / (high - low)
        pictures.append(np.repeat(shade[..., None], 3, axis=2).clip(0, 1).astype(np.float32))
    path.parent.mkdir(parents=True, exist_ok=True)
    Png.fromarray((np.concatenate(pictures, axis=1) * 255 + 0.5).astype(np.uint8)).save(path)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.error_map", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("folder", type=Path, metavar="VALIDATION_DIR", help="NAME.a.exr and NAME.b.exr")
    parser.add_argument("--model", type=Path, required=True, metavar="FILE.safetensors")
    parser.add_argument("--out", type=Path, default=Path("runs/error-map"), help="(runs/error-map)")
    parser.add_argument("--frames", nargs="+", metavar="PATTERN", help="only these, as 'kitchen*16spp.box'")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
