"""Renders: which loss and which curve do for noisy targets of high range, and clean targets beside them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.literature import figures, learning, page, sources
from benchmarks.literature.networks import Guided
from benchmarks.literature.results import Results
from mcdenoise import dataset, encoding, engine, metrics
from mcdenoise.dataset import Batch, Cut
from mcdenoise.errors import TrainingError
from mcdenoise.networks._contract import Denoising
from mcdenoise.views import View

STEPS = 600
WIDTH = 16
TESTED = 12
HELD_OUT = 0.2


@dataclass(frozen=True)
class Arm:
    """What is learned, and the paper's dB."""

    loss: str
    is_toned: bool
    are_targets_toned: bool = False
    are_targets_clean: bool = False
    paper: str = "-"


# x is the input, y the target, T a tone curve. Source of the numbers: Lehtinen et al. 2018, figure 6.
ARMS = {
    "L2: x, y": Arm("l2", is_toned=False, paper="25.46"),
    "L2: T(x), y": Arm("l2", is_toned=True, paper="25.39"),
    "L2: T(x), T(y)": Arm("l2", is_toned=True, are_targets_toned=True, paper="15.50"),
    "L_HDR: x, y": Arm("relative_l2", is_toned=False, paper="29.05"),
    "L_HDR: T(x), y": Arm("relative_l2", is_toned=True, paper="30.09"),
    "L_HDR: T(x), cleaner y": Arm("relative_l2", is_toned=True, are_targets_clean=True),
}


def measure(results: Results) -> None:
    """Each arm's scores on places that it never saw."""
    learned, tested = dataset.split(load(results.pairs), HELD_OUT)
    tested = tested[:: max(len(tested) // TESTED, 1)][:TESTED]
    results.once("views", lambda: {"learned": len(learned), "tested": len(tested)})
    for name, arm in ARMS.items():
        results.once(name, partial(_learned, name, arm, learned, tested, results))


def load(folder: Path) -> list[View]:
    """Views of four renders: two noisy ones, two cleaner ones.

    Raises:
        TrainingError: there are no renders, or none with cleaner ones.
    """
    found = [view for view in dataset.load(folder)[0] if len(view.renders) == 4]
    if not found:
        raise TrainingError(f"{folder}: no view of four renders; make some with --extra-spp")
    return found


def batches(views: list[View], arm: Arm) -> Iterator[Batch]:
    """The project's own crops, as an arm is shown them."""
    halves = [replace(view, renders=view.renders[:2], spps=view.spps[:2]) for view in views]
    cleaner = [replace(view, renders=(*view.renders[:2], view.renders[3]), has_clean=True,
                       spps=(*view.spps[:2], view.spps[3])) for view in views]  # fmt: skip
    for batch in crops(cleaner if arm.are_targets_clean else halves, sources.CROP):
        yield replace(batch, target=encoding.tone_map(batch.target)) if arm.are_targets_toned else batch


def crops(views: list[View], side: int, *, first_step: int = 0) -> Iterator[Batch]:
    """With all guides, in the exposure of the view, every value weighed alike."""
    cut = Cut.plain(side, sources.BATCH, sources.SEED, repainting=Cut.repainting)
    for batch in dataset.batches(views, cut, first_step=first_step):
        yield replace(batch, weight=torch.ones_like(batch.target))


def _learned(
    name: str, arm: Arm, learned: list[View], tested: list[View], results: Results
) -> dict[str, Any]:
    build = partial(Guided, WIDTH, is_toned=arm.is_toned, predicts_tones=arm.are_targets_toned)
    look = partial(psnr, tested)
    network, curve = learning.fit(
        build, batches(learned, arm), results.steps, loss=arm.loss, look=look, learning_rate=1e-3
    )
    results.keep(name, displayed(_denoised(network, tested[0]), tested[0]))
    results.keep("noisy", displayed(tested[0].frame(0).color, tested[0]))
    results.keep("reference", displayed(reference(tested[0]), tested[0]))
    ratios, energies = zip(*(scores(network, view) for view in tested), strict=True)
    noisy = [metrics.psnr(view.frame(0).color, reference(view)) for view in tested]
    return {
        "curve": curve,
        "relmse": metrics.geometric_mean(ratios),
        "energy": float(np.mean(energies)),
        "noisy": float(np.mean(noisy)),
    }


def psnr(tested: list[View], network: Denoising) -> float:
    """Mean over the views, tone-mapped; with the reference's own noise as error."""
    return float(np.mean([metrics.psnr(_denoised(network, view), reference(view)) for view in tested]))


def scores(network: Denoising, view: View) -> tuple[float, float]:
    """relMSE over the noisy input's, and the mean of the picture over that of the reference."""
    halves = [view.frame(number).color for number in (2, 3)]
    ours, noisy = (metrics.relmse(image, halves[0], second_half=halves[1])
                   for image in (_denoised(network, view), view.frame(0).color))  # fmt: skip
    return max(ours, 1e-6) / max(noisy, 1e-6), metrics.energy_ratio(_denoised(network, view), reference(view))


def reference(view: View) -> np.ndarray:
    """The mean of the cleaner renders."""
    return np.asarray((view.frame(2).color + view.frame(3).color) / 2)


def displayed(color: np.ndarray, view: View) -> np.ndarray:
    """Tone-mapped in the reference's exposure."""
    return np.asarray(metrics.tone_map(color, metrics.exposure_for(reference(view))))


def _denoised(network: Denoising, view: View) -> np.ndarray:
    device = next(network.parameters()).device
    return engine.denoise(network, view.frame(0), device=device)[0]


def tables(results: Results) -> list[page.Table]:
    """A row per arm."""
    head = [
        "loss: input, target",
        "noisy, dB",
        "PSNR, dB",
        "relMSE / noisy",
        "mean of the picture",
        "paper, dB",
    ]
    rows = [head]
    for name, arm in ARMS.items():
        told = results.found[name]
        cells = [told["noisy"], told["curve"][-1][1], told["relmse"], told["energy"]]
        rows.append([name, *(page.number(c, d) for c, d in zip(cells, (2, 2, 3, 3), strict=True)), arm.paper])
    seen = results.found["views"]
    return [rows, [["views learned from", "views tested on"], [str(seen["learned"]), str(seen["tested"])]]]


def draw(results: Results) -> Any:
    """The curves, and a view that no arm has seen."""
    figure, axes = figures.grid(3 + len(ARMS))
    figures.lines(
        axes[0], {name: results.found[name]["curve"] for name in ARMS}, xlabel="steps", ylabel="PSNR, dB"
    )
    for place, name in zip(axes[1:], ("noisy", "reference", *ARMS), strict=True):
        figures.picture(place, results.picture(name), name)
    return figure
