"""Noisy targets against clean ones: same network, loss, trainer and steps, and the same seconds of rendering.

    mcdenoise render --procedural 16 --views 6 --size 96x96 --spp 8 --clean-spp 1024 --clean-share 1 \\
      -o pairs/clean
    python -m benchmarks.clean_targets pairs/clean pairs/validation --steps 2000 --out runs/clean

Arms: *noisy* learns each half from the other (Noise2Noise), on all views; *clean* learns each half's clean
render, on all views: as many steps, far more rendering; *clean, equal render time* has as few views as the
rendering of all noisy pairs pays for; *single frames* learns each half from its own hidden pixels, as if the
other weren't there (Noise2Self). Scored on box-filtered validation frames against their references: relMSE
over the noisy input's, geometric mean, by the averaged weights. Writes a table, JSON and a plot.
"""

import argparse
import json
import math
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from benchmarks import quality, validation
from mcdenoise import checkpoint, engine, exr, metrics, networks, trainer, views
from mcdenoise.dataset import load
from mcdenoise.errors import McdenoiseError, TrainingError
from mcdenoise.journal import Report
from mcdenoise.networks._contract import Denoising
from mcdenoise.settings import TrainSettings
from mcdenoise.views import View

LOOKS = 8  # points of a curve
SINGLE = "single frames"

# Of each arm: steps, and the score after them.
Curves = Mapping[str, Sequence[tuple[int, float]]]


def main() -> int:
    """The command line."""
    arguments = _arguments()
    try:
        noisy, _ = load(arguments.folder)
        clean = with_clean(noisy, arguments.folder)
        cases = quality.choose(validation.cases(arguments.validation)[0], ["*.box"])
        singles = [one for view in noisy for one in views.apart(view)]
        learned = {
            "noisy": noisy, "clean": clean, "clean, equal render time": affordable(clean), SINGLE: singles,
        }  # fmt: skip
        settings = TrainSettings(
            network=arguments.network, steps=arguments.steps, batch=4, crop=64, held_out=0.0, ema=0.99,
            validate_every=arguments.steps, save_every=max(arguments.steps // LOOKS, 1), device="cpu",
        )  # fmt: skip
        arguments.out.mkdir(parents=True, exist_ok=True)
        curves = {
            name: curve(
                pairs,
                replace(settings, target="self" if name == SINGLE else "other"),
                arguments.out / f"arm{number}.safetensors",
                cases,
            )
            for number, (name, pairs) in enumerate(learned.items())
        }
    except McdenoiseError as error:
        print(f"benchmarks.clean_targets: {error}", file=sys.stderr)
        return error.exit_code
    told = {"views": {name: len(pairs) for name, pairs in learned.items()}, "curves": curves}
    (arguments.out / "clean.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    plot(curves, learned, arguments.out / "clean.png")
    print(table(curves, learned))
    return 0


def with_clean(noisy: Sequence[View], folder: Path) -> list[View]:
    """The views with their clean render as the only target.

    Raises:
        TrainingError: a view has none.
    """
    found = []
    for view in noisy:
        path = folder / f"{view.name}.clean.exr"
        if not path.is_file():
            raise TrainingError(f"{path}: no such file; render with --clean-spp 1024 --clean-share 1")
        frame = exr.read_frame(path)
        spp = frame.attributes["mcdenoise.spp"]
        assert isinstance(spp, int)
        renders = (*view.renders, frame.planes)
        found.append(replace(view, renders=renders, spps=(*view.spps, spp), has_clean=True))
    return found


def affordable(clean: Sequence[View]) -> list[View]:
    """As many of the views, spread over all, as have the samples of all noisy pairs; one at least."""
    budget = sum(sum(view.spps[:2]) for view in clean)
    count = max(budget // (clean[0].spps[0] + clean[0].spps[-1]), 1)
    return [clean[(2 * number + 1) * len(clean) // (2 * count)] for number in range(count)]


def curve(
    pairs: Sequence[View], settings: TrainSettings, out: Path, cases: Sequence[validation.Case]
) -> list[tuple[int, float]]:
    """Steps, and how good the averaged weights are after them."""
    shutil.rmtree(trainer.run_folder(out), ignore_errors=True)
    points: list[tuple[int, float]] = []

    with tqdm(total=settings.steps, desc=out.stem, unit="step", leave=False) as bar:

        def report(now: Report) -> None:
            bar.update()
            if now.step % settings.save_every == 1 and now.step > 1:  # what was saved after the step before
                network = _saved(trainer.state_path(out), settings.network)
                points.append((now.step - 1, score(network, cases)))

        trainer.train(settings, pairs, out, report=report)
    return [*points, (settings.steps, score(checkpoint.load_model(out).network, cases))]


def _saved(state: Path, name: str) -> Denoising:
    tensors, _ = checkpoint.read(state)
    network = networks.build(name, {})
    averaged = {key.removeprefix("averaged."): v for key, v in tensors.items() if key.startswith("averaged.")}
    network.load_state_dict(averaged)
    network.eval()
    return network


def score(network: Denoising, cases: Sequence[validation.Case]) -> float:
    """relMSE over that of the noisy frame, geometric mean."""
    ratios = []
    for case in cases:
        frame, halves = validation.mean_frame(case.pair), validation.reference_halves(case)
        clean, _ = engine.denoise(network, frame, device=torch.device("cpu"))
        ours, noisy = (metrics.measure(image, halves[0], second_half=halves[1]).relmse
                       for image in (clean, frame.color))  # fmt: skip
        ratios.append(ours / noisy)
    return metrics.geometric_mean(ratios)


def table(curves: Curves, learned: Mapping[str, Sequence[View]]) -> str:
    """A Markdown table, a row for each arm; samples are those of all renders that it learned from."""
    steps = [f"{step} steps" for step, _ in curves["noisy"]]
    rows = [["targets", "views", "samples per pixel rendered", *steps], ["---"] * (3 + len(steps))]
    for name, points in curves.items():
        samples = sum(sum(view.spps) for view in learned[name])
        rows.append([name, str(len(learned[name])), f"{samples:,}", *(f"{score:.4f}" for _, score in points)])
    gap = 10 * math.log10(curves["noisy"][-1][1] / curves["clean"][-1][1])
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, "", f"Noisy over clean targets at equal steps: {gap:+.2f} dB of relMSE."])


def plot(curves: Curves, learned: Mapping[str, Sequence[View]], path: Path) -> None:
    """Curves over steps."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4))
    for name, points in curves.items():
        axes.plot(*zip(*points, strict=True), marker="o", label=f"{name} ({len(learned[name])} views)")
    axes.set(xlabel="steps", ylabel="relMSE / noisy input's", yscale="log")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.clean_targets", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument(
        "folder", type=Path, metavar="PAIRS", help="NAME.a.exr, NAME.b.exr and NAME.clean.exr"
    )
    parser.add_argument("validation", type=Path, metavar="VALIDATION_DIR")
    parser.add_argument("--network", default="hybrid", metavar="NAME")
    parser.add_argument("--steps", type=int, default=2000, metavar="N")
    parser.add_argument("--out", type=Path, default=Path("runs/clean"), help="(default: runs/clean)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
