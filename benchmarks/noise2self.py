"""What one noisy buffer says of denoisers, beside the truth: Noise2Self's curves, and `--strength auto`.

    python -m benchmarks.noise2self pairs/validation --out runs/noise2self

Of box-filtered validation frames. Curves: classical denoisers over their parameter, the self-supervised loss
beside relMSE against the reference. Strength: for the shipped model and for each classical denoiser at the
curve's minimum, the strength that is told from the frame alone, and the best one by the reference. Writes a
table, JSON and a plot. BM3D isn't among them: its Python package is for non-commercial use only.

Source: Batson & Royer 2019, "Noise2Self", figure 2; scikit-image for the denoisers.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage
from tqdm import tqdm

from benchmarks import quality, validation
from benchmarks.validation import Case
from mcdenoise import Denoiser, metrics, noise2self
from mcdenoise.encoding import exposure
from mcdenoise.errors import McdenoiseError
from mcdenoise.frame import Frame, Plane
from mcdenoise.metrics import EPSILON
from mcdenoise.noise2self import Denoise

WIDTHS = (1, 3, 5, 7, 9, 13)
CUTS = (0.02, 0.04, 0.08, 0.16, 0.32, 0.64)


@dataclass(frozen=True)
class Curve:
    """A denoiser over its parameter: the loss that needs no reference, and relMSE."""

    parameters: Sequence[float]
    losses: Sequence[float]
    errors: Sequence[float]

    @property
    def chosen(self) -> int:
        """Where the loss is least."""
        return int(np.argmin(self.losses))


@dataclass(frozen=True)
class Strength:
    """Told from the frame alone, and by the reference; relMSE with each, and with all of the result."""

    told: float
    best: float
    error_told: float
    error_best: float
    error_all: float


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.noise2self", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("validation", type=Path, metavar="VALIDATION_DIR")
    parser.add_argument("--frames", nargs="+", default=["*.box"], metavar="PATTERN", help="(*.box)")
    parser.add_argument("--out", type=Path, default=Path("runs/noise2self"), help="(runs/noise2self)")
    arguments = parser.parse_args()
    try:
        cases = quality.choose(validation.cases(arguments.validation)[0], arguments.frames)
        ours = Denoiser(device="cpu")
        found = {case.name: measure(case, ours) for case in tqdm(cases, unit="frame")}
    except McdenoiseError as error:
        print(f"benchmarks.noise2self: {error}", file=sys.stderr)
        return error.exit_code
    curves = {name: each[0] for name, each in found.items()}
    text = "\n".join([*of_curves(curves), "", *of_strengths({name: each[1] for name, each in found.items()})])
    arguments.out.mkdir(parents=True, exist_ok=True)
    told = {name: [{key: asdict(value) for key, value in part.items()} for part in each]
            for name, each in found.items()}  # fmt: skip
    (arguments.out / "noise2self.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    (arguments.out / "noise2self.md").write_text(text + "\n", encoding="utf-8")
    plot(next(iter(curves.values())), next(iter(curves)), arguments.out / "noise2self.png")
    print(text)
    return 0


def classical() -> dict[str, tuple[Callable[[float], Denoise], Sequence[float]]]:
    """Of each name the denoiser for a parameter, and the parameters: sides in pixels, or NLM's cut-off.

    All but the mean see tones, since outliers of radiance would be all that counts.
    """
    return {
        "mean": (
            lambda width: _of_color(lambda color: ndimage.uniform_filter(color, (width, width, 1))),
            WIDTHS,
        ),
        "median": (lambda width: _of_tones(lambda tone: _median(tone, int(width), 1)), WIDTHS),
        "donut median": (lambda width: _of_tones(lambda tone: _median(tone, int(width), 0)), WIDTHS[1:]),
        "NLM": (lambda cut: _of_tones(lambda tone: _nlm(tone, cut)), CUTS),
    }


def measure(case: Case, ours: Denoiser) -> tuple[dict[str, Curve], dict[str, Strength]]:
    """The curves and the strengths of a frame."""
    frame, halves = validation.mean_frame(case.pair), validation.reference_halves(case)
    curves = {}
    chosen: dict[str, Denoise] = {"ours": ours}
    for name, (make, parameters) in classical().items():
        losses = [noise2self.loss(make(each), frame) for each in parameters]
        errors = [_error(make(each)(frame).color, halves) for each in parameters]
        curves[name] = Curve(parameters, losses, errors)
        chosen[name] = make(parameters[curves[name].chosen])
    return curves, {name: strength(denoise, frame, halves) for name, denoise in chosen.items()}


def strength(denoise: Denoise, frame: Frame, halves: tuple[Plane, Plane]) -> Strength:
    """Told and best; the best is where the parabola of relMSE over the strength is least."""
    clean = denoise(frame).color
    away = clean.astype(np.float64) - frame.color
    level = (halves[0].astype(np.float64) + halves[1]) / 2
    weight = 1 / (level**2 + EPSILON)
    moved = (weight * away**2).sum()
    best = float(np.clip((weight * away * (level - frame.color)).sum() / moved, 0, 1)) if moved else 1.0
    told = noise2self.strength(denoise, frame, clean)
    errors = (_error((frame.color + s * away).astype(np.float32), halves) for s in (told, best, 1.0))
    return Strength(told, best, *errors)


def of_curves(curves: Mapping[str, Mapping[str, Curve]]) -> list[str]:
    """A Markdown table: what the frames choose, and what it costs beside the best."""
    rows = [
        "| denoiser | frames that choose the best | relMSE at the chosen / at the best | worst |",
        "|---|---|---|---|",
    ]
    for name in next(iter(curves.values())):
        each = [found[name] for found in curves.values()]
        ratios = [curve.errors[curve.chosen] / min(curve.errors) for curve in each]
        right = sum(ratio == 1 for ratio in ratios)
        mean, worst = metrics.geometric_mean(ratios), max(ratios)
        rows.append(f"| {name} | {right} of {len(ratios)} | {mean:.3f} | {worst:.3f} |")
    return rows


def of_strengths(strengths: Mapping[str, Mapping[str, Strength]]) -> list[str]:
    """A Markdown table: how far what is told is from the best, and what it is worth."""
    rows = [
        "| denoiser | told less best, mean | largest | relMSE, told / all of it | worst | best / all of it |",
        "|---" * 6 + "|",
    ]
    for name in next(iter(strengths.values())):
        each = [found[name] for found in strengths.values()]
        off = [one.told - one.best for one in each]
        told, best = ([getattr(one, which) / one.error_all for one in each]
                      for which in ("error_told", "error_best"))  # fmt: skip
        rows.append(
            f"| {name} | {np.mean(off):+.2f} | {max(off, key=abs):+.2f} | {metrics.geometric_mean(told):.3f} "
            f"| {max(told):.3f} | {metrics.geometric_mean(best):.3f} |"
        )
    return rows


def plot(curves: Mapping[str, Curve], frame: str, path: Path) -> None:
    """Loss and error over the parameter; a dot where each is least."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(curves), figsize=(3.2 * len(curves), 3.2))
    for axis, (name, curve) in zip(axes, curves.items(), strict=True):
        for label, values in (("self-supervised loss", curve.losses), ("relMSE", curve.errors)):
            (line,) = axis.plot(curve.parameters, values, label=label)
            least = int(np.argmin(values))
            axis.plot(curve.parameters[least], values[least], "o", color=line.get_color())
        axis.set(title=name, yscale="log", xlabel="cut-off" if name == "NLM" else "side in pixels")
    axes[0].legend()
    figure.suptitle(frame)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _error(image: Plane, halves: tuple[Plane, Plane]) -> float:
    return metrics.relmse(image, halves[0], second_half=halves[1])


def _of_color(change: Callable[[np.ndarray], np.ndarray]) -> Denoise:
    return lambda frame: Frame({**frame.planes, "color": change(frame.color).astype(np.float32)})


def _of_tones(change: Callable[[np.ndarray], np.ndarray]) -> Denoise:
    def denoise(frame: Frame) -> Frame:
        scale = 100 * exposure(frame.color)
        made = np.expm1(change(np.log1p(scale * frame.color.clip(min=0)))) / scale
        return Frame({**frame.planes, "color": made.astype(np.float32)})

    return denoise


def _median(tone: np.ndarray, width: int, middle: int) -> np.ndarray:
    footprint = np.ones((width, width, 1))
    footprint[width // 2, width // 2] = middle
    return np.asarray(ndimage.median_filter(tone, footprint=footprint))


def _nlm(tone: np.ndarray, cut: float) -> np.ndarray:
    from skimage.restoration import denoise_nl_means

    scale = float(tone.max()) or 1.0
    return np.asarray(denoise_nl_means(tone / scale, 5, 6, h=cut, fast_mode=True, channel_axis=2) * scale)


if __name__ == "__main__":
    sys.exit(main())
