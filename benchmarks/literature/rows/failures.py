"""Pictures that L2 and L1 can't restore from noisy targets, and L1 and L0 can."""

from functools import partial
from typing import Any

from benchmarks.literature import corruptions, figures, images, learning, page, sources
from benchmarks.literature.corruptions import Corruption
from benchmarks.literature.networks import UNet
from benchmarks.literature.results import Results
from benchmarks.literature.rows.corruptions import SHOWN

STEPS = 1200
WIDTH = 16
LOSSES = ("l2", "l1", "l0")
TASKS: dict[str, tuple[Corruption, Corruption]] = {
    "text, 40 %": (corruptions.text((0.0, 0.5)), corruptions.text((0.4, 0.4))),
    "impulses, 70 %": (corruptions.impulse((0.0, 0.95)), corruptions.impulse((0.7, 0.7))),
}


def measure(results: Results) -> None:
    """What each loss makes of each task, from noisy targets."""
    for task in TASKS:
        for loss in LOSSES:
            results.once(f"{task} | {loss}", partial(_trained, task, loss, results))


def _trained(task: str, loss: str, results: Results) -> dict[str, Any]:
    learned, tested = TASKS[task]
    clean = images.tested()
    noisy = [found.values for found in sources.corrupted(clean, tested)]
    source = sources.batches(images.trained(), sources.noise2noise(learned))
    network, _ = learning.fit(partial(UNet, WIDTH), source, results.steps, loss=loss)
    shown = learning.denoised(network, noisy)
    for name, picture in {"corrupted": noisy[SHOWN], loss: shown[SHOWN]}.items():
        results.keep(f"{task} {name}", picture)
    return {"corrupted": learning.psnr(noisy, clean), "psnr": learning.psnr(shown, clean)}


def tables(results: Results) -> list[page.Table]:
    """A row per task."""
    rows = [["PSNR, dB", "corrupted", *LOSSES]]
    for task in TASKS:
        told = [results.found[f"{task} | {loss}"] for loss in LOSSES]
        rows.append([task, *map(page.number, [told[0]["corrupted"], *(each["psnr"] for each in told)])])
    return [rows]


def draw(results: Results) -> Any:
    """What each loss makes of a picture."""
    figure, axes = figures.grid(4 * len(TASKS), columns=4, height=3.2)
    for row, task in enumerate(TASKS):
        for place, name in zip(axes[4 * row :], ("corrupted", *LOSSES), strict=False):
            figures.picture(place, results.picture(f"{task} {name}")[16:112, 16:112], f"{task}: {name}")
    return figure
